/* SPDX-License-Identifier: Apache-2.0 */
#include "ranks.h"
#include "forest.h"
#include <stdlib.h>
#include <string.h>

bool
copse_ranks_create(struct copse_ranks *ranks, uint32_t pops) {
  *ranks = (struct copse_ranks){.order = calloc(pops + 1UL, sizeof(*ranks->order)),
                                .stale = calloc(pops + 1UL, sizeof(*ranks->stale)),
                                .pops = calloc(pops + 1UL, sizeof(*ranks->pops))};
  if (!ranks->order || !ranks->stale || !ranks->pops)
    return false;
  for (uint32_t pop = 0; pop < pops; pop++)
    copse_ranks_touch(ranks, pop);
  return true;
}

void
copse_ranks_free(struct copse_ranks *ranks) {
  free(ranks->order);
  free(ranks->stale);
  free(ranks->pops);
}

void
copse_ranks_touch(struct copse_ranks *ranks, uint32_t pop) {
  if (!ranks->pops[pop].stale)
    ranks->stale[ranks->stale_count++] = pop;
  ranks->pops[pop].stale = true;
}

/* How many rank before the PoP. */
static size_t
place_of(const struct copse_ranks *ranks, uint32_t pop) {
  size_t low = 0, high = ranks->count;

  while (low < high) {
    size_t middle = low + (high - low) / 2;
    uint32_t other = ranks->order[middle];
    copse_balance ahead = ranks->pops[other].balance - ranks->pops[pop].balance;
    if (ahead > 0 || (ahead == 0 && other < pop))
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static void
remove_pop(struct copse_ranks *ranks, uint32_t pop) {
  size_t place = place_of(ranks, pop);

  memmove(&ranks->order[place], &ranks->order[place + 1], (--ranks->count - place) * sizeof(*ranks->order));
}

static void
insert_pop(struct copse_ranks *ranks, uint32_t pop) {
  size_t place = place_of(ranks, pop);

  memmove(&ranks->order[place + 1], &ranks->order[place], (ranks->count++ - place) * sizeof(*ranks->order));
  ranks->order[place] = pop;
}

void
copse_ranks_settle(struct copse_ranks *ranks, const struct copse_forest *forest) {
  while (ranks->stale_count > 0) {
    uint32_t pop = ranks->stale[--ranks->stale_count];
    struct copse_rank *rank = &ranks->pops[pop];
    if (rank->ordered)
      remove_pop(ranks, pop);
    rank->stale = false;
    rank->balance = forest->nodes[pop].balance;
    rank->ordered = !forest->outside[pop];
    if (rank->ordered)
      insert_pop(ranks, pop);
  }
}
