/* SPDX-License-Identifier: Apache-2.0 */
/* What plans take of budgets and credit, and what others have left of them. */
#include "plan_fixture.h"
#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(plan_budget, .init = plan_setup, .fini = plan_teardown);

Test(plan_budget, reservations_are_those_of_the_plan) {
  struct copse_plan_record plan = make(S1), empty;
  uint64_t sum = 0;

  adopt(S1, &plan);
  for (size_t i = 0; i < model.links.count; i++)
    sum += ((struct copse_link *)model.links.items[i])->reserved_bps;
  cr_expect_eq(sum, 3 * 2 * 2000000);
  copse_plan_record_free(&plan);
  for (unsigned i = 1; i <= 3; i++) {
    char key[128];

    snprintf(key, sizeof(key), "/sessions/" S1 "/members/%016x", i);
    copse_model_apply(&model, key, NULL, ++revision);
  }
  empty = make(S1);
  cr_expect_eq(empty.tree_count, 0);
  adopt(S1, &empty);
  for (size_t i = 0; i < model.links.count; i++)
    cr_expect_eq(((struct copse_link *)model.links.items[i])->reserved_bps, 0);
  copse_plan_record_free(&empty);
}

Test(plan_budget, others_reservations_leave_what_they_leave) {
  struct copse_plan_record plan;

  put("/reserved/N1", "{\"%s\":{\"bps\":18000000,\"links\":{\"N2\":9000000,\"N3\":9000000}}}", S2);
  plan = make(S1);
  cr_expect_eq(rooted(&plan, "N1")->status, COPSE_TREE_INFEASIBLE, "1 Mbit/s is less than its 2");
  cr_expect_eq(rooted(&plan, "N2")->status, COPSE_TREE_OK);
  copse_plan_record_free(&plan);
}

Test(plan_budget, credit_makes_growth_and_its_lack_ends_the_tree) {
  struct copse_plan_record plan;

  config.growth_max = 10;
  put_account("alice", 15000000, 0);
  plan = make(S1);
  cr_expect_float_eq(rooted(&plan, "N1")->growth, 2.0, 1e-9, "1 + 8 * 15e6 / (2e6 * 60)");
  cr_expect_eq(rooted(&plan, "N1")->max_bps, 4000000);
  adopt(S1, &plan);
  copse_plan_record_free(&plan);
  put_account("alice", 14000000, 1000000);
  plan = make(S1);
  cr_expect_float_eq(rooted(&plan, "N1")->growth, 2.0, 1e-9, "a little less moves nothing");
  copse_plan_record_free(&plan);
  put_account("alice", 1000000, 14000000);
  plan = make(S1);
  cr_expect_lt(rooted(&plan, "N1")->growth, 1.1);
  copse_plan_record_free(&plan);
  put_account("alice", 1000, 14000000);
  plan = make(S1);
  cr_expect_eq(rooted(&plan, "N1")->status, COPSE_TREE_NO_SENDER);
  cr_expect_str_eq(rooted(&plan, "N1")->reason, "no credit");
  copse_plan_record_free(&plan);
}

Test(plan_budget, what_a_tree_still_holds_is_credit_of_its_area_alone) {
  const struct copse_session *session = copse_model_session(&model, S1);

  put_account("alice", 0, 5000000);
  put("/sessions/" S1 "/trees/00000000000000aa",
      "{\"root\":\"N1\",\"instance\":\"0000000000000001\",\"base_bytes\":0,\"granted_bytes\":5000000,"
      "\"charged_bytes\":0,\"lost_bytes\":0,\"grants\":[{\"account\":\"alice\",\"bytes\":5000000}],\"bps\":0,"
      "\"packets\":0,\"bytes\":0}");
  cr_expect_eq(copse_area_credit(&model, session, "N1"), 5000000);
  cr_expect_eq(copse_area_credit(&model, session, "N2"), 0);
}

Test(plan_budget, an_account_counts_once_in_an_area) {
  put_member(S1, 5, "N1", "alice", 1000000, false);
  put_account("bob", 500000, 0);
  put_member(S1, 6, "N1", "bob", 1000000, false);
  cr_expect_eq(copse_area_credit(&model, copse_model_session(&model, S1), "N1"), 1000500000);
}

Test(plan_budget, others_leave_what_they_leave_of_an_egress_budget) {
  struct copse_plan_record plan;

  put("/egress/N1", "{\"egress_bps\":5000000,\"by\":\"N1\"}");
  put("/reserved/N1", "{\"%s\":{\"bps\":3000000,\"links\":{\"N2\":3000000}}}", S2);
  plan = make(S1);
  cr_expect_eq(rooted(&plan, "N1")->status, COPSE_TREE_OK);
  for (size_t i = 0, children = 0; i < rooted(&plan, "N1")->edge_count; i++) {
    children += strcmp(rooted(&plan, "N1")->edges[i].from, "N1") == 0;
    cr_expect_leq(children, 1, "N1 has 2 Mbit/s of its egress left");
  }
  copse_plan_record_free(&plan);
}
