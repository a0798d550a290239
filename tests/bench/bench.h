/* SPDX-License-Identifier: Apache-2.0 */
/* Cycles of the real pipeline in process: one net_ring port, one table, one worker; what a network and a device would
 * add is left out. Bare replication on the same port in the same run is the measure of what the product adds. */
#ifndef COPSE_BENCH_H
#define COPSE_BENCH_H

#include "frames.h"
#include "pipeline/pipeline.h"

#include <stdio.h>

#define BENCH_LINKS 64
#define BENCH_MEMBERS 1024
#define BENCH_FAN_OUT_MAX 1024
#define BENCH_COPIES 2048 /* of a burst at most, so that pools are as small as those of a port */

struct bench_case {
  uint32_t frame; /* bytes without FCS, copse's header included */
  uint32_t fan_out;
  uint32_t trees;
  bool zipf; /* which tree a packet is of: Zipf with exponent 1, else uniform */
};

struct bench {
  struct copse_pools pools;
  struct rte_ring *rx, *tx;
  struct copse_table *table;
  struct copse_worker *worker;
  uint16_t port;
  uint64_t sequence;
  uint64_t random;
  double *zipf; /* cumulated weight of each tree */
};

/* bench_setup.c. All of them end the program with a sentence if they fail. */
void bench_require(bool condition, const char *what);
double bench_median(double *values, unsigned count); /* sorts them */
void bench_start(struct bench *bench);
/* The table of a case, whose next hops are behind port 0; and a frame for it, not signed. */
void bench_plant_table(struct bench *bench, const struct bench_case *which, uint32_t workers);
void bench_frame(const struct bench *bench, const struct bench_case *which, struct frame *frame);
/* Makes a block header that of a tree's packet. */
void bench_sign(struct copse_header *header, uint32_t slot, uint64_t sequence);
/* The table of a case, and a worker on it. */
void bench_plant(struct bench *bench, const struct bench_case *which);
void bench_clear(struct bench *bench);
/* Puts a burst of frames of valid packets into the port's receive ring. */
void bench_load(struct bench *bench, const struct bench_case *which);
/* Frees what the port sent; returns the number of frames. */
unsigned bench_sink(struct bench *bench);

/* Packets of a case's burst. */
static inline unsigned
bench_burst(const struct bench_case *which) {
  return RTE_MIN((uint32_t)COPSE_BURST, BENCH_COPIES / which->fan_out);
}

/* bench_bare.c: receives a burst and sends each packet `fan_out` times with new addresses, by the technique that
 * docs/decisions/replication.md found best for its size, and does nothing else. */
void bench_bare(struct bench *bench, uint32_t fan_out, uint64_t now);

#endif
