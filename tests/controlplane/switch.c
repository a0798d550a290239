/* SPDX-License-Identifier: Apache-2.0 */
/* From one plan to the next: old trees hold their links until they are gone, and new ones wait for room. */
#include "session/holdings.h"
#include "session/plan.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define S "00000000000000000000000000000001"
#define OTHER "00000000000000000000000000000002"
#define POPS 4
#define M 1000000ULL

static struct copse_model model;
static uint64_t revision;

static void __attribute__((format(printf, 2, 3))) put(const char *value, const char *format, ...) {
  char key[256];
  va_list arguments;

  va_start(arguments, format);
  vsnprintf(key, sizeof(key), format, arguments);
  va_end(arguments);
  cr_assert_eq(copse_model_apply(&model, key, value, ++revision), 0);
}

static void
put_link(unsigned from, unsigned to, uint64_t bps) {
  char value[128];

  snprintf(value, sizeof(value), "{\"bandwidth_bps\":%llu,\"delay_ms\":1.0,\"by\":\"N1\"}", (unsigned long long)bps);
  put(value, "/links/N%u/N%u", from, to);
}

/* N1 to N4 in a full mesh of 10 Mbit/s. */
static void
setup(void) {
  for (unsigned i = 1; i <= POPS; i++) {
    put("{\"address\":\"198.18.1.1\",\"port\":7117,\"api\":\"\",\"lease\":1}", "/pops/N%u", i);
    for (unsigned j = 1; j <= POPS; j++)
      if (i != j)
        put_link(i, j, 10 * M);
  }
  put("{\"manifest\":{\"name\":\"f\",\"size\":1000000,\"block_bytes\":16384,\"root\":"
      "\"0000000000000000000000000000000000000000000000000000000000000001\"},\"creator\":\"\",\"state\":\"open\"}",
      "/sessions/" S);
}

static void
teardown(void) {
  copse_model_free(&model);
}

TestSuite(switching, .init = setup, .fini = teardown);

static const struct copse_session *
session(void) {
  return copse_model_session(&model, S);
}

/* A tree rooted where its first edge begins; `edges` as "12 23": N1 → N2 → N3. */
static void
add(struct copse_plan_record *plan, const char *id, uint64_t rate_bps, const char *edges) {
  struct copse_planned_tree *tree;

  plan->trees = reallocarray(plan->trees, plan->tree_count + 1, sizeof(*plan->trees));
  tree = &plan->trees[plan->tree_count++];
  *tree = (struct copse_planned_tree){.number = 257, .rate_bps = rate_bps, .max_bps = rate_bps};
  snprintf(tree->id, sizeof(tree->id), "%016x", (unsigned)strtoul(id, NULL, 16));
  snprintf(tree->root, sizeof(tree->root), "N%c", edges[0]);
  tree->edges = calloc(strlen(edges), sizeof(*tree->edges));
  for (; *edges != '\0'; edges += edges[2] == ' ' ? 3 : 2) {
    snprintf(tree->edges[tree->edge_count].from, COPSE_NAME_BYTES, "N%c", edges[0]);
    snprintf(tree->edges[tree->edge_count++].to, COPSE_NAME_BYTES, "N%c", edges[1]);
  }
}

static struct copse_plan_record
empty(void) {
  return (struct copse_plan_record){.epoch = 1, .numbers = json_object()};
}

/* As it is when it has been committed. */
static void
commit(struct copse_plan_record *plan) {
  json_t *json = copse_plan_write(plan);
  char *text = json_dumps(json, 0);

  put(text, "/sessions/" S "/plan");
  free(text);
  json_decref(json);
  copse_plan_record_free(plan);
}

static void
install(const char *tree, unsigned pop, bool installed) {
  char value[64];

  snprintf(value, sizeof(value), "{\"label\":%u,\"root\":\"N1\"}", 256 * pop);
  put(installed ? value : NULL, "/sessions/" S "/labels/%016x/N%u", (unsigned)strtoul(tree, NULL, 16), pop);
}

static const char *
id_of(const struct copse_planned_tree *tree) {
  return tree->id + strspn(tree->id, "0");
}

static uint64_t
held(const struct copse_plan_record *plan, const char *link) {
  const char from[] = {link[0], link[1], '\0'};
  struct copse_holdings holdings;
  uint64_t sum;

  cr_assert_eq(copse_holdings_create(&holdings, &model, session(), plan), 0);
  copse_holdings_add_plan(&holdings, plan);
  sum = copse_holdings_link(&holdings, from, link + 3);
  copse_holdings_free(&holdings);
  return sum;
}

/* One tree of N1 is replaced by another. */
static struct copse_plan_record
replace(const char *old, const char *new, uint64_t new_bps) {
  struct copse_plan_record plan = empty();

  add(&plan, "a", 4 * M, old);
  commit(&plan);
  install("a", 1, true);
  plan = empty();
  add(&plan, "b", new_bps, new);
  cr_assert_eq(copse_plan_switch(&model, session(), &plan), 0);
  return plan;
}

