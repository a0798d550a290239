/* SPDX-License-Identifier: Apache-2.0 */
/* Random networks: the builder against the reference, the verifier, and every arborescence there is. */
#include "reference.h"
#include <criterion/criterion.h>
#include <string.h>

static struct instance instance;
static struct reference_tree expected[POPS_MAX];
static uint64_t seed = 0x9e3779b97f4a7c15;

static const char *const statuses[] = {"ok", "infeasible", "no_sender", "single_area"};

static void
expect_agreement(const struct copse_plan *plan, int round) {
  for (size_t i = 0; i < plan->tree_count; i++) {
    const struct copse_built_tree *tree = &plan->trees[i];
    cr_assert_eq(tree->root, expected[i].root, "round %d tree %zu", round, i);
    cr_assert_eq(tree->status, expected[i].status, "round %d tree %zu: %s, not %s", round, i, statuses[tree->status],
                 statuses[expected[i].status]);
    cr_assert_eq(tree->min_bps, expected[i].lo_bps, "round %d tree %zu", round, i);
    cr_assert_eq(tree->max_bps, expected[i].hi_bps, "round %d tree %zu", round, i);
    cr_assert_eq(tree->rate_bps, expected[i].rate_bps, "round %d tree %zu: %lu, not %lu", round, i, tree->rate_bps,
                 expected[i].rate_bps);
    cr_assert_eq(tree->edge_count, expected[i].edge_count, "round %d tree %zu", round, i);
    cr_assert(tree->edge_count == 0 ||
                memcmp(tree->edges, expected[i].edges, tree->edge_count * sizeof(*tree->edges)) == 0,
              "round %d tree %zu has other edges", round, i);
  }
}

/* Returns how many trees had each status, so that a test can see that it tested something. */
static void
compare(const struct traits *traits, int rounds, size_t counts[4]) {
  for (int round = 0; round < rounds; round++) {
    struct copse_plan plan;
    struct copse_error error;

    random_instance(&instance, &seed, traits);
    reference_build(&instance, expected);
    cr_assert_eq(
      copse_build_trees(&instance.network, instance.areas, instance.area_count, &instance.shape, &plan, &error), 0);
    cr_assert_eq(plan.tree_count, instance.area_count);
    expect_agreement(&plan, round);
    cr_assert_eq(
      copse_verify_plan(&instance.network, instance.areas, instance.area_count, &instance.shape, &plan, &error), 0,
      "round %d: %s", round, error.text);
    for (size_t i = 0; i < plan.tree_count; i++)
      counts[plan.trees[i].status]++;
    copse_plan_free(&plan);
  }
}

Test(random, small_networks_full_of_ties) {
  size_t counts[4] = {0};

  for (unsigned density = 30; density <= 100; density += 35)
    for (int limits = 0; limits < 4; limits++) {
      struct traits traits = {8, 12, density, limits & 1, limits & 2, false, false};
      compare(&traits, 800, counts);
      traits.bandwidth = 3;
      compare(&traits, 400, counts);
    }
  for (int status = 0; status < 4; status++)
    cr_expect_gt(counts[status], 200, "only %zu trees were %s", counts[status], statuses[status]);
}

Test(random, rates_of_real_links) {
  size_t counts[4] = {0};
  const struct traits traits = {8, 100000000000, 80, true, true, false, false};

  compare(&traits, 2000, counts);
  cr_expect_gt(counts[COPSE_TREE_OK], 500);
}

Test(random, larger_networks) {
  size_t counts[4] = {0};
  const struct traits free_traits = {48, 400, 90, false, false, true, true};
  const struct traits budget_traits = {48, 60, 100, true, false, true, true};

  compare(&free_traits, 10, counts);
  compare(&budget_traits, 10, counts);
  cr_expect_gt(counts[COPSE_TREE_OK], 100);
}

/* The widest bottleneck of all arborescences from the root: every way to give each other PoP a parent is tried.
 * 0: there is none. */
