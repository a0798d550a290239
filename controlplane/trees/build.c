/* SPDX-License-Identifier: Apache-2.0 */
#include "grow.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static int
no_memory(struct copse_error *error) {
  return copse_fail(error, -ENOMEM, "not enough memory to build trees");
}

static int
check_network(const struct copse_network *network, struct copse_error *error) {
  if (network->pops == UINT32_MAX || network->arc_count > UINT32_MAX)
    return copse_fail(error, -EINVAL, "the network is too large");
  for (size_t i = 0; i < network->arc_count; i++) {
    const struct copse_arc *arc = &network->arcs[i];
    if (arc->from >= network->pops || arc->to >= network->pops)
      return copse_fail(error, -EINVAL, "link %zu ends at a PoP that does not exist", i);
    if (arc->from == arc->to)
      return copse_fail(error, -EINVAL, "link %zu leads from a PoP to itself", i);
  }
  return 0;
}

static int
check_areas(const struct copse_network *network, const struct copse_area *areas, size_t count,
            struct copse_error *error) {
  bool *seen = calloc((size_t)network->pops + 1, sizeof(*seen));
  int status = 0;

  if (!seen)
    return no_memory(error);
  for (size_t i = 0; i < count && !status; i++) {
    if (areas[i].pop >= network->pops)
      status = copse_fail(error, -EINVAL, "area %zu is at a PoP that does not exist", i);
    else if (seen[areas[i].pop])
      status = copse_fail(error, -EINVAL, "area %zu is at the PoP of an earlier area", i);
    else if (!isfinite(areas[i].growth) || areas[i].growth < 0)
      status = copse_fail(error, -EINVAL, "area %zu has a growth that is not a number of at least 0", i);
    else
      seen[areas[i].pop] = true;
  }
  free(seen);
  return status;
}

/* Areas with a seed first, then by growth, then as configured. */
static int
compare_areas(const void *a, const void *b, void *context) {
  const struct copse_area *areas = context;
  uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;

  if (areas[i].seed != areas[j].seed)
    return areas[i].seed ? -1 : 1;
  if (areas[i].growth != areas[j].growth)
    return areas[i].growth > areas[j].growth ? -1 : 1;
  return i < j ? -1 : i > j;
}

static void
forest_free(struct copse_forest *forest) {
  copse_residual_free(&forest->residual);
  free(forest->members);
  free(forest->nodes);
  free(forest->covered);
  free(forest->fit.items);
  free(forest->wide.items);
  free(forest->taken);
}

/* BW_u of every PoP before the first tree. */
static void
set_budgets(struct copse_forest *forest, const struct copse_network *network) {
  for (size_t i = 0; i < network->arc_count; i++)
    forest->nodes[network->arcs[i].from].balance += network->arcs[i].bandwidth_bps;
  for (uint32_t pop = 0; pop < network->pops; pop++) {
    struct copse_node *node = &forest->nodes[pop];
    node->egress_bps = network->egress_bps ? network->egress_bps[pop] : COPSE_NO_LIMIT;
    if (node->egress_bps != COPSE_NO_LIMIT && node->egress_bps < node->balance)
      node->balance = node->egress_bps;
  }
}

static int
forest_create(struct copse_forest *forest, const struct copse_network *network, const struct copse_area *areas,
              size_t area_count) {
  uint32_t count = (uint32_t)area_count;

  forest->member_count = count;
  forest->members = calloc(count + 1, sizeof(*forest->members));
  forest->nodes = calloc(network->pops + 1, sizeof(*forest->nodes));
  forest->covered = calloc(network->pops + 1, sizeof(*forest->covered));
  forest->fit.items = calloc(count + 1, sizeof(*forest->fit.items));
  forest->wide.items = calloc(count + 1, sizeof(*forest->wide.items));
  forest->taken = calloc(count + 1, sizeof(*forest->taken));
  if (!forest->members || !forest->nodes || !forest->covered || !forest->fit.items || !forest->wide.items ||
      !forest->taken)
    return -ENOMEM;
  for (uint32_t i = 0; i < count; i++) {
    forest->members[i] = areas[i].pop;
    forest->covered[areas[i].pop] = true;
  }
  set_budgets(forest, network);
  forest->residual = copse_residual_create(network, forest->covered);
  return forest->residual.arcs ? 0 : -ENOMEM;
}

