/* SPDX-License-Identifier: Apache-2.0 */
/* copse-sim-check: greedy TCP flows over one bottleneck, for comparison with another simulator.
 * usage: copse-sim-check SECONDS RATE_BPS QUEUE_PACKETS BOTTLENECK_MS LOSS SEED ACCESS_MS...
 * One flow for each ACCESS_MS, its one-way delay before the bottleneck. Prints a line of JSON. */
#include "tcp.h"

#include <stdio.h>
#include <stdlib.h>

#define MILLISECOND 1000000ULL
#define ACCESS_BPS 100000000ULL
#define FLOWS_MAX 64
#define CHUNK (1U << 20)

/* As ns-2's Agent/TCP/Sack1 and TCPSink/Sack1/DelAck count and wait. */
static const struct sim_tcp_config like_ns2 = {
  .segment_bytes = 1460,
  .header_bytes = 40,
  .ack_bytes = 40,
  .initial_window = 2,
  .window_bytes = 1U << 30,
  .send_bytes = 2 * CHUNK,
  .min_rto_ns = 200 * MILLISECOND,
  .delayed_ack_ns = 100 * MILLISECOND,
};

static void
arrived(struct sim_tcp *tcp, uint64_t bytes, uint64_t now) {
  (void)now;
  *(uint64_t *)tcp->context += bytes;
}

static void
acknowledged(struct sim_tcp *tcp, uint64_t bytes, uint64_t now) {
  (void)bytes;
  (void)now;
  if (sim_tcp_room(tcp) >= CHUNK)
    sim_tcp_write(tcp, CHUNK);
}

int
main(int argc, char **argv) {
  struct sim_engine engine = {0};
  struct sim_network network;
  struct sim_tcp flows[FLOWS_MAX];
  uint64_t delivered[FLOWS_MAX] = {0};
  const int count = argc - 7, stop = 0;

  if (count < 1 || count > FLOWS_MAX) {
    fputs("usage: copse-sim-check SECONDS RATE_BPS QUEUE_PACKETS BOTTLENECK_MS LOSS SEED ACCESS_MS...\n", stderr);
    return 2;
  }
  const double seconds = strtod(argv[1], NULL);
  const uint32_t left = 2 * (uint32_t)count, right = left + 1;
  sim_network_init(&network, &engine, left + 2, strtoull(argv[6], NULL, 10));
  struct sim_link *there =
    sim_link_add(&network, left, right, strtoull(argv[2], NULL, 10), (uint64_t)(strtod(argv[4], NULL) * MILLISECOND));
  there->limit_packets = (uint32_t)strtoul(argv[3], NULL, 10);
  there->loss = strtod(argv[5], NULL);
  sim_link_add(&network, right, left, there->rate_bps, there->delay_ns);
  for (int i = 0; i < count; i++) {
    const uint64_t delay = (uint64_t)(strtod(argv[7 + i], NULL) * MILLISECOND);
    const uint32_t source = 2 * (uint32_t)i, target = source + 1;
    sim_link_add(&network, source, left, ACCESS_BPS, delay);
    sim_link_add(&network, left, source, ACCESS_BPS, delay);
    sim_link_add(&network, right, target, ACCESS_BPS, MILLISECOND);
    sim_link_add(&network, target, right, ACCESS_BPS, MILLISECOND);
  }
  uint64_t *metric = sim_allocate(network.link_count, sizeof(*metric));
  for (uint32_t i = 0; i < network.link_count; i++)
    metric[i] = 1;
  sim_route(&network, metric);
  for (int i = 0; i < count; i++) {
    sim_tcp_init(&flows[i], &network, &like_ns2, 2 * (uint32_t)i, 2 * (uint32_t)i + 1, arrived, acknowledged,
                 &delivered[i]);
    sim_run(&engine, (uint64_t)i * 97 * MILLISECOND, &stop); /* they do not start together */
    sim_tcp_write(&flows[i], 2UL * CHUNK);
  }
  sim_run(&engine, (uint64_t)(seconds * SIM_SECOND), &stop);
  printf("{\"events\": %lu, \"sent\": %lu, \"drops\": %lu, \"lost\": %lu, \"flows_bps\": [", engine.fired,
         there->packets, there->drops, there->lost);
  for (int i = 0; i < count; i++)
    printf("%s%.0f", i ? ", " : "", (double)delivered[i] * 8 / seconds);
  puts("]}");
  for (int i = 0; i < count; i++)
    sim_tcp_free(&flows[i]);
  free(metric);
  sim_network_free(&network);
  sim_engine_free(&engine);
  return 0;
}
