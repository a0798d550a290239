/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COPSE_SCHEDULER_STATE_H
#define COPSE_SCHEDULER_STATE_H

#include "ranges.h"

/* A member with orders that it has not reported as sent; there are no others. */
struct copse_ordered {
  uint64_t member;
  uint64_t touched_ms;             /* last sign of life */
  struct copse_ranges open, again; /* never injected so far; injected for an older audience */
};

/* Blocks that were last injected for the same audience. */
struct copse_wave {
  uint64_t audience;
  struct copse_ranges blocks;
};

/* Every block is in exactly one set: free, a wave, or the orders of one member. */
struct copse_scheduler {
  uint32_t blocks;
  struct copse_ranges free;
  struct copse_wave *waves; /* the oldest audience first */
  size_t wave_count;
  struct copse_ordered *ordered;
  size_t ordered_count;
};

/* The wave of an audience, made if there is none; null when memory is short. */
struct copse_wave *copse_scheduler_wave(struct copse_scheduler *scheduler, uint64_t audience);
/* Forgets waves without blocks. */
void copse_scheduler_trim(struct copse_scheduler *scheduler);
/* The entry of a member, made if there is none; null when memory is short. */
struct copse_ordered *copse_scheduler_entry(struct copse_scheduler *scheduler, uint64_t member, uint64_t now_ms);
/* Forgets a member that has no orders. */
void copse_scheduler_forget(struct copse_scheduler *scheduler, struct copse_ordered *entry);

#endif
