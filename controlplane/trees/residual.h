/* SPDX-License-Identifier: Apache-2.0 */
/* What is left of every link inside V', per PoP, the narrowest first. */
#ifndef COPSE_RESIDUAL_H
#define COPSE_RESIDUAL_H

#include <copse/trees.h>

struct copse_residual_arc {
  uint64_t bandwidth_bps;
  uint32_t to;
  uint32_t arc; /* of the network */
};

struct copse_residual {
  size_t *begin;                   /* of each PoP's arcs; [pops] is the end of the last */
  struct copse_residual_arc *arcs; /* of one PoP: ascending in bandwidth, then in `to` */
};

/* Arcs between members only. `arcs` is null when memory is short; free it in any case. */
struct copse_residual copse_residual_create(const struct copse_network *network, const bool *member);
void copse_residual_free(struct copse_residual *residual);

/* Index of the first arc of `from` that has at least this bandwidth; of those with just that, `to` or later. */
size_t copse_residual_find(const struct copse_residual *residual, uint32_t from, uint64_t bandwidth_bps, uint32_t to);
/* Takes a rate from the arc at this index, which moves to its new place. */
void copse_residual_take(struct copse_residual *residual, uint32_t from, size_t index, uint64_t rate_bps);

#endif
