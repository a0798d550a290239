/* SPDX-License-Identifier: Apache-2.0 */
/* The sink's check must see what is wrong with a copy, or the bench would praise wrong copies. The device is rings in
 * this process's own memory. */
#include "sample.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <rte_cycles.h>
#include <rte_ether.h>
#include <rte_udp.h>
#include <sodium.h>
#include <stdlib.h>

#define RING 64
#define FRAME 512
#define HOPS 4
#define HOP 2

static struct {
  struct vring_desc desc[RING], table[RING];
  uint8_t buffer[RING][2][GEN_FRAME_MAX];
} guest;

static uint64_t rings[4][RING + 1]; /* what is available, what is used; of a second pair */
static struct vring_avail *available = (struct vring_avail *)rings[0];
static struct vring_used *const used = (struct vring_used *)rings[1];

static struct gen_device device;
static struct gen_traffic traffic;
static struct gen_sink sink;

static void
begin(enum gen_sink_mode mode, bool ipv6) {
  const struct gen_expect expect = {
    .traffic = &traffic, .kind = GEN_LINK, .hops = HOPS, .rewritten = true, .relabelled = true};

  gen_traffic_free(&traffic);
  cr_assert_eq(gen_traffic_create(&traffic, 2, ipv6), 0);
  gen_traffic_shape(&traffic, FRAME, 1, false, true);
  cr_assert_eq(gen_sink_begin(&sink, mode, &expect), 0);
}

static void
set_up(void) {
  cr_assert(sodium_init() >= 0);
  device.memory = calloc(1, sizeof(*device.memory) + sizeof(device.memory->regions[0]));
  cr_assert_not_null(device.memory);
  device.memory->nregions = 1;
  device.memory->regions[0] = (struct rte_vhost_mem_region){
    .guest_phys_addr = (uintptr_t)&guest, .host_user_addr = (uintptr_t)&guest, .size = sizeof(guest)};
  device.pairs = 1;
  device.pair[0].transmit = (struct gen_ring){.desc = guest.desc, .avail = available, .used = used, .size = RING};
  begin(GEN_CHECK, false);
}

static void
tear_down(void) {
  gen_sink_free(&sink);
  gen_traffic_free(&traffic);
  free(device.memory);
}

TestSuite(gen, .init = set_up, .fini = tear_down);

static void
sign(uint8_t *frame) {
  struct copse_header *header = gen_block_header(&traffic, frame);
  uint8_t key[COPSE_KEY_BYTES];

  gen_key(GEN_TREE_KEY, 0, key);
  header->tag = gen_tag(header, key);
}

static void
address4(struct rte_ipv4_hdr *ip, uint32_t hop) {
  ip->src_addr = ip->dst_addr;
  ip->dst_addr = htobe32(gen_hop_address(GEN_LINK, hop));
  ip->hdr_checksum = 0;
  ip->hdr_checksum = rte_ipv4_cksum(ip);
}

static void
address6(struct rte_ipv6_hdr *ip, uint32_t hop) {
  struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip + 1);

  memcpy(ip->src_addr, ip->dst_addr, sizeof(ip->src_addr));
  gen_address6(gen_hop_address(GEN_LINK, hop), ip->dst_addr);
  udp->dgram_cksum = 0;
  udp->dgram_cksum = rte_ipv6_udptcp_cksum(ip, udp);
}

/* The next packet as a dataplane sends it to a next hop. */
static void
make_copy(uint8_t *frame, uint32_t hop) {
  void *layer3 = frame + sizeof(struct rte_ether_hdr);

  gen_traffic_next(&traffic, frame);
  gen_hop_mac(GEN_LINK, hop, frame);
  gen_block_header(&traffic, frame)->hop_limit--;
  gen_block_header(&traffic, frame)->label = htobe32(gen_hop_label(0, hop));
  sign(frame);
  if (traffic.ipv6)
    address6(layer3, hop);
  else
    address4(layer3, hop);
}

