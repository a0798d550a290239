/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COPSE_SCHEDULER_STATE_H
#define COPSE_SCHEDULER_STATE_H

#include "ranges.h"

/* A member with orders that it has not reported as sent; there are no others. */
struct copse_ordered {
  uint64_t member;
  uint64_t touched_ms; /* last sign of life */
  struct copse_ranges open;
};

/* Every block is in exactly one set: free, injected, or the orders of one member. */
struct copse_scheduler {
  uint32_t blocks;
  struct copse_ranges free, injected;
  struct copse_ordered *ordered;
  size_t ordered_count;
};

/* The entry of a member, made if there is none; null when memory is short. */
struct copse_ordered *copse_scheduler_entry(struct copse_scheduler *scheduler, uint64_t member, uint64_t now_ms);

#endif
