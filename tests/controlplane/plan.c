/* SPDX-License-Identifier: Apache-2.0 */
/* Plans and their transactions, from records alone. */
#include "session/plan.h"
#include "account.h"
#include "config.h"
#include "session/holdings.h"
#include <copse/wire.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define S1 "00000000000000000000000000000001"
#define S2 "00000000000000000000000000000002"

static struct copse_model model;
static struct copse_control_config config;
static uint64_t revision;

static void __attribute__((format(printf, 2, 3))) put(const char *key, const char *format, ...) {
  char value[1024];
  va_list arguments;

  va_start(arguments, format);
  vsnprintf(value, sizeof(value), format, arguments);
  va_end(arguments);
  cr_assert_eq(copse_model_apply(&model, key, value, ++revision), 0);
}

static void
put_account(const char *name, uint64_t credit, uint64_t leased) {
  char key[64], value[ACCOUNT_TEXT_BYTES];

  snprintf(key, sizeof(key), "/accounts/%s", name);
  put(key, "%s", account_text(value, credit, leased));
}

static void
put_link(const char *from, const char *to, uint64_t bps) {
  char key[64];

  snprintf(key, sizeof(key), "/links/%s/%s", from, to);
  put(key, "{\"bandwidth_bps\":%llu,\"delay_ms\":1.0,\"by\":\"N1\"}", (unsigned long long)bps);
}

static void
put_member(const char *session, unsigned number, const char *pop, const char *account, uint64_t uplink, bool seed) {
  char key[128];

  snprintf(key, sizeof(key), "/sessions/%s/members/%016x", session, number);
  put(key,
      "{\"pop\":\"%s\",\"account\":\"%s\",\"address\":\"198.18.0.%u\",\"port\":1,\"http_port\":1,\"uplink_bps\":%llu,"
      "\"downlink_bps\":1000000,\"seed\":%s,\"key\":\"%032x\",\"label\":%u}",
      pop, account, number, (unsigned long long)uplink, seed ? "true" : "false", number, number << 8);
}

static void
put_session(const char *session) {
  char key[64];

  snprintf(key, sizeof(key), "/sessions/%s", session);
  put(key,
      "{\"manifest\":{\"name\":\"f\",\"size\":1000000,\"block_bytes\":16384,\"root\":\"%064x\"},\"creator\":\"\","
      "\"state\":\"open\"}",
      1U);
  snprintf(key, sizeof(key), "/sessions/%s/owner", session);
  put(key, "\"N1\"");
}

/* N1, N2, N3 in a full mesh of 10 Mbit/s; session 1 has a seed at N1 and a peer at each of the others. */
static void
setup(void) {
  static const char *const names[] = {"N1", "N2", "N3"};
  struct copse_error error;

  cr_assert_geq(sodium_init(), 0);
  cr_assert_eq(copse_control_config_read_text(
                 &config, "test", "pop = \"N1\"; block_address = \"198.18.1.1\"; growth_max = 1.0;", &error),
               0, "%s", error.text);
  for (int i = 0; i < 3; i++) {
    char key[32];

    snprintf(key, sizeof(key), "/pops/N%d", i + 1);
    put(key, "{\"address\":\"198.18.%d.1\",\"port\":7117,\"api\":\"\",\"lease\":1}", i + 1);
    for (int j = 0; j < 3; j++)
      if (i != j)
        put_link(names[i], names[j], 10000000);
  }
  put_account("alice", 1000000000, 0);
  put_session(S1);
  put_member(S1, 1, "N1", "alice", 2000000, true);
  put_member(S1, 2, "N2", "alice", 2000000, false);
  put_member(S1, 3, "N3", "alice", 2000000, false);
}

static void
teardown(void) {
  copse_model_free(&model);
  copse_control_config_free(&config);
}

TestSuite(plan, .init = setup, .fini = teardown);

static struct copse_plan_record
make_with(const char *session, bool improve) {
  struct copse_plan_record plan;
  struct copse_error error = {.text = ""};

  cr_assert_eq(copse_plan_make(&model, copse_model_session(&model, session), &config, improve, &plan, &error), 0, "%s",
               error.text);
  return plan;
}

static struct copse_plan_record
make(const char *session) {
  return make_with(session, false);
}

static void
reserve(const char *session, const struct copse_holdings *holdings, size_t from) {
  const char *pop = holdings->names.items[from];
  const struct copse_pop_links *outlet = copse_set_find(&model.outlets, pop);
  json_t *record = outlet == NULL || outlet->reserved == NULL ? json_object() : json_copy(outlet->reserved);
  json_t *links = json_object();
  char key[64], *text;

  for (size_t to = 0; to < holdings->names.count; to++) {
    uint64_t bps = holdings->link_bps[from * holdings->names.count + to];

    if (bps > 0)
      json_object_set_new(links, holdings->names.items[to], json_integer((json_int_t)bps));
  }
  json_object_set_new(record, session,
                      json_pack("{s:I, s:o}", "bps", (json_int_t)holdings->egress_bps[from], "links", links));
  snprintf(key, sizeof(key), "/reserved/%s", pop);
  text = json_dumps(record, 0);
  copse_model_apply(&model, key, text, revision);
  free(text);
  json_decref(record);
}

