/* SPDX-License-Identifier: Apache-2.0 */
/* Plans that last: areas come and go, links change, and what need not change stays. */
#include "reference.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct instance instance;
static struct copse_area present[POPS_MAX]; /* areas of the forest */
static size_t present_count;
static struct copse_forest *forest;
static struct copse_error error;
static uint64_t seed = 0x2545f4914f6cdd1d;

static void
cleanup(void) {
  copse_forest_free(forest);
  forest = NULL;
}

TestSuite(forest, .fini = cleanup);

static void
create(const struct copse_plan *before) {
  cleanup();
  cr_assert_eq(copse_forest_create(&instance.network, present, present_count, &instance.shape, before, &forest, &error),
               0, "%s", error.text);
}

static void
expect_valid(const struct copse_plan *plan) {
  cr_assert_eq(copse_verify_plan(&instance.network, present, present_count, &instance.shape, plan, &error), 0, "%s",
               error.text);
}

static const struct copse_built_tree *
rooted(const struct copse_plan *plan, uint32_t pop) {
  for (size_t i = 0; i < plan->tree_count; i++)
    if (plan->trees[i].root == pop)
      return &plan->trees[i];
  return NULL;
}

static bool
same_tree(const struct copse_built_tree *a, const struct copse_built_tree *b) {
  return a->root == b->root && a->status == b->status && a->rate_bps == b->rate_bps && a->edge_count == b->edge_count &&
         (a->edge_count == 0 || memcmp(a->edges, b->edges, a->edge_count * sizeof(*a->edges)) == 0);
}

static bool
same_plan(const struct copse_plan *a, const struct copse_plan *b) {
  if (a->tree_count != b->tree_count ||
      memcmp(a->reserved_bps, b->reserved_bps, instance.network.arc_count * sizeof(*a->reserved_bps)) != 0)
    return false;
  for (size_t i = 0; i < a->tree_count; i++)
    if (!same_tree(&a->trees[i], &b->trees[i]))
      return false;
  return true;
}

static struct copse_plan
from_nothing(void) {
  struct copse_plan plan;

  cr_assert_eq(copse_build_trees(&instance.network, present, present_count, &instance.shape, &plan, &error), 0);
  return plan;
}

static size_t
count(const struct copse_plan *plan, enum copse_tree_status status) {
  size_t found = 0;

  for (size_t i = 0; i < plan->tree_count; i++)
    found += plan->trees[i].status == status;
  return found;
}

/* The first area that only one of them serves, in the order of BuildTrees, is not served by `kept`. */
static bool
serves_worse(const struct copse_plan *kept, const struct copse_plan *fresh) {
  for (size_t i = 0; i < fresh->tree_count; i++) {
    bool has = rooted(kept, fresh->trees[i].root)->status == COPSE_TREE_OK;
    if (has != (fresh->trees[i].status == COPSE_TREE_OK))
      return !has;
  }
  return false;
}

/* A random area joins or leaves. True if one has joined. */
static bool
change(void) {
  size_t absent = instance.area_count - present_count;
  size_t pick = random_up_to(&seed, instance.area_count) - 1;

  if (pick < absent) {
    present[present_count] = instance.areas[present_count];
    cr_assert_eq(copse_forest_join(forest, &present[present_count++], &error), 0, "%s", error.text);
    return true;
  }
  pick -= absent;
  cr_assert_eq(copse_forest_leave(forest, present[pick].pop, &error), 0, "%s", error.text);
  /* The absent are behind the present, so that they can be added again. */
  struct copse_area gone = present[pick];
  memmove(&present[pick], &present[pick + 1], (present_count - pick - 1) * sizeof(*present));
  memmove(&instance.areas[pick], &instance.areas[pick + 1], (present_count - pick - 1) * sizeof(*present));
  instance.areas[--present_count] = gone;
  return false;
}

static void
start(const struct traits *traits, size_t share) {
  random_instance(&instance, &seed, traits);
  present_count = instance.area_count / share;
  memcpy(present, instance.areas, present_count * sizeof(*present));
  create(NULL);
}

