/* SPDX-License-Identifier: Apache-2.0 */
#include "moving.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SPLITS_MAX 8   /* of a tree that is mended */
#define SPLIT_TRIES 32 /* PoPs to split it above */

/* More is left of its bandwidth, or as much and it is configured before the other. */
static bool
ranks_before(const struct copse_forest *forest, uint32_t pop, uint32_t other) {
  copse_balance ahead = forest->nodes[pop].balance - forest->nodes[other].balance;

  return ahead > 0 || (ahead == 0 && pop < other);
}

/* How many of V' rank before a PoP with this balance. */
static size_t
rank_of(const struct copse_forest *forest, uint32_t pop) {
  const struct copse_moving *moving = forest->moving;
  size_t low = 0, high = moving->ranked_count;

  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (ranks_before(forest, moving->ranked[middle], pop))
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
  moving->branches = calloc(pops + 1, sizeof(*moving->branches));
  moving->hung = calloc(pops + 1, sizeof(struct copse_branch *));
  moving->edges = calloc(pops + 1, sizeof(*moving->edges));
  moving->arcs = calloc(pops + 1, sizeof(*moving->arcs));
  if (!moving->ranked || !moving->places || !moving->branches || !moving->hung || !moving->edges || !moving->arcs ||
      !copse_ends_create(&moving->ends, &forest->network) ||
      !copse_inlets_create(&moving->inlets, &forest->network, forest->plan.reserved_bps))
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
  copse_inlets_free(&moving->inlets);
  free(moving->ranked);
  free(moving->places);
  free(moving->branches);
  free(moving->hung);
  free(moving->edges);
  free(moving->arcs);
  free(moving);
}

static bool
is_shaped(const struct copse_forest *forest) {
  return forest->shape.max_depth > 0 || forest->shape.max_fanout > 0;
}

/* Forgets the branches, and starts with the root's. */
static void
cut_none(struct copse_forest *forest) {
  forest->moving->branches[0] = (struct copse_branch){.stands = true};
  forest->moving->branch_count = 1;
}

static void
cut(struct copse_forest *forest, uint32_t top) {
  forest->moving->branches[forest->moving->branch_count++] = (struct copse_branch){.top = top};
}

