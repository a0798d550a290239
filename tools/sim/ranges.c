/* SPDX-License-Identifier: Apache-2.0 */
#include "ranges.h"

#include <stdlib.h>
#include <string.h>

uint64_t
sim_ranges_add(struct sim_ranges *ranges, uint64_t start, uint64_t end) {
  struct sim_range *items = ranges->items, joined = {start, end, ++ranges->touch};
  uint32_t first = ranges->count, last;
  uint64_t known = 0;

  while (first > 0 && items[first - 1].end >= start)
    first--;
  for (last = first; last < ranges->count && items[last].start <= end; last++) {
    known += items[last].end - items[last].start;
    joined.start = items[last].start < joined.start ? items[last].start : joined.start;
    joined.end = items[last].end > joined.end ? items[last].end : joined.end;
  }
  if (first == last && ranges->count == ranges->capacity) {
    ranges->capacity = ranges->capacity ? 2 * ranges->capacity : 16;
    items = ranges->items = sim_enlarge(items, ranges->capacity, sizeof(*items));
  }
  memmove(&items[first + 1], &items[last], (ranges->count - last) * sizeof(*items));
  items[first] = joined;
  ranges->count = ranges->count + 1 + first - last;
  return joined.end - joined.start - known;
}

void
sim_ranges_cut(struct sim_ranges *ranges, uint64_t start) {
  uint32_t gone = 0;

  while (gone < ranges->count && ranges->items[gone].end <= start)
    gone++;
  ranges->count -= gone;
  if (gone > 0)
    memmove(ranges->items, ranges->items + gone, ranges->count * sizeof(*ranges->items));
  if (ranges->count > 0 && ranges->items[0].start < start)
    ranges->items[0].start = start;
}

uint64_t
sim_ranges_bytes(const struct sim_ranges *ranges) {
  uint64_t bytes = 0;

  for (uint32_t i = 0; i < ranges->count; i++)
    bytes += ranges->items[i].end - ranges->items[i].start;
  return bytes;
}

void
sim_ranges_free(struct sim_ranges *ranges) {
  free(ranges->items);
  *ranges = (struct sim_ranges){0};
}
