/* SPDX-License-Identifier: Apache-2.0 */
#include "network.h"
#include "line.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

static uint64_t arrived[1000];
static unsigned count;

static void
note(struct sim_endpoint *endpoint, struct sim_packet *packet, uint64_t now) {
  (void)endpoint;
  arrived[count++] = now;
  sim_packet_free(&network, packet);
}

static struct sim_endpoint target = {note};

static void
send_packets(unsigned packets, uint32_t bytes, uint32_t to) {
  for (unsigned i = 0; i < packets; i++) {
    struct sim_packet *packet = sim_packet_new(&network);
    packet->endpoint = &target;
    packet->to = to;
    packet->bytes = bytes;
    sim_send(&network, packet);
  }
}

static void
run_until(uint64_t ms) {
  sim_run(&engine, ms * MS, &never_stop);
}

Test(network, packets_take_their_time_and_queue, .fini = free_line) {
  make_line(2);
  send_packets(3, 1000, 1);
  run_until(100);
  cr_assert(eq(uint, count, 3));
  cr_expect(eq(u64, arrived[0], 11 * MS));
  cr_expect(eq(u64, arrived[1], 12 * MS));
  cr_expect(eq(u64, arrived[2], 13 * MS));
  send_packets(1, 250, 1);
  run_until(200);
  cr_expect(eq(u64, arrived[3], 100 * MS + 250000 + 10 * MS), "an idle link sends at once");
}

Test(network, each_hop_stores_and_forwards, .fini = free_line) {
  make_line(3);
  send_packets(2, 1000, 2);
  run_until(100);
  cr_expect(eq(u64, arrived[0], 22 * MS));
  cr_expect(eq(u64, arrived[1], 23 * MS));
}

Test(network, a_full_queue_drops_what_comes_last, .fini = free_line) {
  make_line(2);
  network.links[0]->limit_packets = 4;
  send_packets(10, 1000, 1);
  cr_expect(eq(u64, network.links[0]->drops, 5), "one is being sent, four wait");
  run_until(100);
  cr_expect(eq(uint, count, 5));
  network.links[0]->limit_packets = 0;
  network.links[0]->limit_bytes = 2500;
  send_packets(10, 1000, 1);
  cr_expect(eq(u64, network.links[0]->drops, 12), "one is being sent, two wait: a third has no room");
  run_until(101);
  send_packets(10, 1000, 1);
  cr_expect(eq(u64, network.links[0]->drops, 21), "after a millisecond there is room for one");
  run_until(200);
  cr_expect(eq(uint, count, 9));
  cr_expect(eq(u64, network.links[0]->packets, 9));
  cr_expect(eq(u64, network.links[0]->bytes, 9000));
}

Test(network, a_long_queue_keeps_its_order, .fini = free_line) {
  make_line(2);
  send_packets(900, 1000, 1);
  run_until(2000);
  cr_assert(eq(uint, count, 900));
  for (unsigned i = 0; i < count; i++)
    cr_assert(eq(u64, arrived[i], (11 + i) * MS));
}

Test(network, losses_are_as_frequent_as_asked, .fini = free_line) {
  make_line(2);
  network.links[0]->loss = 0.1;
  for (unsigned i = 0; i < 20; i++) {
    count = 0;
    send_packets(1000, 100, 1);
    sim_run(&engine, engine.now + 1000 * MS, &never_stop);
  }
  cr_expect(ge(u64, network.links[0]->lost, 1830), "four standard deviations of a binomial distribution");
  cr_expect(le(u64, network.links[0]->lost, 2170));
}

Test(network, the_shortest_path_is_taken, .fini = free_line) {
  const uint64_t metric[] = {5, 1, 1, 1, 3, SIM_NEVER};

  sim_network_init(&network, &engine, 3, 1);
  sim_link_add(&network, 0, 2, 8000000, 0);
  sim_link_add(&network, 0, 1, 8000000, 0);
  sim_link_add(&network, 1, 2, 8000000, 0);
  sim_link_add(&network, 2, 1, 8000000, 0);
  sim_link_add(&network, 1, 0, 8000000, 0);
  sim_link_add(&network, 2, 0, 8000000, 0);
  sim_route(&network, metric);
  cr_expect(eq(u32, sim_next(&network, 0, 2), 1), "through 1: 2, not 5");
  cr_expect(eq(u32, sim_next(&network, 2, 0), 3), "the direct link is not for routing");
}

/* 0 - 1 - 2 - 3, and 4 at 1: all but 1 and 2 have a single neighbour. */
Test(network, who_has_a_single_neighbour_needs_no_routes, .fini = free_line) {
  static const uint32_t ends[][2] = {{0, 1}, {1, 2}, {2, 3}, {1, 4}};
  const uint64_t metric[] = {1, 1, 1, 1, 1, 1, 1, 1};

  sim_network_init(&network, &engine, 5, 1);
  for (size_t i = 0; i < 4; i++) {
    sim_link_add(&network, ends[i][0], ends[i][1], 8000000, 0);
    sim_link_add(&network, ends[i][1], ends[i][0], 8000000, 0);
  }
  sim_route(&network, metric);
  cr_expect(eq(u32, network.inner_count, 2));
  cr_expect(eq(u32, sim_next(&network, 0, 4), 0));
  cr_expect(eq(u32, sim_next(&network, 1, 4), 6));
  cr_expect(eq(u32, sim_next(&network, 4, 3), 7));
  cr_expect(eq(u32, sim_next(&network, 1, 3), 2));
  cr_expect(eq(u32, sim_next(&network, 2, 3), 4));
  cr_expect(eq(u32, sim_next(&network, 2, 0), 3));
}
