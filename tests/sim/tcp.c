/* SPDX-License-Identifier: Apache-2.0 */
#include "tcp.h"
#include "line.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

/* Headers and acknowledgements without size, so that times can be computed by hand. */
static struct sim_tcp_config config = {
  .segment_bytes = 1000, .initial_window = 2, .window_bytes = 1U << 20, .send_bytes = 1U << 20, .min_rto_ns = 200 * MS};
static struct sim_tcp tcp;
static uint64_t arrived_bytes, arrived_at, acknowledged_bytes, acknowledged_at;

static void
arrived(struct sim_tcp *of, uint64_t bytes, uint64_t now) {
  (void)of;
  arrived_bytes += bytes;
  arrived_at = now;
}

static void
acknowledged(struct sim_tcp *of, uint64_t bytes, uint64_t now) {
  (void)of;
  acknowledged_bytes += bytes;
  acknowledged_at = now;
}

static void
connect_ends(void) {
  make_line(2);
  sim_tcp_init(&tcp, &network, &config, 0, 1, arrived, acknowledged, NULL);
}

static void
close_ends(void) {
  sim_tcp_free(&tcp);
  free_line();
}

static void
run_until(uint64_t ms) {
  sim_run(&engine, ms * MS, &never_stop);
}

TestSuite(tcp, .init = connect_ends, .fini = close_ends);

/* Segments 1 and 2 leave at 0 and are acknowledged at 21 and 22 ms; each acknowledgement lets two more go: 3 to 6
 * arrive until 35 ms, and the one of 3, at 42 ms, lets 7 and 8 go. */
Test(tcp, slow_start_doubles_each_round_trip) {
  sim_tcp_write(&tcp, 8000);
  run_until(20);
  cr_expect(eq(u64, arrived_bytes, 2000));
  cr_expect(eq(u64, arrived_at, 12 * MS));
  run_until(41);
  cr_expect(eq(u64, arrived_bytes, 6000));
  cr_expect(eq(u64, arrived_at, 35 * MS));
  run_until(100);
  cr_expect(eq(u64, arrived_bytes, 8000));
  cr_expect(eq(u64, arrived_at, 54 * MS));
  cr_expect(eq(u64, acknowledged_bytes, 8000));
  cr_expect(eq(u64, acknowledged_at, 64 * MS));
  cr_expect(eq(u64, tcp.retransmissions, 0));
}

Test(tcp, acknowledgements_of_single_segments_are_delayed) {
  config.delayed_ack_ns = 100 * MS;
  sim_tcp_write(&tcp, 1000);
  run_until(1000);
  cr_expect(eq(u64, acknowledged_at, (11 + 100 + 10) * MS));
  sim_tcp_write(&tcp, 2000);
  run_until(2000);
  cr_expect(eq(u64, acknowledged_at, (1000 + 12 + 10) * MS), "the second one is acknowledged at once");
}

/* 1 to 3 get through, 4 to 8 find the queue full. Three acknowledgements let 9 to 14 go, two at a time with room for
 * all; the third selective acknowledgement means loss: of eleven segments in flight five may be again. */
Test(tcp, a_window_with_five_losses_is_repaired_without_a_time_out) {
  config.initial_window = 8;
  tcp.window = 8000;
  network.links[0]->limit_packets = 2;
  sim_tcp_write(&tcp, 14000);
  cr_expect(eq(u64, network.links[0]->drops, 5));
  network.links[0]->limit_packets = 0;
  run_until(43);
  cr_expect(eq(u64, arrived_bytes, 3000));
  cr_expect(eq(u64, tcp.retransmissions, 0));
  run_until(45);
  cr_expect(eq(int, tcp.phase, SIM_TCP_RECOVERY));
  cr_expect(eq(dbl, tcp.threshold, 5000));
  run_until(180);
  cr_expect(eq(u64, arrived_bytes, 14000));
  cr_expect(eq(u64, acknowledged_bytes, 14000));
  cr_expect(eq(u64, tcp.retransmissions, 5), "what was lost, and nothing else");
  cr_expect(eq(u64, tcp.timeouts, 0));
  cr_expect(eq(u64, network.links[0]->drops, 5));
  cr_expect(eq(dbl, tcp.window, 5200), "congestion avoidance begins with what ends recovery: 1000 * 1000 / 5000");
}