/* Makes a frame available to the sink: headers and payload apart, behind an indirect descriptor, as virtio chains. */
static void
transmit(const uint8_t *frame, uint32_t bytes) {
  const uint16_t at = available->idx & (RING - 1);
  uint8_t *first = guest.buffer[at][0], *second = guest.buffer[at][1];

  memset(first, 0, GEN_VIRTIO_HEADER);
  memcpy(first + GEN_VIRTIO_HEADER, frame, GEN_FRAME_HEADERS);
  memcpy(second, frame + GEN_FRAME_HEADERS, bytes - GEN_FRAME_HEADERS);
  struct vring_desc *table = &guest.table[2 * at % RING];
  table[0] = (struct vring_desc){
    .addr = (uintptr_t)first, .len = GEN_VIRTIO_HEADER + GEN_FRAME_HEADERS, .flags = VRING_DESC_F_NEXT, .next = 1};
  table[1] = (struct vring_desc){.addr = (uintptr_t)second, .len = bytes - GEN_FRAME_HEADERS};
  guest.desc[at] =
    (struct vring_desc){.addr = (uintptr_t)table, .len = 2 * sizeof(*table), .flags = VRING_DESC_F_INDIRECT};
  available->ring[at] = at;
  available->idx++;
}

Test(gen, right_copies_are_right) {
  _Alignas(8) uint8_t frame[GEN_FRAME_MAX];

  for (uint32_t i = 0; i < 200; i++) {
    make_copy(frame, i % HOPS);
    transmit(frame, FRAME);
    cr_assert_eq(gen_sink_poll(&sink, &device), 1U);
  }
  cr_assert_eq(gen_sink_faults(&sink), 0U);
  cr_assert_eq(sink.frames, 200U);
  cr_assert_eq(used->idx, 200);
}

Test(gen, right_ipv6_copies_are_right_and_their_checksum_is_looked_at) {
  _Alignas(8) uint8_t frame[GEN_FRAME_MAX];

  begin(GEN_CHECK, true);
  for (uint32_t i = 0; i < 50; i++) {
    make_copy(frame, i % HOPS);
    transmit(frame, FRAME);
    gen_sink_poll(&sink, &device);
  }
  cr_assert_eq(gen_sink_faults(&sink), 0U);
  make_copy(frame, 0);
  frame[60] ^= 1; /* of the UDP checksum */
  transmit(frame, FRAME);
  gen_sink_poll(&sink, &device);
  cr_assert_eq(sink.faults.checksum, 1U);
  cr_assert_eq(gen_sink_faults(&sink), 1U);
}

/* What the generator sends, not only what is made of it. */
Test(gen, ipv6_packets_have_the_right_checksum) {
  _Alignas(8) uint8_t frame[GEN_FRAME_MAX];
  const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)(frame + sizeof(struct rte_ether_hdr));

  begin(GEN_CHECK, true);
  for (int i = 0; i < 50; i++) {
    gen_traffic_next(&traffic, frame);
    struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(uintptr_t)(ip + 1);
    const uint16_t sent = udp->dgram_cksum;
    udp->dgram_cksum = 0;
    cr_assert_eq(sent, rte_ipv6_udptcp_cksum(ip, udp));
  }
}

Test(gen, times_are_those_of_the_packets) {
  const double ns = 1e9 / (double)rte_get_tsc_hz();
  _Alignas(8) uint8_t frame[GEN_FRAME_MAX];

  begin(GEN_TIME, false);
  traffic.now = rte_rdtsc();
  make_copy(frame, HOP);
  transmit(frame, FRAME);
  const uint64_t before = rte_rdtsc();
  cr_assert_eq(gen_sink_poll(&sink, &device), 1U);
  cr_assert_eq(sink.timed, 1U);
  cr_assert_geq(sink.times[0], (double)(before - traffic.now) * ns);
  cr_assert_leq(sink.times[0], (double)(rte_rdtsc() - traffic.now) * ns);
  for (unsigned i = 1; i <= GEN_TIMED_EVERY; i++) {
    transmit(frame, FRAME);
    gen_sink_poll(&sink, &device);
  }
  cr_assert_eq(sink.timed, 2U);
}

Test(gen, workers_keep_no_order_among_each_other) {
  _Alignas(8) uint8_t first[GEN_FRAME_MAX], second[GEN_FRAME_MAX];

  device.pairs = 2;
  device.pair[1].transmit = (struct gen_ring){
    .desc = guest.desc, .avail = (struct vring_avail *)rings[2], .used = (struct vring_used *)rings[3], .size = RING};
  make_copy(first, HOP);
  make_copy(second, HOP);
  transmit(second, FRAME);
  gen_sink_poll(&sink, &device);
  available = device.pair[1].transmit.avail;
  transmit(first, FRAME);
  cr_assert_eq(gen_sink_poll(&sink, &device), 1U);
  cr_assert_eq(gen_sink_faults(&sink), 0U);
}

