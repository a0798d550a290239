/* SPDX-License-Identifier: Apache-2.0 */
/* The paper's protocol, sentence by sentence, where session.c and credit.c do not have it (docs/store.md lists all). */
#include "three.h"
#include <criterion/criterion.h>
#include <stdlib.h>

TestSuite(protocol, .fini = three_stop, .timeout = 60);

static char former[COPSE_NAME_BYTES];

static bool
another_plans(struct cluster *c, const char *session) {
  struct copse_session *s = cluster_session(c, session);

  return s->owner[0] != '\0' && strcmp(s->owner, former) != 0 && s->plan.tree_count == 2;
}

Test(protocol, one_pop_plans_and_another_takes_over) {
  three_start("presence_ms = 1000;", 10 * GB);
  copse_copy(former, sizeof(former), cluster_session(&cluster, S)->owner);
  cr_assert_str_not_empty(former);
  cluster_pop_stop(&cluster, three_pop(former));
  cr_expect(cluster_until(&cluster, another_plans, S, 10000));
  cr_expect(cluster_is_not_oversold(&cluster));
}

static const struct copse_planned_tree *
tree_of(const char *root) {
  return copse_session_rooted(cluster_session(&cluster, S), root);
}

Test(protocol, the_tree_of_a_finished_area_is_kept_for_the_others) {
  char id[COPSE_ID_BYTES], *done;

  three_start("finish_ms = 0;", 10 * GB);
  copse_copy(id, sizeof(id), tree_of("N1")->id);
  done = cluster_join(&cluster, 0, S, "alice", 7, false, NULL);
  json_decref(cluster_sync(&cluster, 0, S, "alice", done, "{\"have\":1000,\"done\":true}", NULL));
  cluster_run(&cluster, 1000);
  cr_expect_str_eq(tree_of("N1")->id, id, "N3 has not finished");
  cr_expect_eq(tree_of("N1")->status, COPSE_TREE_OK);
  cr_expect_not(cluster_session(&cluster, S)->finished);
  free(done);
}

static bool
no_credit_at_n1(struct cluster *c, const char *session) {
  (void)session;
  fake_tree_carry(c->pops[0].dataplane, strtoull(tree_of("N1")->id, NULL, 16), GB);
  return tree_of("N1")->status == COPSE_TREE_NO_SENDER;
}

/* The member at a PoP is a hop of that PoP's node of a tree. */
static bool
receives(size_t pop, const char *member, const char *tree) {
  const struct fake_tree *node = three_tree(pop, tree);
  const struct copse_api_member *here = fake_member_find(cluster.pops[pop].dataplane, strtoull(member, NULL, 16));

  for (uint32_t i = 0; here != NULL && i < node->set.hops; i++)
    if (node->hops[i].kind == COPSE_HOP_MEMBER && node->hops[i].slot == here->slot)
      return true;
  return false;
}

static bool
two_trees(struct cluster *c, const char *session) {
  struct copse_session *s = cluster_session(c, session);
  const struct copse_planned_tree *one = copse_session_rooted(s, "N1"), *other = copse_session_rooted(s, "N2");

  return one != NULL && other != NULL && one->status == COPSE_TREE_OK && other->status == COPSE_TREE_OK &&
         fake_tree_find(c->pops[0].dataplane, strtoull(other->id, NULL, 16)) != NULL;
}

Test(protocol, who_is_out_of_credit_still_receives) {
  char id[COPSE_ID_BYTES];

  cluster_start(&cluster, 2, 100000000, "");
  cluster_account(&cluster, "poor", 2000000);
  cluster_account(&cluster, "rich", 10 * GB);
  cluster_make_session(&cluster, S, 1000);
  seed = cluster_join(&cluster, 0, S, "poor", 1, true, NULL);
  leecher = cluster_join(&cluster, 0, S, "poor", 2, false, NULL);
  other_seed = cluster_join(&cluster, 1, S, "rich", 3, false, NULL);
  free(cluster_join(&cluster, 1, S, "rich", 4, true, NULL));
  cr_assert(cluster_until(&cluster, two_trees, S, 5000));
  copse_copy(id, sizeof(id), tree_of("N2")->id);
  cr_assert(cluster_until(&cluster, no_credit_at_n1, S, 10000), "everything is spent");
  cluster_run(&cluster, 1500);
  cr_expect_eq(fake_member_find(cluster.pops[0].dataplane, strtoull(seed, NULL, 16))->send_tree, COPSE_SLOT_NONE);
  cr_expect_str_eq(tree_of("N2")->id, id);
  cr_expect(receives(0, leecher, id), "down the tree of N2");
}

