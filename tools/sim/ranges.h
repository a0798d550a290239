/* SPDX-License-Identifier: Apache-2.0 */
/* Sorted, disjoint ranges [start, end) of a stream's bytes. */
#ifndef SIM_RANGES_H
#define SIM_RANGES_H

#include "engine.h"

struct sim_range {
  uint64_t start, end;
  uint64_t touched; /* when it last grew: a number that rises */
};

struct sim_ranges {
  struct sim_range *items;
  uint32_t count, capacity;
  uint64_t touch;
};

/* Adds a range and joins those it touches. Returns how many bytes were new. */
uint64_t sim_ranges_add(struct sim_ranges *ranges, uint64_t start, uint64_t end);
/* Forgets what is below `start`. */
void sim_ranges_cut(struct sim_ranges *ranges, uint64_t start);
uint64_t sim_ranges_bytes(const struct sim_ranges *ranges);
void sim_ranges_free(struct sim_ranges *ranges);

#endif