static struct copse_plan
copy_plan(const struct copse_plan *plan) {
  struct copse_plan copy = {.trees = calloc(plan->tree_count + 1, sizeof(*copy.trees)),
                            .tree_count = plan->tree_count,
                            .reserved_bps = calloc(instance.network.arc_count + 1, sizeof(*copy.reserved_bps))};

  memcpy(copy.reserved_bps, plan->reserved_bps, instance.network.arc_count * sizeof(*copy.reserved_bps));
  for (size_t i = 0; i < plan->tree_count; i++) {
    copy.trees[i] = plan->trees[i];
    copy.trees[i].edges = calloc(plan->trees[i].edge_count + 1, sizeof(*copy.trees[i].edges));
    if (plan->trees[i].edge_count > 0)
      memcpy(copy.trees[i].edges, plan->trees[i].edges, plan->trees[i].edge_count * sizeof(*copy.trees[i].edges));
  }
  return copy;
}

/* Afterwards nobody is served better by a plan from nothing, and there is nothing to improve. */
static void
improve(void) {
  struct copse_plan fresh = from_nothing(), once;

  cr_assert_eq(copse_forest_improve(forest, &error), 0, "%s", error.text);
  expect_valid(copse_forest_plan(forest));
  cr_assert_not(serves_worse(copse_forest_plan(forest), &fresh));
  once = copy_plan(copse_forest_plan(forest));
  cr_assert_eq(copse_forest_improve(forest, &error), 0, "%s", error.text);
  cr_assert(same_plan(copse_forest_plan(forest), &once));
  copse_plan_free(&fresh);
  copse_plan_free(&once);
}

/* Returns how many trees there were, and of these those that only improving has made. */
static size_t
run_sequences(const struct traits *traits, int rounds, size_t *improved) {
  size_t trees = 0;

  for (int round = 0; round < rounds; round++) {
    start(traits, 2);
    for (int step = 0; step < 24 && instance.area_count > 0; step++) {
      size_t served;

      change();
      expect_valid(copse_forest_plan(forest));
      served = count(copse_forest_plan(forest), COPSE_TREE_OK);
      if (step % 3 == 2) {
        improve();
        *improved += count(copse_forest_plan(forest), COPSE_TREE_OK) > served;
      }
      trees += count(copse_forest_plan(forest), COPSE_TREE_OK);
    }
  }
  return trees;
}

Test(forest, any_sequence_gives_valid_plans) {
  size_t improved = 0;

  for (int limits = 0; limits < 4; limits++) {
    const struct traits small = {8, 12, 80, limits & 1, limits & 2, false, false};
    const struct traits ties = {8, 3, 100, limits & 1, limits & 2, false, false};
    const struct traits large = {40, 100000, 90, limits & 1, false, true, true};

    cr_expect_gt(run_sequences(&small, 150, &improved), 1000);
    cr_expect_gt(run_sequences(&ties, 150, &improved), 1000);
    cr_expect_gt(run_sequences(&large, 8, &improved), 300);
  }
  cr_expect_gt(improved, 100, "only %zu", improved);
}

/* Every tree has what it had, and one edge more. */
static bool
extends(const struct copse_plan *after, const struct copse_plan *before, uint32_t pop) {
  for (size_t i = 0; i < before->tree_count; i++) {
    const struct copse_built_tree *old = &before->trees[i], *now = &after->trees[i];
    if (now->root != old->root || now->status != old->status || now->rate_bps != old->rate_bps)
      return false;
    if (old->status == COPSE_TREE_OK &&
        (now->edge_count != old->edge_count + 1 || now->edges[old->edge_count].to != pop ||
         memcmp(now->edges, old->edges, old->edge_count * sizeof(*old->edges)) != 0))
      return false;
  }
  return true;
}

Test(forest, who_joins_costs_an_edge_per_tree_and_leaves_no_trace) {
  size_t extended = 0;

  for (int round = 0; round < 200; round++) {
    const struct traits traits = {24, 1000000, 100, round & 1, false, true, true};
    struct copse_plan before;

    start(&traits, 1);
    if (present_count < 3)
      continue;
    present_count--;
    create(NULL);
    before = from_nothing();
    cr_assert(same_plan(copse_forest_plan(forest), &before));
    cr_assert_eq(copse_forest_join(forest, &present[present_count++], &error), 0);
    expect_valid(copse_forest_plan(forest));
    if (extends(copse_forest_plan(forest), &before, present[present_count - 1].pop)) {
      cr_assert_eq(copse_forest_leave(forest, present[--present_count].pop, &error), 0);
      cr_assert(same_plan(copse_forest_plan(forest), &before), "round %d", round);
      extended++;
    }
    copse_plan_free(&before);
  }
  cr_expect_gt(extended, 50, "only %zu", extended);
}

