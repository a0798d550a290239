/* SPDX-License-Identifier: Apache-2.0 */
/* A control plane and its dataplane's table: what goes together, and batches that are refused. */
#include "session/state.h"
#include "three.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

TestSuite(nodes, .fini = three_stop, .timeout = 60);

/* Runs the loop turn by turn, so that nothing happens between what is waited for and what comes next. */
static void
run_until(bool (*holds)(void)) {
  for (uint64_t end = copse_control_now() + 20000; !holds() && copse_control_now() < end;)
    event_base_loop(cluster.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
  cr_assert(holds());
}

static struct copse_api_member *
sender(void) {
  return fake_member_find(cluster.pops[0].dataplane, strtoull(seed, NULL, 16));
}

static uint64_t rooted; /* id of N1's tree */

static struct fake_tree *
rooted_tree(void) {
  return fake_tree_find(cluster.pops[0].dataplane, rooted);
}

static bool
tree_may_carry(void) {
  return rooted_tree()->allowance_bytes > 0 && sender()->send_tree == rooted_tree()->set.slot;
}

static bool
tree_is_being_let_go(void) {
  return rooted_tree()->allowance_bytes == 0;
}

static bool
tree_is_gone(void) {
  return rooted_tree() == NULL;
}

/* Its member leaves between the batch that takes a tree's allowance and the one that removes the tree. */
Test(nodes, a_tree_goes_together_with_who_sends_on_it) {
  struct copse_caller alice = {.role = COPSE_ROLE_ACCOUNT, .account = "alice"};
  struct copse_answer answer = {0};
  char text[512];

  three_start("", 10 * GB);
  rooted = strtoull(copse_session_rooted(cluster_session(&cluster, S), "N1")->id, NULL, 16);
  run_until(tree_may_carry);
  cluster_session_text(text, sizeof(text), 1000, "finished");
  cluster_put(&cluster, "/sessions/" S, text);
  run_until(tree_is_being_let_go);
  copse_member_leave(cluster.pops[0].control, &alice, S, seed, &answer);
  cr_assert_eq(answer.status, 204);
  run_until(tree_is_gone);
  cr_expect_null(sender(), "in one batch");
  cr_expect(cluster_until(&cluster, three_are_over, S, 20000));
}

static bool refusing;
static unsigned refused; /* batches */

int __real_copse_table_batch(struct copse_table *table, const void *body, size_t bytes,
                             struct copse_api_result *result);
int __wrap_copse_table_batch(struct copse_table *table, const void *body, size_t bytes,
                             struct copse_api_result *result);

int
__wrap_copse_table_batch(struct copse_table *table, const void *body, size_t bytes, struct copse_api_result *result) {
  if (!refusing || table != cluster.pops[0].dataplane->table)
    return __real_copse_table_batch(table, body, bytes, result);
  refused++;
  *result = (struct copse_api_result){.status = -ENOMEM, .operation = UINT32_MAX, .text = "no memory"};
  return result->status;
}

static bool
three_are_refused(void) {
  return refused >= 3;
}

static bool
link_is_wider(void) {
  return fake_link_find(cluster.pops[0].dataplane, "N2")->budget_bps == 200000000;
}

/* Nobody is to blame: what is wanted is tried again, but not all the time. */
Test(nodes, a_batch_that_is_refused_is_tried_again_in_peace) {
  uint64_t begin;

  three_start("", 10 * GB);
  refusing = true;
  begin = copse_control_now();
  cluster_put(&cluster, "/links/N1/N2", "{\"bandwidth_bps\":200000000,\"delay_ms\":0,\"by\":\"N1\"}");
  run_until(three_are_refused);
  cr_expect_geq(copse_control_now() - begin, 2000);
  refusing = false;
  run_until(link_is_wider);
}

/* A peer whose joins are not answered in time tries again and again, while the dataplane is slow to take them. */
Test(nodes, labels_of_members_that_never_came_are_found_again) {
  int status = 201, joins = 0;

  cluster_start(&cluster, 1, 100000000, "");
  cluster_account(&cluster, "alice", GB);
  cluster_make_session(&cluster, S, 10);
  for (; status == 201 && joins < 5000; joins++)
    free(cluster_join(&cluster, 0, S, "alice", 1, false, &status));
  cr_expect_eq(status, 201, "join %d: %d", joins, status);
}

/* N1 has no IPv6 address of its own: its dataplane refuses the link. */
Test(nodes, a_pop_that_cannot_be_reached_holds_up_no_other) {
  three_start("", 10 * GB);
  cluster_put(&cluster, "/pops/N9", "{\"address\":\"2001:db8::9\",\"port\":862,\"api\":\"\",\"lease\":9}");
  cluster_put(&cluster, "/links/N1/N9", "{\"bandwidth_bps\":100000000,\"delay_ms\":0,\"by\":\"N1\"}");
  cluster_run(&cluster, 100);
  cluster_put(&cluster, "/links/N1/N2", "{\"bandwidth_bps\":200000000,\"delay_ms\":0,\"by\":\"N1\"}");
  run_until(link_is_wider);
  cr_expect_null(fake_link_find(cluster.pops[0].dataplane, "N9"));
}

static bool malformed;
static unsigned dumped; /* tables that cannot be read */

int __real_copse_table_dump(const struct copse_table *table, void **body, size_t *bytes);
int __wrap_copse_table_dump(const struct copse_table *table, void **body, size_t *bytes);

int
__wrap_copse_table_dump(const struct copse_table *table, void **body, size_t *bytes) {
  static const struct copse_api_batch cut = {.operations = 1};

  if (!malformed || table != cluster.pops[0].dataplane->table)
    return __real_copse_table_dump(table, body, bytes);
  dumped++;
  *bytes = sizeof(cut);
  *body = malloc(sizeof(cut));
  return *body == NULL ? -ENOMEM : (memcpy(*body, &cut, sizeof(cut)), 0);
}

static bool
three_are_dumped(void) {
  return dumped >= 3;
}

Test(nodes, a_table_that_cannot_be_read_is_asked_for_again_in_peace) {
  uint64_t begin;

  three_start("", 10 * GB);
  malformed = true;
  fake_dataplane_restart(cluster.pops[0].dataplane);
  begin = copse_control_now();
  run_until(three_are_dumped);
  cr_expect_geq(copse_control_now() - begin, 2000);
  malformed = false;
  cr_expect(cluster_until(&cluster, three_are_restored, S, 20000));
}
