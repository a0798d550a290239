/* SPDX-License-Identifier: Apache-2.0 */
/* What is left of every link, per PoP, the narrowest first. */
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
  bool *sorted;                    /* per PoP */
  struct copse_residual_arc *arcs; /* of one PoP: ascending in bandwidth, then in `to`, once it is sorted */
};

/* False when memory is short; free it in any case. */
bool copse_residual_create(struct copse_residual *residual, const struct copse_network *network);
void copse_residual_free(struct copse_residual *residual);

/* Sorts the PoP's arcs, before the functions below are used for it. */
void copse_residual_sort(struct copse_residual *residual, uint32_t pop);
/* Index of the first arc of `from` that has at least this bandwidth; of those with just that, `to` or later. */
size_t copse_residual_find(const struct copse_residual *residual, uint32_t from, uint64_t bandwidth_bps, uint32_t to);
/* The arc from `from` to `to` that has `before_bps` left has `after_bps` left: it moves to its new place. */
void copse_residual_change(struct copse_residual *residual, uint32_t from, uint32_t to, uint64_t before_bps,
                           uint64_t after_bps);

#endif
