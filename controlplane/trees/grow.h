/* SPDX-License-Identifier: Apache-2.0 */
/* Grows one tree over V' from its root, in the order BuildTrees fixes. */
#ifndef COPSE_GROW_H
#define COPSE_GROW_H

#include "bandwidth.h"
#include "heap.h"
#include "residual.h"

struct copse_node {
  copse_balance balance; /* BW_u without the tree that grows: min(egress, sum of links) - what earlier trees hold */
  uint64_t egress_bps;   /* left of the egress budget, COPSE_NO_LIMIT: none configured */
  /* Of the tree that grows. */
  uint32_t depth, children;
  size_t fit;  /* no arc before it is both wide enough and free */
  size_t wide; /* no arc from it on is free */
};

/* What all trees of a plan draw from. */
struct copse_forest {
  const struct copse_shape *shape;
  uint32_t *members; /* V' */
  uint32_t member_count;
  struct copse_residual residual;
  struct copse_node *nodes; /* per PoP */
  bool *covered;            /* per PoP: in the tree that grows, or not in V' */
  struct copse_heap fit, wide;
  uint32_t *taken; /* the network's arc of each edge of the tree that grows */
};

/* Adds edges to tree->edges, which has room for all, until V' is covered or nothing more can be reached. Budgets stay
 * as they are. True if V' is covered: then tree->rate_bps is set. */
bool copse_grow_tree(struct copse_forest *forest, const struct copse_bounds *bounds, struct copse_built_tree *tree);

#endif
