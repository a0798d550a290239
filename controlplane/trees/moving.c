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
  moving->reaches = calloc(pops + 1, sizeof(*moving->reaches));
  moving->branches = calloc(pops + 1, sizeof(*moving->branches));
  moving->hung = calloc(pops + 1, sizeof(struct copse_branch *));
  moving->edges = calloc(pops + 1, sizeof(*moving->edges));
  if (!moving->places || !moving->reaches || !moving->branches || !moving->hung || !moving->edges ||
      !copse_cuts_create(&moving->cuts, forest->network.pops) ||
      !copse_ranks_create(&moving->ranks, forest->network.pops) ||
      !copse_inlets_create(&moving->inlets, &forest->network))
    return -ENOMEM;
  for (size_t i = 0; i < forest->plan.tree_count; i++)
    copse_moving_join(forest, forest->plan.trees[i].root);
  return 0;
}

void
copse_moving_join(struct copse_forest *forest, uint32_t pop) {
  struct copse_inlets *inlets = &forest->moving->inlets;

  for (uint32_t to = 0; to < forest->network.pops; to++) {
    uint32_t inlet = copse_inlets_at(inlets, pop, to), arc;
    if (inlet == COPSE_NO_INLET)
      continue;
    arc = inlets->all[inlet].arc;
    copse_inlets_set(inlets, to, inlet, forest->network.arcs[arc].bandwidth_bps - forest->plan.reserved_bps[arc]);
  }
  copse_ranks_touch(&forest->moving->ranks, pop);
}

void
copse_moving_leave(struct copse_forest *forest, uint32_t pop) {
  struct copse_inlets *inlets = &forest->moving->inlets;
  copse_balance held_bps = 0;

  for (uint32_t to = 0; to < forest->network.pops; to++) {
    uint32_t inlet = copse_inlets_at(inlets, pop, to);
    uint64_t *reserved_bps;
    if (inlet == COPSE_NO_INLET)
      continue;
    reserved_bps = &forest->plan.reserved_bps[inlets->all[inlet].arc];
    held_bps += *reserved_bps;
    *reserved_bps = 0;
    copse_inlets_set(inlets, to, inlet, 0);
  }
  forest->nodes[pop].balance += held_bps;
  if (forest->nodes[pop].egress_bps != COPSE_NO_LIMIT)
    forest->nodes[pop].egress_bps += (uint64_t)held_bps;
  copse_ranks_touch(&forest->moving->ranks, pop);
}

void
copse_moving_free(struct copse_moving *moving) {
  if (!moving)
    return;
  copse_inlets_free(&moving->inlets);
  copse_cuts_free(&moving->cuts);
  copse_ranks_free(&moving->ranks);
  free(moving->places);
  free(moving->reaches);
  free(moving->branches);
  free(moving->hung);
  free(moving->edges);
  free(moving);
}

void
copse_attach(struct copse_forest *forest, size_t number, uint32_t pop) {
  struct copse_built_tree *tree = &forest->plan.trees[number];
  size_t whole = tree->edge_count++;

  tree->edges[whole] = (struct copse_edge){tree->root, pop};
  copse_cut_none(forest);
  copse_cut(forest, pop);
  copse_mend(forest, number, whole);
}

void
copse_detach(struct copse_forest *forest, size_t number, uint32_t pop) {
  struct copse_built_tree *tree = &forest->plan.trees[number];
  size_t whole = 0;

  copse_cut_none(forest);
  while (tree->edges[whole].to != pop)
    whole++;
  copse_release_edge(forest, tree->edges[whole], tree->rate_bps);
  tree->edge_count--;
  for (size_t i = whole; i < tree->edge_count; i++) {
    tree->edges[i] = tree->edges[i + 1];
    if (tree->edges[i].from == pop)
      copse_cut(forest, tree->edges[i].to);
  }
  if (forest->moving->branch_count > 1)
    copse_mend(forest, number, whole);
}

static uint64_t
left_on(const struct copse_forest *forest, struct copse_edge edge) {
  const struct copse_inlets *inlets = &forest->moving->inlets;

  return inlets->all[copse_inlets_at(inlets, edge.from, edge.to)].left_bps;
}

/* What an edge could carry beside what it holds. */
static uint64_t
spare_on(const struct copse_forest *forest, struct copse_edge edge) {
  uint64_t left_bps = left_on(forest, edge), egress_bps = forest->nodes[edge.from].egress_bps;

  if (egress_bps != COPSE_NO_LIMIT && egress_bps / forest->moving->reaches[edge.from].children < left_bps)
    return egress_bps / forest->moving->reaches[edge.from].children;
  return left_bps;
}

/* What every edge of the tree could carry beside what it holds. The edge that has nothing left is looked at first the
 * next time. */
static uint64_t
spare(struct copse_forest *forest, const struct copse_built_tree *tree, struct copse_stand *stand) {
  struct copse_reach *reaches = forest->moving->reaches;
  uint64_t least_bps = tree->max_bps - tree->rate_bps;

  if (stand->tight < tree->edge_count && left_on(forest, tree->edges[stand->tight]) == 0)
    return 0;
  if (forest->network.egress_bps) {
    memset(reaches, 0, forest->network.pops * sizeof(*reaches));
    for (size_t i = 0; i < tree->edge_count; i++)
      reaches[tree->edges[i].from].children++;
  }
  for (size_t i = 0; i < tree->edge_count && least_bps > 0; i++) {
    uint64_t spare_bps = spare_on(forest, tree->edges[i]);
    if (spare_bps == 0)
      stand->tight = i;
    least_bps = spare_bps < least_bps ? spare_bps : least_bps;
  }
  return least_bps;
}

