/* SPDX-License-Identifier: Apache-2.0 */
/* The bound: what it is by the theorem, set by set, and that no plan exceeds it. */
#include "reference.h"
#include <criterion/criterion.h>

static struct instance instance;
static struct copse_plan plan;
static struct copse_bound bound;
static struct copse_error error;
static uint64_t seed = 0x853c49e6748fea9b;

static void
cleanup(void) {
  copse_plan_free(&plan);
}

TestSuite(bound, .fini = cleanup);

static void
find_bound(size_t flow_limit) {
  copse_plan_free(&plan);
  cr_assert_eq(
    copse_build_trees(&instance.network, instance.areas, instance.area_count, &instance.shape, &plan, &error), 0);
  cr_assert_eq(
    copse_verify_plan(&instance.network, instance.areas, instance.area_count, &instance.shape, &plan, &error), 0, "%s",
    error.text);
  cr_assert_eq(
    copse_bound_plan(&instance.network, instance.areas, instance.area_count, &plan, flow_limit, &bound, &error), 0);
}

static bool
has_tree(const struct copse_built_tree *tree) {
  return tree->status == COPSE_TREE_OK || tree->status == COPSE_TREE_INFEASIBLE;
}

/* For every set of PoPs of V': what its links bring in, over the roots outside; and the caps. */
static uint64_t
bound_by_sets(void) {
  size_t count = plan.tree_count;
  uint64_t least = UINT64_MAX;

  for (size_t i = 0; i < count; i++)
    if (has_tree(&plan.trees[i]) && plan.trees[i].max_bps < least)
      least = plan.trees[i].max_bps;
  for (uint32_t set = 1; set < (1U << count); set++) {
    uint32_t inside[POPS_MAX] = {0}, member[POPS_MAX] = {0};
    uint64_t in = 0, outside = 0;
    for (size_t i = 0; i < count; i++) {
      member[plan.trees[i].root] = 1;
      inside[plan.trees[i].root] = set >> i & 1;
      outside += has_tree(&plan.trees[i]) && !(set >> i & 1);
    }
    for (size_t i = 0; i < instance.network.arc_count; i++)
      if (member[instance.arcs[i].from] && !inside[instance.arcs[i].from] && inside[instance.arcs[i].to])
        in += instance.arcs[i].bandwidth_bps;
    if (outside > 0 && in / outside < least)
      least = in / outside;
  }
  return least;
}

Test(bound, is_that_of_every_set) {
  size_t tight = 0, loose = 0;

  for (int round = 0; round < 1500; round++) {
    const struct traits traits = {8, round & 1 ? 12 : 1000000, 40 + 20 * (round % 4), false, false, false, round & 2};
    random_instance(&instance, &seed, &traits);
    find_bound(POPS_MAX);
    if (bound.trees == 0) {
      cr_assert_eq(bound.rate_bps, 0);
      continue;
    }
    cr_assert(bound.flow);
    cr_assert_eq(bound.rate_bps, bound_by_sets(), "round %d: %lu, not %lu", round, bound.rate_bps, bound_by_sets());
    uint64_t by_flow = bound.rate_bps;
    find_bound(0);
    cr_assert_not(bound.flow);
    cr_assert_geq(bound.rate_bps, by_flow, "cuts around single PoPs are some of all cuts");
    bound.rate_bps == by_flow ? tight++ : loose++;
  }
  cr_expect_gt(tight, 100);
  cr_expect_gt(loose, 10);
}

Test(bound, no_plan_exceeds_it) {
  static const uint64_t little = 1;
  size_t reached = 0, below = 0;

  for (int round = 0; round < 2000; round++) {
    const struct traits traits = {round & 1 ? 4 : 12, round & 16 ? 8 : 100000, 100, round & 2, round & 4, false,
                                  round & 8};
    random_instance(&instance, &seed, &traits);
    for (size_t i = 0; i < instance.area_count && (round & 32); i++) { /* little asked for, all may be taken */
      instance.areas[i].growth = 1e9;
      instance.areas[i].uplinks_bps = &little;
      instance.areas[i].uplink_count = 1;
    }
    find_bound(POPS_MAX);
    cr_assert_leq(bound.least_bps, bound.rate_bps, "round %d", round);
    if (bound.trees > 1 && bound.least_bps > 0)
      bound.least_bps == bound.rate_bps ? reached++ : below++;
  }
  cr_expect_gt(reached, 20, "only %zu", reached);
  cr_expect_gt(below, 20, "only %zu", below);
}

Test(bound, a_square_by_hand) {
  static const uint64_t uplinks[] = {100}, egress[] = {50, COPSE_NO_LIMIT, COPSE_NO_LIMIT};
  const struct copse_arc ring[] = {{0, 1, 60}, {1, 2, 30}, {2, 0, 60}, {0, 2, 10}, {1, 0, 90}, {2, 1, 90}};

  instance.network = (struct copse_network){.pops = 3, .arcs = ring, .arc_count = 6};
  instance.area_count = 3;
  for (uint32_t i = 0; i < 3; i++)
    instance.areas[i] = (struct copse_area){.pop = i, .growth = 1, .uplinks_bps = uplinks, .uplink_count = 1};
  find_bound(3);
  cr_expect_eq(bound.rate_bps, 20, "into PoP 2 go 40, for two roots");
  cr_expect_eq(bound.least_bps, 0, "no tree of 100 fits");
  cr_expect_eq(bound.trees, 3);
  instance.network.egress_bps = egress;
  instance.areas[1].uplink_count = 0;
  instance.areas[2].uplink_count = 0;
  find_bound(3);
  cr_expect_eq(bound.trees, 1);
  cr_expect_eq(bound.rate_bps, 40, "of one root: all that goes into PoP 2");
}

Test(bound, rates_too_large_for_flows_are_bounded_by_cuts) {
  static const uint64_t uplinks[] = {UINT64_MAX};
  const struct copse_arc arcs[] = {{0, 1, UINT64_MAX}, {1, 0, UINT64_MAX}};

  instance.network = (struct copse_network){.pops = 2, .arcs = arcs, .arc_count = 2};
  instance.area_count = 2;
  for (uint32_t i = 0; i < 2; i++)
    instance.areas[i] = (struct copse_area){.pop = i, .growth = 1, .uplinks_bps = uplinks, .uplink_count = 1};
  find_bound(2);
  cr_expect_not(bound.flow);
  cr_expect_eq(bound.rate_bps, INT64_MAX);
  cr_expect_eq(bound.least_bps, INT64_MAX);
}
