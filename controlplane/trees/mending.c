/* SPDX-License-Identifier: Apache-2.0 */
#include "mending.h"
#include <string.h>

#define SPLITS_MAX 8 /* of a tree that is mended: without limits of its shape one is enough */

static bool
is_shaped(const struct copse_forest *forest) {
  return forest->shape.max_depth > 0 || forest->shape.max_fanout > 0;
}

void
copse_cut_none(struct copse_forest *forest) {
  forest->moving->branches[0] = (struct copse_branch){.top = COPSE_NO_POP, .slot = UINT32_MAX, .stands = true};
  forest->moving->branch_count = 1;
}

void
copse_cut(struct copse_forest *forest, uint32_t top) {
  forest->moving->branches[forest->moving->branch_count++] = (struct copse_branch){.top = top};
}

/* What limits of the tree's shape ask. */
static void
measure(struct copse_forest *forest, const struct copse_built_tree *tree) {
  struct copse_moving *moving = forest->moving;

  memset(moving->reaches, 0, forest->network.pops * sizeof(*moving->reaches));
  for (size_t i = 0; i < tree->edge_count; i++) {
    struct copse_reach *child = &moving->reaches[tree->edges[i].to], *parent = &moving->reaches[tree->edges[i].from];
    struct copse_branch *branch = &moving->branches[moving->places[tree->edges[i].to].branch];
    if (tree->edges[i].to == branch->top)
      continue;
    parent->children++;
    child->depth = parent->depth + 1;
    if (child->depth > branch->height)
      branch->height = child->depth;
  }
}

/* Finds the places of PoPs. The first `whole` edges are of the root's branch. */
static void
survey(struct copse_forest *forest, const struct copse_built_tree *tree, size_t whole) {
  struct copse_moving *moving = forest->moving;
  struct copse_place *places = moving->places;
  size_t count = moving->branch_count;
  uint32_t branch = 0, last = COPSE_NO_POP;

  memset(places, 0, forest->network.pops * sizeof(*places));
  copse_cut_none(forest);
  for (uint32_t i = 1; i < count; i++) {
    copse_cut(forest, moving->branches[i].top);
    places[moving->branches[i].top].branch = i;
  }
  for (size_t i = whole; i < tree->edge_count; i++) {
    struct copse_edge edge = tree->edges[i];
    uint32_t top_of = places[edge.to].branch;
    if (top_of)
      moving->branches[branch = top_of].slot = (uint32_t)i;
    else if (edge.from != last) /* mostly it is: then no load waits for a store */
      branch = places[edge.from].branch;
    places[edge.to] = (struct copse_place){branch, (uint32_t)i};
    last = edge.to;
  }
  if (is_shaped(forest))
    measure(forest, tree);
}

static bool
can_carry(const struct copse_forest *forest, uint32_t parent, const struct copse_branch *branch) {
  const struct copse_shape *shape = &forest->shape;
  const struct copse_reach *reach = &forest->moving->reaches[parent];
  const struct copse_branch *on = &forest->moving->branches[forest->moving->places[parent].branch];

  return on->stands && (shape->max_fanout == 0 || reach->children < shape->max_fanout) &&
         (shape->max_depth == 0 || on->depth + reach->depth + 1 + branch->height <= shape->max_depth);
}

/* Where places are not known, all PoPs but the top of the branch stand. */
static bool
may_carry(const struct copse_forest *forest, uint32_t parent, const struct copse_branch *branch, bool placed,
          uint64_t rate_bps) {
  return parent != branch->top && !forest->outside[parent] && forest->nodes[parent].egress_bps >= rate_bps &&
         (!placed || can_carry(forest, parent, branch));
}

/* Of few inlets, that from the first PoP by rank which may carry the branch. */
static uint32_t
first_of(const struct copse_forest *forest, const uint32_t *inlets, size_t count, const struct copse_branch *branch,
         bool placed, uint64_t rate_bps) {
  uint32_t inlet = COPSE_NO_INLET, best = 0;

  for (size_t i = 0; i < count; i++) {
    uint32_t parent = forest->moving->inlets.all[inlets[i]].from;
    if (may_carry(forest, parent, branch, placed, rate_bps) &&
        (inlet == COPSE_NO_INLET || copse_ranks_before(forest, parent, best))) {
      best = parent;
      inlet = inlets[i];
    }
  }
  return inlet;
}