Test(tcp, without_an_acknowledgement_the_timer_sends_again_and_doubles) {
  network.links[0]->loss = 1;
  sim_tcp_write(&tcp, 1000);
  run_until(2999);
  cr_expect(eq(u64, tcp.timeouts, 1), "the first after a second");
  network.links[0]->loss = 0;
  run_until(3005);
  cr_expect(eq(u64, tcp.timeouts, 2), "the second after two more");
  run_until(4000);
  cr_expect(eq(u64, arrived_at, 3011 * MS));
  cr_expect(eq(u64, acknowledged_bytes, 1000));
  cr_expect(eq(u64, tcp.rtt, 21 * MS), "the time stamp is that of the segment that arrived");
  cr_expect(eq(u64, tcp.rto, 200 * MS), "not below the least");
  cr_expect(eq(dbl, tcp.threshold, 2000));
}

Test(tcp, congestion_avoidance_adds_a_segment_each_round_trip) {
  tcp.threshold = 2000;
  sim_tcp_write(&tcp, 1U << 20);
  run_until(21 * 4 -
            1); /* three rounds: from 2 segments to nearly 5, as the window grows while a round is acknowledged */
  cr_expect(ge(dbl, tcp.window, 4000));
  cr_expect(lt(dbl, tcp.window, 5000));
}

Test(tcp, what_is_abandoned_is_never_sent) {
  sim_tcp_write(&tcp, 100000);
  run_until(5);
  sim_tcp_abandon(&tcp);
  run_until(1000);
  cr_expect(eq(u64, arrived_bytes, 2000), "what was on its way");
}

Test(tcp, a_lossy_link_loses_no_byte) {
  network.links[0]->loss = network.links[1]->loss = 0.05;
  for (unsigned i = 0; i < 50; i++) {
    sim_tcp_write(&tcp, 20000);
    run_until((i + 1) * 2000ULL);
  }
  run_until(1000000);
  cr_expect(eq(u64, arrived_bytes, 1000000));
  cr_expect(eq(u64, acknowledged_bytes, 1000000));
  cr_expect(gt(u64, tcp.retransmissions, 0));
}

/* A round trip is known to take 21 ms. What is lost at the end of what was written nobody acknowledges. */
Test(tcp, a_lost_end_is_found_by_a_probe_before_the_timer) {
  config.probe = true;
  sim_tcp_write(&tcp, 1000);
  run_until(100);
  network.links[0]->loss = 1;
  sim_tcp_write(&tcp, 2000);
  run_until(115);
  network.links[0]->loss = 0;
  run_until(1000);
  cr_expect(eq(u64, arrived_bytes, 3000));
  cr_expect(lt(u64, arrived_at, 200 * MS), "the timer would wait until 300");
  cr_expect(eq(u64, tcp.timeouts, 0));
}

/* The first of eight is lost, and so is the segment that repairs it; those after it are not. */
Test(tcp, a_repair_that_is_lost_is_repaired_without_a_time_out) {
  config.probe = true;
  sim_tcp_write(&tcp, 1000);
  run_until(100);
  tcp.window = 8000;
  sim_tcp_write(&tcp, 30000);
  run_until(110);
  network.links[0]->loss = 1;
  run_until(111);
  network.links[0]->loss = 0;
  run_until(132);
  cr_assert(eq(u64, tcp.retransmissions, 1));
  network.links[0]->loss = 1;
  run_until(133);
  network.links[0]->loss = 0;
  run_until(2000);
  cr_expect(eq(u64, network.links[0]->lost, 2));
  cr_expect(eq(u64, arrived_bytes, 31000));
  cr_expect(eq(u64, tcp.timeouts, 0));
  cr_expect(eq(u64, tcp.retransmissions, 2));
}
