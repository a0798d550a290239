/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler.h"
#include <stdbool.h>
#include <stdlib.h>

#define BLOCK_BITS (16384ULL * 8)
#define AHEAD_BLOCKS 4    /* where half a second carries less: a member asks while it still sends */
#define SILENCES_AHEAD 12 /* times the silence: clocks of PoPs differ by less, unless one was set back */

struct copse_scheduler *
copse_scheduler_create(uint32_t blocks) {
  struct copse_scheduler *scheduler = calloc(1, sizeof(*scheduler));

  if (!scheduler)
    return NULL;
  scheduler->blocks = blocks;
  if (!copse_ranges_add(&scheduler->free, (struct copse_range){0, blocks})) {
    free(scheduler);
    return NULL;
  }
  return scheduler;
}

static void
free_entry(struct copse_ordered *entry) {
  copse_ranges_free(&entry->open);
  copse_ranges_free(&entry->again);
}

void
copse_scheduler_free(struct copse_scheduler *scheduler) {
  if (!scheduler)
    return;
  for (size_t i = 0; i < scheduler->ordered_count; i++)
    free_entry(&scheduler->ordered[i]);
  for (size_t i = 0; i < scheduler->wave_count; i++)
    copse_ranges_free(&scheduler->waves[i].blocks);
  free(scheduler->ordered);
  free(scheduler->waves);
  copse_ranges_free(&scheduler->free);
  free(scheduler);
}

static struct copse_ordered *
find(const struct copse_scheduler *scheduler, uint64_t member) {
  for (size_t i = 0; i < scheduler->ordered_count; i++)
    if (scheduler->ordered[i].member == member)
      return &scheduler->ordered[i];
  return NULL;
}

struct copse_ordered *
copse_scheduler_entry(struct copse_scheduler *scheduler, uint64_t member, uint64_t now_ms) {
  struct copse_ordered *entry = find(scheduler, member), *larger;

  if (!entry) {
    larger = realloc(scheduler->ordered, (scheduler->ordered_count + 1) * sizeof(*larger));
    if (!larger)
      return NULL;
    scheduler->ordered = larger;
    entry = &larger[scheduler->ordered_count++];
    *entry = (struct copse_ordered){.member = member};
  }
  entry->touched_ms = now_ms;
  return entry;
}

void
copse_scheduler_forget(struct copse_scheduler *scheduler, struct copse_ordered *entry) {
  if (entry->open.count > 0 || entry->again.count > 0)
    return;
  free_entry(entry);
  *entry = scheduler->ordered[--scheduler->ordered_count];
}

uint64_t
copse_scheduler_ahead(uint64_t rate_bps) {
  uint64_t half_second = rate_bps / (2 * BLOCK_BITS);

  return half_second > AHEAD_BLOCKS ? half_second : AHEAD_BLOCKS;
}

/* What is worth having ahead, and no more than the member's share of what is left; at least one block. */
static uint64_t
order_blocks(const struct copse_scheduler *scheduler, uint64_t rate_bps, uint64_t total_bps) {
  uint64_t ahead = copse_scheduler_ahead(rate_bps), all_bps = total_bps > rate_bps ? total_bps : rate_bps;
  uint64_t share = (uint64_t)((unsigned __int128)copse_ranges_blocks(&scheduler->free) * rate_bps / all_bps);
  uint64_t blocks = ahead < share ? ahead : share;

  return blocks > 0 ? blocks : 1;
}

size_t
copse_scheduler_order(struct copse_scheduler *scheduler, uint64_t member, uint64_t rate_bps, uint64_t total_bps,
                      uint64_t now_ms, struct copse_range *ranges, size_t capacity) {
  struct copse_ordered *entry;
  size_t written = 0;
  uint64_t wanted;

  if (rate_bps == 0 || scheduler->free.count == 0)
    return 0;
  entry = copse_scheduler_entry(scheduler, member, now_ms);
  if (!entry)
    return 0;
  wanted = order_blocks(scheduler, rate_bps, total_bps);
  while (written < capacity && wanted > 0 && scheduler->free.count > 0) {
    struct copse_range part = scheduler->free.items[0];
    if (part.count > wanted)
      part.count = (uint32_t)wanted;
    if (!copse_ranges_move(&scheduler->free, &entry->open, part))
      break;
    ranges[written++] = part;
    wanted -= part.count;
  }
  copse_scheduler_forget(scheduler, entry);
  return written;
}

