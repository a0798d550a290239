/* SPDX-License-Identifier: Apache-2.0 */
/* The PoPs of V' in the order they are asked to be a parent, put right when it is read. */
#ifndef COPSE_RANKS_H
#define COPSE_RANKS_H

#include "heap.h"

struct copse_forest;

struct copse_ranks {
  uint32_t *order; /* V' by balance, the largest first; of the same one as configured */
  size_t count;
  uint32_t *stale; /* PoPs whose place may be wrong */
  size_t stale_count;
  struct copse_rank {
    copse_balance balance; /* as it is ordered by */
    bool ordered, stale;
  } * pops;
};

/* All is stale. False when memory is short; free it in any case. */
bool copse_ranks_create(struct copse_ranks *ranks, uint32_t pops);
void copse_ranks_free(struct copse_ranks *ranks);
/* The balance of the PoP, or whether it is in V', has changed. */
void copse_ranks_touch(struct copse_ranks *ranks, uint32_t pop);
/* Puts what is stale where it belongs, before `order` is read. */
void copse_ranks_settle(struct copse_ranks *ranks, const struct copse_forest *forest);

#endif
