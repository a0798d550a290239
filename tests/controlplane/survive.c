/* SPDX-License-Identifier: Apache-2.0 */
/* What a control plane survives: stores that are away, full, read-only, whose events come twice, late and out of order,
 * and clocks that jump. */
#include "faults.h"
#include "session/state.h"
#include "session/stats.h"
#include "three.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

TestSuite(survive, .init = faults_clear, .fini = three_stop, .timeout = 120);

#define N1 1 /* handles of the PoPs */
#define N2 2
#define N3 3

/* What must hold at any moment. */
static void
check_books(void) {
  cr_assert(cluster_is_not_oversold(&cluster), "reservations");
  cr_assert(cluster_ledger_is_balanced(&cluster), "the ledger");
}

/* Everybody says that it is there. */
static void
sync_all(void) {
  const char *const members[] = {seed, other_seed, leecher};

  for (size_t i = 0; i < 3; i++) {
    int status;

    json_decref(cluster_sync(&cluster, i, S, "alice", members[i], "{\"have\":0}", &status));
  }
}

Test(survive, events_that_come_twice_late_and_out_of_order) {
  struct copse_caller alice = {.role = COPSE_ROLE_ACCOUNT, .account = "alice"};
  char *more[3] = {NULL}, *passing;

  srandom(11);
  three_start("finish_ms = 60000;", 10 * GB);
  for (int i = N1; i <= N3; i++)
    faults[i] = (struct faults){.twice = 30, .later = 50};
  for (int round = 0; round < 15; round++) {
    size_t pop = (size_t)round % 3;
    struct copse_answer answer = {0};
    int status = 0;

    if (more[pop] != NULL)
      copse_member_leave(cluster.pops[pop].control, &alice, S, more[pop], &answer);
    free(more[pop]);
    more[pop] = cluster_join(&cluster, pop, S, "alice", 20 + (unsigned)round, round % 2 == 0, &status);
    passing = cluster_join(&cluster, pop, S, "alice", 60 + (unsigned)round, false, &status);
    if (passing != NULL) /* others may hear that it left before they hear that it came */
      copse_member_leave(cluster.pops[pop].control, &alice, S, passing, &(struct copse_answer){0});
    free(passing);
    cluster_run(&cluster, 60);
    if (round == 5)
      fake_dataplane_restart(cluster.pops[1].dataplane);
    check_books();
  }
  cr_expect(cluster_until(&cluster, three_are_restored, S, 10000), "all agree in the end");
  for (int i = N1; i <= N3; i++)
    faults[i] = (struct faults){.away = 0};
  cluster_run(&cluster, 300);
  cr_expect(three_are_restored(&cluster, S));
  check_books();
  for (int i = 0; i < 3; i++)
    free(more[i]);
}

static bool
planned_without_n2(struct cluster *c, const char *session) {
  return copse_session_rooted(cluster_session(c, session), "N2") == NULL;
}

/* N2 is partitioned from the store for longer than its presence lasts, and healed. */
Test(survive, a_pop_partitioned_from_the_store) {
  unsigned removed, batches;
  char id[COPSE_ID_BYTES];
  int status;

  three_start("presence_ms = 1000;", 10 * GB);
  copse_copy(id, sizeof(id), copse_session_rooted(cluster_session(&cluster, S), "N2")->id);
  cluster_run(&cluster, 300);
  removed = cluster.pops[1].dataplane->removed;
  batches = cluster.pops[1].dataplane->batches;
  faults[N2].away = -EHOSTUNREACH;
  cr_assert(cluster_until(&cluster, planned_without_n2, S, 5000), "the others go on without it");
  for (int i = 0; i < 20; i++) {
    cluster_run(&cluster, 100);
    sync_all();
    check_books();
  }
  cr_expect_eq(cluster.pops[1].dataplane->removed, removed, "it forwards on with the table it has");
  cr_expect_leq(cluster.pops[1].dataplane->batches, batches + 2, "but for what members had reported");
  cr_expect_not_null(fake_tree_find(cluster.pops[1].dataplane, strtoull(id, NULL, 16)));
  cr_expect_not(copse_control_healthy(cluster.pops[1].control));
  free(cluster_join(&cluster, 1, S, "alice", 9, false, &status));
  cr_expect_eq(status, 503, "a clear answer");
  free(cluster_join(&cluster, 1, "00000000000000000000000000000000", "alice", 9, false, &status));
  cr_expect_eq(status, 503, "nor does it say that there is no such session");
  faults[N2].away = 0;
  cr_expect(cluster_until(&cluster, three_are_restored, S, 10000), "and it is back");
  check_books();
}

