/* SPDX-License-Identifier: Apache-2.0 */
/* Rates, allowances, budgets; and what happens when neighbours, buffers or rings are missing. */
#include "harness.h"

#include <rte_ethdev.h>
#include <stdio.h>

TestSuite(pressure, .init = harness_start, .fini = harness_stop);

Test(pressure, two_rates_colour_and_bound_a_tree) {
  plant_narrow(8000000, 12000000, 0, 0);
  load(20000, 10); /* 21 Mbit/s */
  const struct copse_tree_counters *counted = tree_counters(0);
  const double green = (double)counted->green * COPY_BYTES * 8 / 10,
               all = green + (double)counted->yellow * COPY_BYTES * 0.8;
  cr_assert(le(dbl, green, 8000000 + COPY_BYTES));
  cr_assert(ge(dbl, green, 8000000 * 0.99)); /* what is red is not there to be green */
  cr_assert(le(dbl, all, 12000000 + COPY_BYTES));
  cr_assert(ge(dbl, all, 12000000 * 0.995));
  cr_assert(eq(u64, copy_drops(COPSE_DROP_RED), 20000 - counted->green - counted->yellow));
  cr_assert(eq(u64, counted->packets, 20000));
}

Test(pressure, colours_are_marked) {
  static struct frame frame;

  plant_narrow(8000, 8000000, 0, 0); /* two packets are green, then yellow */
  for (uint64_t i = 1; i <= 2; i++, now += SECOND / 100) {
    const struct frame_spec green = from_member(1, i);
    send_frame(&green);
    cr_assert(collect(0, &frame));
    cr_assert(eq(uint, frame.bytes[15], 10 << 2));
  }
  const struct frame_spec yellow = from_member(1, 3);
  send_frame(&yellow);
  struct frame_spec copy = copy_to_link(0, &yellow, 0x10001, TEST_SEQUENCE_BASE + 2, 0x40);
  copy.dscp = 12;
  expect(0, &copy);
}

Test(pressure, the_allowance_stops_a_charged_tree) {
  plant_narrow(0, 0, 3, 0);
  load(10, 1);
  cr_assert(eq(u64, copy_drops(COPSE_DROP_NO_ALLOWANCE), 10), "nothing prepaid");
  add_allowance(&batch, 0, 3 * COPY_BYTES * 5 + 3);
  commit();
  load(10, 1);
  cr_assert(eq(u64, counters()->copies_sent, 5));
  cr_assert(eq(u64, copy_drops(COPSE_DROP_NO_ALLOWANCE), 15));
  cr_assert(eq(u64, copse_table_forwarding(table)->tree_states[0].charged_bytes, 3 * COPY_BYTES * 5));
  add_allowance(&batch, 0, 3 * COPY_BYTES * 5 + 3); /* said again: nothing changes */
  commit();
  load(1, 1);
  cr_assert(eq(u64, counters()->copies_sent, 5));
  add_allowance(&batch, 0, 3 * COPY_BYTES * 6);
  commit();
  load(2, 1);
  cr_assert(eq(u64, counters()->copies_sent, 6));
}

Test(pressure, red_packets_are_not_charged) {
  plant_narrow(0, 8000, 1, 0);
  add_allowance(&batch, 0, 1000000);
  commit();
  load(100, 0.001);
  cr_assert(eq(u64, copy_drops(COPSE_DROP_RED), 98));
  cr_assert(eq(u64, copse_table_forwarding(table)->tree_states[0].charged_bytes, 2 * COPY_BYTES));
}

Test(pressure, a_link_budget_bounds_all_trees_and_spares_green) {
  struct copse_api_link wide = {
    .slot = 0, .burst_us = 10000, .budget_bps = 8000000, .remote = ipv4(10, 0, 0, 2, COPSE_BLOCK_PORT), .name = "wide"};

  plant_narrow(4000000, 100000000, 0, 0);
  builder_add(&batch, COPSE_API_LINK_SET, &wide, sizeof(wide), NULL, 0); /* room for four packets in either half */
  commit();
  load(20000, 10); /* 21 Mbit/s offered: 4 green, 17 yellow, for a link of 8 */
  const struct copse_link_counters *link = &copse_link_counters(copse_table_shm(table), 0)[0];
  const double sent = (double)link->bytes * 8 / 10;
  cr_assert(le(dbl, sent, 8000000 + COPY_BYTES));
  cr_assert(ge(dbl, sent, 8000000 * 0.985));
  cr_assert(eq(u64, copy_drops(COPSE_DROP_LINK_BUDGET), link->drops));
  cr_assert(le(u64, link->drops - link->yellow_drops, tree_counters(0)->green / 100), "green is spared");
  cr_assert(gt(u64, link->yellow_drops, 10000));
}

