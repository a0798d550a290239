/* SPDX-License-Identifier: Apache-2.0 */
/* Plans around links that are down or degraded, or not there. */
#include "plan_fixture.h"
#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(plan_links, .init = plan_setup, .fini = plan_teardown);

static void
put_measured(const char *link, unsigned capacity_percent) {
  char key[96];

  snprintf(key, sizeof(key), "/measured/%s", link);
  put(key, "{\"state\":\"\",\"capacity_percent\":%u,\"loss\":0.0,\"delay_ms\":1.0,\"jitter_ms\":0.1}",
      capacity_percent);
}

static unsigned
trees_over(const struct copse_plan_record *plan, const char *from, const char *to) {
  unsigned count = 0;

  for (size_t i = 0; i < plan->tree_count; i++)
    for (size_t j = 0; j < plan->trees[i].edge_count; j++)
      count += strcmp(plan->trees[i].edges[j].from, from) == 0 && strcmp(plan->trees[i].edges[j].to, to) == 0;
  return count;
}

Test(plan_links, a_link_that_is_down_carries_nothing_until_it_is_back) {
  struct copse_plan_record plan = make(S1);
  const char *from = plan.trees[0].edges[0].from, *to = plan.trees[0].edges[0].to;
  uint8_t before[32], down[32], back[32];
  char link[64];

  snprintf(link, sizeof(link), "%s/%s", from, to);
  copse_plan_digest(&model, copse_model_session(&model, S1), &config, before);
  put_measured(link, 0);
  copse_plan_digest(&model, copse_model_session(&model, S1), &config, down);
  cr_expect_neq(memcmp(before, down, sizeof(down)), 0, "a new plan is due");
  struct copse_plan_record avoiding = make(S1);
  cr_assert_eq(avoiding.tree_count, 3);
  for (size_t i = 0; i < 3; i++)
    cr_expect_eq(avoiding.trees[i].status, COPSE_TREE_OK);
  cr_expect_eq(trees_over(&avoiding, from, to), 0);
  put_measured(link, 100);
  copse_plan_digest(&model, copse_model_session(&model, S1), &config, back);
  cr_expect_eq(memcmp(before, back, sizeof(back)), 0);
  copse_plan_record_free(&plan);
  copse_plan_record_free(&avoiding);
}

Test(plan_links, a_degraded_link_has_less_to_give) {
  const struct copse_link *link = copse_set_find(&model.links, "N1/N2");

  cr_expect_eq(copse_link_capacity(link), 10000000);
  put_measured("N1/N2", 25);
  cr_expect_eq(copse_link_capacity(link), 2500000);
  put_link("N1", "N2", 1000000000099);
  cr_expect_eq(copse_link_capacity(link), 250000000024);
  put("/measured/N1/N2", "{\"capacity_percent\":101}");
  cr_expect_eq(copse_link_capacity(link), 1000000000099, "no record");
}

Test(plan_links, an_area_that_no_link_leads_to_leaves_the_others_their_trees) {
  struct copse_plan_record plan;

  put_measured("N1/N3", 0);
  put_measured("N2/N3", 0);
  plan = make(S1);
  cr_assert_eq(plan.tree_count, 2);
  cr_expect_null(rooted(&plan, "N3"));
  cr_expect_eq(rooted(&plan, "N1")->status, COPSE_TREE_OK);
  cr_expect_eq(rooted(&plan, "N1")->edge_count, 1);
  copse_plan_record_free(&plan);
}

static bool
uses(const struct copse_plan_record *plan, const char *from, const char *to) {
  for (size_t i = 0; i < plan->tree_count; i++)
    for (size_t j = 0; j < plan->trees[i].edge_count; j++)
      if (strcmp(plan->trees[i].edges[j].from, from) == 0 && strcmp(plan->trees[i].edges[j].to, to) == 0)
        return true;
  return false;
}

/* All trees together take 6 of the 7.5 Mbit/s that are left of it. */
Test(plan_links, a_degraded_link_is_left_although_there_is_room_on_it) {
  struct copse_plan_record plan = make(S1);
  char from[COPSE_NAME_BYTES], to[COPSE_NAME_BYTES], link[2 * COPSE_NAME_BYTES];

  strcpy(from, plan.trees[0].edges[0].from);
  strcpy(to, plan.trees[0].edges[0].to);
  snprintf(link, sizeof(link), "%s/%s", from, to);
  adopt(S1, &plan);
  put_measured(link, 75);
  copse_plan_record_free(&plan);
  plan = make(S1);
  cr_expect_not(uses(&plan, from, to));
  for (size_t i = 0; i < plan.tree_count; i++)
    cr_expect_eq(plan.trees[i].rate_bps, 2000000);
  copse_plan_record_free(&plan);
}

Test(plan_links, a_degraded_link_is_used_where_trees_would_be_slower_without) {
  struct copse_plan_record plan;

  put_link("N1", "N3", 1500000); /* beside N1/N2 there is no more */
  put_measured("N1/N2", 75);
  plan = make(S1);
  cr_expect(uses(&plan, "N1", "N2"));
  cr_expect_eq(rooted(&plan, "N1")->rate_bps, 2000000);
  copse_plan_record_free(&plan);
}
