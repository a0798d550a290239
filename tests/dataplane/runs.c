/* SPDX-License-Identifier: Apache-2.0 */
/* Bursts: what packets beside each other that go the same way share must not be seen in what is sent. */
#include "harness.h"

TestSuite(runs, .init = harness_start, .fini = harness_stop);

#define LINKS_LABEL (40 << 8 | 1)
#define MEMBERS_LABEL (41 << 8 | 1)
#define ONE_LABEL (42 << 8 | 1)
#define MIXED_LABEL (43 << 8 | 1)

static uint64_t seed = 1;

/* xorshift64 */
static uint32_t
any(uint32_t bound) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return (uint32_t)(seed >> 20) % bound;
}

/* ---- any burst ---- */

/* A next hop of a tree, as whom it expects. */
struct receiver {
  bool link;
  uint32_t slot, label;
  bool picky; /* wants even blocks only */
};

/* A tree, and who sends its packets. */
struct way {
  uint32_t tree, label; /* 0: from a member, to a root */
  uint32_t sender;      /* slot of the member, or of the link whose end is the parent; 17 and 1: IPv6 with a VLAN tag */
  uint32_t receivers;
  struct receiver receiver[5];
};

#define ROOT_RECEIVERS                                                                                                 \
  5, {                                                                                                                 \
    {true, 0, 0x10001}, {true, 1, 0x20001, true}, {true, 2, 0x30001}, {false, 2, 0xa002}, {                            \
      false, 17, 0xa003                                                                                                \
    }                                                                                                                  \
  }

static const struct way ways[] = {
  {0, 0, 1, ROOT_RECEIVERS},
  {0, 0, 17, ROOT_RECEIVERS},
  {3, LINKS_LABEL, 0, 3, {{true, 2, 0x30003, true}, {true, 0, 0x10003}, {true, 1, 0x20003}}},
  {4, MEMBERS_LABEL, 1, 3, {{false, 17, 0xa403}, {false, 2, 0xa402}, {false, 3, 0xa404}}},
  {5, ONE_LABEL, 0, 1, {{true, 0, 0x10005}}},
  {6, MIXED_LABEL, 1, 4, {{true, 2, 0x30006}, {true, 1, 0x20006, true}, {false, 3, 0xa604}, {false, 17, 0xa603}}},
};
#define WAYS (sizeof(ways) / sizeof(*ways))
#define ROOTS 2 /* the first of them */

static uint64_t numbered; /* packets of the root so far */

/* What each receiver is still to get, by the last byte of its MAC address. */
static struct {
  struct frame_spec spec[256];
  uint32_t count, taken;
} due[256];

static void
plant_way(const struct way *way) {
  const uint64_t even[] = {0x5555555555555555, 0x5555555555555555};
  struct copse_api_hop hops[5];
  struct copse_api_tree api = tree(way->tree, 0x100 + way->tree);

  for (uint32_t i = 0; i < way->receivers; i++)
    hops[i] = (struct copse_api_hop){way->receiver[i].link ? COPSE_HOP_LINK : COPSE_HOP_MEMBER, way->receiver[i].slot,
                                     way->receiver[i].label, 0};
  if (way->label != 0) {
    api.label = way->label;
    api.upstream = way->sender == 0 ? ipv4(10, 0, 0, 2, COPSE_BLOCK_PORT) : ipv6(1, 9, COPSE_BLOCK_PORT);
  }
  add_tree(&batch, api, hops, way->receivers);
  for (uint32_t i = 0; i < way->receivers; i++)
    if (way->receiver[i].picky)
      add_interest(&batch, (struct copse_api_interest){COPSE_HOP_LINK, way->tree, i, 128, 0, 2}, even);
}

static void
plant_ways(void) {
  for (uint32_t i = 0; i < 3; i++)
    add_usual_link(i, 0);
  add_proven_member(1, 0);
  add_proven_member(2, COPSE_SLOT_NONE);
  add_proven_member(3, COPSE_SLOT_NONE);
  add_proven_member(17, 0);
  for (size_t i = 1; i < WAYS; i++)
    plant_way(&ways[i]);
  commit();
}

static struct frame_spec
packet_of(const struct way *way, uint64_t sequence) {
  struct frame_spec spec = from_member(way->label == 0 ? way->sender : way->sender == 0 ? 1 : 17, sequence);

  if (way->label != 0) {
    spec.source_mac = (uint8_t)(0x80 + way->sender);
    spec.source = way->sender == 0 ? ipv4(10, 0, 0, 2, COPSE_BLOCK_PORT) : ipv6(1, 9, COPSE_BLOCK_PORT);
    spec.checksum = false;
    spec.label = way->label;
    memset(spec.key, 0x40 + (int)way->tree, sizeof(spec.key));
  }
  spec.block = 70 + any(8);
  return spec;
}