Test(pressure, a_slow_member_slows_only_itself) {
  const struct copse_api_hop hops[] = {{COPSE_HOP_MEMBER, 2, 0xa002, 0}, {COPSE_HOP_MEMBER, 3, 0xa003, 0}};
  struct copse_api_member slow = usual_member(2, COPSE_SLOT_NONE);

  add_proven_member(1, 0);
  add_proven_member(3, COPSE_SLOT_NONE);
  slow.egress_bps = 1000000;
  add_member(&batch, &slow);
  add_tree(&batch, tree(0, 0xabc), hops, 2);
  commit();
  for (int i = 0; i < 10; i++) {
    grant(2, now + 2 * SECOND);
    grant(3, now + 2 * SECOND);
    load(1000, 1);
  }
  const struct copse_member_counters *members = copse_member_counters(copse_table_shm(table), 0);
  cr_assert(eq(u64, members[3].tx_packets, 10000));
  const double sent = (double)members[2].tx_bytes - COPSE_MEMBER_BURST_BYTES;
  cr_assert(le(dbl, sent * 8, 10000000 + COPY_BYTES * 8));
  cr_assert(ge(dbl, sent * 8, 9900000 - COPY_BYTES * 8), "four blocks at once, then its rate");
  cr_assert(eq(u64, copy_drops(COPSE_DROP_MEMBER_RATE), 10000 - members[2].tx_packets));
}

Test(pressure, neighbours_come_and_go) {
  const struct copse_adjacency gone = {.resolved = false};

  plant_narrow(0, 0, 0, 0);
  copse_table_adjacency(table, ipv4(10, 0, 0, 2, 0).address, &gone);
  load(3, 1);
  cr_assert(eq(u64, copy_drops(COPSE_DROP_NO_NEIGHBOUR), 3));
  commit(); /* resolves again */
  load(3, 1);
  cr_assert(eq(u64, copy_drops(COPSE_DROP_NO_NEIGHBOUR), 3));
  cr_assert(eq(u64, counters()->copies_sent, 3));
}

Test(pressure, a_port_that_is_not_ours) {
  const struct copse_adjacency elsewhere = {true, 9, 0, {2}, {2}};

  plant_narrow(0, 0, 0, 0);
  copse_table_adjacency(table, ipv4(10, 0, 0, 2, 0).address, &elsewhere);
  load(3, 1);
  cr_assert(eq(u64, copy_drops(COPSE_DROP_TX_FULL), 3));
}

/* ---- shortage ---- */

/* Tree 0 to links 0 and 2, and to all members but 1. */
static void
plant_wide(void) {
  struct copse_api_hop hops[33] = {{COPSE_HOP_LINK, 0, 0x10001, 0}, {COPSE_HOP_LINK, 2, 0x30001, 0}};
  uint32_t count = 2;

  add_usual_link(0, 0);
  add_usual_link(2, 0);
  for (uint32_t slot = 0; slot < 32; slot++) {
    add_proven_member(slot, 0);
    if (slot != 1)
      hops[count++] = (struct copse_api_hop){COPSE_HOP_MEMBER, slot, 0xa000 + slot, 0};
  }
  add_tree(&batch, tree(0, 0xabc), hops, count);
  commit();
}

Test(pressure, empty_pools_cost_copies_not_packets) {
  static struct rte_mbuf *headers[20000], *copies[20000], *receive[20000], *waiting[64];
  static struct frame frame;
  uint32_t taken[3], reached[32] = {0};

  plant_wide();
  taken[0] = take_all(pools.header, headers, 5);
  taken[1] = take_all(pools.copy, copies, 5);
  for (uint64_t i = 0; i < 64; i++) {
    struct frame_spec in = from_member(1, i);
    in.payload_bytes = i % 2 ? 100 : 1261;
    frame_build(&frame, &in);
    waiting[i] = mbuf_of(&frame, i % 3 ? 0 : 200);
  }
  taken[2] = take_all(pools.receive, receive, 5);
  for (int i = 0; i < 64; i++) {
    inject_mbuf(0, waiting[i]);
    run_once();
    assert_conservation();
    while (collect(0, &frame))
      if (frame.bytes[5] >= 0xa0)
        reached[frame.bytes[5] - 0xa0]++;
    drain();
  }
  cr_assert(eq(u64, counters()->admitted, 64));
  cr_assert(eq(u64, counters()->copies_due, 64 * 33));
  cr_assert(gt(u64, copy_drops(COPSE_DROP_NO_BUFFER), 500));
  cr_assert(gt(u64, counters()->copies_sent, 64));
  for (uint32_t slot = 0; slot < 16; slot++)
    cr_assert(slot == 1 || reached[slot] > 0, "member %u starved", slot);
  rte_pktmbuf_free_bulk(headers, taken[0]);
  rte_pktmbuf_free_bulk(copies, taken[1]);
  rte_pktmbuf_free_bulk(receive, taken[2]);
}

