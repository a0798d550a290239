/* SPDX-License-Identifier: Apache-2.0 */
/* The network at flow level: 8 Mbit/s and 10 ms. */
#include "fluid.h"
#include "line.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#define MEGABYTE 1000000ULL

static struct sim_fluid fluid;
static struct sim_flow flows[2];
static uint64_t arrived_bytes[2], arrived_at[2], taken_bytes[2];
static unsigned packets;

static void
arrived(void *context, uint64_t bytes, uint64_t now) {
  const size_t number = (size_t)((struct sim_flow *)context - flows);

  arrived_bytes[number] += bytes;
  arrived_at[number] = now;
}

static void
taken(void *context, uint64_t bytes, uint64_t now) {
  (void)now;
  taken_bytes[(struct sim_flow *)context - flows] += bytes;
}

static void
count_packet(struct sim_endpoint *endpoint, struct sim_packet *packet, uint64_t now) {
  (void)endpoint;
  (void)now;
  packets++;
  sim_packet_free(&network, packet);
}

static struct sim_endpoint target = {count_packet};

static void
make_fluid(void) {
  make_line(2);
  sim_fluid_init(&fluid, &network);
  for (int i = 0; i < 2; i++)
    sim_flow_init(&flows[i], &fluid, 0, 1, arrived, taken, &flows[i]);
}

static void
free_fluid(void) {
  for (int i = 0; i < 2; i++)
    sim_flow_free(&flows[i]);
  sim_fluid_free(&fluid);
  free_line();
}

static void
run_until(uint64_t ms) {
  sim_run(&engine, ms * MS, &never_stop);
}

static void
send_packet(void) {
  struct sim_packet *packet = sim_packet_new(&network);

  packet->endpoint = &target;
  packet->to = 1;
  packet->bytes = 1000;
  sim_send(&network, packet);
}

TestSuite(fluid, .init = make_fluid, .fini = free_fluid);

Test(fluid, a_message_takes_the_time_of_its_way) {
  sim_flow_message(&flows[0], 948); /* 1000 with headers */
  run_until(100);
  cr_expect(eq(u64, arrived_bytes[0], 948));
  cr_expect(eq(u64, arrived_at[0], 11 * MS));
}

/* 1448 of 1500 bytes are the stream's. */
Test(fluid, a_flow_alone_gets_the_link_but_for_headers) {
  sim_flow_bulk(&flows[0], MEGABYTE);
  run_until(500);
  cr_expect(gt(u64, arrived_bytes[0], 480000));
  cr_expect(lt(u64, arrived_bytes[0], 490000));
  run_until(2000);
  cr_expect(eq(u64, arrived_bytes[0], MEGABYTE));
  cr_expect(eq(u64, taken_bytes[0], MEGABYTE));
  cr_expect(le(dbl, fabs((double)arrived_at[0] - 1035912000.0), 1.0 * MS), "%lu", arrived_at[0]);
}

Test(fluid, two_flows_get_the_same_and_the_longer_one_the_rest) {
  sim_flow_bulk(&flows[0], MEGABYTE);
  sim_flow_bulk(&flows[1], 2 * MEGABYTE);
  run_until(5000);
  cr_expect(eq(u64, arrived_bytes[1], 2 * MEGABYTE));
  cr_expect(le(dbl, fabs((double)arrived_at[0] / (2 * 1035912000.0) - 1), 0.13), "%lu", arrived_at[0]);
  cr_expect(le(dbl, fabs((double)arrived_at[1] / (3 * 1035912000.0) - 1), 0.05), "%lu", arrived_at[1]);
}

Test(fluid, a_flow_that_is_stopped_ends) {
  sim_flow_bulk(&flows[0], MEGABYTE);
  sim_flow_bulk(&flows[1], MEGABYTE);
  run_until(500);
  sim_flow_stop(&flows[0]);
  const uint64_t bytes = arrived_bytes[0];
  run_until(2000);
  cr_expect(eq(u64, arrived_bytes[0], bytes));
  cr_expect(lt(u64, arrived_at[1], 1700 * MS), "the other one gets what it had");
}

/* Twice what the link carries, for ten seconds: half is lost, and a flow beside it gets a fiftieth of the link. */
Test(fluid, packets_that_no_queue_has_room_for_are_lost) {
  network.links[0]->limit_bytes = 50000;
  sim_flow_bulk(&flows[0], 10 * MEGABYTE);
  for (uint64_t half_ms = 1; half_ms <= 20000; half_ms++) {
    sim_run(&engine, half_ms * MS / 2, &never_stop);
    send_packet();
  }
  run_until(11000);
  cr_expect(gt(uint, packets, 9500));
  cr_expect(lt(uint, packets, 10500));
  cr_expect(eq(u64, packets + network.links[0]->drops, 20000));
}

/* A sender that paces itself above what its link carries fills its queue, and what it writes then waits. */
Test(fluid, a_paced_sender_fills_its_queue) {
  network.links[0]->limit_bytes = 100000;
  fluid.limits_bps[0] = 8800000;
  sim_flow_bulk(&flows[0], 10 * MEGABYTE);
  run_until(500);
  cr_expect(lt(dbl, fluid.levels[0].queue_bytes, 60000));
  run_until(3000);
  cr_expect(gt(dbl, fluid.levels[0].queue_bytes, 90000));
  cr_expect(le(dbl, fluid.levels[0].queue_bytes, 100000));
  sim_flow_message(&flows[1], 948);
  run_until(4000);
  cr_expect(gt(u64, arrived_at[1], 3100 * MS));
}

/* 4 kbit/s carry a segment, with headers, in three seconds. */
Test(fluid, flows_of_a_slow_sender_take_turns) {
  fluid.limits_bps[0] = 4000;
  network.links[0]->rate_bps = 200000;
  run_until(1000);
  for (int i = 0; i < 2; i++)
    sim_flow_bulk(&flows[i], MEGABYTE);
  run_until(4750);
  cr_expect(eq(u64, arrived_bytes[0] + arrived_bytes[1], 1448));
  cr_expect(eq(u64, arrived_bytes[0] * arrived_bytes[1], 0));
  run_until(7750);
  cr_expect(eq(u64, arrived_bytes[0], 1448));
  cr_expect(eq(u64, arrived_bytes[1], 1448));
}

/* Two flows keep what their senders may have under way in the queue, but not from one moment to the next.
 */
Test(fluid, flows_fill_the_queue_of_their_bottleneck_little_by_little) {
  network.links[0]->limit_bytes = 100000;
  for (int i = 0; i < 2; i++)
    sim_flow_bulk(&flows[i], 10 * MEGABYTE);
  run_until(600);
  cr_expect(gt(dbl, fluid.levels[0].standing_bytes, 10000));
  cr_expect(lt(dbl, fluid.levels[0].standing_bytes, 30000));
  run_until(15000);
  cr_expect(gt(dbl, fluid.levels[0].standing_bytes, 80000));
  cr_expect(le(dbl, fluid.levels[0].standing_bytes, 85000));
}