/* What the tree uses is gone for the trees after it. */
static void
reserve(struct copse_forest *forest, const struct copse_network *network, const struct copse_built_tree *tree,
        uint64_t *reserved_bps) {
  for (size_t i = 0; i < tree->edge_count; i++) {
    uint32_t arc = forest->taken[i];
    struct copse_edge edge = tree->edges[i];
    struct copse_node *parent = &forest->nodes[edge.from];
    uint64_t left_bps = network->arcs[arc].bandwidth_bps - reserved_bps[arc];
    size_t index = copse_residual_find(&forest->residual, edge.from, left_bps, edge.to);

    copse_residual_take(&forest->residual, edge.from, index, tree->rate_bps);
    reserved_bps[arc] += tree->rate_bps;
    parent->balance -= tree->rate_bps;
    if (parent->egress_bps != COPSE_NO_LIMIT)
      parent->egress_bps -= tree->rate_bps;
  }
}

static void
no_tree(struct copse_built_tree *tree, enum copse_tree_status status, const char *reason) {
  tree->status = status;
  snprintf(tree->reason, sizeof(tree->reason), "%s", reason);
}

static int
build_tree(struct copse_forest *forest, const struct copse_network *network, const struct copse_area *area,
           struct copse_built_tree *tree, uint64_t *reserved_bps) {
  struct copse_bounds bounds = copse_area_bounds(area);

  tree->root = area->pop;
  tree->min_bps = bounds.lo_bps;
  tree->max_bps = bounds.hi_bps;
  tree->clamped = bounds.clamped;
  if (forest->member_count == 1) {
    no_tree(tree, COPSE_TREE_SINGLE_AREA, "peers of one area use direct P2P");
  } else if (area->uplink_count == 0) {
    no_tree(tree, COPSE_TREE_NO_SENDER, "no peer is admitted to send");
  } else if (bounds.hi_bps == 0) {
    no_tree(tree, COPSE_TREE_NO_SENDER, "no credit");
  } else {
    tree->edges = malloc((forest->member_count - 1) * sizeof(*tree->edges));
    if (!tree->edges)
      return -ENOMEM;
    if (copse_grow_tree(forest, &bounds, tree)) {
      reserve(forest, network, tree, reserved_bps);
    } else {
      tree->status = COPSE_TREE_INFEASIBLE;
      snprintf(tree->reason, sizeof(tree->reason), "only %zu of %" PRIu32 " PoPs can be reached at %" PRIu64 " bit/s",
               tree->edge_count + 1, forest->member_count, bounds.lo_bps);
      tree->edge_count = 0;
    }
  }
  return 0;
}

static int
build_plan(struct copse_forest *forest, const struct copse_network *network, const struct copse_area *areas,
           const uint32_t *order, struct copse_plan *plan) {
  for (uint32_t i = 0; i < forest->member_count; i++) {
    int status = build_tree(forest, network, &areas[order[i]], &plan->trees[i], plan->reserved_bps);
    if (status)
      return status;
  }
  return 0;
}

int
copse_build_trees(const struct copse_network *network, const struct copse_area *areas, size_t area_count,
                  const struct copse_shape *shape, struct copse_plan *plan, struct copse_error *error) {
  static const struct copse_shape no_limits;
  struct copse_forest forest = {.shape = shape ? shape : &no_limits};
  uint32_t *order = NULL;
  int status = check_network(network, error);

  *plan = (struct copse_plan){0};
  if (!status)
    status = check_areas(network, areas, area_count, error);
  if (status)
    return status;

  plan->tree_count = area_count;
  plan->trees = calloc(area_count + 1, sizeof(*plan->trees));
  plan->reserved_bps = calloc(network->arc_count + 1, sizeof(*plan->reserved_bps));
  order = calloc(area_count + 1, sizeof(*order));
  status = plan->trees && plan->reserved_bps && order ? forest_create(&forest, network, areas, area_count) : -ENOMEM;
  if (!status) {
    for (uint32_t i = 0; i < area_count; i++)
      order[i] = i;
    qsort_r(order, area_count, sizeof(*order), compare_areas, (void *)areas);
    status = build_plan(&forest, network, areas, order, plan);
  }
  forest_free(&forest);
  free(order);
  if (status) {
    copse_plan_free(plan);
    return no_memory(error);
  }
  return 0;
}

void
copse_plan_free(struct copse_plan *plan) {
  if (plan->trees)
    for (size_t i = 0; i < plan->tree_count; i++)
      free(plan->trees[i].edges);
  free(plan->trees);
  free(plan->reserved_bps);
  *plan = (struct copse_plan){0};
}
