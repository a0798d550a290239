/* SPDX-License-Identifier: Apache-2.0 */
/* Changes to trees that stand: branches move, what need not move stays. */
#ifndef COPSE_MOVING_H
#define COPSE_MOVING_H

#include "cuts.h"
#include "forest.h"
#include "inlets.h"
#include "ranks.h"

#define COPSE_FEW_INLETS 32

/* Where a PoP is in the tree that is mended. */
struct copse_place {
  uint32_t branch; /* 0: the root's */
  uint32_t edge;   /* to it; 0 for those that come first */
};

/* What limits of its shape ask of a PoP in a tree. */
struct copse_reach {
  uint32_t depth, children; /* depth below the top of its branch */
};

/* A part of the tree that is mended: what hangs from its root, or from a PoP on its way to a new parent. */
struct copse_branch {
  uint32_t top, slot; /* edge that is to become that to its top; the root's branch has neither */
  bool stands;        /* its top has a parent that stands, over `inlet`, and is at `depth` below the root */
  bool late;          /* that parent, or one above it, comes after the slot */
  uint32_t inlet, depth, height;
  size_t begin, edge_count; /* of its edges, if they are to come later */
};

struct copse_moving {
  struct copse_inlets inlets;
  uint32_t found[COPSE_FEW_INLETS]; /* inlets of a PoP that is to be hung */
  struct copse_ranks ranks;
  struct copse_place *places; /* per PoP */
  struct copse_reach *reaches;
  struct copse_branch *branches; /* the root's, then those that were cut off */
  size_t branch_count;
  struct copse_cuts cuts;
  struct copse_branch **hung; /* those that have a parent again, in the order they got it */
  size_t hung_count;
  struct copse_edge *edges; /* of late branches */
};

/* Prepares the forest for changes. -ENOMEM. */
int copse_moving_open(struct copse_forest *forest);
void copse_moving_free(struct copse_moving *moving);
/* The PoP is in V' from here on. */
void copse_moving_join(struct copse_forest *forest, uint32_t pop);
/* The PoP is not in V' any more: trees that are still to lose it hold nothing of its arcs. */
void copse_moving_leave(struct copse_forest *forest, uint32_t pop);

/* More is left of the PoP's bandwidth, or as much and it is configured before the other. */
bool copse_ranks_before(const struct copse_forest *forest, uint32_t pop, uint32_t other);

/* The PoP, the only one of V' that is not in the tree, gets the parent with the largest balance that can carry the
 * tree's rate; of those with the same the first configured. If there is none, the tree is felled. */
void copse_attach(struct copse_forest *forest, size_t tree, uint32_t pop);
/* Takes the PoP, which has left, out of the tree. What hung from it gets other parents in the same way. */
void copse_detach(struct copse_forest *forest, size_t tree, uint32_t pop);
/* Lets the tree carry as much more as its bounds and links allow. */
void copse_raise(struct copse_forest *forest, size_t tree);
/* Makes a tree from one of before, for which there must be room, as far as that can be kept: it may have been over
 * other PoPs of another network. If it cannot, there is none. */
void copse_replant(struct copse_forest *forest, size_t tree, const struct copse_built_tree *before);

#endif
