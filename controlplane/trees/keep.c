/* SPDX-License-Identifier: Apache-2.0 */
/* Plans that change as little as the areas do. */
#include "forest.h"
#include "moving.h"
#include <errno.h>
#include <stdlib.h>

#define CHANGE_EDGES 2500 /* of trees that a change grows as a whole: takes 2 ms */

static size_t
count_served(const struct copse_plan *plan) {
  size_t count = 0;

  for (size_t i = 0; i < plan->tree_count; i++)
    count += plan->trees[i].status == COPSE_TREE_OK;
  return count;
}

static bool
lacks_tree(const struct copse_plan *plan) {
  for (size_t i = 0; i < plan->tree_count; i++)
    if (plan->trees[i].status == COPSE_TREE_INFEASIBLE)
      return true;
  return false;
}

/* The first area, in the order of `fresh`, that has a tree in one of the plans alone has it in `fresh`. */
static bool
serves_better(const struct copse_plan *fresh, const struct copse_plan *kept, bool *has_tree) {
  for (size_t i = 0; i < kept->tree_count; i++)
    has_tree[kept->trees[i].root] = kept->trees[i].status == COPSE_TREE_OK;
  for (size_t i = 0; i < fresh->tree_count; i++) {
    bool ok = fresh->trees[i].status == COPSE_TREE_OK;
    if (ok != has_tree[fresh->trees[i].root])
      return ok;
  }
  return false;
}

/* A plan from nothing takes the place of this one if it serves areas better: 1 if it did, else 0. -ENOMEM. */
static int
renew(struct copse_forest *forest) {
  size_t count = forest->plan.tree_count;
  struct copse_stand *stands = calloc(count + 1, sizeof(*stands));
  struct copse_forest *fresh = NULL, kept = *forest;
  int status = -ENOMEM;

  for (size_t i = 0; stands && i < count; i++)
    stands[i] = forest->stands[i];
  if (stands)
    status = copse_forest_build(&kept.network, &kept.shape, stands, count, NULL, &fresh);
  if (!status && serves_better(&fresh->plan, &kept.plan, fresh->covered))
    status = copse_moving_open(fresh);
  if (!status && fresh->moving) { /* it does */
    *forest = *fresh;
    forest->numbers = kept.numbers;
    *fresh = kept;
    status = 1;
  }
  copse_forest_free(fresh);
  free(stands);
  return status;
}

int
copse_forest_settle(struct copse_forest *forest, size_t edges) {
  int status = copse_forest_grow(forest, edges);

  for (size_t i = 0; i < forest->plan.tree_count && !status; i++)
    copse_raise(forest, i);
  return status;
}

int
copse_forest_improve(struct copse_forest *forest, struct copse_error *error) {
  size_t before, served = count_served(&forest->plan);
  int status;

  do { /* one tree more may leave another room: what is tried first takes other links then */
    before = served;
    for (size_t i = 0; i < forest->plan.tree_count; i++)
      forest->stands[i].in_vain = false;
    status = copse_forest_settle(forest, COPSE_ALL_EDGES);
    if (status == 0 && lacks_tree(&forest->plan))
      status = renew(forest);
    served = count_served(&forest->plan);
  } while (status == 1 || (status == 0 && served > before));
  return status ? copse_no_memory(error) : 0;
}

static size_t
find_tree(const struct copse_plan *plan, uint32_t pop) {
  size_t tree = 0;

  while (tree < plan->tree_count && plan->trees[tree].root != pop)
    tree++;
  return tree;
}

int
copse_forest_join(struct copse_forest *forest, const struct copse_area *area, struct copse_error *error) {
  size_t count = forest->plan.tree_count;
  struct copse_stand stand;
  int status = copse_check_areas(&forest->network, area, 1, error);

  if (!status && find_tree(&forest->plan, area->pop) < count)
    status = copse_fail(error, -EEXIST, "PoP %u has an area already", area->pop);
  if (status)
    return status;
  stand = copse_stand_of(area, forest->numbers++);
  copse_forest_add(forest, &stand);
  for (size_t i = 0; i < count; i++)
    if (forest->plan.trees[i].status == COPSE_TREE_OK)
      copse_attach(forest, i, area->pop);
  return copse_forest_settle(forest, CHANGE_EDGES) ? copse_no_memory(error) : 0;
}

int
copse_forest_leave(struct copse_forest *forest, uint32_t pop, struct copse_error *error) {
  size_t tree = find_tree(&forest->plan, pop);

  if (tree == forest->plan.tree_count)
    return copse_fail(error, -ENOENT, "PoP %u has no area", pop);
  copse_forest_remove(forest, tree);
  for (size_t i = 0; i < forest->plan.tree_count; i++)
    if (forest->plan.trees[i].status == COPSE_TREE_OK)
      copse_detach(forest, i, pop);
  return copse_forest_settle(forest, CHANGE_EDGES) ? copse_no_memory(error) : 0;
}
