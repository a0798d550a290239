/* SPDX-License-Identifier: Apache-2.0 */
/* Plans are carried out in parts, and between any two of them an owner dies, an answer is lost, others plan, budgets
 * change. */
#include "owners_fixture.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#define PATIENCE 300
#define ROUNDS 8

static struct copse_session *
any_session(struct actor *actor) {
  struct copse_model *model = &actor->control.model;

  return actor->control.store == NULL || model->sessions.count == 0
           ? NULL
           : model->sessions.items[(size_t)random() % model->sessions.count];
}

/* Members come and go, sessions end and begin again. */
static void
change_members(void) {
  unsigned session = (unsigned)random() % SESSIONS + 1, number = (unsigned)random() % MEMBERS + 1;

  if (random() % 3 != 0)
    put_member(session, number, number % POPS + 1, (1 + (unsigned)random() % 4) * M);
  else
    put_text(NULL, "/sessions/%032x/members/%016x", session, number);
  if (random() % 8 == 0)
    put_session(session, random() % 3 == 0 ? "finished" : "open");
  if (random() % 8 == 0)
    empty_session((unsigned)random() % SESSIONS + 1);
}

/* PoPs install trees that are planned, and let others go. */
static void
change_labels(void) {
  struct copse_session *session = any_session(&actors[(size_t)random() % POPS]);

  for (size_t i = 0; session != NULL && i < session->plan.tree_count; i++) {
    const struct copse_planned_tree *tree = &session->plan.trees[i];

    if (tree->status == COPSE_TREE_OK && random() % 2 == 0)
      put_text("{\"label\":256,\"root\":\"N1\"}", "/sessions/%s/labels/%s/%s", session->id, tree->id, tree->root);
  }
  for (size_t i = 0; session != NULL && i < session->plan.leaving_count; i++)
    if (random() % 2 == 0)
      put_text(NULL, "/sessions/%s/labels/%s/%s", session->id, session->plan.leaving[i].id,
               session->plan.leaving[i].root);
}

/* All walk; who has died is replaced, sooner or later. */
static void
turn(bool deadly) {
  clock_ms += STEP_MS;
  for (size_t i = 0; i < POPS; i++) {
    struct actor *actor = &actors[i];

    if (actor->control.store == NULL && (!deadly || random() % 3 == 0))
      actor_start(actor);
    if (deadly && actor->dies_in == 0 && random() % 6 == 0) {
      actor->dies_in = 1 + (unsigned)random() % 12;
      actor->answers = random() % 2 == 0;
    }
    if (!deadly)
      actor->dies_in = 0;
    actor_walk(actor);
    if (actor->dead)
      actor_end(actor);
  }
  look();
}

/* PoPs let go what they are to. */
static void
let_go(struct actor *actor) {
  for (size_t i = 0; i < actor->control.model.sessions.count; i++) {
    const struct copse_session *session = actor->control.model.sessions.items[i];

    for (size_t j = 0; j < session->plan.leaving_count; j++)
      put_text(NULL, "/sessions/%s/labels/%s/%s", session->id, session->plan.leaving[j].id,
               session->plan.leaving[j].root);
  }
}

static bool
turn_until(bool (*holds)(const struct budget_checker *checker)) {
  restless = false;
  for (unsigned i = 0; i < PATIENCE; i++) {
    turn(false);
    let_go(&actors[0]);
    if (i >= 2 && holds(&checker))
      return true;
    if (backend != &backends[0])
      backend->pass(5);
  }
  return false;
}

TestSuite(carry_out, .fini = end, .timeout = 170);