static bool
is_healthy(struct cluster *c, const char *argument) {
  (void)argument;
  for (size_t i = 0; i < c->count; i++)
    if (!copse_control_healthy(c->pops[i].control))
      return false;
  return true;
}

/* Nobody can write: everything stays as it is, whoever asks is told, and it goes on by itself. */
static void
without_writing(int error) {
  unsigned removed[3];
  int status;

  three_start("presence_ms = 60000;", 10 * GB);
  for (size_t i = 0; i < 3; i++) {
    removed[i] = cluster.pops[i].dataplane->removed;
    faults[N1 + i].unwritable = error;
  }
  for (int i = 0; i < 20; i++) {
    cluster_run(&cluster, 100);
    sync_all();
    check_books();
  }
  free(cluster_join(&cluster, 0, S, "alice", 9, false, &status));
  cr_expect_eq(status, 503);
  for (size_t i = 0; i < 3; i++) {
    cr_expect_eq(cluster.pops[i].dataplane->removed, removed[i]);
    cr_expect_lt(faults[N1 + i].commits, 400, "it does not try in a frenzy: %u", faults[N1 + i].commits);
    faults[N1 + i].unwritable = 0;
  }
  cr_expect(cluster_until(&cluster, is_healthy, NULL, 5000));
  free(cluster_join(&cluster, 0, S, "alice", 9, false, &status));
  cr_expect_eq(status, 201);
  cr_expect(cluster_until(&cluster, three_are_restored, S, 10000));
  check_books();
}

Test(survive, a_full_disk) {
  without_writing(-ENOSPC);
}

Test(survive, a_read_only_store) {
  without_writing(-EROFS);
}

Test(survive, a_store_that_is_full_when_a_dataplane_dies) {
  three_start("presence_ms = 60000;", 10 * GB);
  faults[N1].unwritable = -ENOSPC;
  fake_dataplane_restart(cluster.pops[0].dataplane);
  cluster_run(&cluster, 1000);
  check_books();
  faults[N1].unwritable = 0;
  cr_expect(cluster_until(&cluster, three_are_restored, S, 10000));
  check_books();
}

/* The calendar is wrong by a year, one way or the other: orders are given and taken as ever. */
static void
calendar_jumps(int64_t by_ms) {
  json_int_t first, count;
  json_t *answer;

  three_start("gather_ms = 0;", 100 * GB);
  answer = cluster_sync(&cluster, 0, S, "alice", seed, "{\"have\":1000,\"want\":true}", NULL);
  three_first_order(answer, &first, &count);
  json_decref(answer);
  cr_assert_gt(count, 0);
  faults_calendar_ms = by_ms;
  cluster_run(&cluster, 500);
  cr_expect(three_are_restored(&cluster, S));
  /* The seed at N1 has died with its order; by the new calendar it is silent, and the other is given its blocks. */
  for (int i = 0; i < 3; i++) {
    answer = cluster_sync(&cluster, 1, S, "alice", other_seed, "{\"have\":1000,\"want\":true}", NULL);
    json_decref(answer);
    cluster_run(&cluster, 100);
  }
  answer = cluster_sync(&cluster, 1, S, "alice", other_seed, "{\"have\":1000,\"want\":true}", NULL);
  three_first_order(answer, &first, &count);
  json_decref(answer);
  cr_expect_eq(first, 0, "the first blocks are with somebody who lives: %lld", (long long)first);
  check_books();
}

#define YEAR_MS (365LL * 86400 * 1000)

Test(survive, a_calendar_set_forward) {
  calendar_jumps(YEAR_MS);
}

Test(survive, a_calendar_set_back) {
  calendar_jumps(-YEAR_MS);
}

/* The machine slept: leases are over and everybody seems silent. Who syncs again stays or joins again. */
Test(survive, a_machine_that_slept) {
  int status;

  three_start("presence_ms = 1000; silence_ms = 600000; idle_s = 86400.0;", 10 * GB);
  faults_monotonic_ms = 120000;
  cluster_run(&cluster, 200);
  sync_all();
  cr_expect(cluster_until(&cluster, three_are_restored, S, 15000));
  check_books();
  faults_monotonic_ms = 1200000;
  cluster_run(&cluster, 2000);
  json_decref(cluster_sync(&cluster, 2, S, "alice", leecher, "{\"have\":0}", &status));
  cr_expect_eq(status, 404, "twenty minutes of silence");
  free(leecher);
  leecher = cluster_join(&cluster, 2, S, "alice", 3, false, NULL);
  cluster_run(&cluster, 500);
  check_books();
}

