/* SPDX-License-Identifier: Apache-2.0 */
/* Many trees in process: one net_ring port with a queue pair for each worker, every worker a thread that makes the
 * packets it forwards, all from the parent over IPv4. What is offered is a function of a slot number, slots are evenly
 * spaced in time: simulated time, in which a slot comes when a worker takes it, or real time. */
#ifndef COPSE_TEST_ORCHARD_H
#define COPSE_TEST_ORCHARD_H

#include "builder.h"
#include "pipeline/worker.h"
#include "table/layout.h"

#include <rte_mbuf.h>

#define ORCHARD_WORKERS_MAX 2
#define ORCHARD_LINKS 16
#define ORCHARD_SPARE 64 /* tree slots beyond those that are planted */

struct orchard_worker {
  struct copse_worker *worker;
  struct rte_ring *rx, *tx;
};

struct orchard {
  struct copse_pools pools;
  struct copse_table *table;
  struct orchard_worker worker[ORCHARD_WORKERS_MAX];
  unsigned workers;
  uint32_t trees, fan_out;
  uint64_t *sequence; /* of each tree, shared by the workers */
};

/* `frame_bytes`: the largest packet, layer 3. Fails the program or test if something is missing. EAL must run. */
void orchard_start_eal(void);
void orchard_open(struct orchard *orchard, unsigned workers, uint32_t trees, uint32_t layer3_bytes, uint64_t tsc_hz);
/* Closes it; returns whether every mbuf has come back. */
bool orchard_close(struct orchard *orchard);

/* A batch's operations for tree `slot`, over the first `fan_out` links, bounded to `bps` (0: not). */
void orchard_tree(struct builder *batch, uint32_t slot, uint32_t fan_out, uint64_t bps, uint32_t burst_us);
/* Plants all trees. */
void orchard_plant(struct orchard *orchard, uint32_t fan_out, uint64_t bps, uint32_t burst_us);

/* Puts a packet of a tree, `layer3_bytes` long, into the worker's ring. */
void orchard_load(struct orchard *orchard, unsigned worker, uint32_t tree, uint32_t layer3_bytes);
/* One iteration of a worker; what it sends is freed. Returns the number of frames sent. */
unsigned orchard_turn(struct orchard *orchard, unsigned worker, uint64_t now);

/* Sums over workers. */
struct copse_worker_counters orchard_counters(const struct orchard *orchard);
struct copse_tree_counters orchard_tree_counters(const struct orchard *orchard, uint32_t slot);

#endif
