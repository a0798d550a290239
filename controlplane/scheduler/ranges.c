/* SPDX-License-Identifier: Apache-2.0 */
#include "ranges.h"
#include <stdlib.h>
#include <string.h>

/* One past the last block; 64 bits, for a range may end at 2^32. */
static uint64_t
end_of(struct copse_range range) {
  return (uint64_t)range.first + range.count;
}

static bool
reserve_one(struct copse_ranges *set) {
  size_t capacity = set->capacity ? 2 * set->capacity : 8;
  struct copse_range *items;

  if (set->count < set->capacity)
    return true;
  items = realloc(set->items, capacity * sizeof(*items));
  if (!items)
    return false;
  set->items = items;
  set->capacity = capacity;
  return true;
}

/* Index of the first item that ends after the block. */
static size_t
find(const struct copse_ranges *set, uint64_t block) {
  size_t low = 0, high = set->count;

  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (end_of(set->items[middle]) <= block)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/* Replaces `old` items from index `at` by `new` ones; there is room. */
static void
replace(struct copse_ranges *set, size_t at, size_t old, const struct copse_range *items, size_t new) {
  memmove(&set->items[at + new], &set->items[at + old], (set->count - at - old) * sizeof(*items));
  memcpy(&set->items[at], items, new * sizeof(*items));
  set->count += new;
  set->count -= old;
}

bool
copse_ranges_add(struct copse_ranges *set, struct copse_range range) {
  size_t at = find(set, range.first), old = 0;

  if (!reserve_one(set))
    return false;
  if (at < set->count && set->items[at].first == end_of(range)) {
    range.count += set->items[at].count;
    old++;
  }
  if (at > 0 && end_of(set->items[at - 1]) == range.first) {
    at--;
    range.first = set->items[at].first;
    range.count += set->items[at].count;
    old++;
  }
  replace(set, at, old, &range, 1);
  return true;
}

bool
copse_ranges_move(struct copse_ranges *from, struct copse_ranges *to, struct copse_range range) {
  size_t at = find(from, range.first), rest_count = 0;
  struct copse_range whole = from->items[at], rest[2];

  if (!reserve_one(from) || !copse_ranges_add(to, range))
    return false;
  if (whole.first < range.first)
    rest[rest_count++] = (struct copse_range){whole.first, range.first - whole.first};
  if (end_of(range) < end_of(whole))
    rest[rest_count++] = (struct copse_range){(uint32_t)end_of(range), (uint32_t)(end_of(whole) - end_of(range))};
  replace(from, at, 1, rest, rest_count);
  return true;
}

bool
copse_ranges_first_within(const struct copse_ranges *set, struct copse_range range, struct copse_range *part) {
  size_t at = find(set, range.first);
  uint64_t end;

  if (range.count == 0 || at == set->count || set->items[at].first >= end_of(range))
    return false;
  end = end_of(range) < end_of(set->items[at]) ? end_of(range) : end_of(set->items[at]);
  part->first = set->items[at].first > range.first ? set->items[at].first : range.first;
  part->count = (uint32_t)(end - part->first);
  return true;
}

uint64_t
copse_ranges_blocks(const struct copse_ranges *set) {
  uint64_t blocks = 0;

  for (size_t i = 0; i < set->count; i++)
    blocks += set->items[i].count;
  return blocks;
}

size_t
copse_ranges_copy(const struct copse_ranges *set, struct copse_range *ranges, size_t capacity) {
  size_t count = set->count < capacity ? set->count : capacity;

  if (count > 0)
    memcpy(ranges, set->items, count * sizeof(*ranges));
  return count;
}

void
copse_ranges_free(struct copse_ranges *set) {
  free(set->items);
  *set = (struct copse_ranges){0};
}