static void
expect_copies(const struct way *way, const struct frame_spec *in) {
  const uint64_t sequence = way->label != 0 ? in->sequence : TEST_SEQUENCE_BASE + numbered++;

  for (uint32_t i = 0; i < way->receivers; i++) {
    const struct receiver *to = &way->receiver[i];
    const bool own = way->label == 0 && !to->link && to->slot == way->sender;
    const bool too_big = to->link && to->slot == 2 && in->payload_bytes > 1440;
    if (own || too_big || (to->picky && in->block % 2))
      continue;
    const struct frame_spec copy = to->link
                                     ? copy_to_link(to->slot, in, to->label, sequence, (uint8_t)(0x40 + way->tree))
                                     : copy_to_member(to->slot, in, to->label, sequence, (uint8_t)(0x80 + way->tree));
    due[copy.target_mac].spec[due[copy.target_mac].count++] = copy;
  }
}

/* A packet that somebody else holds too, and what is in it. */
struct held {
  struct rte_mbuf *mbuf; /* null: nobody else does */
  struct frame frame;
};

/* In one segment or several, of which the first ends with the headers or soon behind them. */
static struct rte_mbuf *
lay_out(const struct frame *frame, uint32_t headers, struct held *held) {
  const uint32_t cut = any(5);
  struct rte_mbuf *mbuf = mbuf_of(frame, cut < 3 ? 0 : headers + 7 * (cut - 3));

  held->mbuf = NULL;
  if (any(10) == 0) {
    *held = (struct held){mbuf, *frame};
    for (struct rte_mbuf *segment = mbuf; segment != NULL; segment = segment->next)
      rte_mbuf_refcnt_update(segment, 1);
  }
  return mbuf;
}

static void
let_go(struct held *held) {
  static uint8_t room[FRAME_MAX];

  if (held->mbuf == NULL)
    return;
  cr_assert(eq(u32, held->mbuf->pkt_len, held->frame.length));
  cr_assert(eq(
    int, memcmp(rte_pktmbuf_read(held->mbuf, 0, held->frame.length, room), held->frame.bytes, held->frame.length), 0));
  rte_pktmbuf_free(held->mbuf);
}

/* Injects up to a burst, in runs of all lengths, of the ways from `first` on. Returns of how many packets. */
static uint32_t
inject_any(const struct way *first, struct held *held) {
  static const uint16_t sizes[] = {0, 50, 110, 182, 700, 1261, 8900};
  static struct frame frame;
  static uint64_t sequence;
  const uint32_t count = 1 + any(COPSE_BURST);
  const struct way *way = first;
  uint16_t bytes = 0;

  for (uint32_t i = 0; i < count; i++) {
    if (any(6) == 0)
      way = &first[any((uint32_t)(&ways[WAYS] - first))];
    if (any(6) == 0)
      bytes = sizes[any(sizeof(sizes) / sizeof(*sizes))];
    struct frame_spec in = packet_of(way, ++sequence);
    in.payload_bytes = bytes;
    in.payload = payload + any(100);
    frame_build(&frame, &in);
    inject_mbuf(0, lay_out(&frame, frame.length - bytes, &held[i]));
    expect_copies(way, &in);
  }
  return count;
}

/* What was sent is, for each receiver, what it was to get, byte for byte and in order; where not `all`, some is left
 * out. */
static void
collect_due(bool all) {
  static struct frame sent, expected;

  for (uint32_t port = 0; port < PORTS; port++)
    while (collect(port, &sent)) {
      const uint8_t to = sent.bytes[5];
      do {
        cr_assert(lt(u32, due[to].taken, due[to].count), "%02x gets what it is not to get", to);
        frame_build(&expected, &due[to].spec[due[to].taken++]);
      } while (!all && (sent.length != expected.length || memcmp(sent.bytes, expected.bytes, sent.length) != 0));
      cr_assert(eq(u32, sent.length, expected.length), "to %02x", to);
      cr_assert(eq(int, memcmp(sent.bytes, expected.bytes, sent.length), 0), "to %02x", to);
    }
  for (uint32_t to = 0; to < 256; to++) {
    cr_assert(due[to].taken == due[to].count || !all, "%02x gets too little", to);
    due[to].taken = due[to].count = 0;
  }
}

Test(runs, of_any_length_and_kind) {
  static struct held held[COPSE_BURST];
  uint64_t packets = 0;

  plant_ways();
  for (int burst = 0; burst < 400; burst++) {
    const uint32_t count = inject_any(ways, held);
    run_once();
    collect_due(true);
    assert_conservation();
    for (uint32_t i = 0; i < count; i++)
      let_go(&held[i]);
    packets += count;
  }
  cr_assert(eq(u64, counters()->admitted, packets));
  cr_assert(gt(u64, copy_drops(COPSE_DROP_NOT_WANTED), 500));
  cr_assert(gt(u64, copy_drops(COPSE_DROP_TOO_BIG), 100));
  cr_assert(gt(u64, copy_drops(COPSE_DROP_OWN_PACKET), 100));
}

/* Buffers end anywhere in a run: what is sent is right, what is missing is counted. Without a root, which numbers only
 * what it could make its own. */
