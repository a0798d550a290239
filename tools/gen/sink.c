/* SPDX-License-Identifier: Apache-2.0 */
#include "sink.h"

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>
#include <stdlib.h>

#define BURST 64 /* frames taken out at once, so that the generator gets its turn */

int
gen_sink_begin(struct gen_sink *sink, enum gen_sink_mode mode, const struct gen_expect *expect) {
  gen_sink_free(sink);
  *sink = (struct gen_sink){.mode = mode, .expect = *expect};
  if (mode != GEN_CHECK)
    return 0;
  sink->last = calloc((size_t)expect->traffic->trees * expect->hops, sizeof(*sink->last));
  return sink->last ? 0 : -ENOMEM;
}

void
gen_sink_free(struct gen_sink *sink) {
  free(sink->last);
  sink->last = NULL;
}

uint64_t
gen_sink_faults(const struct gen_sink *sink) {
#define ADD(name) total += sink->faults.name;
  uint64_t total = 0;

  GEN_FAULTS(ADD)
  return total;
#undef ADD
}

/* The hop whose addresses the frame carries, or UINT32_MAX. */
static uint32_t
check_addresses(struct gen_sink *sink) {
  const struct rte_ether_hdr *ethernet = (const struct rte_ether_hdr *)sink->frame;
  const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(ethernet + 1);
  const struct rte_udp_hdr *udp = (const struct rte_udp_hdr *)(ip + 1);
  const uint32_t hop = gen_hop_of(sink->expect.kind, be32toh(ip->dst_addr));
  uint8_t mac[6];

  if (rte_raw_cksum(ip, sizeof(*ip)) != 0xffff)
    sink->faults.checksum++;
  if (hop >= sink->expect.hops)
    return UINT32_MAX;
  gen_hop_mac(sink->expect.kind, hop, mac);
  if (memcmp(&ethernet->dst_addr, mac, sizeof(mac)) != 0 || udp->dst_port != htobe16(COPSE_BLOCK_PORT) ||
      udp->dgram_len != htobe16((uint16_t)(sink->expect.traffic->frame - sizeof(*ethernet) - sizeof(*ip))))
    return UINT32_MAX;
  return hop;
}

static void
check_label(struct gen_sink *sink, const struct copse_header *header, uint32_t tree, uint32_t hop) {
  uint8_t key[COPSE_KEY_BYTES];

  if (be32toh(header->label) != gen_hop_label(tree, hop))
    sink->faults.label++;
  gen_key(sink->expect.kind == GEN_LINK ? GEN_TREE_KEY : GEN_AREA_KEY, tree, key);
  if (header->tag != gen_tag(header, key))
    sink->faults.tag++;
  if (header->hop_limit != COPSE_HOP_LIMIT - 1)
    sink->faults.header++;
}

static void
check(struct gen_sink *sink, uint32_t bytes) {
  const struct gen_traffic *traffic = sink->expect.traffic;
  const struct copse_header *header =
    (const struct copse_header *)(sink->frame + GEN_FRAME_HEADERS - COPSE_HEADER_BYTES);
  const uint32_t tree = be32toh(header->block), hop = sink->expect.rewritten ? check_addresses(sink) : 0;
  const uint64_t sequence = be64toh(header->sequence);

  if (bytes != traffic->frame) {
    sink->faults.size++;
    return;
  }
  if (hop == UINT32_MAX) {
    sink->faults.address++;
    return;
  }
  if (copse_header_check(header, bytes - (GEN_FRAME_HEADERS - COPSE_HEADER_BYTES)) != 0 || tree >= traffic->trees) {
    sink->faults.header++;
    return;
  }
  if (sink->expect.relabelled)
    check_label(sink, header, tree, hop);
  if (memcmp(header + 1, &header->sequence, sizeof(sequence)) != 0 ||
      memcmp(sink->frame + GEN_FRAME_MIN, traffic->content + GEN_FRAME_MIN, bytes - GEN_FRAME_MIN) != 0)
    sink->faults.payload++;
  uint64_t *last = &sink->last[(size_t)tree * sink->expect.hops + hop];
  if (sequence <= *last)
    sink->faults.order++;
  *last = sequence;
}

static unsigned
take_all(struct gen_ring *ring) {
  const unsigned waiting = gen_ring_waiting(ring);

  for (unsigned i = 0; i < waiting; i++)
    gen_ring_return(ring, 0);
  return waiting;
}

static unsigned
take_out(struct gen_sink *sink, struct gen_device *device) {
  const unsigned waiting = RTE_MIN(gen_ring_waiting(&device->transmit), BURST);

  for (unsigned i = 0; i < waiting; i++) {
    const uint32_t bytes = gen_device_gather(device, sink->frame);
    if (sink->mode == GEN_CHECK)
      check(sink, bytes);
    gen_ring_return(&device->transmit, 0);
  }
  return waiting;
}

unsigned
gen_sink_poll(struct gen_sink *sink, struct gen_device *device) {
  const unsigned taken = sink->mode == GEN_NULL ? take_all(&device->transmit) : take_out(sink, device);

  if (taken > 0)
    gen_ring_publish(&device->transmit);
  sink->frames += taken;
  return taken;
}