Test(switching, a_tree_holds_its_links_until_it_is_gone) {
  struct copse_plan_record plan = replace("12 23", "13 32", 4 * M);

  cr_assert_eq(plan.leaving_count, 1);
  cr_expect_str_eq(id_of(&plan.trees[0]), "b");
  cr_expect_str_eq(id_of(&plan.leaving[0]), "a");
  cr_expect_eq(held(&plan, "N1/N2"), 4 * M);
  cr_expect_eq(held(&plan, "N1/N3"), 4 * M);
  commit(&plan);
  install("a", 1, false);
  plan = empty();
  add(&plan, "b", 4 * M, "13 32");
  cr_assert_eq(copse_plan_switch(&model, session(), &plan), 0);
  cr_expect_eq(plan.leaving_count, 0);
  cr_expect_eq(held(&plan, "N1/N2"), 0);
  copse_plan_record_free(&plan);
}

Test(switching, trees_of_one_root_share_what_they_hold) {
  struct copse_plan_record plan = replace("12 23", "12 13", 9 * M);

  cr_expect_str_eq(id_of(&plan.trees[0]), "b", "9 of 10 are free beside its own 4");
  cr_expect_eq(held(&plan, "N1/N2"), 9 * M);
  cr_expect_eq(held(&plan, "N2/N3"), 4 * M);
  copse_plan_record_free(&plan);
}

Test(switching, what_was_never_installed_or_is_dead_holds_nothing) {
  struct copse_plan_record plan = replace("12 23", "13 32", 4 * M);

  copse_plan_record_free(&plan);
  put("0", "/pops/N1");
  plan = empty();
  cr_assert_eq(copse_plan_switch(&model, session(), &plan), 0);
  cr_expect_eq(plan.leaving_count, 0, "N1 is dead");
  put("{\"address\":\"198.18.1.1\",\"port\":7117,\"api\":\"\",\"lease\":1}", "/pops/N1");
  install("a", 1, false);
  cr_assert_eq(copse_plan_switch(&model, session(), &plan), 0);
  cr_expect_eq(plan.leaving_count, 0, "it is nowhere");
  copse_plan_record_free(&plan);
}

/* N1 has 12 23 and is to have 13 32, N3 has 32 21 and is to have 31 12, all at 6 Mbit/s. */
static struct copse_plan_record
cross(void) {
  struct copse_plan_record plan = empty();

  add(&plan, "a", 6 * M, "12 23");
  add(&plan, "c", 6 * M, "32 21");
  commit(&plan);
  install("a", 1, true);
  install("c", 3, true);
  plan = empty();
  add(&plan, "b", 6 * M, "13 32");
  add(&plan, "d", 6 * M, "31 12");
  return plan;
}

Test(switching, who_does_not_fit_keeps_its_tree_until_there_is_room) {
  struct copse_plan_record plan = cross();

  put_link(3, 2, 20 * M);
  cr_assert_eq(copse_plan_switch(&model, session(), &plan), 0);
  cr_expect_str_eq(id_of(&plan.trees[0]), "b");
  cr_expect_str_eq(id_of(&plan.trees[1]), "c", "N1 → N2 is held by the tree that leaves");
  cr_expect_leq(held(&plan, "N1/N2"), 10 * M);
  cr_expect_eq(held(&plan, "N3/N2"), 12 * M);
  commit(&plan);
  install("b", 1, true);
  install("a", 1, false);
  plan = empty();
  add(&plan, "b", 6 * M, "13 32");
  add(&plan, "d", 6 * M, "31 12");
  cr_assert_eq(copse_plan_switch(&model, session(), &plan), 0);
  cr_expect_str_eq(id_of(&plan.trees[1]), "d");
  cr_expect_str_eq(id_of(&plan.leaving[0]), "c");
  copse_plan_record_free(&plan);
}

Test(switching, of_trees_that_wait_for_each_other_one_breaks) {
  struct copse_plan_record plan = cross();

  cr_assert_eq(copse_plan_switch(&model, session(), &plan), 0);
  cr_expect_eq(plan.trees[0].status, COPSE_TREE_INFEASIBLE);
  cr_expect_str_eq(id_of(&plan.trees[1]), "c", "the other goes on");
  cr_assert_eq(plan.leaving_count, 1);
  cr_expect_str_eq(id_of(&plan.leaving[0]), "a");
  copse_plan_record_free(&plan);
}