/* Finds the places of PoPs. The first `whole` edges are of the root's branch. */
static void
survey(struct copse_forest *forest, const struct copse_built_tree *tree, size_t whole) {
  struct copse_moving *moving = forest->moving;
  struct copse_place *places = moving->places;
  size_t count = moving->branch_count;

  memset(places, 0, forest->network.pops * sizeof(*places));
  cut_none(forest);
  for (uint32_t i = 1; i < count; i++) {
    cut(forest, moving->branches[i].top);
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
        (arc == COPSE_NO_ARC || ranks_before(forest, parent, best))) {
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
  for (size_t i = 0; i < moving->ranked_count && arc == COPSE_NO_ARC; i++) {
    uint32_t parent = moving->ranked[i];
    if (may_carry(forest, parent, branch, placed, rate_bps))
      arc = copse_ends_find(&moving->ends, parent, branch->top);
    if (arc != COPSE_NO_ARC && copse_forest_left(forest, arc) < rate_bps)
      arc = COPSE_NO_ARC;
  }
  return arc;
}

static void
hold(struct copse_forest *forest, uint32_t arc, uint64_t rate_bps) {
  copse_forest_reserve(forest, arc, forest->plan.reserved_bps[arc] + rate_bps);
}

static void
release(struct copse_forest *forest, uint32_t arc, uint64_t rate_bps) {
  copse_forest_reserve(forest, arc, forest->plan.reserved_bps[arc] - rate_bps);
}

static void
remove_edge(struct copse_forest *forest, struct copse_built_tree *tree, uint32_t *arcs, size_t edge) {
  size_t after = --tree->edge_count - edge;

  release(forest, arcs[edge], tree->rate_bps);
  memmove(&tree->edges[edge], &tree->edges[edge + 1], after * sizeof(*tree->edges));
  memmove(&arcs[edge], &arcs[edge + 1], after * sizeof(*arcs));
}

/* Gives the branch a parent that stands; false if there is none. */
static bool
hang(struct copse_forest *forest, struct copse_branch *branch, bool placed, uint64_t rate_bps) {
  struct copse_moving *moving = forest->moving;
  uint32_t arc = find_parent(forest, branch, placed, rate_bps);
  struct copse_place *parent;

  if (arc == COPSE_NO_ARC)
    return false;
  hold(forest, arc, rate_bps);
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

/* On the way from a PoP up to the top of its branch, the first that could hang from one that stands; the top if none
 * can. */
static uint32_t
find_cut(struct copse_forest *forest, const struct copse_built_tree *tree, uint32_t pop, uint32_t top,
         unsigned *tries) {
  for (; pop != top && *tries > 0; --*tries) {
    const struct copse_branch part = {.top = pop};
    if (find_parent(forest, &part, true, tree->rate_bps) != COPSE_NO_ARC)
      return pop;
    pop = tree->edges[forest->moving->places[pop].edge].from;
  }
  return top;
}

/* The first branch that does not stand, if PoPs of its own could carry its top, is split above one of these so that the
 * part can hang elsewhere. False if that cannot be. */
static bool
split(struct copse_forest *forest, struct copse_built_tree *tree, uint32_t *arcs) {
  const struct copse_moving *moving = forest->moving;
  uint32_t inlets[COPSE_FEW_INLETS], number = 1, top;
  unsigned tries = SPLIT_TRIES;
  size_t count;

  while (moving->branches[number].stands)
    number++;
  top = moving->branches[number].top;
  count = copse_inlets_find(&moving->inlets, top, tree->rate_bps, inlets, COPSE_FEW_INLETS);
  for (size_t i = 0; i < count; i++) {
    uint32_t pop = forest->network.arcs[inlets[i]].from;
    if (forest->outside[pop] || moving->places[pop].branch != number)
      continue;
    pop = find_cut(forest, tree, pop, top, &tries);
    if (pop == top)
      continue;
    remove_edge(forest, tree, arcs, moving->places[pop].edge);
    cut(forest, pop);
    return true;
  }
  return false;
}

/* Hangs all branches of the tree. If that cannot be, it is felled. */
static void
mend(struct copse_forest *forest, size_t number, size_t whole) {
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
    again = placed && splits < SPLITS_MAX && split(forest, tree, arcs);
    for (size_t i = 0; i < moving->hung_count; i++)
      release(forest, moving->hung[i]->arc, tree->rate_bps);
  }
  copse_forest_fell(forest, number);
}

void
copse_attach(struct copse_forest *forest, size_t number, uint32_t pop) {
  cut_none(forest);
  cut(forest, pop);
  mend(forest, number, forest->plan.trees[number].edge_count);
}

void
copse_detach(struct copse_forest *forest, size_t number, uint32_t pop) {
  struct copse_built_tree *tree = &forest->plan.trees[number];
  uint32_t *arcs = forest->stands[number].arcs;
  size_t whole = 0, kept;

  cut_none(forest);
  while (tree->edges[whole].to != pop)
    whole++;
  kept = whole;
  for (size_t i = whole; i < tree->edge_count; i++) {
    struct copse_edge edge = tree->edges[i];
    if (edge.from == pop || edge.to == pop) {
      release(forest, arcs[i], tree->rate_bps);
      if (edge.from == pop)
        cut(forest, edge.to);
    } else {
      tree->edges[kept] = edge;
      arcs[kept++] = arcs[i];
    }
  }
  tree->edge_count = kept;
  if (forest->moving->branch_count > 1)
    mend(forest, number, whole);
}

/* What an edge could carry beside what it holds. */
static uint64_t
spare_on(const struct copse_forest *forest, uint32_t arc) {
  uint32_t parent = forest->network.arcs[arc].from;
  uint64_t left_bps = copse_forest_left(forest, arc), egress_bps = forest->nodes[parent].egress_bps;

  if (egress_bps != COPSE_NO_LIMIT && egress_bps / forest->moving->places[parent].children < left_bps)
    return egress_bps / forest->moving->places[parent].children;
  return left_bps;
}

/* What every edge of the tree could carry beside what it holds. The edge that has nothing left is looked at first the
 * next time. */
static uint64_t
spare(struct copse_forest *forest, const struct copse_built_tree *tree, struct copse_stand *stand) {
  uint64_t least_bps = tree->max_bps - tree->rate_bps;

  if (stand->tight < tree->edge_count && copse_forest_left(forest, stand->arcs[stand->tight]) == 0)
    return 0;
  if (forest->network.egress_bps) {
    memset(forest->moving->places, 0, forest->network.pops * sizeof(*forest->moving->places));
    for (size_t i = 0; i < tree->edge_count; i++)
      forest->moving->places[tree->edges[i].from].children++;
  }
  for (size_t i = 0; i < tree->edge_count && least_bps > 0; i++) {
    uint64_t spare_bps = spare_on(forest, stand->arcs[i]);
    if (spare_bps == 0)
      stand->tight = i;
    least_bps = spare_bps < least_bps ? spare_bps : least_bps;
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
  more_bps = spare(forest, tree, &forest->stands[number]);
  for (size_t i = 0; i < tree->edge_count && more_bps > 0; i++)
    hold(forest, arcs[i], more_bps);
  tree->rate_bps += more_bps;
}

/* The arc of an edge of before, if it is still there for the tree; else COPSE_NO_ARC. A place of the branch 1 has a
 * parent. */
static uint32_t
keep_edge(const struct copse_forest *forest, const struct copse_built_tree *tree, struct copse_edge edge) {
  const struct copse_place *places = forest->moving->places;
  uint32_t arc;

  if (edge.from >= forest->network.pops || edge.to >= forest->network.pops || edge.to == tree->root ||
      forest->outside[edge.from] || forest->outside[edge.to] || places[edge.to].branch == 1 ||
      forest->nodes[edge.from].egress_bps < tree->rate_bps ||
      (forest->shape.max_fanout > 0 && places[edge.from].children >= forest->shape.max_fanout))
    return COPSE_NO_ARC;
  arc = copse_ends_find(&forest->moving->ends, edge.from, edge.to);
  return arc != COPSE_NO_ARC && copse_forest_left(forest, arc) >= tree->rate_bps ? arc : COPSE_NO_ARC;
}

/* Keeps what can be kept of a tree of before, and cuts off what has no parent. */
static void
keep_edges(struct copse_forest *forest, struct copse_built_tree *tree, uint32_t *arcs,
           const struct copse_built_tree *before) {
  struct copse_place *places = forest->moving->places;

  memset(places, 0, forest->network.pops * sizeof(*places));
  for (size_t i = 0; i < before->edge_count; i++) {
    struct copse_edge edge = before->edges[i];
    uint32_t arc = keep_edge(forest, tree, edge);
    if (arc == COPSE_NO_ARC)
      continue;
    hold(forest, arc, tree->rate_bps);
    places[edge.from].children++;
    places[edge.to].branch = 1;
    tree->edges[tree->edge_count] = edge;
    arcs[tree->edge_count++] = arc;
  }
  cut_none(forest);
  for (size_t i = 0; i < forest->plan.tree_count; i++) {
    uint32_t pop = forest->plan.trees[i].root;
    if (pop != tree->root && places[pop].branch == 0)
      cut(forest, pop);
  }
}

/* All of V' is in the tree, none deeper than it may be. */
static bool
is_whole(struct copse_forest *forest, const struct copse_built_tree *tree) {
  struct copse_place *places = forest->moving->places;
  size_t reached = 1;

  memset(places, 0, forest->network.pops * sizeof(*places));
  places[tree->root].branch = 1;
  for (size_t i = 0; i < tree->edge_count; i++) {
    const struct copse_place *parent = &places[tree->edges[i].from];
    uint32_t depth = parent->depth + 1;
    if (parent->branch == 0 || (forest->shape.max_depth > 0 && depth > forest->shape.max_depth))
      return false;
    places[tree->edges[i].to] = (struct copse_place){.branch = 1, .depth = depth};
    reached++;
  }
  return reached == forest->plan.tree_count;
}

void
copse_replant(struct copse_forest *forest, size_t number, const struct copse_built_tree *before) {
  struct copse_built_tree *tree = &forest->plan.trees[number];
  uint64_t rate_bps = before->rate_bps < tree->max_bps ? before->rate_bps : tree->max_bps;

  if (before->status != COPSE_TREE_OK || tree->max_bps == 0 || rate_bps < tree->min_bps)
    return;
  tree->rate_bps = rate_bps;
  tree->status = COPSE_TREE_OK;
  keep_edges(forest, tree, forest->stands[number].arcs, before);
  mend(forest, number, 0);
  if (tree->status == COPSE_TREE_OK && !is_whole(forest, tree))
    copse_forest_fell(forest, number);
}
