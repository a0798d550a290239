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
  forest->moving->branches[0] = (struct copse_branch){.stands = true};
  forest->moving->branch_count = 1;
}

void
copse_cut(struct copse_forest *forest, uint32_t top) {
  forest->moving->branches[forest->moving->branch_count++] = (struct copse_branch){.top = top};
}

/* Finds the places of PoPs. The first `whole` edges are of the root's branch. */
static void
survey(struct copse_forest *forest, const struct copse_built_tree *tree, size_t whole) {
  struct copse_moving *moving = forest->moving;
  struct copse_place *places = moving->places;
  size_t count = moving->branch_count;

  memset(places, 0, forest->network.pops * sizeof(*places));
  copse_cut_none(forest);
  for (uint32_t i = 1; i < count; i++) {
    copse_cut(forest, moving->branches[i].top);
    places[moving->branches[i].top].branch = i;
  }
  for (size_t i = is_shaped(forest) ? 0 : whole; i < tree->edge_count; i++) {
    struct copse_place *parent = &places[tree->edges[i].from], *child = &places[tree->edges[i].to];
    struct copse_branch *branch = &moving->branches[parent->branch];
    parent->children++;
    child->branch = parent->branch;
    child->depth = parent->depth + 1;
    child->edge = (uint32_t)i;
    branch->edge_count += i >= whole;
    if (child->depth > branch->height)
      branch->height = child->depth;
  }
}

static bool
can_carry(const struct copse_forest *forest, uint32_t parent, const struct copse_branch *branch) {
  const struct copse_shape *shape = &forest->shape;
  const struct copse_place *place = &forest->moving->places[parent];
  const struct copse_branch *on = &forest->moving->branches[place->branch];

  return on->stands && (shape->max_fanout == 0 || place->children < shape->max_fanout) &&
         (shape->max_depth == 0 || on->depth + place->depth + 1 + branch->height <= shape->max_depth);
}

/* Where places are not known, all PoPs but the top of the branch stand. */
static bool
may_carry(const struct copse_forest *forest, uint32_t parent, const struct copse_branch *branch, bool placed,
          uint64_t rate_bps) {
  return parent != branch->top && !forest->outside[parent] && forest->nodes[parent].egress_bps >= rate_bps &&
         (!placed || can_carry(forest, parent, branch));
}

/* Of few arcs, that from the first PoP by rank which may carry the branch. */
static uint32_t
first_of(const struct copse_forest *forest, const uint32_t *arcs, size_t count, const struct copse_branch *branch,
         bool placed, uint64_t rate_bps) {
  uint32_t arc = COPSE_NO_ARC, best = 0;

  for (size_t i = 0; i < count; i++) {
    uint32_t parent = forest->network.arcs[arcs[i]].from;
    if (may_carry(forest, parent, branch, placed, rate_bps) &&
        (arc == COPSE_NO_ARC || copse_ranks_before(forest, parent, best))) {
      best = parent;
      arc = arcs[i];
    }
  }
  return arc;
}

/* The arc to hang the branch from, COPSE_NO_ARC if there is none. Of links that are wide enough there are few, so that
 * all can be looked at, or many, so that one of the first PoPs has one. */
static uint32_t
find_parent(struct copse_forest *forest, const struct copse_branch *branch, bool placed, uint64_t rate_bps) {
  struct copse_moving *moving = forest->moving;
  size_t count = copse_inlets_find(&moving->inlets, branch->top, rate_bps, moving->found, COPSE_FEW_INLETS);
  uint32_t arc = COPSE_NO_ARC;

  if (count < COPSE_FEW_INLETS)
    return first_of(forest, moving->found, count, branch, placed, rate_bps);
  copse_ranks_settle(&moving->ranks, forest);
  for (size_t i = 0; i < moving->ranks.count && arc == COPSE_NO_ARC; i++) {
    uint32_t parent = moving->ranks.order[i];
    if (may_carry(forest, parent, branch, placed, rate_bps))
      arc = copse_ends_find(&moving->ends, parent, branch->top);
    if (arc != COPSE_NO_ARC && copse_forest_left(forest, arc) < rate_bps)
      arc = COPSE_NO_ARC;
  }
  return arc;
}

