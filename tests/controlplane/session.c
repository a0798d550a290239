/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a session over several PoPs, with dataplanes that forward nothing. */
#include "three.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

TestSuite(session, .fini = three_stop, .timeout = 60);

/* The edge as it lies in both dataplanes: label, link, upstream. */
static void
check_edge(const struct copse_planned_tree *tree, const struct copse_tree_edge *edge) {
  struct fake_tree *parent = three_tree(three_pop(edge->from), tree->id),
                   *child = three_tree(three_pop(edge->to), tree->id);
  const struct copse_api_link *link = fake_link_find(cluster.pops[three_pop(edge->from)].dataplane, edge->to);
  bool found = false;

  cr_assert_not_null(link);
  for (uint32_t i = 0; i < parent->set.hops; i++)
    found |= parent->hops[i].kind == COPSE_HOP_LINK && parent->hops[i].slot == link->slot &&
             parent->hops[i].label == child->set.label;
  cr_expect(found, "%s → %s of %s", edge->from, edge->to, tree->id);
  cr_expect_eq(child->set.upstream.address[14], three_pop(edge->from) + 1);
  cr_expect_eq(memcmp(parent->set.tree_key, child->set.tree_key, COPSE_KEY_BYTES), 0);
}

/* Edges behind children of the root whose subtrees want something. */
static size_t
carrying_edges(const struct fake_tree *root, const struct copse_planned_tree *tree) {
  size_t count = 0;

  for (size_t i = 0; i < tree->edge_count; i++) {
    size_t top = i;

    for (size_t j = i; j-- > 0;)
      if (strcmp(tree->edges[j].to, tree->edges[top].from) == 0)
        top = j;
    const struct copse_api_link *link =
      fake_link_find(cluster.pops[three_pop(tree->root)].dataplane, tree->edges[top].to);

    for (uint32_t j = 0; j < root->set.hops; j++)
      count += root->hops[j].kind == COPSE_HOP_LINK && root->hops[j].slot == link->slot && !root->unwanted[j];
  }
  return count;
}

static void
check_plan(const struct copse_session *session) {
  for (size_t i = 0; i < session->plan.tree_count; i++) {
    const struct copse_planned_tree *tree = &session->plan.trees[i];
    struct fake_tree *root = three_tree(three_pop(tree->root), tree->id);

    cr_expect_eq(root->set.label, COPSE_LABEL_NONE);
    cr_expect_eq(root->set.peak_bps, tree->rate_bps);
    cr_expect_eq(root->set.charged_edges, carrying_edges(root, tree));
    for (size_t j = 0; j < tree->edge_count; j++) {
      check_edge(tree, &tree->edges[j]);
      cr_expect_eq(three_tree(three_pop(tree->edges[j].to), tree->id)->set.peak_bps, 0, "metered at the root alone");
    }
  }
}

Test(session, trees_are_installed_with_their_labels) {
  struct copse_session *session;
  struct copse_api_member *member;

  three_start("", 10 * GB);
  session = cluster_session(&cluster, S);
  cr_assert_eq(session->plan.tree_count, 3);
  check_plan(session);
  cr_expect_eq(((struct copse_pop *)copse_set_find(&cluster.model.pops, "N2"))->record.fan_out, FAKE_HOPS);
  cr_expect(cluster_is_not_oversold(&cluster));
  cluster_run(&cluster, 100);
  session = cluster_session(&cluster, S);
  member = fake_member_find(cluster.pops[0].dataplane, strtoull(seed, NULL, 16));
  cr_assert_not_null(member);
  cr_expect_eq(member->egress_bps, 70000000, "its downlink");
  cr_expect_eq(member->send_tree, three_tree(0, copse_session_rooted(session, "N1")->id)->set.slot);
  cr_expect_gt(three_tree(0, copse_session_rooted(session, "N1")->id)->allowance_bytes, 0, "a seed may send");
  cr_expect_eq(three_tree(2, copse_session_rooted(session, "N3")->id)->allowance_bytes, 0, "nobody at N3 could");
  cr_expect_eq(cluster.pops[0].dataplane->interest_words[member->slot], 16, "a seed wants nothing");
}

static bool
is_ready(struct cluster *c, const char *member) {
  return copse_member_ready(c->pops[0].control, member);
}

Test(session, a_member_is_ready_when_the_dataplane_says_so) {
  cluster_start(&cluster, 1, 100000000, "");
  cluster_make_session(&cluster, S, 10);
  leecher = cluster_join(&cluster, 0, S, "alice", 1, false, NULL);
  cr_expect_not(is_ready(&cluster, leecher));
  cr_expect(cluster_until(&cluster, is_ready, leecher, 2000));
  cr_expect_not_null(fake_member_find(cluster.pops[0].dataplane, strtoull(leecher, NULL, 16)));
  fake_dataplane_restart(cluster.pops[0].dataplane);
  cluster_run(&cluster, 5);
  cr_expect_not(is_ready(&cluster, leecher));
  cr_expect(cluster_until(&cluster, is_ready, leecher, 2000));
}

