/* SPDX-License-Identifier: Apache-2.0 */
/* Owners of sessions come and go; what plans hold of links is given back whoever is left to do it. */
#include "three.h"
#include <criterion/criterion.h>
#include <stdlib.h>

TestSuite(owner, .fini = three_stop, .timeout = 60);

static bool
is_owned_by(struct cluster *c, const char *pop) {
  return strcmp(cluster_session(c, S)->owner, pop) == 0;
}

static bool
nothing_is_reserved(struct cluster *c, const char *session) {
  struct copse_values reserved;
  bool nothing;

  (void)session;
  cr_assert_eq(copse_store_list(c->store, "/reserved/", &reserved), 0);
  nothing = reserved.count == 0;
  copse_values_free(&reserved);
  return nothing;
}

static bool
there_are_two_trees(struct cluster *c, const char *session) {
  const struct copse_session *s = cluster_session(c, session);

  return s->plan.tree_count == 2 && s->plan.trees[0].status == COPSE_TREE_OK &&
         s->plan.trees[1].status == COPSE_TREE_OK;
}

static char *
join(size_t pop, bool is_seed) {
  return cluster_join(&cluster, pop, S, "alice", (unsigned)pop + 1, is_seed, NULL);
}

static void
leave(size_t pop, const char *member) {
  struct copse_caller alice = {.role = COPSE_ROLE_ACCOUNT, .account = "alice"};
  struct copse_answer answer = {0};

  copse_member_leave(cluster.pops[pop].control, &alice, S, member, &answer);
  cr_assert_eq(answer.status, 204);
}

static void
start(void) {
  cluster_start(&cluster, 3, 100000000, "");
  cluster_account(&cluster, "alice", 10 * GB);
  cluster_make_session(&cluster, S, 1000);
}

/* The last plan of N1's first term is the one that its second has to make: with nobody left. */
Test(owner, an_earlier_term_does_not_count) {
  char *late;

  start();
  seed = join(0, true);
  cr_assert(cluster_until(&cluster, is_owned_by, "N1", 5000));
  leave(0, seed);
  cr_assert(cluster_until(&cluster, is_owned_by, "", 5000), "it resigns");
  other_seed = join(1, true);
  leecher = join(2, false);
  late = join(2, true);
  cr_assert(cluster_until(&cluster, there_are_two_trees, S, 10000));
  cr_expect_not(nothing_is_reserved(&cluster, S));
  cluster_pop_stop(&cluster, 1);
  cluster_pop_stop(&cluster, 2);
  cr_expect(cluster_until(&cluster, nothing_is_reserved, S, 10000));
  free(late);
}

/* Who takes no part in trees keeps nobody from giving back what they hold. */
Test(owner, direct_members_hold_nothing) {
  struct copse_caller alice = {.role = COPSE_ROLE_ACCOUNT, .account = "alice"};
  json_t *body = json_pack("{s:s, s:i, s:i, s:i, s:i, s:b}", "address", "198.18.1.99", "port", 40000, "http_port",
                           40001, "uplink_bps", 1000000, "downlink_bps", 70000000, "direct", true);
  struct copse_answer answer = {0};

  start();
  copse_member_join(cluster.pops[0].control, &alice, S, body, &answer);
  cr_assert_eq(answer.status, 201, "join: %d %s", answer.status, answer.error.text);
  other_seed = join(1, true);
  leecher = join(2, false);
  seed = join(2, true);
  cr_assert(cluster_until(&cluster, there_are_two_trees, S, 10000));
  cluster_pop_stop(&cluster, 1);
  cluster_pop_stop(&cluster, 2);
  cr_expect(cluster_until(&cluster, nothing_is_reserved, S, 10000));
  json_decref(answer.body);
  json_decref(body);
}

#define PLAN                                                                                                           \
  "{\"epoch\":1,\"numbers\":{\"N8\":257},\"pops\":[\"N8\",\"N9\"],\"leaving\":[],\"trees\":[{\"id\":"                  \
  "\"00000000000000aa\",\"number\":257,"                                                                               \
  "\"root\":\"N8\",\"status\":\"ok\",\"reason\":\"\",\"min_bps\":0,\"max_bps\":0,\"rate_bps\":1000000,\"edges\":[0,1]" \
  ","                                                                                                                  \
  "\"key\":\"000102030405060708090a0b0c0d0e0f\"}]}"

static bool
is_forgotten(struct cluster *c, const char *session) {
  return cluster_session(c, session) == NULL;
}

/* With the session, nobody could give back what its plan holds. */
Test(owner, a_session_that_holds_something_is_not_forgotten) {
  struct copse_change away = {.kind = COPSE_CHANGE_DELETE, .key = "/sessions/" S "/owner"};

  cluster_start(&cluster, 1, 100000000, "keep_s = 0.0;");
  cluster_put(&cluster, "/sessions/" S "/owner", "\"N8\"");
  cluster_put(&cluster, "/reserved/N8", "{\"" S "\":{\"bps\":1000000,\"links\":{\"N9\":1000000}}}");
  cluster_put(&cluster, "/sessions/" S "/plan", PLAN);
  cluster_put(&cluster, "/sessions/" S,
              "{\"manifest\":{\"name\":\"f\",\"size\":16384,\"block_bytes\":16384,\"root\":"
              "\"0000000000000000000000000000000000000000000000000000000000000007\"},"
              "\"creator\":\"\",\"state\":\"finished\",\"ended_s\":1}");
  cluster_run(&cluster, 2500);
  cr_expect_not(is_forgotten(&cluster, S));
  cr_assert_eq(copse_store_commit(cluster.store, NULL, 0, &away, 1, NULL, NULL), 0, "N8 is over");
  cr_expect(cluster_until(&cluster, nothing_is_reserved, S, 5000), "given back,");
  cr_expect(cluster_until(&cluster, is_forgotten, S, 5000), "then forgotten");
}

static bool
is_within_egress(struct cluster *c, const char *session) {
  uint64_t sum = 0;

  cluster_session(c, session);
  for (size_t i = 0; i < c->model.links.count; i++) {
    const struct copse_link *link = c->model.links.items[i];

    sum += strcmp(link->from, "N1") == 0 ? link->reserved_bps : 0;
  }
  return sum > 0 && sum <= 30000000;
}

Test(owner, a_new_egress_budget_is_obeyed) {
  three_start("", 10 * GB);
  cluster_run(&cluster, 2000); /* what joining has stirred settles */
  cr_assert_not(is_within_egress(&cluster, S));
  cluster_put(&cluster, "/egress/N1", "{\"egress_bps\":30000000,\"by\":\"test\"}");
  cr_expect(cluster_until(&cluster, is_within_egress, S, 5000));
}
