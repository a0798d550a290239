/* SPDX-License-Identifier: Apache-2.0 */
/* A frame through the whole pipeline of a small real table. Random bytes never have a valid tag, so the first byte
 * says what is put right before the frame is received: 1 the tag, 2 checksums; 4 it arrives on port 1. The second is
 * where it is cut into segments. Whatever happens, nothing leaks and what came in is accounted for. */
#include "../dataplane/harness.h"

#include <rte_ip.h>
#include <rte_udp.h>
#include <sodium.h>

enum { PUT_TAG = 1, PUT_CHECKSUMS = 2, OTHER_PORT = 4 };

const char *__asan_default_options(void);
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The table is found only through pages that LeakSanitizer does not search; buffers are counted below. */
const char *
__asan_default_options(void) {
  return "detect_leaks=0";
}

static void
plant(void) {
  const struct copse_api_hop hops[] = {{COPSE_HOP_LINK, 0, 0x10001, 0},
                                       {COPSE_HOP_LINK, 1, 0x20001, 0},
                                       {COPSE_HOP_MEMBER, 1, 0xa001, 0},
                                       {COPSE_HOP_MEMBER, 17, 0xa003, 0}};
  struct copse_api_tree child = tree(3, 0xdef);
  const uint64_t words[] = {0xffff};

  add_usual_link(0, 0);
  add_usual_link(1, 1000000);
  add_proven_member(1, 0);
  add_proven_member(17, 0);
  add_tree(&batch, tree(0, 0xabc), hops, 4);
  child.label = copse_label(40, 3);
  child.upstream = ipv4(10, 0, 0, 2, COPSE_BLOCK_PORT);
  add_tree(&batch, child, hops + 1, 3);
  add_interest(&batch, (struct copse_api_interest){COPSE_HOP_MEMBER, 17, 0, 64, 0, 1}, words);
  commit();
}

/* The same state before each input. */
static void
forget(void) {
  const struct copse_forwarding *view = copse_table_forwarding(table);

  for (uint32_t slot = 0; slot < 32; slot++)
    view->replays[slot] = (struct copse_replay){0};
  view->trees[3].replay = (struct copse_replay){0};
  view->destinations[1].bucket = 0;
  grant(1, UINT64_MAX);
  grant(17, UINT64_MAX);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc;
  (void)argv;
  harness_start();
  plant();
  return 0;
}

static void
put_tag(struct copse_header *header) {
  const uint32_t slot = copse_label_slot(be32toh(header->label));
  uint8_t tagged[COPSE_TAGGED_BYTES];

  if (slot >= 64)
    return;
  copse_tagged_bytes(header, tagged);
  crypto_shorthash_siphash24((uint8_t *)&header->tag, tagged, sizeof(tagged),
                             copse_table_forwarding(table)->entries[slot].key);
}

static void
put_right(struct frame *frame, uint8_t what) {
  const bool vlan = frame->length >= 18 && frame->bytes[12] == 0x81;
  const uint32_t ip = vlan ? 18 : 14;
  const bool v4 = frame->length > ip && frame->bytes[ip] == 0x45;
  const uint32_t udp = ip + (v4 ? 20 : 40), header = udp + 8;

  if (frame->length < header + COPSE_HEADER_BYTES)
    return;
  if (what & PUT_TAG)
    put_tag((struct copse_header *)(frame->bytes + header));
  if (!(what & PUT_CHECKSUMS))
    return;
  struct rte_udp_hdr *u = (struct rte_udp_hdr *)(frame->bytes + udp);
  u->dgram_cksum = 0;
  if (v4) {
    struct rte_ipv4_hdr *h = (struct rte_ipv4_hdr *)(frame->bytes + ip);
    h->hdr_checksum = 0;
    h->hdr_checksum = rte_ipv4_cksum(h);
  } else if (udp + be16toh(((struct rte_ipv6_hdr *)(frame->bytes + ip))->payload_len) <= frame->length) {
    u->dgram_cksum = rte_ipv6_udptcp_cksum((struct rte_ipv6_hdr *)(frame->bytes + ip), u);
  }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct frame frame, out;
  uint32_t receive;

  if (size < 2 || size > 4000)
    return 0;
  forget();
  receive = rte_mempool_avail_count(pools.receive);
  frame.length = (uint32_t)size - 2;
  memcpy(frame.bytes, data + 2, frame.length);
  put_right(&frame, data[0]);
  inject(data[0] & OTHER_PORT ? 1 : 0, &frame, data[1]);
  run_once();
  for (uint32_t port = 0; port < PORTS; port++)
    while (collect(port, &out))
      ;
  assert_conservation();
  /* One stock of copies may have been taken for port 1. */
  cr_assert(rte_mempool_avail_count(pools.receive) + 32 >= receive);
  return 0;
}
