/* SPDX-License-Identifier: Apache-2.0 */
/* A peer is a member at one PoP, wherever it has joined before. */
#include "session/state.h"
#include "three.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

TestSuite(members, .fini = three_stop, .timeout = 60);

#define HERE "198.18.9.9"

static size_t
count(const struct copse_session *session) {
  size_t members = 0;

  for (size_t i = 0; i < session->members.count; i++)
    members += ((const struct copse_member *)session->members.items[i])->revision != 0;
  return members;
}

/* No key of the store names it. */
static bool
is_gone(struct cluster *c, const char *member) {
  const struct copse_session *session = cluster_session(c, S);

  return session != NULL && copse_set_find(&session->members, member) == NULL;
}

/* The second PoP has heard of the member. */
static bool
is_known_there(struct cluster *c, const char *member) {
  const struct copse_session *session = copse_model_session(&c->pops[2].control->model, S);

  return session != NULL && copse_set_find(&session->members, member) != NULL;
}

Test(members, who_joins_elsewhere_is_one_member) {
  char *first, *second;

  three_start("", 10 * GB);
  first = cluster_join_from(&cluster, 1, HERE, S, "alice", false, NULL);
  cr_assert(cluster_until(&cluster, is_known_there, first, 10000));
  json_decref(cluster_sync(&cluster, 1, S, "alice", first, "{\"have\":5}", NULL));
  second = cluster_join_from(&cluster, 2, HERE, S, "alice", false, NULL);
  cr_expect(is_gone(&cluster, first));
  cr_expect_eq(count(cluster_session(&cluster, S)), 4);
  cr_expect(cluster_until(&cluster, three_are_settled, S, 10000), "its first PoP's dataplane forgets it too");
  free(first);
  free(second);
}

Test(members, another_account_is_somebody_else) {
  char *alices, *bobs;

  three_start("", 10 * GB);
  cluster_account(&cluster, "bob", GB);
  alices = cluster_join_from(&cluster, 1, HERE, S, "alice", false, NULL);
  bobs = cluster_join_from(&cluster, 2, HERE, S, "bob", false, NULL);
  cr_expect_eq(count(cluster_session(&cluster, S)), 5, "an address is claimed, a token is proof");
  free(alices);
  free(bobs);
}

/* The last report to the first PoP may be under way still. */
Test(members, a_report_of_a_former_self_leaves_nothing) {
  char *first, *second;
  int status;

  three_start("", 10 * GB);
  first = cluster_join_from(&cluster, 1, HERE, S, "alice", false, NULL);
  cr_assert(cluster_until(&cluster, is_known_there, first, 10000));
  second = cluster_join_from(&cluster, 2, HERE, S, "alice", false, NULL);
  json_decref(cluster_sync(&cluster, 1, S, "alice", first, "{\"have\":5}", &status)); /* which has not heard of it */
  cr_expect(is_gone(&cluster, first));
  cluster_run(&cluster, 100);
  json_decref(cluster_sync(&cluster, 1, S, "alice", first, "{\"have\":5}", &status));
  cr_expect_eq(status, 404);
  free(first);
  free(second);
}

static bool
is_finished(struct cluster *c, const char *session) {
  return cluster_session(c, session)->finished;
}

Test(members, a_session_ends_though_all_have_joined_again_with_the_content) {
  three_start("finish_ms = 100;", 10 * GB);
  free(leecher);
  leecher = cluster_join(&cluster, 2, S, "alice", 3, true, NULL);
  json_decref(cluster_sync(&cluster, 2, S, "alice", leecher, "{\"have\":1000,\"done\":true}", NULL));
  cluster_run(&cluster, 600);
  cr_expect_not(is_finished(&cluster, S), "seeds alone wait for somebody");
  json_decref(cluster_sync(&cluster, 2, S, "alice", leecher,
                           "{\"have\":1000,\"done\":true,\"cdn_bytes\":0,\"direct_bytes\":16384000}", NULL));
  cr_expect(cluster_until(&cluster, is_finished, S, 5000), "it was somebody");
}

Test(members, a_session_ends_though_members_have_left_a_dead_pop) {
  static const char done[] = "{\"have\":1000,\"done\":true}";
  char *first, *second;

  three_start("presence_ms = 1000; finish_ms = 100;", 10 * GB);
  first = cluster_join_from(&cluster, 1, HERE, S, "alice", false, NULL);
  cr_assert(cluster_until(&cluster, is_known_there, first, 10000));
  cluster_pop_stop(&cluster, 1);
  second = cluster_join_from(&cluster, 2, HERE, S, "alice", false, NULL);
  json_decref(cluster_sync(&cluster, 2, S, "alice", second, done, NULL));
  json_decref(cluster_sync(&cluster, 2, S, "alice", leecher, done, NULL));
  cr_expect(cluster_until(&cluster, is_finished, S, 10000));
  free(first);
  free(second);
}