/* The inlet to hang the branch from, COPSE_NO_INLET if there is none. Of links that are wide enough there are few, so
 * that all can be looked at, or many, so that one of the first PoPs has one. */
static uint32_t
find_parent(struct copse_forest *forest, const struct copse_branch *branch, bool placed, uint64_t rate_bps) {
  struct copse_moving *moving = forest->moving;
  size_t count = copse_inlets_find(&moving->inlets, branch->top, rate_bps, moving->found, COPSE_FEW_INLETS);
  uint32_t inlet = COPSE_NO_INLET;

  if (count < COPSE_FEW_INLETS)
    return first_of(forest, moving->found, count, branch, placed, rate_bps);
  copse_ranks_settle(&moving->ranks, forest);
  for (size_t i = 0; i < moving->ranks.count && inlet == COPSE_NO_INLET; i++) {
    uint32_t parent = moving->ranks.order[i];
    if (may_carry(forest, parent, branch, placed, rate_bps))
      inlet = copse_inlets_at(&moving->inlets, parent, branch->top);
    if (inlet != COPSE_NO_INLET && moving->inlets.all[inlet].left_bps < rate_bps)
      inlet = COPSE_NO_INLET;
  }
  return inlet;
}

static void
set_left(struct copse_forest *forest, uint32_t index, uint32_t to, uint64_t after_bps) {
  const struct copse_inlet inlet = forest->moving->inlets.all[index];

  copse_inlets_set(&forest->moving->inlets, to, index, after_bps);
  copse_forest_change(forest, (struct copse_edge){inlet.from, to}, inlet.arc, inlet.left_bps, after_bps);
}

void
copse_hold(struct copse_forest *forest, uint32_t inlet, uint32_t to, uint64_t rate_bps) {
  set_left(forest, inlet, to, forest->moving->inlets.all[inlet].left_bps - rate_bps);
}

void
copse_release(struct copse_forest *forest, uint32_t inlet, uint32_t to, uint64_t rate_bps) {
  set_left(forest, inlet, to, forest->moving->inlets.all[inlet].left_bps + rate_bps);
}

void
copse_release_edge(struct copse_forest *forest, struct copse_edge edge, uint64_t rate_bps) {
  copse_release(forest, copse_inlets_at(&forest->moving->inlets, edge.from, edge.to), edge.to, rate_bps);
}

/* The branch hangs from a PoP whose place is known. */
static void
place_below(struct copse_forest *forest, struct copse_branch *branch, uint32_t parent) {
  struct copse_moving *moving = forest->moving;
  const struct copse_place *place = &moving->places[parent];
  const struct copse_branch *on = &moving->branches[place->branch];

  branch->late = on->late || place->edge > branch->slot;
  if (!is_shaped(forest))
    return;
  moving->reaches[parent].children++;
  branch->depth = on->depth + moving->reaches[parent].depth + 1;
}

/* Gives the branch a parent that stands; false if there is none. */
static bool
hang(struct copse_forest *forest, struct copse_branch *branch, bool placed, uint64_t rate_bps) {
  struct copse_moving *moving = forest->moving;
  uint32_t inlet = find_parent(forest, branch, placed, rate_bps);

  if (inlet == COPSE_NO_INLET)
    return false;
  copse_hold(forest, inlet, branch->top, rate_bps);
  branch->inlet = inlet;
  branch->stands = true;
  moving->hung[moving->hung_count++] = branch;
  if (placed)
    place_below(forest, branch, moving->inlets.all[inlet].from);
  return true;
}

/* As long as one that stands now makes room for another. True if all branches have a parent. */
static bool
hang_all(struct copse_forest *forest, bool placed, uint64_t rate_bps) {
  struct copse_moving *moving = forest->moving;
  size_t before;

  moving->hung_count = 0;
  do {
    before = moving->hung_count;
    for (size_t i = 1; i < moving->branch_count; i++)
      if (!moving->branches[i].stands)
        hang(forest, &moving->branches[i], placed, rate_bps);
  } while (before < moving->hung_count && moving->hung_count < moving->branch_count - 1);
  return moving->hung_count == moving->branch_count - 1;
}