Test(gen, null_sink_gives_everything_back) {
  const struct gen_expect expect = {.traffic = &traffic, .hops = HOPS};
  _Alignas(8) uint8_t frame[GEN_FRAME_MAX] = {0};

  cr_assert_eq(gen_sink_begin(&sink, GEN_NULL, &expect), 0);
  for (int i = 0; i < 10; i++)
    transmit(frame, FRAME);
  cr_assert_eq(gen_sink_poll(&sink, &device), 10U);
  cr_assert_eq(used->idx, 10);
  cr_assert_eq(used->ring[9].id, 9U);
}

/* What is done to a right copy, and the fault it must be counted as. */
struct damage {
  char what[24];
  uint32_t offset; /* of the byte that is changed */
  bool signed_again;
  size_t fault; /* offset in struct gen_faults */
};

ParameterizedTestParameters(gen, damage_is_seen) {
#define FAULT(name) offsetof(struct gen_faults, name)
#define HEADER(field) (GEN_FRAME_HEADERS - COPSE_HEADER_BYTES + offsetof(struct copse_header, field))
  static struct damage damages[] = {
    {"MAC", 5, false, FAULT(address)},
    {"address", 33, false, FAULT(checksum)},
    {"UDP port", 37, false, FAULT(address)},
    {"UDP length", 39, false, FAULT(address)},
    {"IP checksum", 24, false, FAULT(checksum)},
    {"label", HEADER(label), false, FAULT(label)},
    {"tag", HEADER(tag), false, FAULT(tag)},
    {"hop limit", HEADER(hop_limit), true, FAULT(header)},
    {"version", HEADER(version), true, FAULT(header)},
    {"sequence not payload's", HEADER(sequence) + 7, true, FAULT(payload)},
    {"payload", 300, false, FAULT(payload)},
    {"last byte", FRAME - 1, false, FAULT(payload)},
  };

  return cr_make_param_array(struct damage, damages, sizeof(damages) / sizeof(damages[0]));
}

ParameterizedTest(struct damage *damage, gen, damage_is_seen) {
  _Alignas(8) uint8_t frame[GEN_FRAME_MAX];

  make_copy(frame, HOP);
  frame[damage->offset] ^= 0x40;
  if (damage->signed_again)
    sign(frame);
  transmit(frame, FRAME);
  cr_assert_eq(gen_sink_poll(&sink, &device), 1U);
  cr_assert_eq(*(const uint64_t *)((const uint8_t *)&sink.faults + damage->fault), 1U, "%s", damage->what);
}

Test(gen, a_cut_frame_is_seen) {
  _Alignas(8) uint8_t frame[GEN_FRAME_MAX];

  make_copy(frame, HOP);
  transmit(frame, FRAME - 1);
  gen_sink_poll(&sink, &device);
  cr_assert_eq(sink.faults.size, 1U);
}

Test(gen, duplicates_and_reordering_are_seen) {
  _Alignas(8) uint8_t first[GEN_FRAME_MAX], second[GEN_FRAME_MAX];

  make_copy(first, HOP);
  make_copy(second, HOP);
  transmit(second, FRAME);
  transmit(second, FRAME);
  transmit(first, FRAME);
  gen_sink_poll(&sink, &device);
  cr_assert_eq(sink.faults.order, 2U);
  cr_assert_eq(gen_sink_faults(&sink), 2U);
}

Test(gen, descriptors_that_lead_nowhere_are_a_fault) {
  _Alignas(8) uint8_t frame[GEN_FRAME_MAX];

  make_copy(frame, HOP);
  transmit(frame, FRAME);
  guest.table[1].addr = 0x1000;
  cr_assert_eq(gen_sink_poll(&sink, &device), 1U);
  cr_assert_eq(sink.faults.size, 1U);
}

