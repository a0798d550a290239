/* SPDX-License-Identifier: Apache-2.0 */
/* Plans for areas, and what is checked before. */
#include "forest.h"
#include "moving.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>

int
copse_no_memory(struct copse_error *error) {
  return copse_fail(error, -ENOMEM, "not enough memory to build trees");
}

int
copse_check_network(const struct copse_network *network, struct copse_error *error) {
  if (network->pops == UINT32_MAX || network->arc_count >= UINT32_MAX)
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

int
copse_check_areas(const struct copse_network *network, const struct copse_area *areas, size_t count,
                  struct copse_error *error) {
  bool *seen = calloc(network->pops + 1UL, sizeof(*seen));
  int status = 0;

  if (!seen)
    return copse_no_memory(error);
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
compare_stands(const void *a, const void *b) {
  const struct copse_stand *left = a, *right = b;

  if (left->seed != right->seed)
    return left->seed ? -1 : 1;
  if (left->growth != right->growth)
    return left->growth > right->growth ? -1 : 1;
  return left->number < right->number ? -1 : left->number > right->number;
}

/* Trees of before keep what they can, in the order of the new plan. */
static int
replant(struct copse_forest *forest, const struct copse_plan *before) {
  const struct copse_built_tree **rooted = calloc(forest->network.pops + 1UL, sizeof(struct copse_built_tree *));
  int status = 0;

  if (!rooted || copse_moving_open(forest) != 0) {
    free(rooted);
    return -ENOMEM;
  }
  for (size_t i = 0; i < before->tree_count; i++)
    if (before->trees[i].root < forest->network.pops)
      rooted[before->trees[i].root] = &before->trees[i];
  for (size_t i = 0; i < forest->plan.tree_count && !status; i++) {
    const struct copse_built_tree *tree = rooted[forest->plan.trees[i].root];
    if (tree && !copse_forest_room(forest, i))
      status = -ENOMEM;
    else if (tree)
      copse_replant(forest, i, tree);
  }
  free(rooted);
  return status ? status : copse_forest_settle(forest, COPSE_ALL_EDGES);
}

int
copse_forest_build(const struct copse_network *network, const struct copse_shape *shape, struct copse_stand *stands,
                   size_t count, const struct copse_plan *before, struct copse_forest **forest) {
  int status = copse_forest_open(network, shape, forest);

  if (status)
    return status;
  qsort(stands, count, sizeof(*stands), compare_stands);
  for (size_t i = 0; i < count; i++)
    copse_forest_add(*forest, &stands[i]);
  (*forest)->numbers = (uint32_t)count;
  return before ? replant(*forest, before) : copse_forest_grow(*forest, COPSE_ALL_EDGES);
}

static int
create(const struct copse_network *network, const struct copse_area *areas, size_t area_count,
       const struct copse_shape *shape, const struct copse_plan *before, struct copse_forest **forest,
       struct copse_error *error) {
  struct copse_stand *stands;
  int status = copse_check_network(network, error);

  *forest = NULL;
  if (!status)
    status = copse_check_areas(network, areas, area_count, error);
  if (status)
    return status;
  stands = calloc(area_count + 1, sizeof(*stands));
  for (uint32_t i = 0; stands && i < area_count; i++)
    stands[i] = copse_stand_of(&areas[i], i);
  if (!stands || copse_forest_build(network, shape, stands, area_count, before, forest) != 0)
    status = copse_no_memory(error);
  free(stands);
  return status;
}

int
copse_forest_create(const struct copse_network *network, const struct copse_area *areas, size_t area_count,
                    const struct copse_shape *shape, const struct copse_plan *before, struct copse_forest **forest,
                    struct copse_error *error) {
  int status = create(network, areas, area_count, shape, before, forest, error);

  if (!status && !(*forest)->moving && copse_moving_open(*forest) != 0)
    status = copse_no_memory(error);
  if (status) {
    copse_forest_free(*forest);
    *forest = NULL;
  }
  return status;
}

int
copse_build_trees(const struct copse_network *network, const struct copse_area *areas, size_t area_count,
                  const struct copse_shape *shape, struct copse_plan *plan, struct copse_error *error) {
  struct copse_forest *forest;
  int status = create(network, areas, area_count, shape, NULL, &forest, error);

  *plan = status ? (struct copse_plan){0} : copse_forest_end(forest);
  if (status)
    copse_forest_free(forest);
  return status;
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