/* So many packets go over the first edge of N1's tree and all arrive; then the next second of the calendar begins. */
static const struct copse_planned_tree *
a_second_passes(unsigned packets) {
  const struct copse_planned_tree *tree = copse_session_rooted(cluster_session(&cluster, S), "N1");
  const struct copse_tree_edge *edge = &tree->edges[0];
  struct fake_dataplane *from = cluster.pops[three_pop(edge->from)].dataplane,
                        *to = cluster.pops[three_pop(edge->to)].dataplane;

  fake_link_counters(from, fake_link_find(from, edge->to)->slot)->packets += packets;
  fake_tree_counters(to, three_tree(three_pop(edge->to), tree->id)->set.slot)->packets += packets;
  fake_worker_counters(from)->tx_packets += packets;
  fake_worker_counters(to)->rx_packets += packets;
  faults_calendar_ms += 1100 - (int64_t)(copse_control_wall() % 1000); /* early in it: all see the same one */
  cluster_run(&cluster, 60);
  return copse_session_rooted(cluster_session(&cluster, S), "N1");
}

static struct copse_link_now
link_now(const struct copse_planned_tree *tree) {
  struct copse_link_now now;

  copse_stats_link(&cluster.model, tree->edges[0].from, tree->edges[0].to, copse_control_wall() / 1000, &now);
  return now;
}

/* What it has seen and what its neighbour remembers must be of the same time to be compared. */
Test(survive, a_control_plane_that_starts_again_sees_no_loss_where_there_is_none) {
  struct copse_link_now now = {.loss_known = false};
  unsigned known = 0;

  three_start("", 10 * GB);
  for (int i = 0; i < 15; i++)
    now = link_now(a_second_passes(10000));
  cr_assert(now.loss_known);
  for (int i = 0; i < 3; i++)
    a_second_passes(1000);
  cluster_pop_stop(&cluster, 0);
  cluster_pop_start(&cluster, 0);
  for (int i = 0; i < 40; i++) {
    now = link_now(a_second_passes(10000));
    known += now.loss_known;
    cr_expect(!now.loss_known || now.loss < 0.02, "second %d: %g", i, now.loss);
  }
  cr_expect_geq(known, 10);
}

static bool
has_allowance(struct cluster *c, const char *root) {
  const struct copse_planned_tree *tree = copse_session_rooted(cluster_session(c, S), root);
  const struct fake_tree *node = fake_tree_find(c->pops[three_pop(root)].dataplane, strtoull(tree->id, NULL, 16));

  return node != NULL && node->allowance_bytes > 0;
}

/* A tree that has carried something stays where it is rooted until that can be charged. */
Test(survive, a_full_disk_when_a_tree_goes) {
  const struct copse_account *alice;
  const char *root;
  char text[512];
  uint64_t id;

  three_start("", 10 * GB);
  root = strcmp(cluster_session(&cluster, S)->owner, "N1") == 0 ? "N2" : "N1";
  cr_assert(cluster_until(&cluster, has_allowance, root, 10000));
  id = strtoull(copse_session_rooted(cluster_session(&cluster, S), root)->id, NULL, 16);
  cr_assert_gt(fake_tree_carry(cluster.pops[three_pop(root)].dataplane, id, 100000), 0);
  faults[three_pop(root) + 1].unwritable = -ENOSPC;
  cluster_session_text(text, sizeof(text), 1000, "finished");
  cluster_put(&cluster, "/sessions/" S, text);
  cluster_run(&cluster, 1500);
  cr_expect_not_null(fake_tree_find(cluster.pops[three_pop(root)].dataplane, id));
  faults[three_pop(root) + 1].unwritable = 0;
  cr_assert(cluster_until(&cluster, three_are_over, S, 10000));
  check_books();
  alice = copse_set_find(&cluster.model.accounts, "alice");
  cr_expect_gt(alice->record.bytes[COPSE_BOOK_CHARGED], 0);
  cr_expect_eq(alice->record.bytes[COPSE_BOOK_LOST], 0);
}
