/* SPDX-License-Identifier: Apache-2.0 */
/* Leases, charges and returns over the life of trees, with dataplanes that forward nothing but count. */
#include "three.h"
#include <criterion/criterion.h>
#include <stdlib.h>

TestSuite(credit, .fini = three_stop, .timeout = 60);

/* What the store has in a book of alice's; UINT64_MAX when the ledger does not add up. */
static uint64_t
book_of_alice(enum copse_book book) {
  bool balanced = cluster_ledger_is_balanced(&cluster);
  const struct copse_account *account = copse_set_find(&cluster.model.accounts, "alice");

  if (!balanced || account == NULL)
    return UINT64_MAX;
  return account->record.bytes[book];
}

Test(credit, credit_is_leased_charged_and_ends) {
  const uint64_t credit = 30000000;
  struct copse_session *session;
  struct copse_planned_tree *tree;
  uint64_t charged = 0;

  three_start("growth_reference_s = 3600.0;", credit);
  session = cluster_session(&cluster, S);
  tree = copse_session_rooted(session, "N1");
  char id[COPSE_ID_BYTES];
  strcpy(id, tree->id);
  cluster_run(&cluster, 300);
  cr_expect(cluster_ledger_is_balanced(&cluster));
  for (int i = 0; i < 200 && fake_tree_find(cluster.pops[0].dataplane, strtoull(id, NULL, 16)) != NULL; i++) {
    struct fake_tree *fake = three_tree(0, id);

    charged = fake->allowance_bytes; /* everything that was granted is spent at once */
    fake_tree_state(cluster.pops[0].dataplane, fake->set.slot)->charged_bytes = charged;
    fake_tree_counters(cluster.pops[0].dataplane, fake->set.slot)->packets++;
    cluster_run(&cluster, 50);
    cr_expect_leq(charged, credit, "no overspend");
  }
  cr_expect(cluster_until(&cluster, three_without_n1, S, 10000), "out of credit");
  cr_expect_gt(charged, 0);
  cr_expect_str_eq(copse_session_rooted(cluster_session(&cluster, S), "N1")->reason, "no credit");
  cr_expect_eq(fake_member_find(cluster.pops[0].dataplane, strtoull(seed, NULL, 16))->send_tree, COPSE_SLOT_NONE);
}

/* The seed at N1 sends on its tree, if it has one. Returns bytes times edges carried. */
static uint64_t
carry(uint64_t bytes) {
  const struct copse_session *session = cluster_session(&cluster, S);
  const struct copse_planned_tree *tree = session == NULL ? NULL : copse_session_rooted(session, "N1");

  if (tree == NULL || tree->status != COPSE_TREE_OK)
    return 0;
  uint64_t id = strtoull(tree->id, NULL, 16);
  const struct fake_tree *fake = fake_tree_find(cluster.pops[0].dataplane, id);

  return fake == NULL ? 0 : fake_tree_carry(cluster.pops[0].dataplane, id, bytes) * fake->set.charged_edges;
}

/* Everybody is done; the session ends and all ledgers close. */
static void
end_session(void) {
  json_decref(cluster_sync(&cluster, 2, S, "alice", leecher, "{\"have\":1000,\"done\":true}", NULL));
  cr_assert(cluster_until(&cluster, three_are_over, S, 10000));
}

/* Dataplane and control plane die again and again while a seed sends, never both at once: what the dataplanes counted
 * is charged to the byte, and nothing is lost. */
Test(credit, charges_are_what_dataplanes_counted_whoever_dies) {
  uint64_t carried = 0;

  three_start("finish_ms = 0;", 100 * GB);
  srandom(7);
  for (int i = 0; i < 40; i++) {
    carried += carry((uint64_t)random() % 3000000);
    if (i % 10 == 3)
      fake_dataplane_restart(cluster.pops[0].dataplane);
    if (i % 10 == 8) {
      cluster_pop_stop(&cluster, 0);
      carried += carry(100000); /* it forwards on */
      cluster_run(&cluster, 20);
      carried += carry(100000);
      cluster_pop_start(&cluster, 0);
    }
    cluster_run(&cluster, 100);
    cr_assert_neq(book_of_alice(COPSE_BOOK_CHARGED), UINT64_MAX, "the ledger adds up at any moment");
  }
  end_session();
  cr_expect_gt(carried, 10000000);
  cr_expect_eq(book_of_alice(COPSE_BOOK_CHARGED), carried);
  cr_expect_eq(book_of_alice(COPSE_BOOK_LOST), 0);
  cr_expect_eq(book_of_alice(COPSE_BOOK_LEASED), 0);
  cr_expect_eq(book_of_alice(COPSE_BOOK_CREDIT), 100 * GB - carried);
}

