/* SPDX-License-Identifier: Apache-2.0 */
/* Every row of the table in section 8 of the design, by hand. PoPs are numbered from 0 in configuration order. */
#include <copse/trees.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define UPLINKS(...) .uplinks_bps = (const uint64_t[]){__VA_ARGS__}, .uplink_count = COUNT(((uint64_t[]){__VA_ARGS__}))
#define NETWORK(count, ...)                                                                                            \
  {                                                                                                                    \
    .pops = (count), .arcs = (const struct copse_arc[]){__VA_ARGS__},                                                  \
    .arc_count = COUNT(((struct copse_arc[]){__VA_ARGS__}))                                                            \
  }
#define AREAS(...) (const struct copse_area[]){__VA_ARGS__}, COUNT(((struct copse_area[]){__VA_ARGS__}))

static struct copse_plan plan;

static void
cleanup(void) {
  copse_plan_free(&plan);
}

TestSuite(build, .fini = cleanup);

static void
build(const struct copse_network *network, const struct copse_area *areas, size_t count,
      const struct copse_shape *shape) {
  struct copse_error error;

  copse_plan_free(&plan);
  cr_assert_eq(copse_build_trees(network, areas, count, shape, &plan, &error), 0, "%s", error.text);
  cr_assert_eq(copse_verify_plan(network, areas, count, shape, &plan, &error), 0, "%s", error.text);
}

/* The tree as text: "0: 0>1 1>2 @ 50", or "0: infeasible". */
static void
expect_tree(size_t index, const char *expected) {
  static const char *const statuses[] = {"ok", "infeasible", "no_sender", "single_area"};
  const struct copse_built_tree *tree = &plan.trees[index];
  char text[512];
  int at = snprintf(text, sizeof(text), "%u:", tree->root);

  for (size_t i = 0; i < tree->edge_count; i++)
    at += snprintf(text + at, sizeof(text) - (size_t)at, " %u>%u", tree->edges[i].from, tree->edges[i].to);
  if (tree->status == COPSE_TREE_OK)
    snprintf(text + at, sizeof(text) - (size_t)at, " @ %lu", tree->rate_bps);
  else
    snprintf(text + at, sizeof(text) - (size_t)at, " %s", statuses[tree->status]);
  cr_expect_str_eq(text, expected, "tree %zu is '%s', not '%s'", index, text, expected);
}

/* ---- hi, lo ---- */

Test(build, bounds_are_median_and_growth_times_mode) {
  const struct copse_network network = NETWORK(2, {0, 1, 1000}, {1, 0, 1000});

  build(&network, AREAS({.pop = 0, .growth = 1.5, UPLINKS(300, 300, 100, 100, 310, 100, 100)}, {.pop = 1}), NULL);
  cr_expect_eq(plan.trees[0].min_bps, 100);
  cr_expect_eq(plan.trees[0].max_bps, 150);
  cr_expect_not(plan.trees[0].clamped);

  build(&network, AREAS({.pop = 0, .growth = 1.1, UPLINKS(7)}, {.pop = 1}), NULL);
  cr_expect_eq(plan.trees[0].max_bps, 7, "7.7 is cut, never exceeded");
}

Test(build, a_median_above_the_cap_is_clamped) {
  const struct copse_network network = NETWORK(2, {0, 1, 1000}, {1, 0, 1000});

  /* mode 100 (three of seven), median 400 */
  build(&network, AREAS({.pop = 0, .growth = 1, UPLINKS(100, 100, 100, 400, 500, 700, 900)}, {.pop = 1}), NULL);
  cr_expect_eq(plan.trees[0].min_bps, 100);
  cr_expect_eq(plan.trees[0].max_bps, 100);
  cr_expect(plan.trees[0].clamped);
  expect_tree(0, "0: 0>1 @ 100");
}

/* ---- order ---- */

Test(build, areas_with_a_seed_then_growth_then_configuration) {
  const struct copse_network network = NETWORK(2, {0, 1, 1}, {1, 0, 1});
  const struct copse_network large = {.pops = 6};
  const uint32_t expected[] = {4, 1, 5, 2, 0, 3};

  build(&large,
        AREAS({.pop = 3, .growth = 1}, {.pop = 0, .growth = 2}, {.pop = 1, .growth = 1.5, .seed = true},
              {.pop = 2, .growth = 2.5}, {.pop = 5, .growth = 1.5, .seed = true},
              {.pop = 4, .growth = 3, .seed = true}),
        NULL);
  for (size_t i = 0; i < COUNT(expected); i++)
    cr_expect_eq(plan.trees[i].root, expected[i], "tree %zu has root %u", i, plan.trees[i].root);

  build(&network, AREAS({.pop = 1, .growth = 1, UPLINKS(1)}, {.pop = 0, .growth = 1, UPLINKS(1)}), NULL);
  expect_tree(0, "1: 1>0 @ 1"); /* the order of areas, not of PoPs */
}

