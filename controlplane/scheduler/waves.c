/* SPDX-License-Identifier: Apache-2.0 */
/* What was injected, by the audience it was last injected for, and what of it is worth injecting once more. */
#include "scheduler.h"
#include <stdlib.h>
#include <string.h>

#define ORDER_RANGES 64
#define PPM 1000000ULL
#define LOSS_LEAST_PPM 10000
#define LOSS_MOST_PPM 250000

struct copse_wave *
copse_scheduler_wave(struct copse_scheduler *scheduler, uint64_t audience) {
  size_t at = scheduler->wave_count;
  struct copse_wave *larger;

  while (at > 0 && scheduler->waves[at - 1].audience > audience)
    at--;
  if (at > 0 && scheduler->waves[at - 1].audience == audience)
    return &scheduler->waves[at - 1];
  larger = realloc(scheduler->waves, (scheduler->wave_count + 1) * sizeof(*larger));
  if (!larger)
    return NULL;
  scheduler->waves = larger;
  memmove(&larger[at + 1], &larger[at], (scheduler->wave_count++ - at) * sizeof(*larger));
  larger[at] = (struct copse_wave){.audience = audience};
  return &larger[at];
}

void
copse_scheduler_trim(struct copse_scheduler *scheduler) {
  size_t kept = 0;

  for (size_t i = 0; i < scheduler->wave_count; i++)
    if (scheduler->waves[i].blocks.count > 0)
      scheduler->waves[kept++] = scheduler->waves[i];
    else
      copse_ranges_free(&scheduler->waves[i].blocks);
  scheduler->wave_count = kept;
}

size_t
copse_scheduler_injected(const struct copse_scheduler *scheduler, struct copse_range *ranges, size_t capacity) {
  struct copse_ranges all = {0};
  size_t count;

  for (size_t i = 0; i < scheduler->wave_count; i++)
    for (size_t k = 0; k < scheduler->waves[i].blocks.count; k++)
      if (!copse_ranges_add(&all, scheduler->waves[i].blocks.items[k]))
        break;
  count = copse_ranges_copy(&all, ranges, capacity);
  copse_ranges_free(&all);
  return count;
}

bool
copse_scheduler_due(const struct copse_scheduler *scheduler, uint64_t audience) {
  return scheduler->free.count > 0 || (scheduler->wave_count > 0 && scheduler->waves[0].audience < audience);
}

size_t
copse_scheduler_repeat(struct copse_scheduler *scheduler, uint64_t member, uint64_t rate_bps, uint64_t audience,
                       uint64_t now_ms, struct copse_range *ranges, size_t capacity) {
  struct copse_ordered *entry;
  uint64_t wanted = copse_scheduler_ahead(rate_bps);
  size_t written = 0;

  if (rate_bps == 0 || scheduler->free.count > 0 || !copse_scheduler_due(scheduler, audience))
    return 0;
  entry = copse_scheduler_entry(scheduler, member, now_ms);
  for (size_t i = 0; entry && i < scheduler->wave_count && scheduler->waves[i].audience < audience; i++) {
    struct copse_ranges *blocks = &scheduler->waves[i].blocks;
    while (written < capacity && wanted > 0 && blocks->count > 0) {
      struct copse_range part = blocks->items[0];
      if (part.count > wanted)
        part.count = (uint32_t)wanted;
      if (!copse_ranges_move(blocks, &entry->again, part))
        break;
      ranges[written++] = part;
      wanted -= part.count;
    }
  }
  copse_scheduler_trim(scheduler);
  if (entry)
    copse_scheduler_forget(scheduler, entry);
  return written;
}

uint32_t
copse_scheduler_parity(const struct copse_demand *demand, uint32_t symbols) {
  if (demand->loss_ppm < LOSS_LEAST_PPM || demand->loss_ppm > LOSS_MOST_PPM)
    return 0;
  return (uint32_t)((3ULL * symbols * demand->loss_ppm + 2 * PPM - 1) / (2 * PPM));
}

bool
copse_scheduler_ask(struct copse_scheduler *scheduler, uint64_t member, uint64_t rate_bps,
                    const struct copse_demand *demand, uint64_t now_ms) {
  const uint64_t open = copse_scheduler_open_all(scheduler, member);
  struct copse_range ranges[ORDER_RANGES];
  size_t count = 0;

  if (scheduler->free.count > 0) {
    if (open < 2 * copse_scheduler_ahead(rate_bps))
      count = copse_scheduler_order(scheduler, member, rate_bps, demand->senders_bps, now_ms, ranges, ORDER_RANGES);
  } else {
    const uint64_t repeat_bps = copse_scheduler_repeat_rate(demand, rate_bps);
    if (open < 2 * copse_scheduler_ahead(repeat_bps))
      count = copse_scheduler_repeat(scheduler, member, repeat_bps, demand->audience, now_ms, ranges, ORDER_RANGES);
  }
  return count > 0;
}
