/* SPDX-License-Identifier: Apache-2.0 */
/* A set of blocks as ranges: ascending, apart from each other, none empty. */
#ifndef COPSE_RANGES_H
#define COPSE_RANGES_H

#include <copse/scheduler.h>
#include <stdbool.h>

struct copse_ranges {
  struct copse_range *items;
  size_t count, capacity;
};

/* Moves a range that one item of `from` contains, and nothing of which is in `to`. False, with nothing changed, when
 * memory is short. */
bool copse_ranges_move(struct copse_ranges *from, struct copse_ranges *to, struct copse_range range);
/* Adds a range nothing of which is in the set. False when memory is short. */
bool copse_ranges_add(struct copse_ranges *set, struct copse_range range);
/* The first part of the range that is in the set; false if nothing of it is. */
bool copse_ranges_first_within(const struct copse_ranges *set, struct copse_range range, struct copse_range *part);
/* Number of blocks. */
uint64_t copse_ranges_blocks(const struct copse_ranges *set);
/* Copies at most `capacity` ranges, returns how many. */
size_t copse_ranges_copy(const struct copse_ranges *set, struct copse_range *ranges, size_t capacity);
void copse_ranges_free(struct copse_ranges *set);

#endif
