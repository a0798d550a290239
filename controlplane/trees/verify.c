/* SPDX-License-Identifier: Apache-2.0 */
/* Checks a plan against the network it was made for, with nothing of the builder but the bounds of areas and
 * the index of arcs. */
#include "bandwidth.h"
#include "ends.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

struct visit {
  size_t tree; /* 1 + the last tree that reached the PoP */
  uint32_t depth, children;
};

/* A plan under examination. */
struct check {
  const struct copse_network *network;
  const struct copse_area **area_at; /* per PoP, null outside V' */
  size_t area_count;
  struct copse_shape shape;
  struct copse_error *error;
  struct copse_ends ends;
  uint64_t *reserved_bps; /* per arc, added up from the trees */
  uint64_t *egress_bps;   /* per PoP, the same */
  struct visit *visits;   /* per PoP */
  bool *rooted;           /* per PoP: has a tree */
};

/* Adds to a sum that must not exceed a budget. */
static bool
within(uint64_t *sum, uint64_t rate_bps, uint64_t budget_bps) {
  return !__builtin_add_overflow(*sum, rate_bps, sum) && *sum <= budget_bps;
}

static int
check_edge(struct check *check, size_t number, const struct copse_built_tree *tree, struct copse_edge edge) {
  const struct copse_network *network = check->network;
  bool inside = edge.from < network->pops && edge.to < network->pops;
  uint32_t arc = inside ? copse_ends_find(&check->ends, edge.from, edge.to) : COPSE_NO_ARC;
  struct visit *parent, *child;

  if (arc == COPSE_NO_ARC)
    return copse_fail(check->error, -EBADMSG,
                      "tree %zu uses a link from PoP %" PRIu32 " to %" PRIu32 " that is not there", number, edge.from,
                      edge.to);
  parent = &check->visits[edge.from];
  child = &check->visits[edge.to];
  if (parent->tree != number + 1)
    return copse_fail(check->error, -EBADMSG, "tree %zu leaves PoP %" PRIu32 " before it reaches it", number,
                      edge.from);
  if (child->tree == number + 1 || !check->area_at[edge.to])
    return copse_fail(check->error, -EBADMSG, "tree %zu reaches PoP %" PRIu32 " %s", number, edge.to,
                      check->area_at[edge.to] ? "twice" : "where no peers are");
  *child = (struct visit){.tree = number + 1, .depth = parent->depth + 1};
  parent->children++;
  if (check->shape.max_depth && child->depth > check->shape.max_depth)
    return copse_fail(check->error, -EBADMSG, "tree %zu is deeper than %" PRIu32, number, check->shape.max_depth);
  if (check->shape.max_fanout && parent->children > check->shape.max_fanout)
    return copse_fail(check->error, -EBADMSG, "tree %zu has a fan-out above %" PRIu32, number, check->shape.max_fanout);
  if (!within(&check->reserved_bps[arc], tree->rate_bps, network->arcs[arc].bandwidth_bps))
    return copse_fail(check->error, -EBADMSG, "tree %zu takes more than is left from PoP %" PRIu32 " to %" PRIu32,
                      number, edge.from, edge.to);
  if (!within(&check->egress_bps[edge.from], tree->rate_bps,
              network->egress_bps ? network->egress_bps[edge.from] : COPSE_NO_LIMIT))
    return copse_fail(check->error, -EBADMSG, "tree %zu takes more than the egress budget of PoP %" PRIu32, number,
                      edge.from);
  return 0;
}

/* Is this status possible for this area? */
static bool
status_fits(const struct check *check, const struct copse_built_tree *tree, const struct copse_bounds *bounds) {
  bool alone = check->area_count == 1, silent = bounds->hi_bps == 0;

  switch (tree->status) {
  case COPSE_TREE_SINGLE_AREA:
    return alone;
  case COPSE_TREE_NO_SENDER:
    return !alone && silent;
  case COPSE_TREE_OK:
  case COPSE_TREE_INFEASIBLE:
    return !alone && !silent;
  }
  return false;
}