Test(session, one_area_has_no_trees) {
  struct copse_session *session;
  json_t *answer;

  cluster_start(&cluster, 2, 100000000, "");
  cluster_account(&cluster, "alice", GB);
  cluster_make_session(&cluster, S, 10);
  seed = cluster_join(&cluster, 0, S, "alice", 1, true, NULL);
  leecher = cluster_join(&cluster, 0, S, "alice", 2, false, NULL);
  cluster_run(&cluster, 600);
  session = cluster_session(&cluster, S);
  cr_assert_eq(session->plan.tree_count, 1);
  cr_expect_eq(session->plan.trees[0].status, COPSE_TREE_SINGLE_AREA);
  cr_expect_eq(fake_tree_count(cluster.pops[0].dataplane), 0);
  answer = cluster_sync(&cluster, 0, S, "alice", leecher, "{\"have\":0}", NULL);
  cr_expect_str_eq(json_string_value(json_object_get(answer, "mode")), "direct");
  cr_expect_eq(json_array_size(json_object_get(answer, "peers")), 1);
  json_decref(answer);
}

Test(session, a_restarted_control_plane_changes_nothing) {
  unsigned batches, removed;
  uint32_t slot;
  struct copse_session *session;

  three_start("", 10 * GB);
  session = cluster_session(&cluster, S);
  slot = three_tree(0, copse_session_rooted(session, "N1")->id)->set.slot;
  cluster_run(&cluster, 300);
  batches = cluster.pops[0].dataplane->batches;
  removed = cluster.pops[0].dataplane->removed;
  cluster_pop_stop(&cluster, 0);
  cluster_run(&cluster, 100);
  cluster_pop_start(&cluster, 0);
  cluster_run(&cluster, 100);
  cr_expect_leq(cluster.pops[0].dataplane->batches, batches + 1, "bitmaps of interest at most");
  cr_expect(cluster_until(&cluster, three_are_whole, S, 5000));
  cr_expect(cluster_until(&cluster, three_are_settled, S, 5000));
  session = cluster_session(&cluster, S);
  cr_expect_eq(three_tree(0, copse_session_rooted(session, "N1")->id)->set.slot, slot);
  cr_expect_eq(cluster.pops[0].dataplane->removed, removed);
  check_plan(session);
}

Test(session, a_restarted_dataplane_gets_everything_again) {
  three_start("", 10 * GB);
  fake_dataplane_restart(cluster.pops[1].dataplane);
  cr_assert(cluster_until(&cluster, three_are_restored, S, 10000));
  cluster_run(&cluster, 500);
  check_plan(cluster_session(&cluster, S));
  cr_expect_not_null(fake_member_find(cluster.pops[1].dataplane, strtoull(other_seed, NULL, 16)));
}

static bool
two_areas(struct cluster *c, const char *session) {
  struct copse_session *s = cluster_session(c, session);

  return s->plan.tree_count == 2 && three_are_settled(c, session);
}

static bool
planned_for_two(struct cluster *c, const char *session) {
  return cluster_session(c, session)->plan.tree_count == 2;
}

Test(session, an_area_leaves_and_its_tree_goes_last_below) {
  struct copse_caller alice = {.role = COPSE_ROLE_ACCOUNT, .account = "alice"};
  struct copse_answer answer = {0};
  struct copse_session *session;

  three_start("", 10 * GB);
  copse_member_leave(cluster.pops[2].control, &alice, S, leecher, &answer);
  cr_assert_eq(answer.status, 204);
  cr_assert(cluster_until(&cluster, two_areas, S, 10000));
  session = cluster_session(&cluster, S);
  check_plan(session);
  cr_expect_eq(session->installed.count, 4, "labels of the old trees are gone");
  cr_expect_eq(fake_member_count(cluster.pops[2].dataplane), 0);
  cr_expect(cluster_is_not_oversold(&cluster));
}