Test(switching, a_higher_rate_waits_and_a_lower_one_does_not) {
  struct copse_plan_record plan = empty();

  add(&plan, "a", 4 * M, "12 23");
  add(&plan, "c", 5 * M, "31 12");
  commit(&plan);
  install("a", 1, true);
  install("c", 3, true);
  plan = empty();
  add(&plan, "a", 8 * M, "12 23");
  cr_assert_eq(copse_plan_switch(&model, session(), &plan), 0);
  cr_expect_eq(plan.trees[0].rate_bps, 4 * M, "the tree of N3 has left and still holds 5");
  copse_plan_record_free(&plan);
  plan = empty();
  add(&plan, "a", 2 * M, "12 23");
  add(&plan, "c", 8 * M, "31 12");
  cr_assert_eq(copse_plan_switch(&model, session(), &plan), 0);
  cr_expect_eq(plan.trees[0].rate_bps, 2 * M);
  cr_expect_eq(plan.trees[1].rate_bps, 8 * M);
  copse_plan_record_free(&plan);
}

Test(switching, an_egress_budget_holds_for_old_and_new_together) {
  struct copse_plan_record plan;

  put("{\"egress_bps\":6000000,\"by\":\"N1\"}", "/egress/N1");
  plan = replace("12 23", "13 32", 4 * M);
  cr_expect_eq(plan.trees[0].status, COPSE_TREE_INFEASIBLE, "4 + 4 out of N1");
  cr_expect_str_eq(id_of(&plan.leaving[0]), "a");
  copse_plan_record_free(&plan);
}

/* ---- any plan after any other ---- */

/* A random tree of N1 … N4 as edges. */
static void
random_edges(unsigned root, char edges[3 * POPS]) {
  unsigned in[POPS] = {root}, count = 1;

  while (count < POPS) {
    unsigned next = 1 + (unsigned)random() % POPS, known = 0;

    for (unsigned i = 0; i < count; i++)
      known |= in[i] == next;
    if (known)
      continue;
    snprintf(edges + 3 * (count - 1), 4, "%u%u ", in[(unsigned)random() % count], next);
    in[count++] = next;
  }
  edges[3 * (POPS - 1) - 1] = '\0';
}

static bool
within_budgets(const struct copse_plan_record *plan) {
  for (size_t i = 0; i < model.links.count; i++) {
    const struct copse_link *link = model.links.items[i];

    if (held(plan, link->name) + copse_link_held_by_others(&model, link, session()) > copse_link_capacity(link))
      return false;
  }
  return true;
}

/* Four trees that are within the budgets together. */
static struct copse_plan_record
random_target(unsigned *next_id) {
  struct copse_plan_record plan;
  char edges[3 * POPS], id[16];

  do {
    plan = empty();
    for (unsigned root = 1; root <= POPS; root++) {
      random_edges(root, edges);
      snprintf(id, sizeof(id), "%x", (*next_id)++);
      add(&plan, id, (1 + (uint64_t)random() % 8) * M, edges);
    }
    if (within_budgets(&plan))
      return plan;
    copse_plan_record_free(&plan);
  } while (true);
}

static struct copse_plan_record
copy(const struct copse_plan_record *plan) {
  json_t *json = copse_plan_write(plan);
  struct copse_plan_record out;

  cr_assert(copse_plan_read(json, &out));
  json_decref(json);
  return out;
}

static void
install_all(bool planned) {
  const struct copse_plan_record *plan = &session()->plan;

  for (size_t i = 0; i < (planned ? plan->tree_count : plan->leaving_count); i++) {
    const struct copse_planned_tree *tree = planned ? &plan->trees[i] : &plan->leaving[i];

    if (tree->status == COPSE_TREE_OK)
      install(tree->id, (unsigned)(tree->root[1] - '0'), planned);
  }
}

static size_t
in_place(const struct copse_plan_record *plan, const struct copse_plan_record *target) {
  size_t same = 0;

  for (size_t i = 0; i < plan->tree_count; i++)
    same += strcmp(plan->trees[i].id, target->trees[i].id) == 0;
  return same;
}

Test(switching, every_step_is_within_the_budgets_and_every_plan_is_reached) {
  unsigned next_id = 1, steps = 0, plans = 300;

  srandom(5);
  put("{\"" OTHER "\":{\"bps\":1000000,\"links\":{\"N2\":1000000}}}", "/reserved/N1");
  for (unsigned i = 0; i < plans; i++) {
    struct copse_plan_record target = random_target(&next_id), plan;
    bool reached = false;

    for (unsigned step = 0; step < 3 * POPS && !reached; step++) {
      plan = copy(&target);
      cr_assert_eq(copse_plan_switch(&model, session(), &plan), 0);
      cr_assert(within_budgets(&plan), "plan %u, step %u", i, step);
      reached = in_place(&plan, &target) == POPS;
      steps++;
      commit(&plan);
      install_all(true);
      if (!reached || random() % 2 == 0) /* sometimes the next plan comes before the last tree has gone */
        install_all(false);
    }
    cr_assert(reached, "plan %u", i);
    copse_plan_record_free(&target);
  }
  cr_expect_gt(steps, plans, "some had to wait");
  fprintf(stderr, "%u plans in %u steps\n", plans, steps);
}
