/* SPDX-License-Identifier: Apache-2.0 */
/* copse-bare: a replicator and nothing else, what copse-dataplane is measured against. For each frame on port 0, as
 * many frames as were asked for leave on port 0, each with its own MAC addresses, IP destination and checksum, UDP
 * port. No lookup, no authentication, no meter, no counters. Technique by size: small frames are copied into one
 * segment; of larger ones the payload is shared, one reference count operation for all. One copy is a rewrite in place.
 * Frames of a burst that are treated alike are a run: their copies are made for one next hop after the other.
 * usage: copse-bare EAL-ARGUMENTS -- [DESCRIPTORS [ipv6]]; the number of copies is read from standard input, line by
 * line.
 */
#include "traffic.h"

#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_udp.h>
#include <stdio.h>
#include <stdlib.h>

#define BURST 32       /* frames received at once */
#define HANDED_OVER 64 /* frames at once, as copse-dataplane does */
#define COPIES_MAX 1024
#define SMALL 256 /* bytes of a frame that is copied rather than shared */
#define HEADERS (sizeof(struct rte_ether_hdr) + sizeof(struct rte_ipv4_hdr) + sizeof(struct rte_udp_hdr))
#define HEADERS6 (HEADERS + sizeof(struct rte_ipv6_hdr) - sizeof(struct rte_ipv4_hdr))
#define CACHE 256

static unsigned copies = 1, stopping;
static uint16_t descriptors = 256; /* of each ring */
static struct rte_mempool *frames, *small_frames, *headers;
static struct rte_ether_addr addresses[COPIES_MAX];
static uint8_t addresses6[COPIES_MAX][16];
static uint32_t sums6[COPIES_MAX];

/* Frames wait here until they are that many, or until what came in is done. */
static struct rte_mbuf *out[HANDED_OVER];
static unsigned waiting;

/* What the ring does not take is freed: a full ring is never waited for. */
static void
flush(void) {
  const unsigned sent = rte_eth_tx_burst(0, 0, out, (uint16_t)waiting);

  if (unlikely(sent < waiting))
    rte_pktmbuf_free_bulk(out + sent, waiting - sent);
  waiting = 0;
}

static void
emit(struct rte_mbuf *frame) {
  if (waiting == HANDED_OVER)
    flush();
  out[waiting++] = frame;
}

static void
readdress4(uint8_t *frame, unsigned copy) {
  struct rte_ether_hdr *ethernet = (struct rte_ether_hdr *)frame;
  struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(ethernet + 1);
  struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip + 1);
  const uint32_t address = htobe32(gen_hop_address(GEN_LINK, copy));
  uint32_t sum = (uint16_t)~ip->hdr_checksum;

  sum += (uint16_t)~ip->dst_addr + (uint16_t) ~(ip->dst_addr >> 16) + (uint16_t)address + (address >> 16);
  ip->hdr_checksum = (uint16_t)~__rte_raw_cksum_reduce(sum);
  ip->dst_addr = address;
  udp->dst_port = htobe16(COPSE_BLOCK_PORT);
}

static void
readdress6(uint8_t *frame, unsigned copy) {
  struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)(frame + sizeof(struct rte_ether_hdr));
  struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip + 1);
  const uint16_t sum = (uint16_t)~__rte_raw_cksum_reduce(
    (uint16_t)~udp->dgram_cksum + (uint16_t)~rte_raw_cksum(ip->dst_addr, sizeof(ip->dst_addr)) + sums6[copy]);

  memcpy(ip->dst_addr, addresses6[copy], sizeof(ip->dst_addr));
  udp->dst_port = htobe16(COPSE_BLOCK_PORT);
  udp->dgram_cksum = sum == 0 ? 0xffff : sum;
}

static __rte_always_inline void
readdress(uint8_t *frame, unsigned copy, bool ipv6) {
  struct rte_ether_hdr *ethernet = (struct rte_ether_hdr *)frame;

  if (ipv6)
    readdress6(frame, copy);
  else
    readdress4(frame, copy);
  ethernet->src_addr = ethernet->dst_addr;
  ethernet->dst_addr = addresses[copy];
}

/* A run's copies are made for one next hop after the other; of a next hop for which there are no buffers, none. */
static __rte_always_inline void
share(struct rte_mbuf **run, unsigned length, unsigned count, bool ipv6) {
  const uint16_t bytes = ipv6 ? HEADERS6 : HEADERS;
  const uint8_t *originals[BURST];
  struct rte_mbuf *made[BURST];

  for (unsigned i = 0; i < length; i++) {
    originals[i] = rte_pktmbuf_mtod(run[i], const uint8_t *);
    rte_pktmbuf_adj(run[i], bytes);
    rte_pktmbuf_refcnt_update(run[i], (int16_t)(count - 1));
  }
  for (unsigned hop = 0; hop < count; hop++) {
    if (unlikely(rte_pktmbuf_alloc_bulk(headers, made, length) != 0)) {
      rte_pktmbuf_free_bulk(run, length);
      continue;
    }
    for (unsigned i = 0; i < length; i++) {
      uint8_t *at = rte_pktmbuf_mtod(made[i], uint8_t *);
      memcpy(at, originals[i], bytes);
      readdress(at, hop, ipv6);
      made[i]->data_len = bytes;
      made[i]->pkt_len = bytes + run[i]->pkt_len;
      made[i]->nb_segs = 2;
      made[i]->next = run[i];
      emit(made[i]);
    }
  }
}

