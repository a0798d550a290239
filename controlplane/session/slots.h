/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers from zero: which are taken, and the next free one. Freed numbers are taken again as late as possible. */
#ifndef COPSE_SLOTS_H
#define COPSE_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#define COPSE_SLOTS_NONE UINT32_MAX

struct copse_slots {
  uint64_t *taken; /* bitmap */
  uint32_t limit, next, count;
};

/* Slots [0, limit), all free. -ENOMEM. */
int copse_slots_create(struct copse_slots *slots, uint32_t limit);
void copse_slots_free(struct copse_slots *slots);
/* All are free again. */
void copse_slots_clear(struct copse_slots *slots);
/* Takes a free slot, COPSE_SLOTS_NONE when there is none. */
uint32_t copse_slots_take(struct copse_slots *slots);
/* Marks one as taken; false when it was already, or is beyond the limit. */
bool copse_slots_mark(struct copse_slots *slots, uint32_t slot);
void copse_slots_release(struct copse_slots *slots, uint32_t slot);
bool copse_slots_taken(const struct copse_slots *slots, uint32_t slot);

#endif