/* Puts the edges of late branches last, in the order these were hung, so that parents stay before children. */
static void
rearrange(struct copse_forest *forest, struct copse_built_tree *tree, size_t whole) {
  struct copse_moving *moving = forest->moving;
  size_t kept = whole, end = 0;

  for (size_t i = whole; i < tree->edge_count; i++)
    moving->branches[moving->places[tree->edges[i].to].branch].edge_count++;
  for (size_t i = 0; i < moving->hung_count; i++) {
    moving->hung[i]->begin = end;
    end += moving->hung[i]->late ? moving->hung[i]->edge_count : 0;
  }
  for (size_t i = whole; i < tree->edge_count; i++) {
    struct copse_branch *branch = &moving->branches[moving->places[tree->edges[i].to].branch];
    if (branch->late)
      moving->edges[branch->begin++] = tree->edges[i];
    else
      tree->edges[kept++] = tree->edges[i];
  }
  memcpy(&tree->edges[kept], moving->edges, end * sizeof(*tree->edges));
}

/* Gives the tree the edges to the tops of branches. */
static void
graft(struct copse_forest *forest, struct copse_built_tree *tree, size_t whole, bool placed) {
  const struct copse_moving *moving = forest->moving;
  bool late = false;

  for (size_t i = 0; i < moving->hung_count; i++) {
    const struct copse_branch *branch = moving->hung[i];
    size_t slot = placed ? branch->slot : whole;
    tree->edges[slot] = (struct copse_edge){moving->inlets.all[branch->inlet].from, branch->top};
    late |= branch->late;
  }
  if (late)
    rearrange(forest, tree, whole);
}

/* Cuts branches so that those that do not stand can be hung. False if there is nothing to cut, or it would not help. */
static bool
split(struct copse_forest *forest, size_t number, size_t whole) {
  const struct copse_built_tree *tree = &forest->plan.trees[number];
  const struct copse_moving *moving = forest->moving;
  size_t before = moving->branch_count;

  copse_cuts_start(forest, number, whole);
  for (size_t i = 1; i < before; i++)
    if (!moving->branches[i].stands && !copse_cuts_find(forest, number, moving->branches[i].top))
      return false;
  for (size_t i = whole; i < tree->edge_count; i++)
    if (moving->cuts.marked[tree->edges[i].to]) {
      copse_release_edge(forest, tree->edges[i], tree->rate_bps);
      copse_cut(forest, tree->edges[i].to);
    }
  return moving->branch_count > before;
}

/* Takes out the edges that hold nothing. */
static void
drop_slots(struct copse_forest *forest, struct copse_built_tree *tree, size_t whole) {
  const struct copse_moving *moving = forest->moving;
  size_t kept = whole;

  survey(forest, tree, whole);
  for (size_t i = whole; i < tree->edge_count; i++)
    if (moving->branches[moving->places[tree->edges[i].to].branch].slot != i)
      tree->edges[kept++] = tree->edges[i];
  tree->edge_count = kept;
}

void
copse_mend(struct copse_forest *forest, size_t number, size_t whole) {
  struct copse_built_tree *tree = &forest->plan.trees[number];
  struct copse_moving *moving = forest->moving;
  bool placed = is_shaped(forest) || moving->branch_count > 2 || whole + 1 < tree->edge_count, again = true;

  for (unsigned splits = 0; again; splits++) {
    if (placed)
      survey(forest, tree, whole);
    if (hang_all(forest, placed, tree->rate_bps)) {
      graft(forest, tree, whole, placed);
      return;
    }
    again = placed && splits < SPLITS_MAX && split(forest, number, whole);
    for (size_t i = 0; i < moving->hung_count; i++)
      copse_release(forest, moving->hung[i]->inlet, moving->hung[i]->top, tree->rate_bps);
  }
  drop_slots(forest, tree, whole);
  copse_forest_fell(forest, number);
}