/* ---- no sender, no credit ---- */

Test(build, without_sender_or_credit_an_area_only_receives) {
  const struct copse_network network = NETWORK(3, {0, 1, 9}, {1, 2, 9}, {1, 0, 9}, {2, 0, 9});

  build(&network, AREAS({.pop = 0, .growth = 1, UPLINKS(5)}, {.pop = 1, .growth = 1}, {.pop = 2, UPLINKS(5)}), NULL);
  expect_tree(0, "0: 0>1 1>2 @ 5");
  expect_tree(1, "1: no_sender");
  cr_expect_str_eq(plan.trees[1].reason, "no peer is admitted to send");
  expect_tree(2, "2: no_sender");
  cr_expect_str_eq(plan.trees[2].reason, "no credit");
}

/* ---- candidates ---- */

Test(build, tier_1_takes_the_best_fit) {
  const struct copse_network network = NETWORK(3, {0, 1, 90}, {0, 2, 50}, {2, 1, 50}, {1, 2, 90});

  build(&network, AREAS({.pop = 0, .growth = 1, UPLINKS(50)}, {.pop = 1}, {.pop = 2}), NULL);
  cr_expect_eq(plan.trees[0].edges[0].to, 2, "50 fits better than 90");
}

Test(build, tier_1_ties_go_to_the_first_in_the_configuration) {
  const struct copse_network network = NETWORK(3, {0, 2, 60}, {0, 1, 60}, {1, 2, 9});

  build(&network, AREAS({.pop = 2}, {.pop = 0, .growth = 1, UPLINKS(50)}, {.pop = 1}), NULL);
  expect_tree(0, "0: 0>1 0>2 @ 50");
}

Test(build, tier_2_takes_the_widest_only_when_no_node_has_a_tier_1_link) {
  /* hi 100, lo 40. 0>1 is the one link of tier 1; 1>2 of tier 1 appears after it; 0>3 and 2>3 are both tier 2. */
  const struct copse_network network = NETWORK(4, {0, 1, 100}, {0, 2, 99}, {1, 2, 100}, {0, 3, 60}, {2, 3, 70});

  build(&network, AREAS({.pop = 0, .growth = 2.5, UPLINKS(40)}, {.pop = 1}, {.pop = 2}, {.pop = 3}), NULL);
  expect_tree(0, "0: 0>1 1>2 2>3 @ 70");
}

Test(build, tier_2_goes_back_to_tier_1) {
  const struct copse_network network = NETWORK(4, {0, 1, 60}, {0, 2, 55}, {1, 2, 100}, {1, 3, 100});

  build(&network, AREAS({.pop = 0, .growth = 2, UPLINKS(50)}, {.pop = 1}, {.pop = 2}, {.pop = 3}), NULL);
  expect_tree(0, "0: 0>1 1>2 1>3 @ 60");
}

Test(build, tier_2_stays_above_the_minimum) {
  const struct copse_network network = NETWORK(3, {0, 1, 50}, {0, 2, 49}, {1, 2, 49});

  build(&network, AREAS({.pop = 0, .growth = 2, UPLINKS(50)}, {.pop = 1}, {.pop = 2}), NULL);
  expect_tree(0, "0: infeasible");
}

Test(build, pops_outside_the_session_do_not_relay) {
  const struct copse_network network = NETWORK(3, {0, 1, 100}, {1, 2, 100});

  build(&network, AREAS({.pop = 0, .growth = 1, UPLINKS(50)}, {.pop = 2}), NULL);
  expect_tree(0, "0: infeasible");
}

/* ---- choice ---- */

