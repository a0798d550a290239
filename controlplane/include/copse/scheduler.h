/* SPDX-License-Identifier: Apache-2.0 */
/* Who injects which block: every block once, seeds take disjoint orders. Pure: no clock, no I/O; the simulator runs
 * the same code. State is small and is kept in the store as JSON by the caller. */
#ifndef COPSE_SCHEDULER_H
#define COPSE_SCHEDULER_H

#include <stddef.h>
#include <stdint.h>

struct copse_scheduler;

struct copse_range {
  uint32_t first, count;
};

/* `blocks` > 0. Null when memory is short. */
struct copse_scheduler *copse_scheduler_create(uint32_t blocks);
void copse_scheduler_free(struct copse_scheduler *scheduler);

/* Blocks worth having on order at a rate: half a second's, and on slow links at least some. */
uint64_t copse_scheduler_ahead(uint64_t rate_bps);
/* Next order for a seed that sends at rate_bps while all seeds together send at total_bps: what is worth having ahead,
 * and at the end of the file no more than its share of what is left, so that all seeds end together (guided
 * self-scheduling). Returns the number of ranges written (at most `capacity`), 0 when nothing is left. */
size_t copse_scheduler_order(struct copse_scheduler *scheduler, uint64_t member, uint64_t rate_bps, uint64_t total_bps,
                             uint64_t now_ms, struct copse_range *ranges, size_t capacity);
/* The member has injected a range of its orders; parts not ordered by it are ignored. Keeps its other orders alive. */
void copse_scheduler_sent(struct copse_scheduler *scheduler, uint64_t member, struct copse_range range,
                          uint64_t now_ms);
/* The member is alive: its orders stay. */
void copse_scheduler_touch(struct copse_scheduler *scheduler, uint64_t member, uint64_t now_ms);
/* Orders of a member that left, or of all that were silent for `silence_ms` (returns how many), are given out again. */
void copse_scheduler_leave(struct copse_scheduler *scheduler, uint64_t member);
size_t copse_scheduler_expire(struct copse_scheduler *scheduler, uint64_t now_ms, uint64_t silence_ms);
/* Open orders of a member (asked again after a lost answer), and everything injected so far, as ranges in order. */
size_t copse_scheduler_open(const struct copse_scheduler *scheduler, uint64_t member, struct copse_range *ranges,
                            size_t capacity);
size_t copse_scheduler_injected(const struct copse_scheduler *scheduler, struct copse_range *ranges, size_t capacity);

/* JSON text, allocated; and back (null when it is not well formed). */
char *copse_scheduler_save(const struct copse_scheduler *scheduler);
struct copse_scheduler *copse_scheduler_load(const char *text);

#endif