/* What the tree of N1 has been granted and is neither charged nor lost. */
static uint64_t
grants_at_n1(void) {
  const struct copse_session *session = cluster_session(&cluster, S);
  const struct copse_tree_ledger *ledger = copse_set_find(&session->ledgers, copse_session_rooted(session, "N1")->id);

  cr_assert_not_null(ledger);
  return ledger->record.granted_bytes - ledger->record.charged_bytes - ledger->record.lost_bytes;
}

/* Both die: nobody knows what was carried last. What had been leased is lost, never returned, and not called charged.
 */
Test(credit, what_dies_with_its_count_is_lost) {
  uint64_t leased, charged;

  three_start("finish_ms = 0;", 100 * GB);
  cluster_run(&cluster, 300);
  cr_assert_gt(carry(1000000), 0);
  cluster_pop_stop(&cluster, 0);
  leased = grants_at_n1();
  charged = book_of_alice(COPSE_BOOK_CHARGED);
  cr_assert_gt(leased, 0);
  fake_dataplane_restart(cluster.pops[0].dataplane);
  cluster_pop_start(&cluster, 0);
  cr_assert(cluster_until(&cluster, three_are_restored, S, 10000));
  cluster_run(&cluster, 500);
  cr_expect_eq(book_of_alice(COPSE_BOOK_LOST), leased);
  cr_expect_eq(book_of_alice(COPSE_BOOK_CHARGED), charged);
  end_session();
  cr_expect_eq(book_of_alice(COPSE_BOOK_CREDIT), 100 * GB - leased - charged);
}

static bool
is_counted(struct cluster *c, const char *session) {
  const struct copse_session *s = cluster_session(c, session);
  const struct copse_tree_ledger *ledger = copse_set_find(&s->ledgers, copse_session_rooted(s, "N1")->id);

  return ledger != NULL && ledger->record.counted_bytes > 0;
}

static bool
has_lost_n1(struct cluster *c, const char *session) {
  return copse_session_rooted(cluster_session(c, session), "N1") == NULL;
}

static bool
has_returned(struct cluster *c, const char *session) {
  (void)session;
  return copse_control_healthy(c->pops[0].control) && fake_tree_count(c->pops[0].dataplane) == 0;
}

/* How many links that are configured or measured begin or end at the PoP. */
static size_t
links_of(const char *pop) {
  const struct copse_set *links;
  size_t count = 0;

  cluster_session(&cluster, S);
  links = &cluster.model.links;
  for (size_t i = 0; i < links->count; i++) {
    const struct copse_link *link = links->items[i];

    count += (strcmp(link->from, pop) == 0 || strcmp(link->to, pop) == 0) &&
             (link->revision != 0 || link->measured_revision != 0 || link->stamp_revision != 0);
  }
  return count;
}

/* What `pop` answers when it is told that N1 never returns. */
static json_t *
remove_n1(size_t pop, int status) {
  struct copse_answer answer = {0};

  copse_pop_remove(cluster.pops[pop].control, "N1", &answer);
  cr_assert_eq(answer.status, status, "%d: %s", answer.status, answer.error.text);
  return answer.body;
}

/* A PoP is gone for good with a lease, and an operator says so, at two PoPs. What was counted is charged, the rest
 * comes back, once; also when the PoP returns after all. */
