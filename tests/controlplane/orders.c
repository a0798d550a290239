/* SPDX-License-Identifier: Apache-2.0 */
/* What members with the whole content are told to send, and when. */
#include "three.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

TestSuite(orders, .fini = three_stop, .timeout = 60);

Test(orders, seeds_of_two_pops_share_the_blocks) {
  bool sent[1000] = {false};
  json_int_t first, count, total = 0;
  char body[2][200] = {"{\"have\":1000,\"want\":true}", "{\"have\":1000,\"want\":true}"};
  const char *members[2];
  json_t *answer, *all;

  three_start("gather_ms = 0;", 100 * GB);
  members[0] = seed;
  members[1] = other_seed;
  for (int i = 0; i < 400 && total < 1000; i++) {
    answer = cluster_sync(&cluster, (size_t)i % 2, S, "alice", members[i % 2], body[i % 2], NULL);
    cr_expect_gt(json_integer_value(json_object_get(json_object_get(answer, "send"), "rate_bps")), 1000000);
    three_first_order(answer, &first, &count);
    snprintf(body[i % 2], sizeof(body[0]), "{\"have\":1000,\"want\":true,\"sent\":[[%lld,%lld]]}", (long long)first,
             (long long)count);
    if (count == 0)
      snprintf(body[i % 2], sizeof(body[0]), "{\"have\":1000,\"want\":true}");
    for (json_int_t j = first; j < first + count; j++) {
      cr_expect_not(sent[j], "block %lld twice", (long long)j);
      sent[j] = true;
    }
    total += count;
    json_decref(answer);
  }
  cr_expect_eq(total, 1000);
  for (int i = 0; i < 2; i++)
    json_decref(cluster_sync(&cluster, (size_t)i, S, "alice", members[i], body[i], NULL));
  cluster_run(&cluster, 50);
  answer = cluster_sync(&cluster, 2, S, "alice", leecher, "{\"have\":1}", NULL);
  cr_expect_str_eq(json_string_value(json_object_get(answer, "mode")), "cdn");
  all = json_pack("[[i, i]]", 0, 1000);
  cr_expect(json_equal(json_object_get(answer, "injected"), all));
  json_decref(all);
  cr_expect_eq(json_array_size(json_object_get(answer, "trees")), 3);
  json_decref(answer);
}

/* The seed at N1 is told to ask again within so many ms, not at once: trees are growing. */
static void
expect_order_in(json_int_t ms) {
  json_t *answer = cluster_sync(&cluster, 0, S, "alice", seed, "{\"have\":1000,\"want\":true}", NULL);
  const json_t *send = json_object_get(answer, "send");
  json_int_t again_ms = json_integer_value(json_object_get(send, "again_ms"));

  cr_expect_eq(json_array_size(json_object_get(send, "orders")), 0);
  cr_expect(again_ms > 0 && again_ms <= ms, "%lld", (long long)again_ms);
  json_decref(answer);
}

Test(orders, who_comes_late_gets_what_it_missed_by_a_tree) {
  const char *all = "{\"have\":1000,\"want\":true,\"sent\":[[0,1000]]}";
  json_t *answer, *send;
  char *late;

  three_start("gather_ms = 0;", 100 * GB);
  for (int i = 0; i < 400 && three_order_count(0, seed) > 0; i++)
    json_decref(cluster_sync(&cluster, 0, S, "alice", seed, all, NULL));
  cr_assert_eq(three_order_count(0, seed), 0, "all is injected, and who misses some of it fetches it");
  late = cluster_join(&cluster, 2, S, "alice", 9, false, NULL);
  cluster_run(&cluster, 50);
  answer = cluster_sync(&cluster, 0, S, "alice", seed, "{\"have\":1000,\"want\":true}", NULL);
  send = json_object_get(answer, "send");
  cr_expect_gt(json_array_size(json_object_get(send, "orders")), 0);
  cr_expect_gt(json_integer_value(json_object_get(send, "rate_bps")), 0);
  json_decref(answer);
  answer = cluster_sync(&cluster, 0, S, "alice", seed, all, NULL);
  json_decref(answer);
  free(late);
}

/* Parity symbols the seed at N1 is told to send. */
static json_int_t
parity(void) {
  json_t *answer = cluster_sync(&cluster, 0, S, "alice", seed, "{\"have\":1000,\"want\":true}", NULL);
  json_int_t symbols = json_integer_value(json_object_get(json_object_get(answer, "send"), "parity"));

  json_decref(answer);
  return symbols;
}

/* Some time after which a report goes into the store. */
static void
report(size_t pop, const char *member, const char *body) {
  cluster_run(&cluster, 600);
  json_decref(cluster_sync(&cluster, pop, S, "alice", member, body, NULL));
  cluster_run(&cluster, 50);
}

Test(orders, parity_follows_what_those_who_wait_lose) {
  int status;
  char *slow;

  three_start("gather_ms = 0;", 100 * GB);
  cr_expect_eq(parity(), 0);
  report(2, leecher, "{\"have\":1,\"loss_ppm\":50000}");
  cr_expect_eq(parity(), 1);
  report(2, leecher, "{\"have\":2,\"loss_ppm\":100000}");
  cr_expect_eq(parity(), 2);
  cluster_sync(&cluster, 2, S, "alice", leecher, "{\"have\":2,\"loss_ppm\":1000001}", &status);
  cr_expect_eq(status, 400);
  report(2, leecher, "{\"have\":3,\"loss_ppm\":0}");
  slow = cluster_join(&cluster, 1, S, "alice", 9, false, NULL);
  report(1, slow, "{\"have\":1,\"loss_ppm\":200000}");
  cr_expect_eq(parity(), 0, "one of two is not the others' business");
  free(slow);
}