Test(pressure, a_shared_packet_without_memory_to_own_it) {
  static struct rte_mbuf *receive[20000];
  struct frame frame;
  struct rte_mbuf *mbuf;

  plant_wide();
  const struct frame_spec in = from_member(1, 5), hello = from_member(2, 5);
  frame_build(&frame, &in);
  mbuf = mbuf_of(&frame, 0);
  rte_pktmbuf_refcnt_update(mbuf, 1);
  const uint32_t taken = take_all(pools.receive, receive, 0);
  inject_mbuf(0, mbuf);
  run_once();
  cr_assert(eq(u64, copy_drops(COPSE_DROP_NO_BUFFER), 33));
  /* A handshake that cannot be answered says so. */
  struct frame_spec request = hello;
  request.type = COPSE_HELLO;
  request.payload_bytes = COPSE_HELLO_PAYLOAD_BYTES;
  frame_build(&frame, &request);
  memcpy(rte_pktmbuf_mtod(mbuf, void *), frame.bytes, frame.length);
  mbuf->pkt_len = mbuf->data_len = (uint16_t)frame.length;
  rte_pktmbuf_refcnt_update(mbuf, 1);
  inject_mbuf(0, mbuf);
  run_once();
  cr_assert(eq(u64, packet_drops(COPSE_DROP_REPLY_FAILED), 1));
  rte_pktmbuf_free(mbuf);
  rte_pktmbuf_free_bulk(receive, taken);
  expect_nothing();
}

static void
start_narrow(void) {
  harness_tx_frames = 16;
  harness_start();
}

TestSuite(full, .init = start_narrow, .fini = harness_stop);

Test(full, a_full_ring_drops_and_counts) {
  plant_wide();
  for (uint64_t i = 0; i < 10; i++) {
    const struct frame_spec in = from_member(1, i);
    send_frame(&in); /* 16 frames fit each port, nothing is taken */
  }
  assert_conservation();
  cr_assert(eq(u64, counters()->copies_sent, 16 + 16 + 10));
  cr_assert(eq(u64, copy_drops(COPSE_DROP_TX_FULL), 330 - 42));
  const struct copse_link_counters *links = copse_link_counters(copse_table_shm(table), 0);
  cr_assert(eq(u64, links[0].packets + links[0].drops, 10));
}

Test(full, nobody_starves) {
  static struct frame frame;
  uint32_t reached[32] = {0};

  plant_wide();
  for (uint64_t i = 0; i < 200; i++) {
    const struct frame_spec in = from_member(1, i);
    send_frame(&in);
    for (uint32_t port = 0; port < PORTS; port++)
      for (int taken = 0; taken < 8 && collect(port, &frame); taken++)
        if (frame.bytes[5] >= 0xa0)
          reached[frame.bytes[5] - 0xa0]++;
  }
  for (uint32_t slot = 0; slot < 32; slot++)
    cr_assert(slot == 1 || reached[slot] >= 20, "member %u: %u of 200", slot, reached[slot]);
}

Test(full, a_reply_without_room) {
  struct frame_spec hello = from_member(1, 1);

  plant_wide();
  for (uint64_t i = 0; i < 20; i++) {
    hello = from_member(1, 1 + i);
    hello.type = COPSE_HELLO;
    hello.payload_bytes = COPSE_HELLO_PAYLOAD_BYTES;
    send_frame(&hello);
  }
  cr_assert(eq(u64, counters()->handshakes, 16));
  cr_assert(eq(u64, packet_drops(COPSE_DROP_REPLY_FAILED), 4));
}

Test(full, a_port_that_is_down) {
  plant_wide();
  cr_assert(ne(ptr, freopen("/dev/null", "w", stderr), NULL)); /* ethdev dumps its stack for a stopped port */
  rte_eth_dev_stop(2);
  const struct frame_spec in = from_member(1, 1);
  send_frame(&in);
  cr_assert(ge(u64, copse_link_counters(copse_table_shm(table), 0)[2].drops, 1));
  assert_conservation();
  rte_eth_dev_start(2);
}
