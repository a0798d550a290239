/* SPDX-License-Identifier: Apache-2.0 */
/* Measurement through control planes of several PoPs: what dataplanes are told to measure, and what becomes of it. The
 * test is the network: it counts test packets and answers in the dataplanes' shared memory. */
#include "cluster.h"
#include "session/state.h"
#include <criterion/criterion.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#define S "0123456789abcdef0123456789abcdef"
#define TEST_MS 20

static struct cluster cluster;
static struct event *timer;
static bool cut[CLUSTER_MAX][CLUSTER_MAX]; /* from, to */

/* What a dataplane measures of another; null while it has no target for it. */
static struct copse_target_state *
state_of(size_t from, size_t to) {
  struct fake_dataplane *fake = cluster.pops[from].dataplane;
  const struct copse_api_target *target = fake_target_find(fake, cluster.pops[to].name);

  return target == NULL ? NULL : fake_target_state(fake, target->slot);
}

/* One test packet there, its answer back. */
static void
test_link(size_t from, size_t to) {
  struct copse_target_state *sender = state_of(from, to), *reflector = state_of(to, from);

  if (sender == NULL)
    return;
  sender->id = 1;
  sender->sent++;
  if (cut[from][to] || reflector == NULL)
    return;
  reflector->reflected++;
  reflector->reflected_of = sender->sent;
  if (cut[to][from])
    return;
  sender->answered++;
  sender->judged = sender->sent;
  sender->forward_lost = sender->sent - sender->answered;
  sender->delay_mean_ns = 1000000 * (from + to + 2);
}

static void
on_timer(evutil_socket_t fd, short what, void *context) {
  (void)fd, (void)what, (void)context;
  for (size_t from = 0; from < cluster.count; from++)
    for (size_t to = 0; to < cluster.count; to++)
      if (from != to)
        test_link(from, to);
}

static void
start(size_t pops, const char *more) {
  const struct timeval period = {.tv_usec = TEST_MS * 1000};

  cluster_start(&cluster, pops, 100000000, more);
  timer = event_new(cluster.base, -1, EV_PERSIST, on_timer, NULL);
  event_add(timer, &period);
}

static void
teardown(void) {
  if (timer != NULL)
    event_free(timer);
  cluster_stop(&cluster);
}

TestSuite(measure, .fini = teardown, .timeout = 60);

static const struct copse_link *
link_of(struct cluster *c, const char *name) {
  cluster_session(c, ""); /* reads the store anew */
  return copse_set_find(&c->model.links, name);
}

static bool
all_measured(struct cluster *c, const char *argument) {
  size_t measured = 0;

  (void)argument;
  cluster_session(c, "");
  for (size_t i = 0; i < c->model.links.count; i++)
    measured += ((const struct copse_link *)c->model.links.items[i])->measured_revision != 0;
  return measured == c->count * (c->count - 1);
}

static bool
is_down(struct cluster *c, const char *name) {
  const struct copse_link *link = link_of(c, name);

  return link->measured_revision != 0 && copse_link_capacity(link) == 0;
}

static bool
is_up(struct cluster *c, const char *name) {
  const struct copse_link *link = link_of(c, name);

  return link->measured_revision != 0 && copse_link_capacity(link) == link->record.bandwidth_bps;
}

Test(measure, both_ends_have_the_same_keys) {
  start(3, "");
  cr_assert(cluster_until(&cluster, all_measured, NULL, 5000));
  for (size_t i = 0; i < 3; i++) {
    for (size_t j = 0; j < 3; j++) {
      const struct copse_api_target *there, *back;

      if (i == j)
        continue;
      there = fake_target_find(cluster.pops[i].dataplane, cluster.pops[j].name);
      back = fake_target_find(cluster.pops[j].dataplane, cluster.pops[i].name);
      cr_assert(there != NULL && back != NULL);
      cr_expect_eq(memcmp(there->sender_key, back->reflector_key, COPSE_KEY_BYTES), 0);
      cr_expect_neq(memcmp(there->sender_key, there->reflector_key, COPSE_KEY_BYTES), 0);
      cr_expect_not(sodium_is_zero(there->sender_key, COPSE_KEY_BYTES));
      cr_expect_eq(there->interval_us, 20000);
      cr_expect_eq(there->doubt_us, 2000);
      cr_expect_eq(ntohs(there->remote.port), 862);
      cr_expect_eq(there->remote.address[14], j + 1);
    }
  }
  cr_expect_float_eq(link_of(&cluster, "N1/N3")->measured.delay_ms, 2.0, 1e-6);
}