Test(build, the_node_with_most_left_takes_the_child) {
  /* hi 10. After 0>1: PoP 0 has 40 - 10 - 10 left, PoP 1 has 25 - 10. */
  const struct copse_network more = NETWORK(3, {0, 1, 10}, {0, 2, 30}, {1, 2, 25});
  /* Now PoP 1 has 35 - 10. */
  const struct copse_network less = NETWORK(3, {0, 1, 10}, {0, 2, 30}, {1, 2, 35});

  build(&more, AREAS({.pop = 0, .growth = 1, UPLINKS(10)}, {.pop = 1}, {.pop = 2}), NULL);
  expect_tree(0, "0: 0>1 0>2 @ 10");
  build(&less, AREAS({.pop = 0, .growth = 1, UPLINKS(10)}, {.pop = 1}, {.pop = 2}), NULL);
  expect_tree(0, "0: 0>1 1>2 @ 10");
}

Test(build, all_links_of_a_pop_count_even_to_pops_outside_the_session) {
  const struct copse_network network = NETWORK(4, {0, 1, 10}, {0, 2, 30}, {1, 2, 25}, {1, 3, 10});

  build(&network, AREAS({.pop = 0, .growth = 1, UPLINKS(10)}, {.pop = 1}, {.pop = 2}), NULL);
  expect_tree(0, "0: 0>1 1>2 @ 10");
}

Test(build, what_earlier_trees_hold_counts) {
  const struct copse_network network = NETWORK(3, {2, 0, 10}, {0, 1, 20}, {0, 2, 30}, {1, 2, 35});

  build(&network,
        AREAS({.pop = 2, .seed = true, .growth = 1, UPLINKS(10)}, {.pop = 0, .growth = 1, UPLINKS(10)}, {.pop = 1}),
        NULL);
  expect_tree(0, "2: 2>0 0>1 @ 10");
  /* After 0>1: PoP 0 has 50 - 10 of the first tree - 10 - 10 = 20, PoP 1 has 35 - 10. */
  expect_tree(1, "0: 0>1 1>2 @ 10");
}

Test(build, ties_go_to_the_shallower_then_to_the_first_node) {
  /* After 0>3 both 0 and 3 have 20 left; 0 is shallower. */
  const struct copse_network depth = NETWORK(4, {0, 3, 10}, {0, 1, 30}, {3, 2, 10}, {3, 1, 20}, {2, 1, 30});
  /* After 0>2 and 0>1, 1 and 2 have 10 left at the same depth, and 0 has no link to 3. */
  const struct copse_network order = NETWORK(5, {0, 2, 10}, {0, 1, 11}, {0, 4, 99}, {1, 3, 20}, {2, 3, 20});

  build(&depth, AREAS({.pop = 0, .growth = 1, UPLINKS(10)}, {.pop = 1}, {.pop = 2}, {.pop = 3}), NULL);
  expect_tree(0, "0: 0>3 0>1 3>2 @ 10");
  build(&order, AREAS({.pop = 0, .growth = 1, UPLINKS(10)}, {.pop = 1}, {.pop = 2}, {.pop = 3}), NULL);
  expect_tree(0, "0: 0>2 0>1 1>3 @ 10");
}

Test(build, tier_2_ties_go_to_the_node_with_most_left) {
  /* Links of 8 for hi 10, lo 8: after 0>1, PoP 0 has 16 + 0 - 20, PoP 1 has 40. */
  const struct copse_network network = NETWORK(3, {0, 1, 8}, {0, 2, 8}, {1, 2, 8}, {1, 0, 32});

  build(&network, AREAS({.pop = 0, .growth = 1.25, UPLINKS(8)}, {.pop = 1}, {.pop = 2}), NULL);
  expect_tree(0, "0: 0>1 1>2 @ 8");
}

Test(build, without_a_budget_a_balance_below_zero_forbids_nothing) {
  const struct copse_network network = NETWORK(4, {0, 1, 10}, {0, 2, 10}, {0, 3, 10});

  build(&network, AREAS({.pop = 0, .growth = 2, UPLINKS(10)}, {.pop = 1}, {.pop = 2}, {.pop = 3}), NULL);
  expect_tree(0, "0: 0>1 0>2 0>3 @ 10");
}

