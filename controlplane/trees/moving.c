/* SPDX-License-Identifier: Apache-2.0 */
#include "mending.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool
copse_ranks_before(const struct copse_forest *forest, uint32_t pop, uint32_t other) {
  copse_balance ahead = forest->nodes[pop].balance - forest->nodes[other].balance;

  return ahead > 0 || (ahead == 0 && pop < other);
}

int
copse_moving_open(struct copse_forest *forest) {
  size_t pops = forest->network.pops;
  struct copse_moving *moving = forest->moving = calloc(1, sizeof(*moving));

  if (!moving)
    return -ENOMEM;
  moving->places = calloc(pops + 1, sizeof(*moving->places));
  moving->branches = calloc(pops + 1, sizeof(*moving->branches));
  moving->hung = calloc(pops + 1, sizeof(struct copse_branch *));
  moving->edges = calloc(pops + 1, sizeof(*moving->edges));
  moving->arcs = calloc(pops + 1, sizeof(*moving->arcs));
  if (!moving->places || !moving->branches || !moving->hung || !moving->edges || !moving->arcs ||
      !copse_cuts_create(&moving->cuts, forest->network.pops) ||
      !copse_ranks_create(&moving->ranks, forest->network.pops) ||
      !copse_ends_create(&moving->ends, &forest->network) ||
      !copse_inlets_create(&moving->inlets, &forest->network, forest->plan.reserved_bps))
    return -ENOMEM;
  return 0;
}

void
copse_moving_free(struct copse_moving *moving) {
  if (!moving)
    return;
  copse_ends_free(&moving->ends);
  copse_inlets_free(&moving->inlets);
  copse_cuts_free(&moving->cuts);
  copse_ranks_free(&moving->ranks);
  free(moving->places);
  free(moving->branches);
  free(moving->hung);
  free(moving->edges);
  free(moving->arcs);
  free(moving);
}

void
copse_attach(struct copse_forest *forest, size_t number, uint32_t pop) {
  copse_cut_none(forest);
  copse_cut(forest, pop);
  copse_mend(forest, number, forest->plan.trees[number].edge_count);
}

void
copse_detach(struct copse_forest *forest, size_t number, uint32_t pop) {
  struct copse_built_tree *tree = &forest->plan.trees[number];
  uint32_t *arcs = forest->stands[number].arcs;
  size_t whole = 0, kept;

  copse_cut_none(forest);
  while (tree->edges[whole].to != pop)
    whole++;
  kept = whole;
  for (size_t i = whole; i < tree->edge_count; i++) {
    struct copse_edge edge = tree->edges[i];
    if (edge.from == pop || edge.to == pop) {
      copse_release(forest, arcs[i], tree->rate_bps);
      if (edge.from == pop)
        copse_cut(forest, edge.to);
    } else {
      tree->edges[kept] = edge;
      arcs[kept++] = arcs[i];
    }
  }
  tree->edge_count = kept;
  if (forest->moving->branch_count > 1)
    copse_mend(forest, number, whole);
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
    copse_hold(forest, arcs[i], more_bps);
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
    copse_hold(forest, arc, tree->rate_bps);
    places[edge.from].children++;
    places[edge.to].branch = 1;
    tree->edges[tree->edge_count] = edge;
    arcs[tree->edge_count++] = arc;
  }
  copse_cut_none(forest);
  for (size_t i = 0; i < forest->plan.tree_count; i++) {
    uint32_t pop = forest->plan.trees[i].root;
    if (pop != tree->root && places[pop].branch == 0)
      copse_cut(forest, pop);
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
  copse_mend(forest, number, 0);
  if (tree->status == COPSE_TREE_OK && !is_whole(forest, tree))
    copse_forest_fell(forest, number);
}