static int
check_tree(struct check *check, size_t number, const struct copse_built_tree *tree) {
  struct copse_bounds bounds;
  bool built = tree->status == COPSE_TREE_OK;
  int status = 0;

  if (tree->root >= check->network->pops || !check->area_at[tree->root] || check->rooted[tree->root])
    return copse_fail(check->error, -EBADMSG, "tree %zu has a root without an area of its own", number);
  check->rooted[tree->root] = true;
  bounds = copse_area_bounds(check->area_at[tree->root]);
  if (tree->min_bps != bounds.lo_bps || tree->max_bps != bounds.hi_bps || tree->clamped != bounds.clamped)
    return copse_fail(check->error, -EBADMSG, "tree %zu does not have the bounds of its area", number);
  if (!status_fits(check, tree, &bounds))
    return copse_fail(check->error, -EBADMSG, "tree %zu cannot have status %d", number, (int)tree->status);
  if (tree->edge_count != (built ? check->area_count - 1 : 0))
    return copse_fail(check->error, -EBADMSG, "tree %zu has %zu edges", number, tree->edge_count);
  if (built ? tree->rate_bps < bounds.lo_bps || tree->rate_bps > bounds.hi_bps : tree->rate_bps != 0)
    return copse_fail(check->error, -EBADMSG, "tree %zu has a rate of %" PRIu64 " bit/s, outside its bounds", number,
                      tree->rate_bps);

  check->visits[tree->root] = (struct visit){.tree = number + 1};
  for (size_t i = 0; i < tree->edge_count && !status; i++)
    status = check_edge(check, number, tree, tree->edges[i]);
  return status;
}

static int
check_plan(struct check *check, const struct copse_plan *plan) {
  int status = 0;

  if (plan->tree_count != check->area_count)
    return copse_fail(check->error, -EBADMSG, "%zu trees for %zu areas", plan->tree_count, check->area_count);
  for (size_t i = 0; i < plan->tree_count && !status; i++)
    status = check_tree(check, i, &plan->trees[i]);
  for (size_t i = 0; i < check->network->arc_count && !status; i++)
    if (plan->reserved_bps[i] != check->reserved_bps[i])
      status = copse_fail(check->error, -EBADMSG, "link %zu: %" PRIu64 " bit/s reserved, %" PRIu64 " used by trees", i,
                          plan->reserved_bps[i], check->reserved_bps[i]);
  return status;
}

int
copse_verify_plan(const struct copse_network *network, const struct copse_area *areas, size_t area_count,
                  const struct copse_shape *shape, const struct copse_plan *plan, struct copse_error *error) {
  struct check check = {.network = network, .area_count = area_count, .error = error};
  int status;

  if (shape)
    check.shape = *shape;
  check.area_at = calloc(network->pops + 1, sizeof(struct copse_area *));
  check.reserved_bps = calloc(network->arc_count + 1, sizeof(*check.reserved_bps));
  check.egress_bps = calloc(network->pops + 1, sizeof(*check.egress_bps));
  check.visits = calloc(network->pops + 1, sizeof(*check.visits));
  check.rooted = calloc(network->pops + 1, sizeof(*check.rooted));
  if (check.area_at && check.reserved_bps && check.egress_bps && check.visits && check.rooted &&
      copse_ends_create(&check.ends, network)) {
    for (size_t i = 0; i < area_count; i++)
      if (areas[i].pop < network->pops)
        check.area_at[areas[i].pop] = &areas[i];
    status = check_plan(&check, plan);
  } else {
    status = copse_fail(error, -ENOMEM, "not enough memory to verify trees");
  }
  free(check.area_at);
  copse_ends_free(&check.ends);
  free(check.reserved_bps);
  free(check.egress_bps);
  free(check.visits);
  free(check.rooted);
  return status;
}