/* Moves what of the range is in the set; what memory is short for stays. */
static void
move_within(struct copse_ranges *from, struct copse_ranges *to, struct copse_range range) {
  struct copse_range part;

  while (copse_ranges_first_within(from, range, &part))
    if (!copse_ranges_move(from, to, part))
      return;
}

void
copse_scheduler_sent(struct copse_scheduler *scheduler, uint64_t member, struct copse_range range, uint64_t audience,
                     uint64_t now_ms) {
  struct copse_ordered *entry = find(scheduler, member);
  struct copse_wave *wave;

  if (!entry)
    return;
  entry->touched_ms = now_ms;
  wave = copse_scheduler_wave(scheduler, audience);
  if (wave) { /* otherwise it stays ordered, and is sent again one day */
    move_within(&entry->open, &wave->blocks, range);
    move_within(&entry->again, &wave->blocks, range);
    copse_scheduler_trim(scheduler);
  }
  copse_scheduler_forget(scheduler, entry);
}

void
copse_scheduler_touch(struct copse_scheduler *scheduler, uint64_t member, uint64_t now_ms) {
  struct copse_ordered *entry = find(scheduler, member);

  if (entry)
    entry->touched_ms = now_ms;
}

void
copse_scheduler_leave(struct copse_scheduler *scheduler, uint64_t member) {
  const struct copse_range all = {0, scheduler->blocks};
  struct copse_ordered *entry = find(scheduler, member);
  struct copse_wave *oldest;

  if (!entry)
    return;
  move_within(&entry->open, &scheduler->free, all); /* what stays expires later */
  oldest = entry->again.count > 0 ? copse_scheduler_wave(scheduler, 0) : NULL;
  if (oldest)
    move_within(&entry->again, &oldest->blocks, all);
  copse_scheduler_trim(scheduler);
  copse_scheduler_forget(scheduler, entry);
}

size_t
copse_scheduler_expire(struct copse_scheduler *scheduler, uint64_t now_ms, uint64_t silence_ms) {
  size_t expired = 0;

  for (size_t i = scheduler->ordered_count; i-- > 0;) { /* the last entry takes the place of one that goes */
    const struct copse_ordered *entry = &scheduler->ordered[i];
    bool ahead = now_ms < entry->touched_ms;

    if (ahead ? entry->touched_ms - now_ms < SILENCES_AHEAD * silence_ms : now_ms - entry->touched_ms < silence_ms)
      continue;
    copse_scheduler_leave(scheduler, entry->member);
    expired++;
  }
  return expired;
}

size_t
copse_scheduler_open(const struct copse_scheduler *scheduler, uint64_t member, struct copse_range *ranges,
                     size_t capacity) {
  const struct copse_ordered *entry = find(scheduler, member);
  size_t count = entry ? copse_ranges_copy(&entry->open, ranges, capacity) : 0;

  return entry ? count + copse_ranges_copy(&entry->again, ranges + count, capacity - count) : 0;
}

uint64_t
copse_scheduler_open_new(const struct copse_scheduler *scheduler, uint64_t member) {
  const struct copse_ordered *entry = find(scheduler, member);

  return entry ? copse_ranges_blocks(&entry->open) : 0;
}

uint64_t
copse_scheduler_open_all(const struct copse_scheduler *scheduler, uint64_t member) {
  const struct copse_ordered *entry = find(scheduler, member);

  return entry ? copse_ranges_blocks(&entry->open) + copse_ranges_blocks(&entry->again) : 0;
}