void
copse_raise(struct copse_forest *forest, size_t number) {
  struct copse_built_tree *tree = &forest->plan.trees[number];
  const struct copse_inlets *inlets = &forest->moving->inlets;
  uint64_t more_bps;

  if (tree->status != COPSE_TREE_OK || tree->rate_bps == tree->max_bps)
    return;
  more_bps = spare(forest, tree, &forest->stands[number]);
  for (size_t i = 0; i < tree->edge_count && more_bps > 0; i++)
    copse_hold(forest, copse_inlets_at(inlets, tree->edges[i].from, tree->edges[i].to), tree->edges[i].to, more_bps);
  tree->rate_bps += more_bps;
}

enum { NO_EDGE, KEPT, CUT }; /* the edge to a PoP, in the branch of its place while a tree is replanted */

/* The inlet of an edge of before, if it is still there for the tree; else COPSE_NO_INLET. */
static uint32_t
keep_edge(const struct copse_forest *forest, const struct copse_built_tree *tree, struct copse_edge edge) {
  const struct copse_moving *moving = forest->moving;
  uint32_t inlet;

  if (edge.from >= forest->network.pops || forest->outside[edge.from] ||
      forest->nodes[edge.from].egress_bps < tree->rate_bps ||
      (forest->shape.max_fanout > 0 && moving->reaches[edge.from].children >= forest->shape.max_fanout))
    return COPSE_NO_INLET;
  inlet = copse_inlets_at(&moving->inlets, edge.from, edge.to);
  return inlet != COPSE_NO_INLET && moving->inlets.all[inlet].left_bps >= tree->rate_bps ? inlet : COPSE_NO_INLET;
}

/* Keeps what can be kept of a tree of before, and cuts off what has no parent. */
static void
keep_edges(struct copse_forest *forest, struct copse_built_tree *tree, const struct copse_built_tree *before) {
  struct copse_place *places = forest->moving->places;
  struct copse_reach *reaches = forest->moving->reaches;

  memset(places, 0, forest->network.pops * sizeof(*places));
  memset(reaches, 0, forest->network.pops * sizeof(*reaches));
  for (size_t i = 0; i < before->edge_count; i++) {
    struct copse_edge edge = before->edges[i];
    uint32_t inlet;
    if (edge.to >= forest->network.pops || edge.to == tree->root || forest->outside[edge.to] ||
        places[edge.to].branch != NO_EDGE)
      continue;
    inlet = keep_edge(forest, tree, edge);
    places[edge.to].branch = inlet == COPSE_NO_INLET ? CUT : KEPT;
    tree->edges[tree->edge_count++] = edge;
    if (inlet == COPSE_NO_INLET)
      continue;
    copse_hold(forest, inlet, edge.to, tree->rate_bps);
    reaches[edge.from].children++;
  }
  copse_cut_none(forest);
  for (size_t i = 0; i < forest->plan.tree_count; i++) {
    uint32_t pop = forest->plan.trees[i].root;
    if (pop == tree->root || places[pop].branch == KEPT)
      continue;
    copse_cut(forest, pop);
    if (places[pop].branch == NO_EDGE)
      tree->edges[tree->edge_count++] = (struct copse_edge){tree->root, pop};
  }
}

/* All of V' is in the tree, none deeper than it may be. */
static bool
is_whole(struct copse_forest *forest, const struct copse_built_tree *tree) {
  struct copse_place *places = forest->moving->places;
  struct copse_reach *reaches = forest->moving->reaches;

  memset(places, 0, forest->network.pops * sizeof(*places));
  places[tree->root].branch = KEPT;
  reaches[tree->root].depth = 0;
  for (size_t i = 0; i < tree->edge_count; i++) {
    struct copse_edge edge = tree->edges[i];
    uint32_t depth = reaches[edge.from].depth + 1;
    if (places[edge.from].branch != KEPT || (forest->shape.max_depth > 0 && depth > forest->shape.max_depth))
      return false;
    places[edge.to].branch = KEPT;
    reaches[edge.to].depth = depth;
  }
  return tree->edge_count + 1 == forest->plan.tree_count;
}

void
copse_replant(struct copse_forest *forest, size_t number, const struct copse_built_tree *before) {
  struct copse_built_tree *tree = &forest->plan.trees[number];
  uint64_t rate_bps = before->rate_bps < tree->max_bps ? before->rate_bps : tree->max_bps;

  if (before->status != COPSE_TREE_OK || tree->max_bps == 0 || rate_bps < tree->min_bps)
    return;
  tree->rate_bps = rate_bps;
  tree->status = COPSE_TREE_OK;
  keep_edges(forest, tree, before);
  copse_mend(forest, number, 0);
  if (tree->status == COPSE_TREE_OK && !is_whole(forest, tree))
    copse_forest_fell(forest, number);
}