Test(protocol, a_member_that_comes_or_goes_leaves_trees_in_place) {
  struct copse_caller alice = {.role = COPSE_ROLE_ACCOUNT, .account = "alice"};
  struct copse_answer answer = {0};
  char ids[3][COPSE_ID_BYTES], *late;
  unsigned removed = 0;

  three_start("", 10 * GB);
  for (size_t i = 0; i < 3; i++) {
    copse_copy(ids[i], COPSE_ID_BYTES, tree_of(cluster.pops[i].name)->id);
    removed += cluster.pops[i].dataplane->removed;
  }
  late = cluster_join(&cluster, 1, S, "alice", 9, false, NULL);
  cluster_run(&cluster, 500);
  for (size_t i = 0; i < 3; i++) {
    cr_expect_str_eq(tree_of(cluster.pops[i].name)->id, ids[i]);
    cr_expect(receives(1, late, ids[i]));
    removed -= cluster.pops[i].dataplane->removed;
  }
  cr_expect_eq(removed, 0, "nothing was taken away");
  copse_member_leave(cluster.pops[1].control, &alice, S, late, &answer);
  cr_expect_eq(answer.status, 204);
  cluster_run(&cluster, 500);
  for (size_t i = 0; i < 3; i++)
    cr_expect_str_eq(tree_of(cluster.pops[i].name)->id, ids[i]);
  cr_expect_null(fake_member_find(cluster.pops[1].dataplane, strtoull(late, NULL, 16)));
  free(late);
}

/* The tree that the seed at N1 sends on is at its root, and may carry. */
static bool
can_send(void) {
  const struct copse_api_member *member = fake_member_find(cluster.pops[0].dataplane, strtoull(seed, NULL, 16));
  const struct fake_tree *tree =
    member == NULL || member->send_tree >= FAKE_TREES ? NULL : &cluster.pops[0].dataplane->trees[member->send_tree];

  return tree != NULL && tree->set.id != 0 && (tree->allowance_bytes > 0 || tree->set.charged_edges == 0);
}

static bool
can_send_at_last(struct cluster *c, const char *session) {
  (void)c, (void)session;
  return can_send();
}

Test(protocol, an_area_that_joins_breaks_nothing_before_it_is_made) {
  bool restored = false;

  cluster_start(&cluster, 3, 100000000, "");
  cluster_account(&cluster, "alice", 10 * GB);
  cluster_make_session(&cluster, S, 1000);
  seed = cluster_join(&cluster, 0, S, "alice", 1, true, NULL);
  other_seed = cluster_join(&cluster, 1, S, "alice", 2, false, NULL);
  cr_assert(cluster_until(&cluster, can_send_at_last, S, 5000));
  leecher = cluster_join(&cluster, 2, S, "alice", 3, false, NULL);
  for (int i = 0; i < 2000 && !restored; i++) {
    cluster_run(&cluster, 2);
    cr_assert(can_send(), "after %d ms", 2 * i);
    restored = i % 10 == 9 && three_are_restored(&cluster, S);
    cr_assert(i % 10 != 9 || cluster_is_not_oversold(&cluster));
  }
  cr_expect(restored);
}

/* A member at N3, the third PoP, that wants no trees. */
static char *
join_direct(void) {
  struct copse_caller alice = {.role = COPSE_ROLE_ACCOUNT, .account = "alice"};
  struct copse_answer answer = {0};
  json_t *body = json_pack("{s:s, s:i, s:i, s:i, s:i, s:b}", "address", "198.18.3.99", "port", 40000, "http_port",
                           40001, "uplink_bps", 1000000, "downlink_bps", 70000000, "direct", true);
  char *member;

  copse_member_join(cluster.pops[2].control, &alice, S, body, &answer);
  cr_assert_eq(answer.status, 201, "join: %d %s", answer.status, answer.error.text);
  member = strdup(json_string_value(json_object_get(answer.body, "member")));
  json_decref(answer.body);
  json_decref(body);
  return member;
}

static const char *
mode_of(const char *member) {
  json_t *answer = cluster_sync(&cluster, 2, S, "alice", member, "{\"have\":0}", NULL);
  const char *mode = strcmp(json_string_value(json_object_get(answer, "mode")), "cdn") == 0 ? "cdn" : "direct";

  cr_expect_gt(json_array_size(json_object_get(answer, "peers")), 0, "it is told who is there");
  json_decref(answer);
  return mode;
}

Test(protocol, a_direct_member_is_in_no_area) {
  char *direct;
  uint64_t min_bps;

  three_start("", 10 * GB);
  min_bps = tree_of("N3")->min_bps;
  direct = join_direct();
  cluster_run(&cluster, 500);
  cr_expect_eq(tree_of("N3")->min_bps, min_bps, "its uplink, the least, is not of the area");
  cr_expect(receives(2, leecher, tree_of("N1")->id));
  cr_expect_not(receives(2, direct, tree_of("N1")->id));
  cr_expect_str_eq(mode_of(leecher), "cdn");
  cr_expect_str_eq(mode_of(direct), "direct");
  free(direct);
}
