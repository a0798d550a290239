/* SPDX-License-Identifier: Apache-2.0 */
/* What is forwarded, byte for byte. */
#include "harness.h"

TestSuite(forward, .init = harness_start, .fini = harness_stop);

#define PARENT_LABEL copse_label(40, 3)

/* Tree 0 is a root with links 0, 1, 2 and members 1, 2, 17; member 1 sends on it. */
static void
plant_root(void) {
  const struct copse_api_hop hops[] = {{COPSE_HOP_LINK, 0, 0x10001, 0},  {COPSE_HOP_LINK, 1, 0x20001, 0},
                                       {COPSE_HOP_LINK, 2, 0x30001, 0},  {COPSE_HOP_MEMBER, 1, 0xa001, 0},
                                       {COPSE_HOP_MEMBER, 2, 0xa002, 0}, {COPSE_HOP_MEMBER, 17, 0xa003, 0}};

  for (uint32_t i = 0; i < 3; i++)
    add_usual_link(i, 0);
  add_proven_member(1, 0);
  add_proven_member(2, COPSE_SLOT_NONE);
  add_proven_member(17, 0);
  add_tree(&batch, tree(0, 0xabc), hops, 6);
  commit();
}

/* Tree 3 comes from link 0's end; hops as given. */
static void
plant_child(const struct copse_api_hop *hops, uint32_t count) {
  struct copse_api_tree api = tree(3, 0xdef);

  api.label = PARENT_LABEL;
  api.upstream = ipv4(10, 0, 0, 2, COPSE_BLOCK_PORT);
  for (uint32_t i = 0; i < 3; i++)
    add_usual_link(i, 0);
  add_proven_member(2, COPSE_SLOT_NONE);
  add_proven_member(17, COPSE_SLOT_NONE);
  add_tree(&batch, api, hops, count);
  commit();
}

static struct frame_spec
from_parent(uint64_t sequence) {
  struct frame_spec spec = from_member(0, sequence);

  spec.source_mac = 0x80;
  spec.source = ipv4(10, 0, 0, 2, COPSE_BLOCK_PORT);
  spec.checksum = false;
  spec.label = PARENT_LABEL;
  spec.hop_limit = 9;
  memset(spec.key, 0x43, sizeof(spec.key));
  return spec;
}

static void
expect_root_copies(const struct frame_spec *in, uint64_t sequence) {
  const struct frame_spec copies[] = {
    copy_to_link(0, in, 0x10001, sequence, 0x40),   copy_to_link(1, in, 0x20001, sequence, 0x40),
    copy_to_link(2, in, 0x30001, sequence, 0x40),   copy_to_member(2, in, 0xa002, sequence, 0x80),
    copy_to_member(17, in, 0xa003, sequence, 0x80),
  };

  expect(0, &copies[0]);
  expect(0, &copies[3]);
  expect(1, &copies[1]);
  expect(1, &copies[4]);
  expect(2, &copies[2]);
  expect_nothing();
}

Test(forward, root_numbers_and_signs_anew) {
  plant_root();
  for (uint64_t i = 0; i < 3; i++) {
    const struct frame_spec in = from_member(1, 1ULL << 60 | i);
    send_frame(&in);
    expect_root_copies(&in, TEST_SEQUENCE_BASE + i);
  }
  cr_assert(eq(u64, counters()->admitted, 3));
  cr_assert(eq(u64, counters()->copies_due, 18));
  cr_assert(eq(u64, counters()->copies_sent, 15));
  cr_assert(eq(u64, copy_drops(COPSE_DROP_OWN_PACKET), 3));
  cr_assert(eq(u64, tree_counters(0)->green, 3));
  cr_assert(eq(u64, tree_counters(0)->bytes, 3 * (20 + 8 + 32 + COPSE_SYMBOL_BYTES)));
  struct copse_shm *shm = copse_table_shm(table);
  cr_assert(eq(u64, copse_link_counters(shm, 0)[1].packets, 3));
  cr_assert(eq(u64, copse_link_counters(shm, 0)[1].bytes, 3 * (40 + 8 + 32 + COPSE_SYMBOL_BYTES)));
  cr_assert(eq(u64, copse_link_counters(shm, 0)[1].drops, 0));
  cr_assert(eq(u64, copse_member_counters(shm, 0)[1].rx_packets, 3));
  cr_assert(eq(u64, copse_member_counters(shm, 0)[1].rx_bytes, 3 * (20 + 8 + 32 + COPSE_SYMBOL_BYTES)));
  cr_assert(eq(u64, copse_member_counters(shm, 0)[2].tx_packets, 3));
  cr_assert(eq(u64, counters()->tx_packets, 15));
}