/* Whether the leecher is told that the seed at N1 is busy, and how many wait. */
static bool
is_told_busy(json_int_t *waiting) {
  json_t *answer = cluster_sync(&cluster, 2, S, "alice", leecher, "{\"have\":1}", NULL), *peer;
  bool busy = false;
  size_t i;

  json_array_foreach(json_object_get(answer, "peers"), i, peer) {
    busy |=
      !strcmp(json_string_value(json_object_get(peer, "member")), seed) && json_is_true(json_object_get(peer, "busy"));
  }
  *waiting = json_integer_value(json_object_get(answer, "waiting"));
  json_decref(answer);
  return busy;
}

Test(orders, others_are_told_whose_uplinks_trees_take) {
  json_int_t waiting;
  int status;

  three_start("gather_ms = 0;", 100 * GB);
  cr_expect_not(is_told_busy(&waiting));
  cr_expect_eq(waiting, 1);
  report(0, seed, "{\"have\":1000,\"busy\":true}");
  cr_expect(is_told_busy(&waiting));
  json_decref(cluster_sync(&cluster, 0, S, "alice", seed, "{\"have\":1000}", NULL));
  cluster_run(&cluster, 50);
  cr_expect_not(is_told_busy(&waiting), "at once, not with the next progress");
  cluster_sync(&cluster, 0, S, "alice", seed, "{\"have\":1000,\"busy\":1}", &status);
  cr_expect_eq(status, 400);
}

static bool
two_are_whole(struct cluster *c, const char *session) {
  const struct copse_session *s = cluster_session(c, session);
  size_t whole = 0;

  for (size_t i = 0; i < s->plan.tree_count; i++)
    whole += copse_session_label(s, s->plan.trees[i].id, s->plan.trees[i].root) != NULL;
  return whole == 2;
}

static void
start_with_seeds_of_two(const char *more) {
  cluster_start(&cluster, 3, 100000000, more);
  cluster_account(&cluster, "alice", 10 * GB);
  cluster_make_session(&cluster, S, 1000);
  seed = cluster_join(&cluster, 0, S, "alice", 1, true, NULL);
  other_seed = cluster_join(&cluster, 1, S, "alice", 2, true, NULL);
  cr_assert(cluster_until(&cluster, two_are_whole, S, 10000));
}

Test(orders, nothing_is_injected_before_somebody_wants_it) {
  start_with_seeds_of_two("");
  cr_expect_eq(three_order_count(0, seed), 0, "nobody wants it");
  leecher = cluster_join(&cluster, 1, S, "alice", 3, false, NULL);
  cluster_run(&cluster, 50);
  cr_expect_eq(three_order_count(0, seed), 1, "the tree reaches its area");
}

Test(orders, the_first_block_waits_for_trees_to_all_areas) {
  start_with_seeds_of_two("gather_ms = 60000;");
  leecher = cluster_join(&cluster, 2, S, "alice", 3, false, NULL);
  cluster_run(&cluster, 50);
  expect_order_in(40);
  cr_assert(cluster_until(&cluster, three_are_whole, S, 10000));
  cr_expect_eq(three_order_count(0, seed), 1);
}

Test(orders, the_first_block_waits_no_longer_than_it_may) {
  start_with_seeds_of_two("gather_ms = 0;");
  leecher = cluster_join(&cluster, 2, S, "alice", 3, false, NULL);
  cluster_run(&cluster, 50);
  cr_expect_eq(three_order_count(0, seed), 1, "with the tree there is");
}

static bool
has_orders(struct cluster *c, const char *member) {
  (void)c;
  return three_order_count(1, member) > 0;
}

Test(orders, orders_of_a_seed_behind_a_dead_dataplane_are_given_back) {
  json_int_t first = -1, count = 0, again = -1, again_count = 0;
  json_t *answer;

  three_start("gather_ms = 0;", 100 * GB);
  answer = cluster_sync(&cluster, 0, S, "alice", seed, "{\"have\":1000,\"want\":true}", NULL);
  three_first_order(answer, &first, &count);
  json_decref(answer);
  cr_assert_gt(count, 0);
  fake_dataplane_leave(cluster.pops[0].dataplane);
  cluster_run(&cluster, 50);
  answer = cluster_sync(&cluster, 0, S, "alice", seed, "{\"have\":1000,\"want\":true}", NULL);
  cr_expect_eq(json_array_size(json_object_get(json_object_get(answer, "send"), "orders")), 0);
  json_decref(answer);
  cluster_run(&cluster, 50);
  cr_expect(cluster_until(&cluster, has_orders, other_seed, 2000));
  answer = cluster_sync(&cluster, 1, S, "alice", other_seed, "{\"have\":1000,\"want\":true}", NULL);
  three_first_order(answer, &again, &again_count);
  json_decref(answer);
  cr_expect_eq(again, first, "the other seed sends them");
}
