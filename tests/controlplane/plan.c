/* SPDX-License-Identifier: Apache-2.0 */
/* Plans, from records alone: which trees they have, and which they keep. */
#include "plan_fixture.h"
#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(plan, .init = plan_setup, .fini = plan_teardown);

Test(plan, every_area_gets_a_tree_and_seeds_come_first) {
  struct copse_plan_record plan = make(S1);

  cr_assert_eq(plan.tree_count, 3);
  cr_expect_eq(plan.bound_bps, 2000000, "the caps; links could carry 10 Mbit/s each");
  cr_expect_str_eq(plan.trees[0].root, "N1");
  for (size_t i = 0; i < 3; i++) {
    cr_expect_eq(plan.trees[i].status, COPSE_TREE_OK);
    cr_expect_eq(plan.trees[i].edge_count, 2);
    cr_expect_eq(plan.trees[i].rate_bps, 2000000, "C_max is 1");
    cr_expect_eq(plan.trees[i].number >> 8, i + 1);
    cr_expect_eq(plan.trees[i].number & 0xff, 1);
  }
  copse_plan_record_free(&plan);
}

Test(plan, what_stays_keeps_its_identity) {
  struct copse_plan_record first = make(S1), second, third;

  adopt(S1, &first);
  put_member(S1, 4, "N1", "alice", 3000000, false);
  second = make(S1);
  for (size_t i = 0; i < 3; i++) {
    struct copse_planned_tree *before = rooted(&first, second.trees[i].root);

    if (before->edge_count == second.trees[i].edge_count &&
        memcmp(before->edges, second.trees[i].edges, 2 * sizeof(*before->edges)) == 0) {
      cr_expect_str_eq(second.trees[i].id, before->id);
      cr_expect_eq(second.trees[i].number, before->number);
    } else {
      cr_expect_str_neq(second.trees[i].id, before->id);
      cr_expect_eq(second.trees[i].number, before->number + 1);
    }
  }
  adopt(S1, &second);
  put("/pops/N3", "0"); /* no record: gone */
  third = make(S1);
  cr_assert_eq(third.tree_count, 2);
  cr_expect_str_neq(rooted(&third, "N1")->id, rooted(&second, "N1")->id);
  cr_expect_eq(rooted(&third, "N1")->number >> 8, 1, "the root keeps its ordinal");
  copse_plan_record_free(&first);
  copse_plan_record_free(&second);
  copse_plan_record_free(&third);
}

static bool
same_edges(const struct copse_planned_tree *a, const struct copse_planned_tree *b) {
  return a->edge_count == b->edge_count && memcmp(a->edges, b->edges, a->edge_count * sizeof(*a->edges)) == 0;
}

Test(plan, trees_stay_where_they_are_though_others_would_be_chosen_now) {
  struct copse_plan_record first = make(S1), second, fresh;
  size_t moved = 0;

  adopt(S1, &first);
  put_link("N3", "N1", 40000000);
  put_link("N3", "N2", 40000000);
  second = make(S1);
  put_session(S2);
  for (unsigned i = 1; i <= 3; i++)
    put_member(S2, 10 + i, (const char *[]){"N1", "N2", "N3"}[i - 1], "alice", 2000000, i == 1);
  fresh = make(S2);
  for (size_t i = 0; i < 3; i++) {
    const char *root = first.trees[i].root;

    cr_expect(same_edges(rooted(&second, root), &first.trees[i]));
    cr_expect_str_eq(rooted(&second, root)->id, first.trees[i].id);
    moved += !same_edges(rooted(&fresh, root), &first.trees[i]);
  }
  cr_expect_gt(moved, 0, "from nothing they would be elsewhere");
  copse_plan_record_free(&first);
  copse_plan_record_free(&second);
  copse_plan_record_free(&fresh);
}

Test(plan, trees_move_for_one_that_is_missing_only_to_improve) {
  struct copse_plan_record first, second, better;

  put_link("N1", "N3", 1);
  first = make(S1);
  cr_expect_str_eq(rooted(&first, "N1")->edges[1].from, "N2");
  adopt(S1, &first);
  put_link("N2", "N1", 1);
  put_link("N2", "N3", 3000000); /* room for one, which N1 has and N2 now needs */
  put_link("N1", "N2", 20000000);
  put_link("N1", "N3", 10000000);
  second = make(S1);
  cr_expect_str_eq(rooted(&second, "N1")->id, rooted(&first, "N1")->id);
  cr_expect_eq(rooted(&second, "N2")->status, COPSE_TREE_INFEASIBLE);
  better = make_with(S1, true);
  cr_expect_str_neq(rooted(&better, "N1")->id, rooted(&first, "N1")->id);
  for (size_t i = 0; i < 3; i++)
    cr_expect_eq(better.trees[i].status, COPSE_TREE_OK, "%s", better.trees[i].root);
  copse_plan_record_free(&first);
  copse_plan_record_free(&second);
  copse_plan_record_free(&better);
}