Test(forward, ipv6_sender_with_vlan) {
  plant_root();
  const struct frame_spec in = from_member(17, 5);
  send_frame(&in);
  const struct frame_spec copy = copy_to_member(1, &in, 0xa001, TEST_SEQUENCE_BASE, 0x80);
  struct frame frame;
  cr_assert(collect(0, &frame)); /* link 0 */
  expect(0, &copy);
  cr_assert(eq(u64, counters()->copies_sent, 5));
  while (collect(0, &frame) || collect(1, &frame) || collect(2, &frame))
    ;
}

/* Every size around the thresholds of copying and of the segments, whole and cut. */
Test(forward, any_size_in_any_segments) {
  static const uint16_t sizes[] = {0,   1,   2,   63,  64,  107, 108, 109,  110,  111,  127,  128,  129,
                                   150, 151, 182, 255, 256, 257, 333, 1000, 1260, 1261, 1400, 1439, 1440};
  uint64_t sequence = 0;

  plant_root();
  for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
    for (uint32_t cut = 0; cut < 3; cut++) {
      static struct frame frame;
      struct frame_spec in = from_member(1, ++sequence);
      in.payload_bytes = sizes[i];
      in.payload = payload + i;
      frame_build(&frame, &in);
      inject(0, &frame, cut == 0 ? 0 : AT_HEADER + COPSE_HEADER_BYTES + (cut == 1 ? 0 : 7));
      run_once();
      expect_root_copies(&in, TEST_SEQUENCE_BASE + sequence - 1);
    }
  cr_assert(eq(u64, copy_drops(COPSE_DROP_OWN_PACKET), sequence));
}

Test(forward, jumbo_where_the_port_takes_it) {
  static struct frame frame;

  plant_root();
  for (uint32_t cut = 0; cut < 2; cut++) {
    struct frame_spec in = from_member(1, 10 + cut);
    in.payload_bytes = 8900;
    frame_build(&frame, &in);
    inject(0, &frame, cut ? 1000 : 0);
    run_once();
    const struct frame_spec copies[] = {copy_to_link(0, &in, 0x10001, TEST_SEQUENCE_BASE + cut, 0x40),
                                        copy_to_link(1, &in, 0x20001, TEST_SEQUENCE_BASE + cut, 0x40),
                                        copy_to_member(2, &in, 0xa002, TEST_SEQUENCE_BASE + cut, 0x80),
                                        copy_to_member(17, &in, 0xa003, TEST_SEQUENCE_BASE + cut, 0x80)};
    expect(0, &copies[0]);
    expect(0, &copies[2]);
    expect(1, &copies[1]);
    expect(1, &copies[3]);
    expect_nothing();
    cr_assert(eq(u64, copy_drops(COPSE_DROP_TOO_BIG), cut + 1));
    cr_assert(eq(u64, copse_link_counters(copse_table_shm(table), 0)[2].drops, cut + 1));
  }
}

/* Two owners of one mbuf: what the other one sees must not change. */
Test(forward, a_shared_packet_is_not_written) {
  static struct frame frame, kept;
  struct rte_mbuf *mbuf;

  plant_root();
  const struct frame_spec in = from_member(1, 10);
  frame_build(&frame, &in);
  mbuf = mbuf_of(&frame, 0);
  rte_pktmbuf_refcnt_update(mbuf, 1);
  inject_mbuf(0, mbuf);
  run_once();
  expect_root_copies(&in, TEST_SEQUENCE_BASE);
  kept.length = mbuf->pkt_len;
  cr_assert(eq(uint, kept.length, frame.length));
  cr_assert(eq(int, memcmp(rte_pktmbuf_mtod(mbuf, void *), frame.bytes, frame.length), 0));
  cr_assert(eq(uint, rte_mbuf_refcnt_read(mbuf), 1));
  rte_pktmbuf_free(mbuf);
}

Test(forward, padding_behind_the_packet_is_cut) {
  struct frame frame;

  plant_root();
  struct frame_spec in = from_member(1, 10);
  in.payload_bytes = 1;
  frame_build(&frame, &in);
  memset(frame.bytes + frame.length, 0xee, 13);
  frame.length += 13;
  inject(0, &frame, 0);
  run_once();
  expect_root_copies(&in, TEST_SEQUENCE_BASE);
}

Test(forward, parity_goes_the_same_way) {
  plant_root();
  struct frame_spec in = from_member(1, 10);
  in.type = COPSE_PARITY;
  send_frame(&in);
  expect_root_copies(&in, TEST_SEQUENCE_BASE);
}

Test(forward, a_child_keeps_the_numbers_of_the_root) {
  const struct copse_api_hop hops[] = {
    {COPSE_HOP_LINK, 1, 0x20001, 0}, {COPSE_HOP_LINK, 2, 0x30001, 0}, {COPSE_HOP_MEMBER, 2, 0xa002, 0}};

  plant_child(hops, 3);
  /* Out of order, within the window. */
  for (uint64_t i = 0; i < 3; i++) {
    const struct frame_spec in = from_parent(900 - 400 * i);
    send_frame(&in);
    const struct frame_spec copies[] = {copy_to_link(1, &in, 0x20001, in.sequence, 0x43),
                                        copy_to_link(2, &in, 0x30001, in.sequence, 0x43),
                                        copy_to_member(2, &in, 0xa002, in.sequence, 0x83)};
    expect(1, &copies[0]);
    expect(2, &copies[1]);
    expect(0, &copies[2]);
    expect_nothing();
  }
}