Test(forest, the_same_areas_have_the_same_plan) {
  for (int round = 0; round < 300; round++) {
    const struct traits traits = {16, 60, 90, false, false, false, false};
    struct copse_plan fresh;

    start(&traits, 1);
    fresh = from_nothing();
    create(&fresh);
    cr_assert(same_plan(copse_forest_plan(forest), &fresh), "round %d", round);
    copse_plan_free(&fresh);
  }
}

static bool
has_edge(const struct copse_built_tree *tree, struct copse_edge edge) {
  for (size_t i = 0; i < tree->edge_count; i++)
    if (tree->edges[i].from == edge.from && tree->edges[i].to == edge.to)
      return true;
  return false;
}

/* Both ends have areas, and the link carries the rate. */
static bool
can_stay(struct copse_edge edge, uint64_t rate_bps) {
  for (size_t i = 0; i < instance.network.arc_count; i++)
    if (instance.arcs[i].from == edge.from && instance.arcs[i].to == edge.to)
      return rooted(copse_forest_plan(forest), edge.from) && rooted(copse_forest_plan(forest), edge.to) &&
             instance.arcs[i].bandwidth_bps >= rate_bps;
  return false;
}

Test(forest, a_plan_of_before_is_kept_where_the_network_carries_it) {
  size_t kept = 0, lost = 0, cut = 0;

  for (int round = 0; round < 300; round++) {
    const struct traits traits = {16, 1000000, 100, false, false, true, true};
    struct copse_plan before;
    const struct copse_built_tree *first, *now;

    start(&traits, 1);
    before = from_nothing();
    first = &before.trees[0];
    for (size_t i = 0; i < instance.network.arc_count; i++) /* one in ten links is nearly gone */
      if (random_up_to(&seed, 10) == 1)
        instance.arcs[i].bandwidth_bps = 1;
    present_count -= present_count > 4; /* and an area */
    create(&before);
    expect_valid(copse_forest_plan(forest));
    now = rooted(copse_forest_plan(forest), first->root);
    for (size_t i = 0; now && now->status == COPSE_TREE_OK && i < first->edge_count; i++) {
      bool there = has_edge(now, first->edges[i]), can = can_stay(first->edges[i], first->rate_bps);
      kept += can && there;
      lost += can && !there; /* the tree had to be grown again as a whole */
      cut += !can;
      cr_assert(can || !there || now->rate_bps < first->rate_bps);
    }
    copse_plan_free(&before);
  }
  cr_expect_gt(kept, 500, "%zu", kept);
  cr_expect_gt(cut, 50, "%zu", cut);
  cr_expect_lt(4 * lost, kept, "%zu of %zu", lost, kept);
}

/* ---- by hand ---- */

static void
set_network(uint32_t pops, const struct copse_arc *arcs, size_t arc_count) {
  static const uint64_t uplinks_bps[] = {10};

  instance.network = (struct copse_network){.pops = pops, .arcs = instance.arcs, .arc_count = arc_count};
  memcpy(instance.arcs, arcs, arc_count * sizeof(*arcs));
  for (present_count = 0; present_count < pops; present_count++)
    present[present_count] = (struct copse_area){.pop = (uint32_t)present_count};
  present[0].growth = 1;
  present[0].uplinks_bps = uplinks_bps;
  present[0].uplink_count = 1;
}

static void
expect_edges(const struct copse_edge *edges, size_t edge_count) {
  const struct copse_built_tree *tree = rooted(copse_forest_plan(forest), 0);

  cr_assert_eq(tree->edge_count, edge_count);
  for (size_t i = 0; i < edge_count; i++)
    cr_expect(tree->edges[i].from == edges[i].from && tree->edges[i].to == edges[i].to, "edge %zu is %u>%u", i,
              tree->edges[i].from, tree->edges[i].to);
}

Test(forest, a_newcomer_hangs_from_who_has_most_left) {
  const struct copse_arc arcs[] = {{0, 1, 10}, {0, 3, 12}, {1, 2, 60}, {2, 3, 9}, {1, 3, 15}};

  set_network(4, arcs, 5);
  present_count = 3;
  create(NULL);
  expect_edges((struct copse_edge[]){{0, 1}, {1, 2}}, 2);
  cr_assert_eq(copse_forest_join(forest, &present[present_count++], &error), 0);
  expect_edges((struct copse_edge[]){{0, 1}, {1, 2}, {1, 3}}, 3); /* 75 - 10 left, PoP 0: 22 - 10, 2>3 is too narrow */
  expect_valid(copse_forest_plan(forest));
}

