/* SPDX-License-Identifier: Apache-2.0 */
#include "forest.h"
#include "grow.h"
#include "mending.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* BW_u of every PoP before the first tree. */
static void
set_budgets(struct copse_forest *forest) {
  const struct copse_network *network = &forest->network;

  for (size_t i = 0; i < network->arc_count; i++)
    forest->nodes[network->arcs[i].from].balance += network->arcs[i].bandwidth_bps;
  for (uint32_t pop = 0; pop < network->pops; pop++) {
    struct copse_node *node = &forest->nodes[pop];
    node->egress_bps = network->egress_bps ? network->egress_bps[pop] : COPSE_NO_LIMIT;
    if (node->egress_bps != COPSE_NO_LIMIT && node->egress_bps < node->balance)
      node->balance = node->egress_bps;
  }
}

int
copse_forest_open(const struct copse_network *network, const struct copse_shape *shape, struct copse_forest **out) {
  size_t pops = network->pops;
  struct copse_forest *forest = *out = calloc(1, sizeof(*forest));

  if (!forest)
    return -ENOMEM;
  forest->network = *network;
  forest->shape = shape ? *shape : (struct copse_shape){0};
  forest->plan.trees = calloc(pops + 1, sizeof(*forest->plan.trees));
  forest->plan.reserved_bps = calloc(network->arc_count + 1, sizeof(*forest->plan.reserved_bps));
  forest->stands = calloc(pops + 1, sizeof(*forest->stands));
  forest->nodes = calloc(pops + 1, sizeof(*forest->nodes));
  forest->outside = malloc(pops + 1);
  forest->covered = malloc(pops + 1);
  forest->fit.items = calloc(pops + 1, sizeof(*forest->fit.items));
  forest->wide.items = calloc(pops + 1, sizeof(*forest->wide.items));
  forest->arcs = calloc(pops + 1, sizeof(*forest->arcs));
  if (!forest->plan.trees || !forest->plan.reserved_bps || !forest->stands || !forest->nodes || !forest->outside ||
      !forest->covered || !forest->fit.items || !forest->wide.items || !forest->arcs ||
      !copse_residual_create(&forest->residual, network))
    return -ENOMEM;
  memset(forest->outside, true, pops);
  set_budgets(forest);
  return 0;
}

void
copse_forest_free(struct copse_forest *forest) {
  if (!forest)
    return;
  copse_plan_free(&forest->plan);
  copse_residual_free(&forest->residual);
  copse_moving_free(forest->moving);
  free(forest->stands);
  free(forest->nodes);
  free(forest->outside);
  free(forest->covered);
  free(forest->fit.items);
  free(forest->wide.items);
  free(forest->arcs);
  free(forest);
}

struct copse_plan
copse_forest_end(struct copse_forest *forest) {
  struct copse_plan plan = forest->plan;

  forest->plan = (struct copse_plan){0};
  copse_forest_free(forest);
  return plan;
}

const struct copse_plan *
copse_forest_plan(const struct copse_forest *forest) {
  return &forest->plan;
}

struct copse_stand
copse_stand_of(const struct copse_area *area, uint32_t number) {
  return (struct copse_stand){.pop = area->pop,
                              .bounds = copse_area_bounds(area),
                              .growth = area->growth,
                              .seed = area->seed,
                              .sends = area->uplink_count > 0,
                              .number = number};
}

void
copse_forest_add(struct copse_forest *forest, const struct copse_stand *stand) {
  size_t last = forest->plan.tree_count++;

  forest->outside[stand->pop] = false;
  copse_residual_join(&forest->residual, &forest->network, forest->plan.reserved_bps, stand->pop);
  if (forest->moving)
    copse_moving_join(forest, stand->pop);
  forest->stands[last] = *stand;
  forest->stands[last].in_vain = false;
  forest->plan.trees[last] = (struct copse_built_tree){.root = stand->pop,
                                                       .status = COPSE_TREE_INFEASIBLE,
                                                       .clamped = stand->bounds.clamped,
                                                       .min_bps = stand->bounds.lo_bps,
                                                       .max_bps = stand->bounds.hi_bps};
}

void
copse_forest_remove(struct copse_forest *forest, size_t tree) {
  struct copse_built_tree *trees = forest->plan.trees;
  size_t after = --forest->plan.tree_count - tree;

  copse_residual_leave(&forest->residual, trees[tree].root);
  copse_forest_fell(forest, tree);
  forest->outside[trees[tree].root] = true;
  if (forest->moving)
    copse_moving_leave(forest, trees[tree].root);
  free(trees[tree].edges);
  memmove(&trees[tree], &trees[tree + 1], after * sizeof(*trees));
  memmove(&forest->stands[tree], &forest->stands[tree + 1], after * sizeof(*forest->stands));
}

