/* SPDX-License-Identifier: Apache-2.0 */
/* Changes to trees that stand: branches move, what need not move stays. */
#ifndef COPSE_MOVING_H
#define COPSE_MOVING_H

#include "forest.h"

/* Where a PoP is in the tree that is looked at. */
struct copse_place {
  enum { COPSE_PLACE_NONE, COPSE_PLACE_STANDS, COPSE_PLACE_HANGS } kind; /* hangs: below the PoP that moves */
  uint32_t depth, children; /* depth below the root, or below the PoP that moves */
};

struct copse_moving {
  struct copse_ends ends;
  uint32_t *ranked; /* V' by balance, the largest first; of the same one as configured */
  size_t ranked_count;
  struct copse_place *places; /* per PoP */
  uint32_t *loose;            /* PoPs on their way to a new parent */
  struct copse_edge *edges;   /* what hangs from one of them, and its arcs */
  uint32_t *arcs;
};

/* Prepares the forest for changes. -ENOMEM. */
int copse_moving_open(struct copse_forest *forest);
void copse_moving_free(struct copse_moving *moving);

/* To be called around what changes the balance of a PoP, or whether it is in V'. */
void copse_rank_remove(struct copse_forest *forest, uint32_t pop);
void copse_rank_insert(struct copse_forest *forest, uint32_t pop);

/* The PoP, the only one of V' that is not in the tree, gets the parent with the largest balance that can carry the
 * tree's rate; of those with the same the first configured. If there is none, the tree is felled. */
void copse_attach(struct copse_forest *forest, size_t tree, uint32_t pop);
/* Takes the PoP out of the tree. What hung from it gets other parents in the same way. */
void copse_detach(struct copse_forest *forest, size_t tree, uint32_t pop);
/* Lets the tree carry as much more as its bounds and links allow. */
void copse_raise(struct copse_forest *forest, size_t tree);
/* Makes a tree from one of before, for which there must be room, as far as that can be kept: it may have been over
 * other PoPs of another network. If it cannot, there is none. */
void copse_replant(struct copse_forest *forest, size_t tree, const struct copse_built_tree *before);

#endif