Test(gen, orders_are_read_or_refused) {
  static const char *const bad[] = {"frame=10",  "frame=4000",  "frame",         "fanout=0",    "fanout=5000",
                                    "kind=tree", "sink=none",   "zipf=2",        "ms=1",        "rate=fast",
                                    "trees=0",   "colour=red",  "frame= 96",     "frame=96x 1", "expect=any",
                                    "=",         "burst_us=99", "commits=20000", NULL};
  struct copse_error error;
  struct gen_order order;

  cr_assert_eq(
    gen_order_parse(&order, "frame=96 fanout=8 trees=1000 zipf=1 kind=member sink=check rate=5000 ms=40\n", &error), 0);
  cr_assert_eq(order.frame, 96U);
  cr_assert_eq(order.fanout, 8U);
  cr_assert_eq(order.trees, 1000U);
  cr_assert_eq(order.zipf, 1U);
  cr_assert_eq(order.kind, GEN_MEMBER);
  cr_assert_eq(order.sink, GEN_CHECK);
  cr_assert_eq(order.rate, 5000U);
  cr_assert_eq(order.ms, 40U);
  cr_assert_eq(gen_order_parse(&order, "sink=time", &error), 0);
  cr_assert_eq(order.sink, GEN_TIME);
  cr_assert_eq(gen_order_parse(&order, "bps=10000000000 burst_us=900 greedy=7 take=8 commits=1000 first=9", &error), 0);
  cr_assert_eq(order.bps, 10000000000U);
  cr_assert_eq(order.burst_us, 900U);
  cr_assert_eq(order.greedy, 7U);
  cr_assert_eq(order.take, 8U);
  cr_assert_eq(order.commits, 1000U);
  cr_assert_eq(order.first, 9U);
  for (int i = 0; bad[i] != NULL; i++)
    cr_assert_lt(gen_order_parse(&order, bad[i], &error), 0, "%s", bad[i]);
}

Test(gen, zipf_prefers_the_first) {
  uint32_t first = 0, second_half = 0;

  gen_traffic_free(&traffic);
  cr_assert_eq(gen_traffic_create(&traffic, 1000, false), 0);
  gen_traffic_shape(&traffic, FRAME, 1000, true, true);
  for (uint32_t i = 0; i < GEN_ORDER; i++) {
    cr_assert_lt(traffic.order[i], 1000U);
    first += traffic.order[i] == 0;
    second_half += traffic.order[i] >= 500;
  }
  /* ln 2 / ln 1001 = 0.1003 of all packets in each */
  cr_assert(first > GEN_ORDER * 0.09 && first < GEN_ORDER * 0.11, "%u", first);
  cr_assert(second_half > GEN_ORDER * 0.09 && second_half < GEN_ORDER * 0.11, "%u", second_half);
}

Test(gen, in_turn_the_first_comes_more_often_and_evenly) {
  uint32_t turns[10] = {0}, since = 0;
  _Alignas(8) uint8_t frame[GEN_FRAME_MAX];

  gen_traffic_free(&traffic);
  cr_assert_eq(gen_traffic_create(&traffic, 10, false), 0);
  gen_traffic_shape(&traffic, FRAME, 10, false, true);
  cr_assert_eq(gen_traffic_in_turn(&traffic, GEN_ORDER), -ERANGE);
  cr_assert_eq(gen_traffic_in_turn(&traffic, 30), 0);
  for (uint32_t i = 0; i < 3 * 39; i++) {
    gen_traffic_next(&traffic, frame);
    const uint32_t tree = be32toh(gen_block_header(&traffic, frame)->block);
    turns[tree]++;
    since = tree == 0 ? 0 : since + 1;
    cr_assert_leq(since, 1U);
  }
  for (uint32_t tree = 0; tree < 10; tree++)
    cr_assert_eq(turns[tree], tree == 0 ? 90U : 3U);
}

Test(gen, a_limited_sink_leaves_frames_where_they_are) {
  _Alignas(8) uint8_t frame[GEN_FRAME_MAX];

  begin(GEN_NULL, false);
  sink.per_cycle = 1e-12;
  sink.start = rte_rdtsc();
  for (int i = 0; i < 10; i++) {
    make_copy(frame, HOP);
    transmit(frame, FRAME);
  }
  cr_assert_leq(gen_sink_poll(&sink, &device), 1U);
  gen_sink_limit(&sink, 0);
  gen_sink_poll(&sink, &device);
  cr_assert_eq(sink.frames, 10U);
}