Test(runs, at_the_edge_of_the_pools) {
  static struct rte_mbuf *taken[3][20000];
  static struct held held[COPSE_BURST];
  struct rte_mempool *of[] = {pools.receive, pools.header, pools.copy};

  plant_ways();
  for (int burst = 0; burst < 200; burst++) {
    uint32_t number[3];
    const uint32_t count = inject_any(&ways[ROOTS], held);
    for (int i = 0; i < 3; i++)
      number[i] = take_all(of[i], taken[i], any(COPSE_BURST));
    run_once();
    collect_due(false);
    assert_conservation();
    for (int i = 0; i < 3; i++)
      rte_pktmbuf_free_bulk(taken[i], number[i]);
    for (uint32_t i = 0; i < count; i++)
      let_go(&held[i]);
  }
  cr_assert(gt(u64, copy_drops(COPSE_DROP_NO_BUFFER), 500));
  cr_assert(gt(u64, counters()->copies_sent, 1000));
}

/* ---- bounds in the middle of a run ---- */

struct outcome {
  uint64_t sent, green, yellow, drops[COPSE_COPY_DROP_COUNT];
};

/* 20 packets at the same time, in one burst or one by one; what became of them. */
static struct outcome
offer(bool burst) {
  static struct frame frame;
  static uint64_t sequence;
  const struct copse_tree_counters before = *tree_counters(0);
  struct outcome outcome;

  now += 10 * SECOND;
  for (int i = 0; i < 20; i++) {
    const struct frame_spec in = from_member(1, ++sequence);
    frame_build(&frame, &in);
    inject(0, &frame, 0);
    if (!burst)
      run_once();
  }
  run_once();
  drain();
  assert_conservation();
  const struct copse_tree_counters *after = tree_counters(0);
  outcome = (struct outcome){.sent = after->copies_sent - before.copies_sent,
                             .green = after->green - before.green,
                             .yellow = after->yellow - before.yellow};
  for (int i = 0; i < COPSE_COPY_DROP_COUNT; i++)
    outcome.drops[i] = after->copy_drops[i] - before.copy_drops[i];
  return outcome;
}

static void
assert_same(const struct outcome *one, const struct outcome *other) {
  cr_assert(eq(u64, one->sent, other->sent));
  cr_assert(eq(u64, one->green, other->green));
  cr_assert(eq(u64, one->yellow, other->yellow));
  for (int i = 0; i < COPSE_COPY_DROP_COUNT; i++)
    cr_assert(eq(u64, one->drops[i], other->drops[i]), "drop %d", i);
}

Test(runs, rates_end_where_they_end_for_single_packets) {
  plant_narrow(10000000, 15000000, 0, 0);
  const struct outcome single = offer(false), burst = offer(true);
  assert_same(&single, &burst);
  cr_assert(gt(u64, burst.green, 0));
  cr_assert(gt(u64, burst.yellow, 0));
  cr_assert(gt(u64, burst.drops[COPSE_DROP_RED], 0));
}

Test(runs, a_link_takes_as_many_as_it_would_one_by_one) {
  plant_narrow(2000000, 100000000, 0, 8000000);
  const struct outcome single = offer(false), burst = offer(true);
  assert_same(&single, &burst);
  cr_assert(gt(u64, burst.sent, 0));
  cr_assert(gt(u64, burst.drops[COPSE_DROP_LINK_BUDGET], 0));
}

Test(runs, a_member_takes_as_many_as_it_would_one_by_one) {
  const struct copse_api_hop hops[] = {{COPSE_HOP_MEMBER, 2, 0xa002, 0}, {COPSE_HOP_MEMBER, 3, 0xa003, 0}};
  struct copse_api_member slow = usual_member(2, COPSE_SLOT_NONE);

  add_proven_member(1, 0);
  add_proven_member(3, COPSE_SLOT_NONE);
  slow.egress_bps = 1000000;
  slow.burst_us = 50000;
  add_member(&batch, &slow);
  add_tree(&batch, tree(0, 0xabc), hops, 2);
  commit();
  grant(2, now + 60 * SECOND);
  const struct outcome single = offer(false), burst = offer(true);
  assert_same(&single, &burst);
  cr_assert(gt(u64, burst.sent, 20));
  cr_assert(gt(u64, burst.drops[COPSE_DROP_MEMBER_RATE], 0));
}

Test(runs, an_allowance_ends_where_it_ends_for_single_packets) {
  plant_narrow(0, 0, 3, 0);
  add_allowance(&batch, 0, 3 * COPY_BYTES * 7 + 100);
  commit();
  const struct outcome single = offer(false);
  add_allowance(&batch, 0, 3 * COPY_BYTES * 14 + 100);
  commit();
  const struct outcome burst = offer(true);
  assert_same(&single, &burst);
  cr_assert(eq(u64, burst.sent, 7));
  cr_assert(eq(u64, burst.drops[COPSE_DROP_NO_ALLOWANCE], 13));
  cr_assert(eq(u64, copse_table_forwarding(table)->tree_states[0].charged_bytes, 3UL * COPY_BYTES * 14));
}
