/* SPDX-License-Identifier: Apache-2.0 */
/* One sample: a warm-up, slices of 20 ms, and the end of what is under way. */
#ifndef GEN_RUN_H
#define GEN_RUN_H

#include "commits.h"
#include "sink.h"

#define GEN_SLICE_MS 20
#define GEN_SLICES_MAX 4096

struct gen_run {
  uint64_t rate; /* packets a second offered; 0: as many as the device takes */
  uint32_t slices;
  uint32_t burst;              /* packets sent at once, at most */
  uint32_t backlog;            /* packets that are due and may wait; what is due beyond is not sent any more */
  struct gen_commits *commits; /* made meanwhile, or null */
  /* results */
  uint64_t generated; /* with the warm-up */
  uint64_t missed;    /* were due, and the device had no buffer: what a NIC counts as missed */
  uint64_t late;      /* were due, and this program was too late */
  uint64_t received;
  double p90, mean, best; /* copies a second in the slices: nine of ten are slower, all of them, the fastest */
  double offered;         /* packets a second, in the slices */
  double full;            /* part of the times when there was something to send and the device had no buffer */
  bool alive;             /* the device was there to the end */
};

/* Keeps both rings going, as fast as this core can. */
void gen_run(struct gen_run *run, struct gen_device *device, struct gen_traffic *traffic, struct gen_sink *sink);

#endif
