/* SPDX-License-Identifier: Apache-2.0 */
#include "moving.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* How many of V' rank before a PoP with this balance. */
static size_t
rank_of(const struct copse_forest *forest, uint32_t pop) {
  const struct copse_moving *moving = forest->moving;
  size_t low = 0, high = moving->ranked_count;

  while (low < high) {
    size_t middle = low + (high - low) / 2;
    uint32_t other = moving->ranked[middle];
    copse_balance ahead = forest->nodes[other].balance - forest->nodes[pop].balance;
    if (ahead > 0 || (ahead == 0 && other < pop))
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

void
copse_rank_remove(struct copse_forest *forest, uint32_t pop) {
  struct copse_moving *moving = forest->moving;
  size_t rank;

  if (!moving || forest->outside[pop])
    return;
  rank = rank_of(forest, pop);
  memmove(&moving->ranked[rank], &moving->ranked[rank + 1], (--moving->ranked_count - rank) * sizeof(*moving->ranked));
}

void
copse_rank_insert(struct copse_forest *forest, uint32_t pop) {
  struct copse_moving *moving = forest->moving;
  size_t rank;

  if (!moving || forest->outside[pop])
    return;
  rank = rank_of(forest, pop);
  memmove(&moving->ranked[rank + 1], &moving->ranked[rank], (moving->ranked_count++ - rank) * sizeof(*moving->ranked));
  moving->ranked[rank] = pop;
}

int
copse_moving_open(struct copse_forest *forest) {
  size_t pops = forest->network.pops;
  struct copse_moving *moving = forest->moving = calloc(1, sizeof(*moving));

  if (!moving)
    return -ENOMEM;
  moving->ranked = calloc(pops + 1, sizeof(*moving->ranked));
  moving->places = calloc(pops + 1, sizeof(*moving->places));
  moving->loose = calloc(pops + 1, sizeof(*moving->loose));
  moving->edges = calloc(pops + 1, sizeof(*moving->edges));
  moving->arcs = calloc(pops + 1, sizeof(*moving->arcs));
  if (!moving->ranked || !moving->places || !moving->loose || !moving->edges || !moving->arcs ||
      !copse_ends_create(&moving->ends, &forest->network))
    return -ENOMEM;
  for (uint32_t pop = 0; pop < pops; pop++)
    copse_rank_insert(forest, pop);
  return 0;
}

void
copse_moving_free(struct copse_moving *moving) {
  if (!moving)
    return;
  copse_ends_free(&moving->ends);
  free(moving->ranked);
  free(moving->places);
  free(moving->loose);
  free(moving->edges);
  free(moving->arcs);
  free(moving);
}

/* Finds the places of all PoPs; returns how many levels hang from `pop`. */
static uint32_t
survey(struct copse_forest *forest, const struct copse_built_tree *tree, uint32_t pop) {
  struct copse_place *places = forest->moving->places;
  uint32_t height = 0;

  memset(places, 0, forest->network.pops * sizeof(*places));
  places[tree->root].kind = COPSE_PLACE_STANDS;
  places[pop].kind = pop == tree->root ? COPSE_PLACE_STANDS : COPSE_PLACE_HANGS;
  for (size_t i = 0; i < tree->edge_count; i++) {
    struct copse_place *parent = &places[tree->edges[i].from], *child = &places[tree->edges[i].to];
    parent->children++;
    child->kind = parent->kind;
    child->depth = parent->depth + 1;
    if (child->kind == COPSE_PLACE_HANGS && child->depth > height)
      height = child->depth;
  }
  return height;
}

/* Where nothing hangs from the PoP and trees may have any shape, places need not be known: all others stand. */
static bool
can_carry(const struct copse_forest *forest, uint32_t parent, const struct copse_place *places, uint32_t height) {
  const struct copse_shape *shape = &forest->shape;

  return !places || (places[parent].kind == COPSE_PLACE_STANDS &&
                     (shape->max_fanout == 0 || places[parent].children < shape->max_fanout) &&
                     (shape->max_depth == 0 || places[parent].depth + 1 + height <= shape->max_depth));
}

/* The arc to hang the PoP from, COPSE_NO_ARC if there is none. */
static uint32_t
find_parent(const struct copse_forest *forest, uint32_t pop, const struct copse_place *places, uint32_t height,
            uint64_t rate_bps) {
  const struct copse_moving *moving = forest->moving;

  for (size_t i = 0; i < moving->ranked_count; i++) {
    uint32_t parent = moving->ranked[i], arc;
    if (parent == pop || forest->nodes[parent].egress_bps < rate_bps || !can_carry(forest, parent, places, height))
      continue;
    arc = copse_ends_find(&moving->ends, parent, pop);
    if (arc != COPSE_NO_ARC && copse_forest_left(forest, arc) >= rate_bps)
      return arc;
  }
  return COPSE_NO_ARC;
}

static void
hold(struct copse_forest *forest, uint32_t arc, uint64_t rate_bps) {
  copse_forest_reserve(forest, arc, forest->plan.reserved_bps[arc] + rate_bps);
}

static void
release(struct copse_forest *forest, uint32_t arc, uint64_t rate_bps) {
  copse_forest_reserve(forest, arc, forest->plan.reserved_bps[arc] - rate_bps);
}

/* Adds the arc's edge, and after it those that hang from it, so that parents stay before children. */
static void
hang(struct copse_forest *forest, struct copse_built_tree *tree, uint32_t *arcs, uint32_t arc, bool alone) {
  struct copse_moving *moving = forest->moving;
  size_t kept = alone ? tree->edge_count : 0, hanging = 0;

  for (size_t i = kept; i < tree->edge_count; i++)
    if (moving->places[tree->edges[i].to].kind == COPSE_PLACE_HANGS) {
      moving->edges[hanging] = tree->edges[i];
      moving->arcs[hanging++] = arcs[i];
    } else {
      tree->edges[kept] = tree->edges[i];
      arcs[kept++] = arcs[i];
    }
  tree->edges[kept] = (struct copse_edge){forest->network.arcs[arc].from, forest->network.arcs[arc].to};
  arcs[kept++] = arc;
  memcpy(&tree->edges[kept], moving->edges, hanging * sizeof(*tree->edges));
  memcpy(&arcs[kept], moving->arcs, hanging * sizeof(*arcs));
  tree->edge_count = kept + hanging;
}

/* `alone`: nothing hangs from the PoP, and it is the only one of V' that is not in the tree. */
static bool
attach(struct copse_forest *forest, size_t number, uint32_t pop, bool alone) {
  struct copse_built_tree *tree = &forest->plan.trees[number];
  bool anywhere = alone && forest->shape.max_depth == 0 && forest->shape.max_fanout == 0;
  uint32_t height = anywhere ? 0 : survey(forest, tree, pop);
  uint32_t arc = find_parent(forest, pop, anywhere ? NULL : forest->moving->places, height, tree->rate_bps);

  if (arc == COPSE_NO_ARC) {
    copse_forest_fell(forest, number);
    return false;
  }
  hold(forest, arc, tree->rate_bps);
  hang(forest, tree, forest->stands[number].arcs, arc, height == 0);
  return true;
}

void
copse_attach(struct copse_forest *forest, size_t number, uint32_t pop) {
  attach(forest, number, pop, true);
}

void
copse_detach(struct copse_forest *forest, size_t number, uint32_t pop) {
  struct copse_built_tree *tree = &forest->plan.trees[number];
  uint32_t *arcs = forest->stands[number].arcs, *loose = forest->moving->loose;
  size_t kept = 0, loose_count = 0;

  for (size_t i = 0; i < tree->edge_count; i++) {
    struct copse_edge edge = tree->edges[i];
    if (edge.from == pop || edge.to == pop) {
      release(forest, arcs[i], tree->rate_bps);
      if (edge.from == pop)
        loose[loose_count++] = edge.to;
    } else {
      tree->edges[kept] = edge;
      arcs[kept++] = arcs[i];
    }
  }
  tree->edge_count = kept;
  for (size_t i = 0; i < loose_count; i++)
    if (!attach(forest, number, loose[i], false))
      return;
}

/* What every edge of the tree could carry beside what it holds. */
static uint64_t
spare(struct copse_forest *forest, const struct copse_built_tree *tree, const uint32_t *arcs) {
  uint64_t least_bps = tree->max_bps - tree->rate_bps;

  survey(forest, tree, tree->root);
  for (size_t i = 0; i < tree->edge_count && least_bps > 0; i++) {
    uint32_t parent = tree->edges[i].from;
    uint64_t left_bps = copse_forest_left(forest, arcs[i]), egress_bps = forest->nodes[parent].egress_bps;
    if (egress_bps != COPSE_NO_LIMIT && egress_bps / forest->moving->places[parent].children < left_bps)
      left_bps = egress_bps / forest->moving->places[parent].children;
    least_bps = left_bps < least_bps ? left_bps : least_bps;
  }
  return least_bps;
}

void
copse_raise(struct copse_forest *forest, size_t number) {
  struct copse_built_tree *tree = &forest->plan.trees[number];
  uint32_t *arcs = forest->stands[number].arcs;
  uint64_t more_bps;

  if (tree->status != COPSE_TREE_OK || tree->rate_bps == tree->max_bps)
    return;
  more_bps = spare(forest, tree, arcs);
  for (size_t i = 0; i < tree->edge_count && more_bps > 0; i++)
    hold(forest, arcs[i], more_bps);
  tree->rate_bps += more_bps;
}

/* The arc of an edge of before, if it is still there for the tree; else COPSE_NO_ARC. */
static uint32_t
keep_edge(const struct copse_forest *forest, const struct copse_built_tree *tree, struct copse_edge edge) {
  const struct copse_place *places = forest->moving->places;
  uint32_t arc;

  if (edge.from >= forest->network.pops || edge.to >= forest->network.pops || edge.to == tree->root ||
      forest->outside[edge.from] || forest->outside[edge.to] || places[edge.to].kind != COPSE_PLACE_NONE ||
      forest->nodes[edge.from].egress_bps < tree->rate_bps ||
      (forest->shape.max_fanout > 0 && places[edge.from].children >= forest->shape.max_fanout))
    return COPSE_NO_ARC;
  arc = copse_ends_find(&forest->moving->ends, edge.from, edge.to);
  return arc != COPSE_NO_ARC && copse_forest_left(forest, arc) >= tree->rate_bps ? arc : COPSE_NO_ARC;
}

/* Keeps what can be kept of a tree of before: branches without a parent are collected in `loose`. */
static size_t
keep_edges(struct copse_forest *forest, struct copse_built_tree *tree, uint32_t *arcs,
           const struct copse_built_tree *before) {
  struct copse_moving *moving = forest->moving;
  size_t loose_count = 0;

  memset(moving->places, 0, forest->network.pops * sizeof(*moving->places));
  for (size_t i = 0; i < before->edge_count; i++) {
    struct copse_edge edge = before->edges[i];
    uint32_t arc = keep_edge(forest, tree, edge);
    if (arc == COPSE_NO_ARC)
      continue;
    hold(forest, arc, tree->rate_bps);
    moving->places[edge.from].children++;
    moving->places[edge.to].kind = COPSE_PLACE_STANDS;
    tree->edges[tree->edge_count] = edge;
    arcs[tree->edge_count++] = arc;
  }
  for (size_t i = 0; i < forest->plan.tree_count; i++) {
    uint32_t pop = forest->plan.trees[i].root;
    if (pop != tree->root && moving->places[pop].kind == COPSE_PLACE_NONE)
      moving->loose[loose_count++] = pop;
  }
  return loose_count;
}

/* All of V' is in the tree, none deeper than it may be. */
static bool
is_whole(struct copse_forest *forest, const struct copse_built_tree *tree) {
  const struct copse_place *places = forest->moving->places;

  survey(forest, tree, tree->root);
  for (size_t i = 0; i < forest->plan.tree_count; i++) {
    const struct copse_place *place = &places[forest->plan.trees[i].root];
    if (place->kind != COPSE_PLACE_STANDS || (forest->shape.max_depth > 0 && place->depth > forest->shape.max_depth))
      return false;
  }
  return true;
}

void
copse_replant(struct copse_forest *forest, size_t number, const struct copse_built_tree *before) {
  struct copse_built_tree *tree = &forest->plan.trees[number];
  uint64_t rate_bps = before->rate_bps < tree->max_bps ? before->rate_bps : tree->max_bps;
  size_t loose_count;

  if (before->status != COPSE_TREE_OK || tree->max_bps == 0 || rate_bps < tree->min_bps)
    return;
  tree->rate_bps = rate_bps;
  tree->status = COPSE_TREE_OK;
  loose_count = keep_edges(forest, tree, forest->stands[number].arcs, before);
  for (size_t i = 0; i < loose_count; i++)
    if (!attach(forest, number, forest->moving->loose[i], false))
      return;
  if (!is_whole(forest, tree))
    copse_forest_fell(forest, number);
}
