/* SPDX-License-Identifier: Apache-2.0 */
#include "sink.h"

#include "clock.h"
#include <rte_cycles.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>
#include <stdlib.h>

#define BURST 64 /* frames taken out at once, so that the generator gets its turn */

int
gen_sink_begin(struct gen_sink *sink, enum gen_sink_mode mode, const struct gen_expect *expect) {
  gen_sink_free(sink);
  *sink = (struct gen_sink){.mode = mode, .expect = *expect};
  if (mode == GEN_CHECK)
    sink->last = calloc((size_t)GEN_PAIRS_MAX * expect->traffic->trees * expect->hops, sizeof(*sink->last));
  if (mode == GEN_TIME)
    sink->times = calloc(GEN_TIMES_MAX, sizeof(*sink->times));
  return (mode == GEN_CHECK && sink->last == NULL) || (mode == GEN_TIME && sink->times == NULL) ? -ENOMEM : 0;
}

void
gen_sink_free(struct gen_sink *sink) {
  free(sink->last);
  free(sink->times);
  sink->last = NULL;
  sink->times = NULL;
}

uint64_t
gen_sink_faults(const struct gen_sink *sink) {
#define ADD(name) total += sink->faults.name;
  uint64_t total = 0;

  GEN_FAULTS(ADD)
  return total;
#undef ADD
}

/* The address a frame is for, and whether its checksum is right: of the header, in IPv6 of the datagram. */
static uint32_t
destination(struct gen_sink *sink) {
  const void *layer3 = sink->frame + sizeof(struct rte_ether_hdr);
  const struct rte_ipv4_hdr *ip = layer3;
  const struct rte_ipv6_hdr *ip6 = layer3;
  uint8_t expected[16];
  uint32_t address;

  if (!sink->expect.traffic->ipv6) {
    sink->faults.checksum += rte_raw_cksum(ip, sizeof(*ip)) != 0xffff;
    return be32toh(ip->dst_addr);
  }
  memcpy(&address, ip6->dst_addr + 12, sizeof(address));
  gen_address6(be32toh(address), expected);
  const uint32_t bytes = sink->expect.traffic->frame - (uint32_t)(sizeof(struct rte_ether_hdr) + sizeof(*ip6));
  sink->faults.checksum +=
    __rte_raw_cksum_reduce((uint32_t)rte_ipv6_phdr_cksum(ip6, 0) + rte_raw_cksum(ip6 + 1, bytes)) != 0xffff;
  return memcmp(expected, ip6->dst_addr, sizeof(expected)) == 0 ? be32toh(address) : 0;
}

