/* SPDX-License-Identifier: Apache-2.0 */
#include "slots.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int
copse_slots_create(struct copse_slots *slots, uint32_t limit) {
  *slots = (struct copse_slots){.limit = limit};
  slots->taken = calloc(((size_t)limit + 63) / 64 + 1, sizeof(*slots->taken));
  return slots->taken == NULL ? -ENOMEM : 0;
}

void
copse_slots_free(struct copse_slots *slots) {
  free(slots->taken);
  *slots = (struct copse_slots){0};
}

void
copse_slots_clear(struct copse_slots *slots) {
  memset(slots->taken, 0, (((size_t)slots->limit + 63) / 64 + 1) * sizeof(*slots->taken));
  slots->count = 0;
}

bool
copse_slots_taken(const struct copse_slots *slots, uint32_t slot) {
  return slot < slots->limit && (slots->taken[slot / 64] >> slot % 64 & 1) != 0;
}

bool
copse_slots_mark(struct copse_slots *slots, uint32_t slot) {
  if (slot >= slots->limit || copse_slots_taken(slots, slot))
    return false;
  slots->taken[slot / 64] |= 1ULL << slot % 64;
  slots->count++;
  return true;
}

uint32_t
copse_slots_take(struct copse_slots *slots) {
  for (uint32_t tried = 0; tried < slots->limit; tried++) {
    uint32_t slot = slots->next++;

    if (slots->next >= slots->limit)
      slots->next = 0;
    if (slot % 64 == 0 && slots->taken[slot / 64] == UINT64_MAX) { /* a full word at once */
      tried += 63;
      slots->next = slot + 64 < slots->limit ? slot + 64 : 0;
      continue;
    }
    if (copse_slots_mark(slots, slot))
      return slot;
  }
  return COPSE_SLOTS_NONE;
}

void
copse_slots_release(struct copse_slots *slots, uint32_t slot) {
  if (!copse_slots_taken(slots, slot))
    return;
  slots->taken[slot / 64] &= ~(1ULL << slot % 64);
  slots->count--;
}