static uint64_t
widest_bottleneck(uint32_t root) {
  uint64_t bw[POPS_MAX][POPS_MAX] = {{0}}, best = 0;
  uint32_t pops = instance.network.pops, ways = 1;

  for (size_t i = 0; i < instance.network.arc_count; i++)
    bw[instance.arcs[i].from][instance.arcs[i].to] = instance.arcs[i].bandwidth_bps;
  for (uint32_t i = 1; i < pops; i++)
    ways *= pops;
  for (uint32_t way = 0; way < ways; way++) {
    uint32_t parent[POPS_MAX], rest = way;
    uint64_t bottleneck = UINT64_MAX;
    for (uint32_t pop = 0; pop < pops; pop++) {
      if (pop == root)
        continue;
      parent[pop] = rest % pops;
      rest /= pops;
      bottleneck = bw[parent[pop]][pop] < bottleneck ? bw[parent[pop]][pop] : bottleneck;
    }
    for (uint32_t pop = 0; pop < pops; pop++) {
      uint32_t at = pop;
      for (uint32_t steps = 0; at != root && steps < pops; steps++)
        at = parent[at];
      if (at != root)
        bottleneck = 0; /* a cycle */
    }
    best = bottleneck > best ? bottleneck : best;
  }
  return best;
}

Test(random, a_single_tree_is_optimal) {
  size_t found = 0, missing = 0;

  for (int round = 0; round < 1500; round++) {
    const struct traits traits = {5, 20, 60, false, false, true, true};
    struct copse_plan plan;
    random_instance(&instance, &seed, &traits);
    if (instance.network.pops < 2)
      continue;
    for (size_t i = 1; i < instance.area_count; i++)
      instance.areas[i].uplink_count = 0; /* the first area's tree is the only one */
    cr_assert_eq(copse_build_trees(&instance.network, instance.areas, instance.area_count, NULL, &plan, NULL), 0);
    for (size_t i = 0; i < plan.tree_count; i++) {
      const struct copse_built_tree *tree = &plan.trees[i];
      if (tree->root != instance.areas[0].pop)
        continue;
      uint64_t widest = widest_bottleneck(tree->root);
      cr_assert_eq(tree->status, widest >= tree->min_bps ? COPSE_TREE_OK : COPSE_TREE_INFEASIBLE, "round %d", round);
      if (tree->status == COPSE_TREE_OK)
        cr_assert_eq(tree->rate_bps, widest < tree->max_bps ? widest : tree->max_bps, "round %d", round);
      tree->status == COPSE_TREE_OK ? found++ : missing++;
    }
    copse_plan_free(&plan);
  }
  cr_expect_gt(found, 100);
  cr_expect_gt(missing, 100);
}

Test(random, the_same_input_gives_the_same_plan) {
  const struct traits traits = {40, 10, 100, true, false, true, true};
  struct copse_plan plans[2];

  random_instance(&instance, &seed, &traits);
  for (int i = 0; i < 2; i++)
    cr_assert_eq(
      copse_build_trees(&instance.network, instance.areas, instance.area_count, &instance.shape, &plans[i], NULL), 0);
  for (size_t i = 0; i < plans[0].tree_count; i++) {
    const struct copse_built_tree *a = &plans[0].trees[i], *b = &plans[1].trees[i];
    cr_assert_eq(a->edge_count, b->edge_count);
    cr_assert(a->edge_count == 0 || memcmp(a->edges, b->edges, a->edge_count * sizeof(*a->edges)) == 0);
    cr_assert_eq(a->rate_bps, b->rate_bps);
  }
  cr_assert_arr_eq(plans[0].reserved_bps, plans[1].reserved_bps,
                   instance.network.arc_count * sizeof(*plans[0].reserved_bps));
  copse_plan_free(&plans[0]);
  copse_plan_free(&plans[1]);
}