Test(session, all_done_ends_the_session_and_returns_credit) {
  const struct copse_account *account;
  json_t *answer;

  three_start("finish_ms = 100;", 10 * GB);
  json_decref(cluster_sync(&cluster, 2, S, "alice", leecher, "{\"have\":1000,\"done\":true}", NULL));
  cr_assert(cluster_until(&cluster, three_are_over, S, 10000));
  cr_expect(cluster_is_not_oversold(&cluster));
  answer = cluster_sync(&cluster, 2, S, "alice", leecher, "{\"have\":1000,\"done\":true}", NULL);
  cr_expect_str_eq(json_string_value(json_object_get(answer, "state")), "finished");
  cr_expect_str_eq(json_string_value(json_object_get(answer, "mode")), "direct");
  json_decref(answer);
  account = copse_set_find(&cluster.model.accounts, "alice");
  cr_expect_eq(account->record.bytes[COPSE_BOOK_CREDIT], 10 * GB, "nothing was carried, all comes back");
  cr_expect_eq(account->record.bytes[COPSE_BOOK_LEASED], 0);
  free(cluster_join(&cluster, 1, S, "alice", 9, false, NULL));
  cr_expect_not(cluster_session(&cluster, S)->finished, "somebody who wants it opens it again");
}

static bool
is_forgotten(struct cluster *c, const char *session) {
  struct copse_values left;
  bool none;
  char prefix[64];

  snprintf(prefix, sizeof(prefix), "/leaves/%s", session);
  cr_assert_eq(copse_store_list(c->store, prefix, &left), 0);
  none = left.count == 0;
  copse_values_free(&left);
  snprintf(prefix, sizeof(prefix), "/sessions/%s", session);
  cr_assert_eq(copse_store_list(c->store, prefix, &left), 0);
  none &= left.count == 0;
  copse_values_free(&left);
  return none;
}

Test(session, finished_sessions_are_forgotten_in_time) {
  three_start("finish_ms = 0; keep_s = 1.0;", 10 * GB);
  cluster_put(&cluster, "/leaves/" S "/0", "\"\"");
  json_decref(cluster_sync(&cluster, 2, S, "alice", leecher, "{\"have\":1000,\"done\":true}", NULL));
  cr_assert(cluster_until(&cluster, three_are_over, S, 10000));
  cr_expect(cluster_until(&cluster, is_forgotten, S, 10000));
  cluster_run(&cluster, 100);
  cr_expect_eq(fake_member_count(cluster.pops[2].dataplane), 0);
}

Test(session, an_idle_tree_goes_and_comes_back) {
  three_start("idle_s = 1.0; gather_ms = 0;", 10 * GB);
  cr_assert(cluster_until(&cluster, three_without_n1, S, 10000), "idle");
  cr_expect_str_eq(copse_session_rooted(cluster_session(&cluster, S), "N1")->reason, "nothing was sent on it for long");
  json_decref(cluster_sync(&cluster, 0, S, "alice", seed, "{\"have\":1000,\"want\":true}", NULL));
  cluster_run(&cluster, 500);
  cr_expect_eq(copse_session_rooted(cluster_session(&cluster, S), "N1")->status, COPSE_TREE_OK);
}

/* Rates are measured each second and progress is written each half, at syncs that come when they come. */
Test(session, what_a_member_receives_is_told_whenever_it_syncs) {
  uint64_t bps = 0;

  three_start("", 10 * GB);
  for (unsigned i = 0; i < 20 && bps == 0; i++) {
    char body[64];

    snprintf(body, sizeof(body), "{\"have\":%u,\"cdn_bytes\":%u}", i, i * 16384);
    json_decref(cluster_sync(&cluster, 2, S, "alice", leecher, body, NULL));
    cluster_run(&cluster, 150);
    bps = copse_session_member(cluster_session(&cluster, S), leecher)->progress.cdn_bps;
  }
  cr_expect(bps > 0 && bps <= 8 * 16384 * 1000 / 150, "%llu bit/s", (unsigned long long)bps);
}

static bool
member_gone(struct cluster *c, const char *member) {
  return copse_session_member(cluster_session(c, S), member) == NULL && three_are_settled(c, S);
}

Test(session, the_silent_are_removed) {
  int status;

  bool gone = false;

  three_start("silence_ms = 1000;", 10 * GB);
  for (int i = 0; i < 50 && !gone; i++) {
    gone = cluster_until(&cluster, member_gone, leecher, 100);
    json_decref(cluster_sync(&cluster, 0, S, "alice", seed, "{\"have\":1000}", NULL));
    json_decref(cluster_sync(&cluster, 1, S, "alice", other_seed, "{\"have\":1000}", NULL));
  }
  cr_expect(gone);
  json_decref(cluster_sync(&cluster, 2, S, "alice", leecher, "{\"have\":0}", &status));
  cr_expect_eq(status, 404);
}

Test(session, a_silent_pop_is_given_up_and_taken_back) {
  three_start("presence_ms = 1000;", 10 * GB);
  cluster_pop_stop(&cluster, 2);
  cr_expect(cluster_until(&cluster, planned_for_two, S, 10000));
  cluster_pop_start(&cluster, 2);
  cr_expect(cluster_until(&cluster, three_are_whole, S, 10000));
  cr_expect(cluster_until(&cluster, three_are_settled, S, 10000));
  check_plan(cluster_session(&cluster, S));
}

