/* SPDX-License-Identifier: Apache-2.0 */
/* A plan from the inside: its trees, and what they leave of the network. */
#ifndef COPSE_FOREST_H
#define COPSE_FOREST_H

#include "bandwidth.h"
#include "heap.h"
#include "residual.h"

struct copse_node {
  copse_balance balance; /* BW_u: min(egress, sum of links) - what trees hold; the one that grows holds nothing yet */
  uint64_t egress_bps;   /* left of the egress budget, COPSE_NO_LIMIT: none configured */
  /* In the tree that grows: */
  uint32_t depth, children;
  size_t fit;         /* no arc before it is both wide enough and free */
  size_t narrow, end; /* the widest arcs that may be free, all of one bandwidth: none from `end` on is */
  size_t wide;        /* none of these before it is */
};

/* An area, and what the forest knows of its tree, which is at the same place of the plan. */
struct copse_stand {
  uint32_t pop;
  struct copse_bounds bounds;
  double growth;
  bool seed, sends; /* has a peer with the whole content; one that is admitted to send */
  uint32_t number;  /* in the order of configuration */
  bool in_vain;     /* its tree could not be grown when that was tried last */
  size_t tight;     /* the edge that was last seen to have nothing left, which bounds the rate */
};

struct copse_forest {
  struct copse_network network;
  struct copse_shape shape;
  struct copse_plan plan;
  struct copse_stand *stands;
  uint32_t numbers; /* given to areas so far */
  struct copse_residual residual;
  struct copse_node *nodes;
  bool *outside;       /* per PoP: not in V' */
  bool *covered;       /* per PoP: in the tree that grows, or not in V' */
  uint32_t first_free; /* no PoP before it is free */
  struct copse_heap fit, wide;
  uint32_t *arcs;              /* the network's arc of each edge of the tree that was grown */
  struct copse_moving *moving; /* for trees that are changed, null until there is one */
};

/* The forest of a network without areas. The network's arrays must outlive it. -ENOMEM. */
int copse_forest_open(const struct copse_network *network, const struct copse_shape *shape,
                      struct copse_forest **forest);

struct copse_stand copse_stand_of(const struct copse_area *area, uint32_t number);
/* Adds an area without a tree at the end of the plan. */
void copse_forest_add(struct copse_forest *forest, const struct copse_stand *stand);
void copse_forest_remove(struct copse_forest *forest, size_t tree);

/* Makes room for all edges the tree can have. False: there is no memory. */
bool copse_forest_room(struct copse_forest *forest, size_t tree);
/* Of an arc that had so much left there is so much. What is left of inlets is not changed by this. */
void copse_forest_change(struct copse_forest *forest, struct copse_edge ends, uint32_t arc, uint64_t before_bps,
                         uint64_t after_bps);
/* Gives back what the tree holds: it has no edges any more. */
void copse_forest_fell(struct copse_forest *forest, size_t tree);
#define COPSE_ALL_EDGES SIZE_MAX
/* Grows what trees are missing and were not tried in vain, in the order of the plan, as far as there is room, and as
 * long as they have no more than so many edges together. -ENOMEM. */
int copse_forest_grow(struct copse_forest *forest, size_t edges);
/* Areas in the order of BuildTrees, into which `stands` is put; their trees keep what they can of `before`, if it is
 * not null. Free the forest in any case. -ENOMEM. */
int copse_forest_build(const struct copse_network *network, const struct copse_shape *shape, struct copse_stand *stands,
                       size_t count, const struct copse_plan *before, struct copse_forest **forest);
/* Grows what is missing after a change, up to so many edges, and raises what has room. The forest must be prepared for
 * changes. -ENOMEM. */
int copse_forest_settle(struct copse_forest *forest, size_t edges);
/* The plan of a forest, which is no more. */
struct copse_plan copse_forest_end(struct copse_forest *forest);

/* build.c: what a caller may get wrong, and what it is told then. */
int copse_check_network(const struct copse_network *network, struct copse_error *error);
int copse_check_areas(const struct copse_network *network, const struct copse_area *areas, size_t count,
                      struct copse_error *error);
int copse_no_memory(struct copse_error *error);

#endif