Test(carry_out, whatever_happens_between_parts_no_link_is_oversold_and_nothing_lingers) {
  const char *seed = getenv("COPSE_TEST_SEED");

  srandom(seed == NULL ? 1 : (unsigned)strtoul(seed, NULL, 10));
  make_world(POPS, 6 * M);
  for (unsigned session = 1; session <= SESSIONS; session++)
    put_session(session, "open");
  for (unsigned round = 0; round < ROUNDS; round++) {
    restless = true;
    for (unsigned i = 0; i < 100; i++) {
      change_members();
      change_labels();
      turn(true);
    }
    cr_assert(turn_until(budget_checker_is_exact), "round %u: something is reserved for no plan", round);
  }
  for (unsigned session = 1; session <= SESSIONS; session++)
    empty_session(session);
  cr_assert(turn_until(budget_checker_is_empty), "something is reserved for nobody");
  printf("%u revisions, %u parts, %u refusals, %u deaths, fullest %.0f %%\n", checker.revisions, parts, refusals,
         deaths, checker.fullest * 100);
  cr_expect(parts > 5 * ROUNDS && refusals > ROUNDS && deaths > 5 * ROUNDS && checker.fullest == 1,
            "%u parts, %u refusals, %u deaths, fullest %.2f", parts, refusals, deaths, checker.fullest);
}

/* A seed at each PoP. */
static void
one_session(unsigned pops) {
  make_world(pops, 8 * M);
  put_session(1, "open");
  for (unsigned i = 1; i <= pops; i++)
    put_member(1, i, i, 2 * M);
}

static struct actor *
alone(size_t part_outlets) {
  actor_start(&actors[0]);
  actors[0].control.part_outlets = part_outlets;
  return &actors[0];
}

static void
actor_turn(struct actor *actor) {
  clock_ms += STEP_MS;
  actor_walk(actor);
  look();
}

static size_t
trees_of(const struct actor *actor, unsigned session) {
  char id[COPSE_SESSION_BYTES];
  const struct copse_session *found;
  size_t count = 0;

  snprintf(id, sizeof(id), "%032x", session);
  found = copse_model_session(&actor->control.model, id);
  for (size_t i = 0; found != NULL && i < found->plan.tree_count; i++)
    count += found->plan.trees[i].status == COPSE_TREE_OK;
  return count;
}

/* Its first plan is not written yet, and then there is nobody left to plan for. */
Test(carry_out, what_a_dead_owner_had_reserved_for_nobody_is_given_back) {
  struct actor *actor;

  one_session(POPS);
  actor = alone(1);
  actor->dies_in = 3; /* after its election, and one part */
  actor_walk(actor);
  actor_walk(actor);
  cr_assert(actor->dead);
  look();
  cr_expect_eq(json_object_size(checker.reserved), 1, "one PoP's links are reserved");
  cr_expect_eq(json_object_size(checker.plans), 0);
  actor_end(actor);
  empty_session(1);
  actor_start(&actors[1]);
  cr_expect(turn_until(budget_checker_is_empty));
}

/* It has raised a part when another is elected, and hears of it only by being refused. */
Test(carry_out, a_former_owner_writes_nothing) {
  struct actor *actor;

  one_session(POPS);
  actor = alone(1);
  actor_start(&actors[1]);
  actor->deposed_in = 3;
  actor_walk(actor);
  actor_walk(actor);
  look();
  cr_expect_eq(parts, 1, "%u", parts);
  cr_expect_eq(json_object_size(checker.plans), 0);
  cr_expect_str_eq(json_string_value(json_object_get(checker.owners, "00000000000000000000000000000001")), "N2");
  cr_expect(turn_until(budget_checker_is_exact));
}

/* What etcd takes by default is enough for every transaction. */
Test(carry_out, two_hundred_pops_need_no_larger_transactions) {
  enum { MANY = 200 };
  struct actor *actor;

  one_session(MANY);
  actor = alone(0);
  for (unsigned i = 0; i < 3; i++)
    actor_turn(actor);
  cr_expect_eq(trees_of(actor, 1), MANY);
  cr_expect(parts >= 3 && compares_max > COPSE_STORE_OPERATIONS_MAX / 2, "%u parts, at most %u compares", parts,
            compares_max);
  cr_expect(budget_checker_is_exact(&checker));
  put_session(1, "finished");
  for (unsigned i = 0; i < 3; i++)
    actor_turn(actor);
  cr_expect(budget_checker_is_empty(&checker));
}