Test(build, with_a_budget_a_node_takes_no_child_it_has_no_egress_for) {
  const uint64_t egress[] = {25, COPSE_NO_LIMIT, COPSE_NO_LIMIT, COPSE_NO_LIMIT};
  struct copse_network network = NETWORK(4, {0, 1, 90}, {0, 2, 90}, {0, 3, 90}, {1, 2, 10}, {1, 3, 10});

  build(&network, AREAS({.pop = 0, .growth = 1, UPLINKS(10)}, {.pop = 1}, {.pop = 2}, {.pop = 3}), NULL);
  expect_tree(0, "0: 0>1 0>2 0>3 @ 10");
  network.egress_bps = egress;
  build(&network, AREAS({.pop = 0, .growth = 1, UPLINKS(10)}, {.pop = 1}, {.pop = 2}, {.pop = 3}), NULL);
  expect_tree(0, "0: 0>1 1>2 0>3 @ 10"); /* min(25, 270) - 20 = 5 left, PoP 1: 20 - 10; then 0: 5, 1: 0 */
}

Test(build, an_egress_budget_is_shared_by_children) {
  const uint64_t egress[] = {25, COPSE_NO_LIMIT, COPSE_NO_LIMIT};
  const struct copse_network network = {
    .pops = 3, .egress_bps = egress, .arcs = (const struct copse_arc[]){{0, 1, 90}, {0, 2, 90}}, .arc_count = 2};

  build(&network, AREAS({.pop = 0, .growth = 2, UPLINKS(10)}, {.pop = 1}, {.pop = 2}), NULL);
  expect_tree(0, "0: 0>1 0>2 @ 12"); /* 20 for the first child in tier 1, 25 / 2 in tier 2 */
  build(&network, AREAS({.pop = 0, .growth = 2, UPLINKS(13)}, {.pop = 1}, {.pop = 2}), NULL);
  expect_tree(0, "0: infeasible"); /* 25 / 2 < 13 */
}

Test(build, an_egress_budget_is_spent_by_earlier_trees) {
  const uint64_t egress[] = {15, COPSE_NO_LIMIT};
  const struct copse_network network = {
    .pops = 2, .egress_bps = egress, .arcs = (const struct copse_arc[]){{0, 1, 90}, {1, 0, 90}}, .arc_count = 2};

  build(&network, AREAS({.pop = 0, .growth = 1, UPLINKS(10)}, {.pop = 1, .growth = 1, UPLINKS(90)}), NULL);
  expect_tree(0, "0: 0>1 @ 10");
  expect_tree(1, "1: 1>0 @ 90");
  cr_expect_eq(plan.reserved_bps[0], 10);
  cr_expect_eq(plan.reserved_bps[1], 90);
}

/* ---- rate ---- */

Test(build, the_rate_is_the_bottleneck_or_the_cap_and_is_what_is_taken) {
  const struct copse_network wide = NETWORK(2, {0, 1, 100}, {1, 0, 60});

  /* line 18 of the paper would take the bottleneck, 100 */
  build(&wide, AREAS({.pop = 0, .growth = 2, UPLINKS(10)}, {.pop = 1, .growth = 2, UPLINKS(40)}), NULL);
  expect_tree(0, "0: 0>1 @ 20");
  expect_tree(1, "1: 1>0 @ 60");
  cr_expect_eq(plan.reserved_bps[0], 20);
  cr_expect_eq(plan.reserved_bps[1], 60);
}

Test(build, later_trees_get_what_is_left) {
  const struct copse_network network = NETWORK(3, {0, 1, 15}, {1, 0, 15}, {0, 2, 15}, {2, 0, 15}, {1, 2, 4}, {2, 1, 4});

  build(&network,
        AREAS({.pop = 0, .growth = 1, UPLINKS(10)}, {.pop = 1, .growth = 2, UPLINKS(4)},
              {.pop = 2, .growth = 1, UPLINKS(6)}),
        NULL);
  expect_tree(0, "1: 1>0 0>2 @ 8");
  /* 0>2 has 7 left of 15 */
  expect_tree(1, "0: infeasible");
  /* 2>0 10, 0>1 15, nothing held by the infeasible tree */
  expect_tree(2, "2: 2>0 0>1 @ 6");
}

/* ---- infeasible ---- */

Test(build, an_infeasible_tree_leaves_no_trace) {
  const struct copse_network network = NETWORK(3, {0, 1, 100}, {1, 0, 100}, {0, 2, 10}, {1, 2, 10});

  build(&network, AREAS({.pop = 0, .growth = 1, UPLINKS(50)}, {.pop = 1, .growth = 1, UPLINKS(10)}, {.pop = 2}), NULL);
  expect_tree(0, "0: infeasible");
  cr_expect_str_eq(plan.trees[0].reason, "only 2 of 3 PoPs can be reached at 50 bit/s");
  cr_expect_eq(plan.trees[0].rate_bps, 0);
  cr_expect_eq(plan.trees[0].min_bps, 50);
  expect_tree(1, "1: 1>2 1>0 @ 10");
  cr_expect_eq(plan.reserved_bps[0], 0);
}