Test(measure, without_authentication_keys_are_zero_and_ports_are_told) {
  start(2, "measure_authenticated = false; stamp_port = 10862; measure_ms = 30;");
  cr_assert(cluster_until(&cluster, all_measured, NULL, 5000));
  const struct copse_api_target *target = fake_target_find(cluster.pops[0].dataplane, "N2");
  cr_expect(sodium_is_zero(target->sender_key, COPSE_KEY_BYTES));
  cr_expect(sodium_is_zero(target->reflector_key, COPSE_KEY_BYTES));
  cr_expect_eq(ntohs(target->remote.port), 10862);
  cr_expect_eq(target->interval_us, 30000);
}

static bool
no_target(struct cluster *c, const char *argument) {
  (void)argument;
  return fake_target_find(c->pops[0].dataplane, "N2") == NULL && fake_target_find(c->pops[1].dataplane, "N1") == NULL;
}

Test(measure, a_pop_that_stops_measuring_is_as_configured) {
  start(2, "link_silence_ms = 300;");
  cr_assert(cluster_until(&cluster, all_measured, NULL, 5000));
  cut[0][1] = true;
  cr_assert(cluster_until(&cluster, is_down, "N1/N2", 5000));
  for (size_t i = 0; i < 2; i++) {
    cluster_pop_stop(&cluster, i);
    cluster.pops[i].config.stamp_port = 0;
    cluster_pop_start(&cluster, i);
  }
  cr_assert(cluster_until(&cluster, no_target, NULL, 5000));
  cluster_run(&cluster, 300);
  cr_expect_eq(link_of(&cluster, "N1/N2")->measured_revision, 0);
  cr_expect_eq(link_of(&cluster, "N1/N2")->stamp_revision, 0);
  cr_expect_eq(copse_link_capacity(link_of(&cluster, "N1/N2")), 100000000);
}

Test(measure, one_way_that_is_cut_is_down_and_heals) {
  start(2, "link_silence_ms = 500;");
  cr_assert(cluster_until(&cluster, all_measured, NULL, 5000));
  cut[0][1] = true;
  cr_assert(cluster_until(&cluster, is_down, "N1/N2", 3000));
  cluster_run(&cluster, 1500);
  cr_expect(is_up(&cluster, "N2/N1"), "the other way is not touched");
  cut[0][1] = false;
  cr_assert(cluster_until(&cluster, is_up, "N1/N2", 10000));
}

Test(measure, a_restarted_control_plane_knows_what_is_down) {
  unsigned batches;

  start(2, "link_silence_ms = 300;");
  cr_assert(cluster_until(&cluster, all_measured, NULL, 5000));
  cut[0][1] = cut[1][0] = true;
  cr_assert(cluster_until(&cluster, is_down, "N1/N2", 5000));
  cluster_run(&cluster, 300);
  batches = cluster.pops[0].dataplane->batches;
  cluster_pop_stop(&cluster, 0);
  cluster_pop_start(&cluster, 0);
  cluster_run(&cluster, 1500);
  cr_expect(is_down(&cluster, "N1/N2"));
  cr_expect_eq(cluster.pops[0].dataplane->batches, batches, "targets are adopted");
}

Test(measure, a_restarted_dataplane_gets_its_targets_again) {
  start(2, "");
  cr_assert(cluster_until(&cluster, all_measured, NULL, 5000));
  fake_dataplane_restart(cluster.pops[0].dataplane);
  cluster_run(&cluster, 1000);
  cr_expect_not_null(fake_target_find(cluster.pops[0].dataplane, "N2"));
  cr_expect(is_up(&cluster, "N1/N2"));
}