/* As if it had been carried out. */
static void
adopt(const char *session, const struct copse_plan_record *plan) {
  json_t *json = copse_plan_write(plan);
  char key[64], *text = json_dumps(json, 0);
  struct copse_holdings holdings;

  cr_assert_eq(copse_holdings_create(&holdings, &model, copse_model_session(&model, session), plan), 0);
  copse_holdings_add_plan(&holdings, plan);
  revision++;
  snprintf(key, sizeof(key), "/sessions/%s/plan", session);
  copse_model_apply(&model, key, text, revision);
  for (size_t from = 0; from < holdings.names.count; from++)
    reserve(session, &holdings, from);
  copse_holdings_free(&holdings);
  free(text);
  json_decref(json);
}

static struct copse_planned_tree *
rooted(struct copse_plan_record *plan, const char *root) {
  for (size_t i = 0; i < plan->tree_count; i++)
    if (strcmp(plan->trees[i].root, root) == 0)
      return &plan->trees[i];
  return NULL;
}

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

Test(plan, reservations_are_those_of_the_plan) {
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

Test(plan, others_reservations_leave_what_they_leave) {
  struct copse_plan_record plan;

  put("/reserved/N1", "{\"%s\":{\"bps\":18000000,\"links\":{\"N2\":9000000,\"N3\":9000000}}}", S2);
  plan = make(S1);
  cr_expect_eq(rooted(&plan, "N1")->status, COPSE_TREE_INFEASIBLE, "1 Mbit/s is less than its 2");
  cr_expect_eq(rooted(&plan, "N2")->status, COPSE_TREE_OK);
  copse_plan_record_free(&plan);
}

Test(plan, credit_makes_growth_and_its_lack_ends_the_tree) {
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

Test(plan, what_a_tree_still_holds_is_credit_of_its_area_alone) {
  const struct copse_session *session = copse_model_session(&model, S1);

  put_account("alice", 0, 5000000);
  put("/sessions/" S1 "/trees/00000000000000aa",
      "{\"root\":\"N1\",\"instance\":\"0000000000000001\",\"base_bytes\":0,\"granted_bytes\":5000000,"
      "\"charged_bytes\":0,\"lost_bytes\":0,\"grants\":[{\"account\":\"alice\",\"bytes\":5000000}],\"bps\":0,"
      "\"packets\":0,\"bytes\":0}");
  cr_expect_eq(copse_area_credit(&model, session, "N1"), 5000000);
  cr_expect_eq(copse_area_credit(&model, session, "N2"), 0);
}

Test(plan, an_account_counts_once_in_an_area) {
  put_member(S1, 5, "N1", "alice", 1000000, false);
  put_account("bob", 500000, 0);
  put_member(S1, 6, "N1", "bob", 1000000, false);
  cr_expect_eq(copse_area_credit(&model, copse_model_session(&model, S1), "N1"), 1000500000);
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

Test(plan, others_leave_what_they_leave_of_an_egress_budget) {
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

Test(plan, a_link_that_is_down_carries_nothing_until_it_is_back) {
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

Test(plan, a_degraded_link_has_less_to_give) {
  const struct copse_link *link = copse_set_find(&model.links, "N1/N2");

  cr_expect_eq(copse_link_capacity(link), 10000000);
  put_measured("N1/N2", 25);
  cr_expect_eq(copse_link_capacity(link), 2500000);
  put_link("N1", "N2", 1000000000099);
  cr_expect_eq(copse_link_capacity(link), 250000000024);
  put("/measured/N1/N2", "{\"capacity_percent\":101}");
  cr_expect_eq(copse_link_capacity(link), 1000000000099, "no record");
}

Test(plan, an_area_that_no_link_leads_to_leaves_the_others_their_trees) {
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
Test(plan, a_degraded_link_is_left_although_there_is_room_on_it) {
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

Test(plan, a_degraded_link_is_used_where_trees_would_be_slower_without) {
  struct copse_plan_record plan;

  put_link("N1", "N3", 1500000); /* beside N1/N2 there is no more */
  put_measured("N1/N2", 75);
  plan = make(S1);
  cr_expect(uses(&plan, "N1", "N2"));
  cr_expect_eq(rooted(&plan, "N1")->rate_bps, 2000000);
  copse_plan_record_free(&plan);
}