void
copse_hold(struct copse_forest *forest, uint32_t arc, uint64_t rate_bps) {
  copse_forest_reserve(forest, arc, forest->plan.reserved_bps[arc] + rate_bps);
}

void
copse_release(struct copse_forest *forest, uint32_t arc, uint64_t rate_bps) {
  copse_forest_reserve(forest, arc, forest->plan.reserved_bps[arc] - rate_bps);
}

/* Gives the branch a parent that stands; false if there is none. */
static bool
hang(struct copse_forest *forest, struct copse_branch *branch, bool placed, uint64_t rate_bps) {
  struct copse_moving *moving = forest->moving;
  uint32_t arc = find_parent(forest, branch, placed, rate_bps);
  struct copse_place *parent;

  if (arc == COPSE_NO_ARC)
    return false;
  copse_hold(forest, arc, rate_bps);
  branch->arc = arc;
  branch->stands = true;
  moving->hung[moving->hung_count++] = branch;
  if (placed) {
    parent = &moving->places[forest->network.arcs[arc].from];
    parent->children++;
    branch->depth = moving->branches[parent->branch].depth + parent->depth + 1;
  }
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

/* Puts the edges after the first `whole` in order: the root's branch, then every other behind its new edge, so that
 * parents stay before children. */
static void
graft(struct copse_forest *forest, struct copse_built_tree *tree, uint32_t *arcs, size_t whole) {
  struct copse_moving *moving = forest->moving;
  size_t end = moving->branches[0].edge_count;

  moving->branches[0].begin = 0;
  for (size_t i = 0; i < moving->hung_count; i++) {
    struct copse_branch *branch = moving->hung[i];
    moving->edges[end] = (struct copse_edge){forest->network.arcs[branch->arc].from, branch->top};
    moving->arcs[end] = branch->arc;
    branch->begin = end + 1;
    end = branch->begin + branch->edge_count;
  }
  for (size_t i = whole; i < tree->edge_count; i++) {
    struct copse_branch *branch = &moving->branches[moving->places[tree->edges[i].to].branch];
    moving->edges[branch->begin] = tree->edges[i];
    moving->arcs[branch->begin++] = arcs[i];
  }
  memcpy(&tree->edges[whole], moving->edges, end * sizeof(*tree->edges));
  memcpy(&arcs[whole], moving->arcs, end * sizeof(*arcs));
  tree->edge_count = whole + end;
}

/* Cuts branches so that those that do not stand can be hung. False if there is nothing to cut, or it would not help. */
static bool
split(struct copse_forest *forest, size_t number, size_t whole) {
  struct copse_built_tree *tree = &forest->plan.trees[number];
  struct copse_moving *moving = forest->moving;
  uint32_t *arcs = forest->stands[number].arcs;
  size_t kept = whole;

  copse_cuts_clear(forest);
  for (size_t i = 1; i < moving->branch_count; i++)
    if (!moving->branches[i].stands && !copse_cuts_find(forest, number, moving->branches[i].top))
      return false;
  for (size_t i = whole; i < tree->edge_count; i++) {
    if (moving->cuts.marked[tree->edges[i].to]) {
      copse_release(forest, arcs[i], tree->rate_bps);
      copse_cut(forest, tree->edges[i].to);
    } else {
      tree->edges[kept] = tree->edges[i];
      arcs[kept++] = arcs[i];
    }
  }
  if (kept == tree->edge_count)
    return false;
  tree->edge_count = kept;
  return true;
}

void
copse_mend(struct copse_forest *forest, size_t number, size_t whole) {
  struct copse_built_tree *tree = &forest->plan.trees[number];
  uint32_t *arcs = forest->stands[number].arcs;
  struct copse_moving *moving = forest->moving;
  bool placed = is_shaped(forest) || moving->branch_count > 2 || whole < tree->edge_count, again = true;

  for (unsigned splits = 0; again; splits++) {
    if (placed)
      survey(forest, tree, whole);
    if (hang_all(forest, placed, tree->rate_bps)) {
      graft(forest, tree, arcs, whole);
      return;
    }
    again = placed && splits < SPLITS_MAX && split(forest, number, whole);
    for (size_t i = 0; i < moving->hung_count; i++)
      copse_release(forest, moving->hung[i]->arc, tree->rate_bps);
  }
  copse_forest_fell(forest, number);
}