void
copse_forest_change(struct copse_forest *forest, struct copse_edge ends, uint32_t arc, uint64_t before_bps,
                    uint64_t after_bps) {
  struct copse_node *parent = &forest->nodes[ends.from];

  if (forest->moving)
    copse_ranks_touch(&forest->moving->ranks, ends.from);
  copse_residual_change(&forest->residual, ends.from, ends.to, before_bps, after_bps);
  parent->balance += (copse_balance)after_bps - before_bps;
  if (parent->egress_bps != COPSE_NO_LIMIT)
    parent->egress_bps += after_bps - before_bps;
  forest->plan.reserved_bps[arc] += before_bps - after_bps;
}

/* The tree that was just grown takes its rate of its arcs. */
static void
take(struct copse_forest *forest, const struct copse_built_tree *tree) {
  for (size_t i = 0; i < tree->edge_count; i++) {
    uint32_t arc = forest->arcs[i];
    struct copse_edge edge = tree->edges[i];
    uint64_t left_bps = forest->network.arcs[arc].bandwidth_bps - forest->plan.reserved_bps[arc];
    if (forest->moving)
      copse_hold(forest, copse_inlets_at(&forest->moving->inlets, edge.from, edge.to), edge.to, tree->rate_bps);
    else
      copse_forest_change(forest, edge, arc, left_bps, left_bps - tree->rate_bps);
  }
}

void
copse_forest_fell(struct copse_forest *forest, size_t tree) {
  struct copse_built_tree *built = &forest->plan.trees[tree];

  for (size_t i = 0; i < built->edge_count; i++)
    copse_release_edge(forest, built->edges[i], built->rate_bps);
  built->status = COPSE_TREE_INFEASIBLE;
  built->edge_count = 0;
  built->rate_bps = 0;
}

static void
no_tree(struct copse_built_tree *tree, enum copse_tree_status status, const char *reason) {
  tree->status = status;
  snprintf(tree->reason, sizeof(tree->reason), "%s", reason);
}

bool
copse_forest_room(struct copse_forest *forest, size_t tree) {
  struct copse_edge **edges = &forest->plan.trees[tree].edges;

  if (!*edges)
    *edges = malloc(forest->network.pops * sizeof(**edges));
  return *edges;
}

static void
grow(struct copse_forest *forest, struct copse_built_tree *tree, struct copse_stand *stand) {
  const struct copse_shape *shape = &forest->shape;
  int length;

  stand->in_vain = !copse_grow_tree(forest, &stand->bounds, tree);
  if (!stand->in_vain) {
    tree->status = COPSE_TREE_OK;
    tree->reason[0] = '\0';
    take(forest, tree);
    return;
  }
  tree->status = COPSE_TREE_INFEASIBLE;
  length = snprintf(tree->reason, sizeof(tree->reason), "only %zu of %zu PoPs can be reached at %" PRIu64 " bit/s",
                    tree->edge_count + 1, forest->plan.tree_count, stand->bounds.lo_bps);
  if (shape->max_fanout > 0 && shape->max_fanout < forest->plan.tree_count - 1)
    snprintf(tree->reason + length, sizeof(tree->reason) - (size_t)length, " with at most %" PRIu32 " children each",
             shape->max_fanout);
  tree->edge_count = 0;
}

int
copse_forest_grow(struct copse_forest *forest, size_t edges) {
  for (size_t i = 0; i < forest->plan.tree_count; i++) {
    struct copse_built_tree *tree = &forest->plan.trees[i];
    struct copse_stand *stand = &forest->stands[i];

    if (forest->plan.tree_count == 1) {
      copse_forest_fell(forest, i);
      stand->in_vain = false;
      no_tree(tree, COPSE_TREE_SINGLE_AREA, "peers of one area use direct P2P");
    } else if (tree->status == COPSE_TREE_OK || stand->in_vain)
      continue;
    else if (!stand->sends)
      no_tree(tree, COPSE_TREE_NO_SENDER, "no peer is admitted to send");
    else if (stand->bounds.hi_bps == 0)
      no_tree(tree, COPSE_TREE_NO_SENDER, "no credit");
    else if (edges < forest->plan.tree_count)
      no_tree(tree, COPSE_TREE_INFEASIBLE, "not grown again yet: many trees have lost their links at once");
    else if (!copse_forest_room(forest, i))
      return -ENOMEM;
    else {
      grow(forest, tree, stand);
      edges -= forest->plan.tree_count - 1;
    }
  }
  return 0;
}