Test(forest, what_hung_from_who_leaves_hangs_from_another) {
  const struct copse_arc arcs[] = {{0, 1, 10}, {1, 2, 30}, {2, 3, 10}, {0, 2, 11}, {3, 4, 20}, {3, 0, 50}, {4, 2, 90}};
  const struct copse_area gone = {.pop = 1};

  set_network(5, arcs, 7);
  create(NULL);
  expect_edges((struct copse_edge[]){{0, 1}, {1, 2}, {2, 3}, {3, 4}}, 4);
  cr_assert_eq(copse_forest_leave(forest, gone.pop, &error), 0);
  expect_edges((struct copse_edge[]){{0, 2}, {2, 3}, {3, 4}}, 3); /* 4 has most left, but hangs from 2 itself */
  present[1] = present[--present_count];
  expect_valid(copse_forest_plan(forest));
}

Test(forest, a_branch_that_only_its_own_pop_could_carry_is_split) {
  const struct copse_arc arcs[] = {{0, 1, 10}, {1, 2, 30}, {2, 3, 40}, {3, 4, 20}, {0, 4, 11}, {4, 2, 10}};

  set_network(5, arcs, 6);
  create(NULL);
  expect_edges((struct copse_edge[]){{0, 1}, {1, 2}, {2, 3}, {3, 4}}, 4);
  cr_assert_eq(copse_forest_leave(forest, 1, &error), 0);
  expect_edges((struct copse_edge[]){{0, 4}, {4, 2}, {2, 3}}, 3); /* 2 could only hang from 4, which hung from it */
  present[1] = present[--present_count];
  expect_valid(copse_forest_plan(forest));
}

/* 2 could only hang from 4, 4 from 6, and 5, from which 6 hangs, from 0. Grown again, 7 would hang from 5. */
Test(forest, a_branch_is_split_as_often_as_it_takes) {
  const struct copse_arc arcs[] = {{0, 1, 11},  {0, 5, 12}, {0, 7, 15}, {1, 0, 1000}, {1, 7, 10}, {1, 2, 30},
                                   {2, 0, 500}, {2, 3, 10}, {2, 5, 11}, {3, 0, 400},  {3, 4, 10}, {4, 2, 10},
                                   {5, 0, 300}, {5, 6, 10}, {5, 7, 11}, {6, 4, 10}};

  set_network(8, arcs, 16);
  create(NULL);
  expect_edges((struct copse_edge[]){{0, 1}, {1, 7}, {1, 2}, {2, 3}, {2, 5}, {3, 4}, {5, 6}}, 7);
  cr_assert_eq(copse_forest_leave(forest, 1, &error), 0);
  expect_edges((struct copse_edge[]){{0, 7}, {0, 5}, {5, 6}, {6, 4}, {4, 2}, {2, 3}}, 6);
  present[1] = present[--present_count];
  expect_valid(copse_forest_plan(forest));
}

Test(forest, bad_changes_are_refused_and_change_nothing) {
  const struct copse_arc arcs[] = {{0, 1, 10}};
  const struct copse_area nowhere = {.pop = 2}, shrinking = {.pop = 1, .growth = -1};

  set_network(2, arcs, 1);
  create(NULL);
  cr_expect_eq(copse_forest_join(forest, &nowhere, &error), -EINVAL);
  cr_expect_eq(copse_forest_join(forest, &shrinking, &error), -EINVAL);
  cr_expect_eq(copse_forest_join(forest, &present[1], &error), -EEXIST);
  cr_expect_str_eq(error.text, "PoP 1 has an area already");
  cr_expect_eq(copse_forest_leave(forest, 7, &error), -ENOENT);
  cr_expect_str_eq(error.text, "PoP 7 has no area");
  expect_edges((struct copse_edge[]){{0, 1}}, 1);
}

Test(forest, the_last_two_and_the_last_one) {
  const struct copse_arc arcs[] = {{0, 1, 10}};

  set_network(2, arcs, 1);
  present_count = 0;
  create(NULL);
  cr_assert_eq(copse_forest_join(forest, &present[present_count++], &error), 0);
  cr_expect_eq(rooted(copse_forest_plan(forest), 0)->status, COPSE_TREE_SINGLE_AREA);
  cr_assert_eq(copse_forest_join(forest, &present[present_count++], &error), 0);
  expect_edges((struct copse_edge[]){{0, 1}}, 1);
  cr_assert_eq(copse_forest_leave(forest, 1, &error), 0);
  present_count--;
  expect_valid(copse_forest_plan(forest));
  cr_expect_eq(rooted(copse_forest_plan(forest), 0)->status, COPSE_TREE_SINGLE_AREA);
}