Test(session, joins_that_are_wrong_are_refused) {
  struct copse_caller alice = {.role = COPSE_ROLE_ACCOUNT, .account = "alice"};
  static const char *const bodies[][2] = {
    {"{\"port\":1,\"http_port\":1,\"uplink_bps\":1000,\"downlink_bps\":1000}", "address"},
    {"{\"address\":\"224.0.0.1\",\"port\":1,\"http_port\":1,\"uplink_bps\":1000,\"downlink_bps\":1000}", "address"},
    {"{\"address\":\"0.0.0.0\",\"port\":1,\"http_port\":1,\"uplink_bps\":1000,\"downlink_bps\":1000}", "address"},
    {"{\"address\":\"198.18.1.2\",\"port\":0,\"http_port\":1,\"uplink_bps\":1000,\"downlink_bps\":1000}", "port"},
    {"{\"address\":\"198.18.1.2\",\"port\":1,\"http_port\":70000,\"uplink_bps\":1000,\"downlink_bps\":1000}",
     "http_port"},
    {"{\"address\":\"198.18.1.2\",\"port\":1,\"http_port\":1,\"uplink_bps\":0,\"downlink_bps\":1000}", "uplink_bps"},
    {"{\"address\":\"198.18.1.2\",\"port\":1,\"http_port\":1,\"uplink_bps\":1000,\"downlink_bps\":\"x\"}",
     "downlink_bps"},
    {"{\"address\":\"198.18.1.2\",\"port\":1,\"http_port\":1,\"uplink_bps\":1000,\"downlink_bps\":9,\"seed\":1}",
     "seed"},
  };

  cluster_start(&cluster, 1, 100000000, "");
  cluster_make_session(&cluster, S, 10);
  for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
    json_t *body = json_loads(bodies[i][0], 0, NULL);
    struct copse_answer answer = {0};

    copse_member_join(cluster.pops[0].control, &alice, S, body, &answer);
    cr_expect_eq(answer.status, 400);
    cr_expect_str_eq(answer.field, bodies[i][1]);
    json_decref(body);
  }
  cr_expect_eq(cluster_session(&cluster, S)->members.count, 0);
}

Test(session, owners_that_race_never_oversell) {
  char ids[8][33];

  cluster_start(&cluster, 3, 90000000, "");
  for (int i = 0; i < 8; i++) {
    snprintf(ids[i], sizeof(ids[i]), "%032x", i + 1);
    cluster_make_session(&cluster, ids[i], 100);
    cluster_account(&cluster, "alice", 10 * GB);
  }
  for (int round = 0; round < 6; round++) {
    for (int i = 0; i < 8; i++)
      free(
        cluster_join(&cluster, (size_t)(i + round) % 3, ids[i], "alice", (unsigned)(round * 8 + i), round == 0, NULL));
    for (int i = 0; i < 10; i++) {
      cluster_run(&cluster, 30);
      cr_assert(cluster_is_not_oversold(&cluster), "round %d", round);
    }
  }
  cluster_run(&cluster, 1000);
  cr_assert(cluster_is_not_oversold(&cluster));
}

/* All trees are whole, and hold no more of the link than its budget. */
static bool
it_fits(struct cluster *c, const char *name) {
  const struct copse_link *link;

  if (!three_are_whole(c, S))
    return false;
  link = copse_set_find(&c->model.links, name);
  return link->reserved_bps <= link->record.bandwidth_bps;
}

Test(session, trees_leave_a_link_whose_budget_is_set_below_what_they_hold) {
  char name[2 * COPSE_NAME_BYTES], key[128], value[256];
  const struct copse_planned_tree *tree;
  const struct copse_link *link;

  three_start("growth_max = 1.0;", 10 * GB);
  tree = &cluster_session(&cluster, S)->plan.trees[0];
  snprintf(name, sizeof(name), "%s/%s", tree->edges[0].from, tree->edges[0].to);
  link = copse_set_find(&cluster.model.links, name);
  cr_assert_gt(link->reserved_bps, 0);
  snprintf(key, sizeof(key), "/links/%s", name);
  snprintf(value, sizeof(value), "{\"bandwidth_bps\":%lu,\"delay_ms\":1.0,\"by\":\"%s\",\"budget_bps\":%lu}",
           link->record.configured_bps, link->record.by, link->reserved_bps / 4);
  cluster_put(&cluster, key, value);
  cr_expect_not(it_fits(&cluster, name), "more is held than may be");
  cr_expect(cluster_until(&cluster, it_fits, name, 20000));
  cr_expect(cluster_until(&cluster, three_are_settled, S, 20000));
}