/* ---- one area, none ---- */

Test(build, one_area_has_no_tree) {
  const struct copse_network network = NETWORK(2, {0, 1, 100});

  build(&network, AREAS({.pop = 0, .growth = 1, UPLINKS(50)}), NULL);
  expect_tree(0, "0: single_area");
  cr_expect_str_eq(plan.trees[0].reason, "peers of one area use direct P2P");
  build(&network, NULL, 0, NULL);
  cr_expect_eq(plan.tree_count, 0);
}

/* ---- limits ---- */

Test(build, depth_and_fan_out_are_obeyed) {
  const struct copse_network network =
    NETWORK(4, {0, 1, 10}, {0, 2, 12}, {0, 3, 12}, {1, 2, 90}, {1, 3, 90}, {2, 3, 200});

  build(&network, AREAS({.pop = 0, .growth = 1, UPLINKS(10)}, {.pop = 1}, {.pop = 2}, {.pop = 3}), NULL);
  expect_tree(0, "0: 0>1 1>2 2>3 @ 10");
  build(&network, AREAS({.pop = 0, .growth = 1, UPLINKS(10)}, {.pop = 1}, {.pop = 2}, {.pop = 3}),
        &(struct copse_shape){.max_depth = 2});
  expect_tree(0, "0: 0>1 1>2 1>3 @ 10");
  build(&network, AREAS({.pop = 0, .growth = 1, UPLINKS(10)}, {.pop = 1}, {.pop = 2}, {.pop = 3}),
        &(struct copse_shape){.max_depth = 1});
  expect_tree(0, "0: 0>1 0>2 0>3 @ 10");
  build(&network, AREAS({.pop = 0, .growth = 1, UPLINKS(10)}, {.pop = 1}, {.pop = 2}, {.pop = 3}),
        &(struct copse_shape){.max_depth = 1, .max_fanout = 2});
  expect_tree(0, "0: infeasible");
}

/* ---- large and wrong numbers ---- */

Test(build, the_largest_rates_do_not_overflow) {
  const struct copse_network network =
    NETWORK(3, {0, 1, UINT64_MAX}, {0, 2, UINT64_MAX}, {1, 2, UINT64_MAX}, {1, 0, UINT64_MAX}, {2, 1, 1});

  build(&network, AREAS({.pop = 0, .growth = 1e300, UPLINKS(UINT64_MAX)}, {.pop = 1}, {.pop = 2}), NULL);
  expect_tree(0, "0: 0>1 1>2 @ 9223372036854775807");
}

Test(build, bad_input_is_refused_with_a_sentence) {
  const struct copse_network good = NETWORK(2, {0, 1, 1}), outside = NETWORK(2, {0, 2, 1}),
                             self = NETWORK(2, {1, 1, 1});
  const struct copse_area nowhere[] = {{.pop = 2, .growth = 1}};
  const struct copse_area twice[] = {{.pop = 1, .growth = 1}, {.pop = 1, .growth = 1}};
  const struct copse_area shrinking[] = {{.pop = 1, .growth = -1}}, odd[] = {{.pop = 1, .growth = NAN}};
  const struct {
    const struct copse_network *network;
    const struct copse_area *areas;
    size_t count;
    const char *sentence;
  } cases[] = {
    {&outside, NULL, 0, "link 0 ends at a PoP that does not exist"},
    {&self, NULL, 0, "link 0 leads from a PoP to itself"},
    {&good, nowhere, 1, "area 0 is at a PoP that does not exist"},
    {&good, twice, 2, "area 1 is at the PoP of an earlier area"},
    {&good, shrinking, 1, "area 0 has a growth that is not a number of at least 0"},
    {&good, odd, 1, "area 0 has a growth that is not a number of at least 0"},
  };

  for (size_t i = 0; i < COUNT(cases); i++) {
    struct copse_error error;
    cr_expect_eq(copse_build_trees(cases[i].network, cases[i].areas, cases[i].count, NULL, &plan, &error), -EINVAL);
    cr_expect_str_eq(error.text, cases[i].sentence);
    cr_expect_null(plan.trees);
  }
}
