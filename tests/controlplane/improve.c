/* SPDX-License-Identifier: Apache-2.0 */
/* A second after a plan that lacks a tree its owner improves it, once. */
#include "session/plan.h"
#include "session/state.h"
#include "three.h"
#include <criterion/criterion.h>

TestSuite(improve, .fini = three_stop, .timeout = 60);

#define LINK(from, to, bps)                                                                                            \
  {                                                                                                                    \
    .kind = COPSE_CHANGE_PUT, .key = "/links/" from "/" to,                                                            \
    .value = "{\"bandwidth_bps\":" #bps ",\"delay_ms\":1.0,\"by\":\"N1\"}"                                             \
  }

static unsigned improvements;
static uint64_t improved_ms; /* when the last one was made */

/* In place of copse_plan_make, which it calls. */
int __real_copse_plan_make(const struct copse_model *model, const struct copse_session *session,
                           const struct copse_control_config *config, bool improve, struct copse_plan_record *plan,
                           struct copse_error *error);
int __wrap_copse_plan_make(const struct copse_model *model, const struct copse_session *session,
                           const struct copse_control_config *config, bool improve, struct copse_plan_record *plan,
                           struct copse_error *error);

int
__wrap_copse_plan_make(const struct copse_model *model, const struct copse_session *session,
                       const struct copse_control_config *config, bool improve, struct copse_plan_record *plan,
                       struct copse_error *error) {
  if (improve) {
    improvements++;
    improved_ms = copse_control_now();
  }
  return __real_copse_plan_make(model, session, config, improve, plan, error);
}

static void
put_links(const struct copse_change *links, size_t count) {
  cr_assert_eq(copse_store_commit(cluster.store, NULL, 0, links, count, NULL, NULL), 0);
}

/* Three areas on links of 100 Mbit/s but for these; trees of 20 Mbit/s, no more and no less. */
static void
start(const struct copse_change *links, size_t count) {
  cluster_start(&cluster, 3, 100000000, "growth_max = 1.0;");
  cluster_account(&cluster, "alice", 10 * GB);
  cluster_make_session(&cluster, S, 1000);
  put_links(links, count);
  seed = cluster_join(&cluster, 0, S, "alice", 1, true, NULL);
  other_seed = cluster_join(&cluster, 1, S, "alice", 2, false, NULL);
  leecher = cluster_join(&cluster, 2, S, "alice", 3, false, NULL);
}

static bool
lacks_the_tree_of_n2(struct cluster *c, const char *session) {
  struct copse_planned_tree *tree = copse_session_rooted(cluster_session(c, session), "N2");

  return tree != NULL && tree->status == COPSE_TREE_INFEASIBLE;
}

Test(improve, a_second_later_trees_move_for_one_that_is_missing) {
  static const struct copse_change first[] = {LINK("N1", "N3", 1)};
  /* N2 has one way left, with room for one tree: that of N1, which has others. */
  static const struct copse_change then[] = {LINK("N2", "N1", 1), LINK("N2", "N3", 30000000),
                                             LINK("N1", "N3", 100000000), LINK("N1", "N2", 200000000)};
  uint64_t lacks_ms;

  start(first, 1);
  cr_assert(cluster_until(&cluster, three_are_restored, S, 10000));
  cr_assert_eq(improvements, 0, "nothing to improve");
  put_links(then, 4);
  cr_assert(cluster_until(&cluster, lacks_the_tree_of_n2, S, 5000));
  lacks_ms = copse_control_now();
  cr_expect_eq(improvements, 0, "not at once");
  cr_assert(cluster_until(&cluster, three_are_whole, S, 10000));
  cr_expect_gt(improved_ms, lacks_ms + 800);
  cr_expect_lt(improved_ms, lacks_ms + 5000);
  cr_expect(cluster_is_not_oversold(&cluster));
}

Test(improve, once_where_nothing_helps) {
  static const struct copse_change links[] = {LINK("N2", "N1", 1), LINK("N2", "N3", 1)};

  start(links, 2);
  cr_assert(cluster_until(&cluster, lacks_the_tree_of_n2, S, 5000));
  cluster_run(&cluster, 3500);
  cr_expect(lacks_the_tree_of_n2(&cluster, S));
  cr_expect_eq(improvements, 1, "%u", improvements);
}