static void
put_fan_out(const char *pop, unsigned fan_out) {
  char key[32];

  snprintf(key, sizeof(key), "/pops/%s", pop);
  put(key, "{\"address\":\"198.18.1.1\",\"port\":7117,\"api\":\"\",\"lease\":1,\"fan_out\":%u}", fan_out);
}

Test(plan, no_pop_gets_more_children_than_any_dataplane_has_room_for) {
  struct copse_plan_record plan;

  for (unsigned from = 1; from <= 3; from++) /* a star around N1 */
    for (unsigned to = 1; to <= 3; to++)
      if (from != to && from != 1 && to != 1) {
        char ends[2][4];

        snprintf(ends[0], sizeof(ends[0]), "N%u", from);
        snprintf(ends[1], sizeof(ends[1]), "N%u", to);
        put_link(ends[0], ends[1], 1);
      }
  plan = make(S1);
  cr_expect_eq(rooted(&plan, "N1")->status, COPSE_TREE_OK);
  copse_plan_record_free(&plan);
  put_fan_out("N1", 100);
  put_fan_out("N2", 3); /* a member and two children */
  plan = make(S1);
  cr_expect_eq(rooted(&plan, "N1")->status, COPSE_TREE_OK);
  copse_plan_record_free(&plan);
  put_fan_out("N2", 2);
  plan = make(S1);
  cr_expect_eq(rooted(&plan, "N1")->status, COPSE_TREE_INFEASIBLE);
  cr_expect_str_eq(rooted(&plan, "N1")->reason,
                   "only 2 of 3 PoPs can be reached at 2000000 bit/s with at most 1 children each");
  copse_plan_record_free(&plan);
}

/* Levels below the root; parents come before children. */
static unsigned
depth_of(const struct copse_planned_tree *tree) {
  unsigned deepest = 0, depth[64] = {0}; /* by number of the PoP */

  for (size_t i = 0; i < tree->edge_count; i++) {
    const unsigned to = (unsigned)atoi(tree->edges[i].to + 1);

    depth[to] = depth[atoi(tree->edges[i].from + 1)] + 1;
    deepest = depth[to] > deepest ? depth[to] : deepest;
  }
  return deepest;
}

/* Valid until three more are asked for. */
static const char *
name_of(unsigned pop) {
  static char names[4][16];
  static unsigned turn;

  turn = (turn + 1) % 4;
  snprintf(names[turn], sizeof(names[turn]), "N%u", pop);
  return names[turn];
}

static void
put_pop(unsigned number) {
  char key[32];

  snprintf(key, sizeof(key), "/pops/N%u", number);
  put(key, "{\"address\":\"198.18.%u.1\",\"port\":7117,\"api\":\"\",\"lease\":1}", number);
}

/* Between PoPs with equal links BuildTrees makes chains: a packet would run out of hops on the way. */
Test(plan, no_tree_is_deeper_than_packets_get) {
  enum { POPS = COPSE_DEPTH_MAX + 4 };
  struct copse_plan_record plan;

  for (unsigned i = 1; i <= POPS; i++) {
    put_pop(i);
    for (unsigned j = 1; j <= POPS; j++)
      if (i != j)
        put_link(name_of(i), name_of(j), 10000000);
    put_member(S1, i, name_of(i), "alice", 200000, i == 1);
  }
  plan = make(S1);
  cr_assert_eq(plan.tree_count, POPS);
  for (size_t i = 0; i < POPS; i++) {
    cr_expect_eq(plan.trees[i].status, COPSE_TREE_OK);
    cr_expect_leq(depth_of(&plan.trees[i]), COPSE_DEPTH_MAX);
  }
  cr_expect_eq(depth_of(&plan.trees[0]), COPSE_DEPTH_MAX, "a chain as far as that goes");
  copse_plan_record_free(&plan);
}

Test(plan, digest_moves_with_its_inputs_alone) {
  const struct copse_session *session = copse_model_session(&model, S1);
  struct copse_plan_record plan = make(S1);
  uint8_t before[32], after[32];

  adopt(S1, &plan);
  copse_plan_record_free(&plan);
  copse_plan_digest(&model, session, &config, before);
  put("/sessions/" S1 "/progress/0000000000000002",
      "{\"have\":3,\"done\":false,\"cdn_bytes\":1,\"direct_bytes\":1,\"sent_bytes\":1,\"cdn_bps\":1,\"direct_bps\":1}");
  put("/reserved/N1", "{\"%s\":{\"bps\":1000,\"links\":{\"N2\":1000}}}", S2);
  copse_plan_digest(&model, session, &config, after);
  cr_expect_eq(memcmp(before, after, 32), 0, "neither progress nor other sessions");
  put_link("N1", "N2", 20000000);
  copse_plan_digest(&model, session, &config, after);
  cr_expect_neq(memcmp(before, after, 32), 0, "a budget");
  put_link("N1", "N2", 10000000);
  put_member(S1, 3, "N3", "alice", 2500000, false);
  copse_plan_digest(&model, session, &config, after);
  cr_expect_neq(memcmp(before, after, 32), 0, "an uplink");
}
