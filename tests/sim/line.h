/* SPDX-License-Identifier: Apache-2.0 */
/* Two or three nodes in a line, 8 Mbit/s and 10 ms each way: a packet of 1000 bytes takes 1 ms, and 10 ms. */
#ifndef TEST_SIM_LINE_H
#define TEST_SIM_LINE_H

#include "network.h"

#define MS 1000000ULL

static struct sim_engine engine;
static struct sim_network network;
static const int never_stop = 0;

static inline void
make_line(uint32_t nodes) {
  const uint64_t metric[] = {1, 1, 1, 1};

  sim_network_init(&network, &engine, nodes, 1);
  for (uint32_t i = 0; i + 1 < nodes; i++) {
    sim_link_add(&network, i, i + 1, 8000000, 10 * MS);
    sim_link_add(&network, i + 1, i, 8000000, 10 * MS);
  }
  sim_route(&network, metric);
}

static inline void
free_line(void) {
  sim_network_free(&network);
  sim_engine_free(&engine);
}

#endif