/* One copy is the packet itself, rewritten: from every header length to every other. */
Test(forward, a_single_copy_in_place) {
  const struct copse_api_hop all[] = {{COPSE_HOP_LINK, 0, 0x10001, 0},
                                      {COPSE_HOP_LINK, 1, 0x20001, 0},
                                      {COPSE_HOP_LINK, 2, 0x30001, 0},
                                      {COPSE_HOP_MEMBER, 2, 0xa002, 0},
                                      {COPSE_HOP_MEMBER, 17, 0xa003, 0}};
  uint64_t sequence = 0;

  for (int i = 0; i < 5; i++) {
    plant_child(&all[i], 1);
    for (uint16_t bytes = 100; bytes < 1300; bytes += 600) {
      struct frame_spec in = from_parent(++sequence);
      in.payload_bytes = bytes;
      send_frame(&in);
      const struct frame_spec copy = i < 3 ? copy_to_link(all[i].slot, &in, all[i].label, sequence, 0x43)
                                           : copy_to_member(all[i].slot, &in, all[i].label, sequence, 0x83);
      expect(i == 1 || i == 4 ? 1 : i == 2 ? 2 : 0, &copy);
      expect_nothing();
    }
  }
  cr_assert(eq(u64, counters()->copies_sent, 10));
}

Test(forward, checksum_the_port_verified_is_not_computed_again) {
  struct frame frame;
  struct rte_mbuf *mbuf;

  plant_root();
  const struct frame_spec in = from_member(1, 10);
  frame_build(&frame, &in);
  mbuf = mbuf_of(&frame, 0);
  *rte_pktmbuf_mtod_offset(mbuf, uint16_t *, AT_UDP + 6) ^= 0x5555;
  mbuf->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
  inject_mbuf(0, mbuf);
  run_once();
  expect_root_copies(&in, TEST_SEQUENCE_BASE);
}

Test(forward, a_burst_larger_than_one_and_copies_larger_than_a_buffer) {
  static struct frame frame;

  plant_root();
  for (uint64_t i = 0; i < 100; i++) {
    const struct frame_spec in = from_member(1, i);
    frame_build(&frame, &in);
    inject(0, &frame, 0);
  }
  for (int i = 0; i < 4; i++)
    run_once();
  cr_assert(eq(u64, counters()->rx_packets, 100));
  cr_assert(eq(u64, counters()->busy_polls, 4));
  /* Of each burst one next hop after the other. */
  for (uint64_t first = 0; first < 100; first += COPSE_BURST)
    for (int hop = 0; hop < 3; hop++)
      for (uint64_t i = first; i < RTE_MIN(first + COPSE_BURST, 100UL); i++) {
        const struct frame_spec in = from_member(1, i);
        const struct frame_spec copies[] = {copy_to_link(0, &in, 0x10001, TEST_SEQUENCE_BASE + i, 0x40),
                                            copy_to_member(2, &in, 0xa002, TEST_SEQUENCE_BASE + i, 0x80),
                                            copy_to_link(2, &in, 0x30001, TEST_SEQUENCE_BASE + i, 0x40)};
        expect(hop == 2 ? 2 : 0, &copies[hop]);
      }
  while (collect(1, &frame))
    ;
}

Test(forward, blocks_nobody_wants_are_not_sent) {
  const uint64_t unwanted[] = {~0ULL, ~(1ULL << 13)};

  plant_root(); /* from_member's block is 77 = 64 + 13 */
  add_interest(&batch, (struct copse_api_interest){COPSE_HOP_LINK, 0, 2, 128, 0, 2}, unwanted);
  add_interest(&batch, (struct copse_api_interest){COPSE_HOP_MEMBER, 17, 0, 128, 0, 2}, unwanted);
  commit();
  struct frame_spec in = from_member(1, 1);
  send_frame(&in);
  cr_assert(eq(u64, copy_drops(COPSE_DROP_NOT_WANTED), 2));
  cr_assert(eq(u64, counters()->copies_sent, 3));
  cr_assert(eq(u64, copse_link_counters(copse_table_shm(table), 0)[2].drops, 0), "suppressed is not lost");
  in = from_member(1, 2);
  in.block = 78;
  send_frame(&in);
  cr_assert(eq(u64, copy_drops(COPSE_DROP_NOT_WANTED), 2));
  cr_assert(eq(u64, counters()->copies_sent, 8));
}