/* No tree of the plan crosses the link, and all are installed at their roots. */
static bool
is_avoided(struct cluster *c, const char *name) {
  struct copse_session *s = cluster_session(c, S);
  size_t whole = 0;

  for (size_t i = 0; s != NULL && i < s->plan.tree_count; i++) {
    const struct copse_planned_tree *tree = &s->plan.trees[i];
    char key[64];

    for (size_t j = 0; j < tree->edge_count; j++) {
      snprintf(key, sizeof(key), "%s/%s", tree->edges[j].from, tree->edges[j].to);
      if (strcmp(key, name) == 0)
        return false;
    }
    snprintf(key, sizeof(key), "%s/%s", tree->id, tree->root);
    whole += tree->status == COPSE_TREE_OK && copse_set_find(&s->installed, key) != NULL;
  }
  return whole == c->count;
}

/* Three areas on measured links, then a link of the first tree is cut. Returns how long its trees took to leave it. */
static uint64_t
cut_under_trees(const char *more, unsigned most_plans) {
  char name[64], *members[3];
  uint64_t start_ms, took_ms, epoch;
  struct copse_session *session;

  start(3, more);
  cr_assert(cluster_until(&cluster, all_measured, NULL, 5000));
  cluster_account(&cluster, "alice", 1000000000000ULL);
  cluster_make_session(&cluster, S, 1000);
  for (unsigned i = 0; i < 3; i++)
    members[i] = cluster_join(&cluster, i, S, "alice", i + 1, i == 0, NULL);
  cr_assert(cluster_until(&cluster, is_avoided, "no link", 10000), "trees");
  session = cluster_session(&cluster, S);
  snprintf(name, sizeof(name), "%s/%s", session->plan.trees[0].edges[0].from, session->plan.trees[0].edges[0].to);
  epoch = session->plan.epoch;
  cut[name[1] - '1'][name[4] - '1'] = true;
  start_ms = copse_control_now();
  cr_assert(cluster_until(&cluster, is_avoided, name, 10000));
  took_ms = copse_control_now() - start_ms;
  cluster_run(&cluster, 2000);
  session = cluster_session(&cluster, S);
  cr_expect_leq(session->plan.epoch, epoch + most_plans, "%lu plans", session->plan.epoch - epoch);
  cr_expect(cluster_is_not_oversold(&cluster));
  for (unsigned i = 0; i < 3; i++)
    free(members[i]);
  return took_ms;
}

Test(measure, trees_leave_a_link_that_fails_within_three_seconds) {
  const uint64_t took_ms = cut_under_trees("growth_max = 1.0;", 2);

  cr_expect_leq(took_ms, 3000);
  printf("trees of a fifth of their links are whole elsewhere after %lu ms\n", took_ms);
}

Test(measure, trees_that_wait_for_each_other_leave_it_in_steps) {
  const uint64_t took_ms = cut_under_trees("", 3);

  cr_expect_leq(took_ms, 6000);
  printf("trees of four fifths of their links are whole elsewhere after %lu ms\n", took_ms);
}

Test(measure, the_nearest_peers_are_named_first) {
  char *members[3];
  json_t *body, *peers;

  start(3, "");
  cr_assert(cluster_until(&cluster, all_measured, NULL, 5000));
  cluster_account(&cluster, "alice", 1000000000000ULL);
  cluster_make_session(&cluster, S, 1000);
  for (unsigned i = 0; i < 3; i++)
    members[i] = cluster_join(&cluster, 2 - i, S, "alice", i + 1, i == 0, NULL);
  cluster_run(&cluster, 100);
  body = cluster_sync(&cluster, 0, S, "alice", members[2], "{\"have\":0}", NULL);
  peers = json_object_get(body, "peers");
  cr_assert_eq(json_array_size(peers), 2);
  cr_expect_str_eq(json_string_value(json_object_get(json_array_get(peers, 0), "pop")), "N2");
  cr_expect(json_is_true(json_object_get(json_array_get(peers, 0), "near")), "it is alone in its area");
  cr_expect_str_eq(json_string_value(json_object_get(json_array_get(peers, 1), "pop")), "N3");
  cr_expect(json_is_false(json_object_get(json_array_get(peers, 1), "near")));
  json_decref(body);
  for (unsigned i = 0; i < 3; i++)
    free(members[i]);
}