static __rte_always_inline void
rewrite(struct rte_mbuf **run, unsigned length, unsigned hop, bool ipv6) {
  for (unsigned i = 0; i < length; i++) {
    readdress(rte_pktmbuf_mtod(run[i], uint8_t *), hop, ipv6);
    emit(run[i]);
  }
}

static __rte_always_inline void
copy(struct rte_mbuf **run, unsigned length, unsigned count, bool ipv6) {
  struct rte_mbuf *made[BURST];

  for (unsigned hop = 0; hop < count - 1; hop++) {
    if (unlikely(rte_pktmbuf_alloc_bulk(small_frames, made, length) != 0))
      continue;
    for (unsigned i = 0; i < length; i++) {
      uint8_t *at = rte_pktmbuf_mtod(made[i], uint8_t *);
      memcpy(at, rte_pktmbuf_mtod(run[i], const uint8_t *), run[i]->data_len);
      readdress(at, hop, ipv6);
      made[i]->data_len = run[i]->data_len;
      made[i]->pkt_len = run[i]->data_len;
      emit(made[i]);
    }
  }
  rewrite(run, length, count - 1, ipv6);
}

static __rte_always_inline void
replicate(struct rte_mbuf **run, unsigned length, unsigned count, bool ipv6) {
  if (count == 1)
    rewrite(run, length, 0, ipv6);
  else if (run[0]->data_len <= SMALL)
    copy(run, length, count, ipv6);
  else
    share(run, length, count, ipv6);
}

static __rte_always_inline void
work(bool ipv6) {
  struct rte_mbuf *burst[BURST];

  while (!__atomic_load_n(&stopping, __ATOMIC_RELAXED)) {
    const unsigned received = rte_eth_rx_burst(0, 0, burst, BURST);
    const unsigned count = __atomic_load_n(&copies, __ATOMIC_RELAXED);
    for (unsigned first = 0, end; first < received; first = end) {
      for (end = first + 1; end < received && (burst[end]->data_len <= SMALL) == (burst[first]->data_len <= SMALL);)
        end++;
      replicate(burst + first, end - first, count, ipv6);
    }
    flush();
  }
}

static int
work4(void *unused) {
  (void)unused;
  work(false);
  return 0;
}

static int
work6(void *unused) {
  (void)unused;
  work(true);
  return 0;
}

static struct rte_mempool *
pool(const char *name, unsigned buffers, uint16_t room) {
  struct rte_mempool *made =
    rte_pktmbuf_pool_create(name, buffers, CACHE, 0, (uint16_t)(RTE_PKTMBUF_HEADROOM + room), SOCKET_ID_ANY);

  if (made == NULL)
    rte_exit(1, "copse-bare: no memory for %s\n", name);
  return made;
}

static void
write_addresses(unsigned copy) {
  gen_hop_mac(GEN_LINK, copy, addresses[copy].addr_bytes);
  gen_address6(gen_hop_address(GEN_LINK, copy), addresses6[copy]);
  sums6[copy] = rte_raw_cksum(addresses6[copy], sizeof(addresses6[copy]));
}

static void
open_port(void) {
  const struct rte_eth_conf conf = {.txmode = {.offloads = RTE_ETH_TX_OFFLOAD_MULTI_SEGS}};
  const unsigned sending = descriptors + 2 * CACHE + COPIES_MAX + HANDED_OVER;
  uint16_t rx = descriptors, tx = descriptors;

  frames = pool("frames", descriptors + BURST + sending, RTE_MBUF_DEFAULT_DATAROOM);
  small_frames = pool("small", sending, SMALL);
  headers = pool("headers", sending, 64);
  for (unsigned i = 0; i < COPIES_MAX; i++)
    write_addresses(i);
  if (rte_eth_dev_configure(0, 1, 1, &conf) != 0 || rte_eth_dev_adjust_nb_rx_tx_desc(0, &rx, &tx) != 0 ||
      rte_eth_rx_queue_setup(0, 0, rx, SOCKET_ID_ANY, NULL, frames) != 0 ||
      rte_eth_tx_queue_setup(0, 0, tx, SOCKET_ID_ANY, NULL) != 0 || rte_eth_dev_start(0) != 0)
    rte_exit(1, "copse-bare: port 0 does not start\n");
}

int
main(int argc, char **argv) {
  const int used = rte_eal_init(argc, argv);
  const unsigned worker = rte_get_next_lcore(-1, 1, 0);
  char line[32];

  if (used < 0 || worker == RTE_MAX_LCORE || rte_eth_dev_count_avail() != 1)
    rte_exit(1, "copse-bare: needs one port and two lcores\n");
  if (argc - used > 1)
    descriptors = (uint16_t)strtoul(argv[used + 1], NULL, 10);
  open_port();
  rte_eal_remote_launch(argc - used > 2 ? work6 : work4, NULL, worker);
  while (fgets(line, sizeof(line), stdin) != NULL) {
    const unsigned number = (unsigned)strtoul(line, NULL, 10);
    if (number >= 1 && number <= COPIES_MAX)
      __atomic_store_n(&copies, number, __ATOMIC_RELAXED);
  }
  __atomic_store_n(&stopping, 1, __ATOMIC_RELAXED);
  rte_eal_wait_lcore(worker);
  rte_eth_dev_stop(0);
  rte_eth_dev_close(0);
  rte_eal_cleanup();
  return 0;
}
