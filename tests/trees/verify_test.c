/* SPDX-License-Identifier: Apache-2.0 */
/* The verifier finds every way in which a plan can be wrong. */
#include <copse/trees.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static const uint64_t uplinks_bps[] = {10};
static const uint64_t egress_bps[] = {25, COPSE_NO_LIMIT, COPSE_NO_LIMIT, COPSE_NO_LIMIT};
static struct copse_arc arcs[] = {{0, 1, 12}, {0, 2, 12}, {1, 2, 12}, {2, 1, 12}, {1, 0, 12}, {2, 0, 12}, {1, 3, 12}};
static struct copse_network network = {.pops = 4, .egress_bps = egress_bps, .arcs = arcs, .arc_count = 7};
static struct copse_area areas[] = {
  {.pop = 0, .growth = 1, .uplinks_bps = uplinks_bps, .uplink_count = 1}, {.pop = 1}, {.pop = 2}};
static struct copse_shape shape = {.max_depth = 2, .max_fanout = 2};
static struct copse_plan plan;
static struct copse_error error;

static int
verify(void) {
  return copse_verify_plan(&network, areas, 3, &shape, &plan, &error);
}

static void
build(void) {
  cr_assert_eq(copse_build_trees(&network, areas, 3, &shape, &plan, &error), 0);
  cr_assert_eq(verify(), 0, "%s", error.text);
  cr_assert_eq(plan.trees[0].edge_count, 2);
}

static void
cleanup(void) {
  copse_plan_free(&plan);
}

TestSuite(verify, .init = build, .fini = cleanup);

static void
expect_violation(const char *sentence) {
  cr_expect_eq(verify(), -EBADMSG);
  cr_expect_str_eq(error.text, sentence, "got '%s'", error.text);
}

Test(verify, a_link_that_is_not_there) {
  plan.trees[0].edges[1] = (struct copse_edge){2, 3};
  expect_violation("tree 0 uses a link from PoP 2 to 3 that is not there");
}

Test(verify, a_link_from_a_pop_not_reached) {
  plan.trees[0].edges[0] = (struct copse_edge){1, 2};
  expect_violation("tree 0 leaves PoP 1 before it reaches it");
}

Test(verify, a_pop_reached_twice) {
  plan.trees[0].edges[0] = (struct copse_edge){0, 1};
  plan.trees[0].edges[1] = (struct copse_edge){1, 0};
  expect_violation("tree 0 reaches PoP 0 twice");
}

Test(verify, a_pop_outside_the_session) {
  plan.trees[0].edges[0] = (struct copse_edge){0, 1};
  plan.trees[0].edges[1] = (struct copse_edge){1, 3};
  expect_violation("tree 0 reaches PoP 3 where no peers are");
}

Test(verify, a_pop_not_reached) {
  plan.trees[0].edge_count = 1;
  expect_violation("tree 0 has 1 edges");
}

Test(verify, a_rate_outside_its_bounds) {
  plan.trees[0].rate_bps = 11;
  expect_violation("tree 0 has a rate of 11 bit/s, outside its bounds");
  plan.trees[0].rate_bps = 9;
  expect_violation("tree 0 has a rate of 9 bit/s, outside its bounds");
}

Test(verify, bounds_that_are_not_the_areas) {
  plan.trees[0].max_bps = 11;
  expect_violation("tree 0 does not have the bounds of its area");
}

Test(verify, a_link_over_its_budget) {
  arcs[0].bandwidth_bps = 9;
  arcs[1].bandwidth_bps = 9;
  cr_expect_eq(verify(), -EBADMSG);
  cr_expect_not_null(strstr(error.text, "tree 0 takes more than is left from PoP 0 to"));
}

Test(verify, a_pop_over_its_egress_budget) {
  const uint64_t less[] = {9, COPSE_NO_LIMIT, COPSE_NO_LIMIT, COPSE_NO_LIMIT};
  network.egress_bps = less;
  expect_violation("tree 0 takes more than the egress budget of PoP 0");
}

Test(verify, a_shape_that_is_not_allowed) {
  plan.trees[0].edges[0] = (struct copse_edge){0, 1};
  plan.trees[0].edges[1] = (struct copse_edge){1, 2};
  shape.max_depth = 1;
  expect_violation("tree 0 is deeper than 1");
  plan.trees[0].edges[1] = (struct copse_edge){0, 2};
  shape.max_fanout = 1;
  expect_violation("tree 0 has a fan-out above 1");
}

Test(verify, reservations_that_do_not_add_up) {
  plan.reserved_bps[6] = 1;
  expect_violation("link 6: 1 bit/s reserved, 0 used by trees");
}

Test(verify, roots_and_their_number) {
  plan.trees[1].root = 0;
  expect_violation("tree 1 has a root without an area of its own");
  plan.trees[1].root = 3;
  expect_violation("tree 1 has a root without an area of its own");
  plan.trees[1].root = 4;
  expect_violation("tree 1 has a root without an area of its own");
  plan.tree_count = 2;
  expect_violation("2 trees for 3 areas");
}

Test(verify, a_status_that_cannot_be) {
  plan.trees[1].status = COPSE_TREE_INFEASIBLE;
  expect_violation("tree 1 cannot have status 1");
  plan.trees[1].status = COPSE_TREE_SINGLE_AREA;
  expect_violation("tree 1 cannot have status 3");
  plan.trees[1].status = COPSE_TREE_NO_SENDER;
  plan.trees[0].status = COPSE_TREE_NO_SENDER;
  expect_violation("tree 0 cannot have status 2");
}
