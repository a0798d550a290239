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

/* A change that the order of the arcs does not show yet. */
struct copse_residual_move {
  uint64_t before_bps, after_bps;
  uint32_t to;
};

struct copse_residual {
  size_t *begin;                   /* of each PoP's arcs; [pops] is the end of the last */
  struct copse_residual_arc *arcs; /* of one PoP that has joined: ascending in bandwidth, then in `to`, once settled */
  bool *joined;                    /* per PoP */
  struct copse_residual_move *moves; /* in the order they were made, room for COPSE_RESIDUAL_MOVES of each PoP */
  uint32_t *move_counts;             /* per PoP */
};

#define COPSE_RESIDUAL_MOVES 16

/* False when memory is short; free it in any case. */
bool copse_residual_create(struct copse_residual *residual, const struct copse_network *network);
void copse_residual_free(struct copse_residual *residual);

/* Sorts the PoP's arcs by what is left of them, if that was not done; from here on it follows their changes. */
void copse_residual_join(struct copse_residual *residual, const struct copse_network *network,
                         const uint64_t *reserved_bps, uint32_t pop);
/* The PoP's arcs are not read any more. */
void copse_residual_leave(struct copse_residual *residual, uint32_t pop);
/* To be called before the arcs of a PoP that has joined are read, after changes. */
void copse_residual_settle(struct copse_residual *residual, uint32_t pop);
/* Index of the first arc of `from` that has at least this bandwidth; of those with just that, `to` or later. */
size_t copse_residual_find(const struct copse_residual *residual, uint32_t from, uint64_t bandwidth_bps, uint32_t to);
/* The arc from `from` to `to` that has `before_bps` left has `after_bps` left. */
void copse_residual_change(struct copse_residual *residual, uint32_t from, uint32_t to, uint64_t before_bps,
                           uint64_t after_bps);

#endif