Test(credit, what_a_pop_had_leased_that_never_returns) {
  const struct copse_member *member;
  uint64_t leased, carried;
  json_t *answer;

  three_start("finish_ms = 0;", 100 * GB);
  cluster_run(&cluster, 300);
  carried = carry(1000000);
  cr_assert_gt(carried, 0);
  json_decref(remove_n1(1, 409));
  cr_assert(cluster_until(&cluster, is_counted, S, 10000), "every second");
  leased = grants_at_n1();
  cluster_pop_stop(&cluster, 0);
  cr_assert(cluster_until(&cluster, has_lost_n1, S, 10000));
  cr_expect_geq(book_of_alice(COPSE_BOOK_LEASED), leased, "nobody else can tell whether it still forwards");
  cr_expect_eq(book_of_alice(COPSE_BOOK_CHARGED), 0, "less than half of the lease: not settled");
  answer = remove_n1(1, 200);
  cr_expect_eq(json_integer_value(json_object_get(answer, "trees")), 1);
  cr_expect_eq(json_integer_value(json_object_get(answer, "members")), 1);
  cr_expect_eq((uint64_t)json_integer_value(json_object_get(answer, "charged_bytes")), carried);
  cr_expect_eq((uint64_t)json_integer_value(json_object_get(answer, "returned_bytes")), leased - carried);
  json_decref(answer);
  answer = remove_n1(2, 200);
  cr_expect_eq(json_integer_value(json_object_get(answer, "trees")), 0, "once");
  json_decref(answer);
  member = copse_session_member(cluster_session(&cluster, S), seed);
  cr_expect_null(member, "its peers have left");
  cr_expect_eq(links_of("N1"), 0, "links that end there are gone");
  cr_expect_gt(links_of("N2"), 0);
  cluster_pop_start(&cluster, 0);
  cr_expect(cluster_until(&cluster, has_returned, S, 10000), "its tree goes, and nothing is charged again");
  end_session();
  cr_expect_eq(book_of_alice(COPSE_BOOK_CHARGED), carried);
  cr_expect_eq(book_of_alice(COPSE_BOOK_LOST), 0);
  cr_expect_eq(book_of_alice(COPSE_BOOK_CREDIT), 100 * GB - carried);
}

/* The child of a PoP in the tree of N1, and whether its subtree has been told to want nothing; -1: no such child. */
static int
is_unwanted(size_t pop, const char *child) {
  const struct fake_tree *tree = three_tree(pop, copse_session_rooted(cluster_session(&cluster, S), "N1")->id);
  const struct copse_api_link *link = fake_link_find(cluster.pops[pop].dataplane, child);

  for (uint32_t i = 0; i < tree->set.hops; i++)
    if (tree->hops[i].kind == COPSE_HOP_LINK && tree->hops[i].slot == link->slot)
      return tree->unwanted[i];
  return -1;
}

static bool
nothing_for_n3(struct cluster *c, const char *child) {
  (void)c;
  return is_unwanted(0, child) == 1;
}

static bool
something_for_n3(struct cluster *c, const char *child) {
  (void)c;
  return is_unwanted(0, child) == 0;
}

Test(credit, subtrees_that_want_nothing_get_nothing_and_cost_nothing) {
  char *late;

  three_start("finish_ms = 60000; max_depth = 1;", 10 * GB);
  cr_expect_eq(is_unwanted(0, "N2"), 1, "a seed alone");
  cr_expect_eq(is_unwanted(0, "N3"), 0);
  cr_expect_eq(three_tree(0, copse_session_rooted(cluster_session(&cluster, S), "N1")->id)->set.charged_edges, 1);
  json_decref(cluster_sync(&cluster, 2, S, "alice", leecher, "{\"have\":1000,\"done\":true}", NULL));
  cr_expect(cluster_until(&cluster, nothing_for_n3, "N3", 5000));
  cr_expect_eq(three_tree(0, copse_session_rooted(cluster_session(&cluster, S), "N1")->id)->set.charged_edges, 0);
  cluster_pop_stop(&cluster, 0);
  cluster_run(&cluster, 50);
  cluster_pop_start(&cluster, 0);
  late = cluster_join(&cluster, 2, S, "alice", 4, false, NULL);
  cr_expect(cluster_until(&cluster, something_for_n3, "N3", 5000), "somebody wants again");
  cr_expect_eq(is_unwanted(0, "N2"), 1, "known from the table after a restart");
  free(late);
}