/* The hop whose addresses the frame carries, or UINT32_MAX. */
static uint32_t
check_addresses(struct gen_sink *sink) {
  const struct gen_traffic *traffic = sink->expect.traffic;
  const struct rte_ether_hdr *ethernet = (const struct rte_ether_hdr *)sink->frame;
  const uint32_t at = traffic->headers - COPSE_HEADER_BYTES - (uint32_t)sizeof(struct rte_udp_hdr);
  const struct rte_udp_hdr *udp = (const struct rte_udp_hdr *)(sink->frame + at);
  const uint32_t hop = gen_hop_of(sink->expect.kind, destination(sink));
  uint8_t mac[6];

  if (hop >= sink->expect.hops)
    return UINT32_MAX;
  gen_hop_mac(sink->expect.kind, hop, mac);
  if (memcmp(&ethernet->dst_addr, mac, sizeof(mac)) != 0 || udp->dst_port != htobe16(COPSE_BLOCK_PORT) ||
      udp->dgram_len != htobe16((uint16_t)(traffic->frame - at)))
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
check(struct gen_sink *sink, uint32_t pair, uint32_t bytes) {
  const struct gen_traffic *traffic = sink->expect.traffic;
  const struct copse_header *header = gen_block_header(traffic, sink->frame);
  const uint32_t tree = be32toh(header->block);
  const uint64_t sequence = be64toh(header->sequence);
  const uint32_t payload = traffic->headers + GEN_NUMBER;

  if (bytes != traffic->frame) {
    sink->faults.size++;
    return;
  }
  const uint32_t hop = sink->expect.rewritten ? check_addresses(sink) : 0;
  if (hop == UINT32_MAX) {
    sink->faults.address++;
    return;
  }
  if (copse_header_check(header, bytes - (traffic->headers - COPSE_HEADER_BYTES)) != 0 || tree >= traffic->trees) {
    sink->faults.header++;
    return;
  }
  if (sink->expect.relabelled)
    check_label(sink, header, tree, hop);
  if (memcmp(header + 1, &header->sequence, sizeof(sequence)) != 0 ||
      memcmp(sink->frame + payload, traffic->content + payload, bytes - payload) != 0)
    sink->faults.payload++;
  uint64_t *last = &sink->last[((size_t)pair * traffic->trees + tree) * sink->expect.hops + hop];
  if (sequence <= *last)
    sink->faults.order++;
  *last = sequence;
}

void
gen_sink_limit(struct gen_sink *sink, uint64_t per_second) {
  sink->per_cycle = per_second > 0 ? (double)per_second / gen_clock_hz() : 0;
  sink->start = rte_rdtsc();
}

static unsigned
limit_of(const struct gen_sink *sink) {
  if (sink->per_cycle == 0)
    return UINT32_MAX;
  const uint64_t due = (uint64_t)((double)(rte_rdtsc() - sink->start) * sink->per_cycle);
  return due > sink->frames ? (unsigned)(due - sink->frames) : 0;
}

static unsigned
take_all(const struct gen_sink *sink, struct gen_ring *ring) {
  const unsigned waiting = RTE_MIN(gen_ring_waiting(ring), limit_of(sink));

  for (unsigned i = 0; i < waiting; i++)
    gen_ring_return(ring, 0);
  return waiting;
}

/* The next frame's, if its sequence can be read. */
static void
take_time(struct gen_sink *sink, const struct gen_device *device, const struct gen_ring *ring, uint64_t now) {
  const struct gen_traffic *traffic = sink->expect.traffic;

  if (sink->timed == GEN_TIMES_MAX || gen_device_gather(device, ring, traffic->headers, sink->frame) < traffic->headers)
    return;
  const uint64_t sequence = be64toh(gen_block_header(traffic, sink->frame)->sequence);
  sink->times[sink->timed++] = (double)(now - traffic->stamps[sequence % GEN_STAMPS]) * 1e9 / gen_clock_hz();
}

static unsigned
take_times(struct gen_sink *sink, const struct gen_device *device, struct gen_ring *ring) {
  const uint64_t now = rte_rdtsc();
  const unsigned waiting = gen_ring_waiting(ring);

  for (unsigned i = 0; i < waiting; i++) {
    if ((sink->frames + i) % GEN_TIMED_EVERY == 0)
      take_time(sink, device, ring, now);
    gen_ring_return(ring, 0);
  }
  return waiting;
}

static unsigned
take_out(struct gen_sink *sink, const struct gen_device *device, uint32_t pair, struct gen_ring *ring) {
  const unsigned waiting = RTE_MIN(gen_ring_waiting(ring), BURST);

  for (unsigned i = 0; i < waiting; i++) {
    const uint32_t bytes = gen_device_gather(device, ring, GEN_FRAME_MAX, sink->frame);
    if (sink->mode == GEN_CHECK)
      check(sink, pair, bytes);
    gen_ring_return(ring, 0);
  }
  return waiting;
}

static unsigned
poll_pair(struct gen_sink *sink, struct gen_device *device, uint32_t pair) {
  struct gen_ring *ring = &device->pair[pair].transmit;
  unsigned taken;

  if (sink->mode == GEN_NULL)
    taken = take_all(sink, ring);
  else if (sink->mode == GEN_TIME)
    taken = take_times(sink, device, ring);
  else
    taken = take_out(sink, device, pair, ring);
  if (taken > 0)
    gen_ring_publish(ring);
  sink->frames += taken;
  return taken;
}

unsigned
gen_sink_poll(struct gen_sink *sink, struct gen_device *device) {
  unsigned taken = 0;

  for (uint32_t pair = 0; pair < device->pairs; pair++)
    taken += poll_pair(sink, device, pair);
  return taken;
}
