/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a session over several PoPs, with dataplanes that forward nothing. */
#include "cluster.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#define S "0123456789abcdef0123456789abcdef"
#define GB 1000000000ULL

static struct cluster cluster;

static char *seed, *other_seed, *leecher;

static void
teardown(void) {
  free(seed);
  free(other_seed);
  free(leecher);
  cluster_stop(&cluster);
}

TestSuite(session, .fini = teardown, .timeout = 60);

/* Every PoP's tree of the plan is whole: the root's label record is there. */
static bool
is_whole(struct cluster *c, const char *session) {
  struct copse_session *s = cluster_session(c, session);
  size_t whole = 0;

  for (size_t i = 0; s != NULL && i < s->plan.tree_count; i++) {
    char name[64];

    snprintf(name, sizeof(name), "%s/%s", s->plan.trees[i].id, s->plan.trees[i].root);
    whole += s->plan.trees[i].status == COPSE_TREE_OK && copse_set_find(&s->installed, name) != NULL;
  }
  return whole == c->count;
}

/* Trees and members of a session in all dataplanes are those of plan and store, and nothing more. */
static bool
is_settled(struct cluster *c, const char *session) {
  struct copse_session *s = cluster_session(c, session);
  size_t members[CLUSTER_MAX] = {0}, trees = 0;

  for (size_t i = 0; s != NULL && i < s->plan.tree_count; i++)
    trees += s->plan.trees[i].status == COPSE_TREE_OK;
  for (size_t i = 0; s != NULL && i < s->members.count; i++)
    for (size_t j = 0; j < c->count; j++) {
      const struct copse_member *member = s->members.items[i];

      members[j] += member->revision != 0 && strcmp(member->record.pop, c->pops[j].name) == 0;
    }
  for (size_t j = 0; s != NULL && j < c->count; j++)
    if (fake_tree_count(c->pops[j].dataplane) != (members[j] > 0 ? trees : 0) ||
        fake_member_count(c->pops[j].dataplane) != members[j])
      return false;
  return s != NULL;
}

static struct fake_tree *
tree_at(size_t pop, const char *id) {
  struct fake_tree *tree = fake_tree_find(cluster.pops[pop].dataplane, strtoull(id, NULL, 16));

  cr_assert_not_null(tree, "tree %s at N%zu", id, pop + 1);
  return tree;
}

static size_t
pop_of(const char *name) {
  return (size_t)(name[1] - '1');
}

/* The edge as it lies in both dataplanes: label, link, upstream. */
static void
check_edge(const struct copse_planned_tree *tree, const struct copse_tree_edge *edge) {
  struct fake_tree *parent = tree_at(pop_of(edge->from), tree->id), *child = tree_at(pop_of(edge->to), tree->id);
  const struct copse_api_link *link = fake_link_find(cluster.pops[pop_of(edge->from)].dataplane, edge->to);
  bool found = false;

  cr_assert_not_null(link);
  for (uint32_t i = 0; i < parent->set.hops; i++)
    found |= parent->hops[i].kind == COPSE_HOP_LINK && parent->hops[i].slot == link->slot &&
             parent->hops[i].label == child->set.label;
  cr_expect(found, "%s → %s of %s", edge->from, edge->to, tree->id);
  cr_expect_eq(child->set.upstream.address[14], pop_of(edge->from) + 1);
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
    const struct copse_api_link *link = fake_link_find(cluster.pops[pop_of(tree->root)].dataplane, tree->edges[top].to);

    for (uint32_t j = 0; j < root->set.hops; j++)
      count += root->hops[j].kind == COPSE_HOP_LINK && root->hops[j].slot == link->slot && !root->unwanted[j];
  }
  return count;
}

static void
check_plan(const struct copse_session *session) {
  for (size_t i = 0; i < session->plan.tree_count; i++) {
    const struct copse_planned_tree *tree = &session->plan.trees[i];
    struct fake_tree *root = tree_at(pop_of(tree->root), tree->id);

    cr_expect_eq(root->set.label, COPSE_LABEL_NONE);
    cr_expect_eq(root->set.peak_bps, tree->rate_bps);
    cr_expect_eq(root->set.charged_edges, carrying_edges(root, tree));
    for (size_t j = 0; j < tree->edge_count; j++) {
      check_edge(tree, &tree->edges[j]);
      cr_expect_eq(tree_at(pop_of(tree->edges[j].to), tree->id)->set.peak_bps, 0, "metered at the root alone");
    }
  }
}

/* Three PoPs, a seed at N1, a seed at N2, a leecher at N3. */
static void
start_three(const char *more, uint64_t credit) {
  cluster_start(&cluster, 3, 100000000, more);
  cluster_account(&cluster, "alice", credit);
  cluster_make_session(&cluster, S, 1000);
  seed = cluster_join(&cluster, 0, S, "alice", 1, true, NULL);
  other_seed = cluster_join(&cluster, 1, S, "alice", 2, true, NULL);
  leecher = cluster_join(&cluster, 2, S, "alice", 3, false, NULL);
  cr_assert(cluster_until(&cluster, is_whole, S, 10000), "trees");
  cr_assert(cluster_until(&cluster, is_settled, S, 10000), "old trees");
}

Test(session, trees_are_installed_with_their_labels) {
  struct copse_session *session;
  struct copse_api_member *member;

  start_three("", 10 * GB);
  session = cluster_session(&cluster, S);
  cr_assert_eq(session->plan.tree_count, 3);
  check_plan(session);
  cr_expect(cluster_is_not_oversold(&cluster));
  cluster_run(&cluster, 100);
  session = cluster_session(&cluster, S);
  member = fake_member_find(cluster.pops[0].dataplane, strtoull(seed, NULL, 16));
  cr_assert_not_null(member);
  cr_expect_eq(member->send_tree, tree_at(0, copse_session_rooted(session, "N1")->id)->set.slot);
  cr_expect_gt(tree_at(0, copse_session_rooted(session, "N1")->id)->allowance_bytes, 0, "a seed may send");
  cr_expect_eq(tree_at(2, copse_session_rooted(session, "N3")->id)->allowance_bytes, 0, "nobody at N3 could");
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

/* The range of the first order, or count 0. */
static void
first_order(json_t *answer, json_int_t *first, json_int_t *count) {
  json_t *range = json_array_get(json_object_get(json_object_get(answer, "send"), "orders"), 0);

  *first = json_integer_value(json_array_get(range, 0));
  *count = json_integer_value(json_array_get(range, 1));
}

Test(session, seeds_of_two_pops_share_the_blocks) {
  bool sent[1000] = {false};
  json_int_t first, count, total = 0;
  char body[2][200] = {"{\"have\":1000,\"want\":true}", "{\"have\":1000,\"want\":true}"};
  const char *members[2];
  json_t *answer, *all;

  start_three("gather_ms = 0;", 100 * GB);
  members[0] = seed;
  members[1] = other_seed;
  for (int i = 0; i < 400 && total < 1000; i++) {
    answer = cluster_sync(&cluster, (size_t)i % 2, S, "alice", members[i % 2], body[i % 2], NULL);
    cr_expect_gt(json_integer_value(json_object_get(json_object_get(answer, "send"), "rate_bps")), 1000000);
    first_order(answer, &first, &count);
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

static size_t
order_count(size_t pop, const char *member) {
  json_t *answer = cluster_sync(&cluster, pop, S, "alice", member, "{\"have\":1000,\"want\":true}", NULL);
  size_t count = json_array_size(json_object_get(json_object_get(answer, "send"), "orders"));

  json_decref(answer);
  return count;
}

Test(session, nothing_is_injected_before_somebody_wants_it) {
  cluster_start(&cluster, 2, 100000000, "gather_ms = 300;");
  cluster_account(&cluster, "alice", 10 * GB);
  cluster_make_session(&cluster, S, 1000);
  seed = cluster_join(&cluster, 0, S, "alice", 1, true, NULL);
  other_seed = cluster_join(&cluster, 1, S, "alice", 2, true, NULL);
  cr_assert(cluster_until(&cluster, is_whole, S, 10000));
  cr_expect_eq(order_count(0, seed), 0, "nobody wants it");
  leecher = cluster_join(&cluster, 1, S, "alice", 3, false, NULL);
  cluster_run(&cluster, 100);
  cr_expect_eq(order_count(0, seed), 0, "others may be coming");
  cluster_run(&cluster, 400);
  cr_expect_eq(order_count(0, seed), 1);
}

Test(session, a_restarted_control_plane_changes_nothing) {
  unsigned batches, removed;
  uint32_t slot;
  struct copse_session *session;

  start_three("", 10 * GB);
  session = cluster_session(&cluster, S);
  slot = tree_at(0, copse_session_rooted(session, "N1")->id)->set.slot;
  cluster_run(&cluster, 300);
  batches = cluster.pops[0].dataplane->batches;
  removed = cluster.pops[0].dataplane->removed;
  cluster_pop_stop(&cluster, 0);
  cluster_run(&cluster, 100);
  cluster_pop_start(&cluster, 0);
  cluster_run(&cluster, 100);
  cr_expect_leq(cluster.pops[0].dataplane->batches, batches + 1, "bitmaps of interest at most");
  cr_expect(cluster_until(&cluster, is_whole, S, 5000));
  cr_expect(cluster_until(&cluster, is_settled, S, 5000));
  session = cluster_session(&cluster, S);
  cr_expect_eq(tree_at(0, copse_session_rooted(session, "N1")->id)->set.slot, slot);
  cr_expect_eq(cluster.pops[0].dataplane->removed, removed);
  check_plan(session);
}

static bool
restored(struct cluster *c, const char *session) {
  return is_settled(c, session) && is_whole(c, session);
}

Test(session, a_restarted_dataplane_gets_everything_again) {
  start_three("", 10 * GB);
  fake_dataplane_restart(cluster.pops[1].dataplane);
  cr_assert(cluster_until(&cluster, restored, S, 10000));
  cluster_run(&cluster, 500);
  check_plan(cluster_session(&cluster, S));
  cr_expect_not_null(fake_member_find(cluster.pops[1].dataplane, strtoull(other_seed, NULL, 16)));
}

static bool
two_areas(struct cluster *c, const char *session) {
  struct copse_session *s = cluster_session(c, session);

  return s->plan.tree_count == 2 && is_settled(c, session);
}

static bool
planned_for_two(struct cluster *c, const char *session) {
  return cluster_session(c, session)->plan.tree_count == 2;
}

Test(session, an_area_leaves_and_its_tree_goes_last_below) {
  struct copse_caller alice = {.role = COPSE_ROLE_ACCOUNT, .account = "alice"};
  struct copse_answer answer = {0};
  struct copse_session *session;

  start_three("", 10 * GB);
  copse_member_leave(cluster.pops[2].control, &alice, S, leecher, &answer);
  cr_assert_eq(answer.status, 204);
  cr_assert(cluster_until(&cluster, two_areas, S, 10000));
  session = cluster_session(&cluster, S);
  check_plan(session);
  cr_expect_eq(session->installed.count, 4, "labels of the old trees are gone");
  cr_expect_eq(fake_member_count(cluster.pops[2].dataplane), 0);
  cr_expect(cluster_is_not_oversold(&cluster));
}

/* What the store has in a book of alice's; UINT64_MAX when the ledger does not add up. */
static uint64_t
book_of_alice(enum copse_book book) {
  bool balanced = cluster_ledger_is_balanced(&cluster);
  const struct copse_account *account = copse_set_find(&cluster.model.accounts, "alice");

  if (!balanced || account == NULL)
    return UINT64_MAX;
  return account->record.bytes[book];
}

static bool
no_tree_of_n1(struct cluster *c, const char *session) {
  struct copse_planned_tree *tree = copse_session_rooted(cluster_session(c, session), "N1");

  return tree != NULL && tree->status == COPSE_TREE_NO_SENDER;
}

Test(session, credit_is_leased_charged_and_ends) {
  const uint64_t credit = 30000000;
  struct copse_session *session;
  struct copse_planned_tree *tree;
  uint64_t charged = 0;

  start_three("growth_reference_s = 3600.0;", credit);
  session = cluster_session(&cluster, S);
  tree = copse_session_rooted(session, "N1");
  char id[COPSE_ID_BYTES];
  strcpy(id, tree->id);
  cluster_run(&cluster, 300);
  cr_expect(cluster_ledger_is_balanced(&cluster));
  for (int i = 0; i < 200 && fake_tree_find(cluster.pops[0].dataplane, strtoull(id, NULL, 16)) != NULL; i++) {
    struct fake_tree *fake = tree_at(0, id);

    charged = fake->allowance_bytes; /* everything that was granted is spent at once */
    fake_tree_state(cluster.pops[0].dataplane, fake->set.slot)->charged_bytes = charged;
    fake_tree_counters(cluster.pops[0].dataplane, fake->set.slot)->packets++;
    cluster_run(&cluster, 50);
    cr_expect_leq(charged, credit, "no overspend");
  }
  cr_expect(cluster_until(&cluster, no_tree_of_n1, S, 10000), "out of credit");
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

static bool is_over(struct cluster *c, const char *session);

/* Everybody is done; the session ends and all ledgers close. */
static void
end_session(void) {
  json_decref(cluster_sync(&cluster, 2, S, "alice", leecher, "{\"have\":1000,\"done\":true}", NULL));
  cr_assert(cluster_until(&cluster, is_over, S, 10000));
}

/* Dataplane and control plane die again and again while a seed sends, never both at once: what the dataplanes counted
 * is charged to the byte, and nothing is lost. */
Test(session, charges_are_what_dataplanes_counted_whoever_dies) {
  uint64_t carried = 0;

  start_three("finish_ms = 0;", 100 * GB);
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
Test(session, what_dies_with_its_count_is_lost) {
  uint64_t leased, charged;

  start_three("finish_ms = 0;", 100 * GB);
  cluster_run(&cluster, 300);
  cr_assert_gt(carry(1000000), 0);
  cluster_pop_stop(&cluster, 0);
  leased = grants_at_n1();
  charged = book_of_alice(COPSE_BOOK_CHARGED);
  cr_assert_gt(leased, 0);
  fake_dataplane_restart(cluster.pops[0].dataplane);
  cluster_pop_start(&cluster, 0);
  cr_assert(cluster_until(&cluster, restored, S, 10000));
  cluster_run(&cluster, 500);
  cr_expect_eq(book_of_alice(COPSE_BOOK_LOST), leased);
  cr_expect_eq(book_of_alice(COPSE_BOOK_CHARGED), charged);
  end_session();
  cr_expect_eq(book_of_alice(COPSE_BOOK_CREDIT), 100 * GB - leased - charged);
}

static bool
is_over(struct cluster *c, const char *session) {
  struct copse_session *s = cluster_session(c, session);

  for (size_t i = 0; i < c->count; i++)
    if (fake_tree_count(c->pops[i].dataplane) > 0)
      return false;
  return s->finished && s->plan.tree_count == 0 && s->installed.count == 0 && s->ledgers.count == 0;
}

Test(session, all_done_ends_the_session_and_returns_credit) {
  const struct copse_account *account;
  json_t *answer;

  start_three("finish_ms = 100;", 10 * GB);
  json_decref(cluster_sync(&cluster, 2, S, "alice", leecher, "{\"have\":1000,\"done\":true}", NULL));
  cr_assert(cluster_until(&cluster, is_over, S, 10000));
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
  start_three("finish_ms = 0; keep_s = 1.0;", 10 * GB);
  cluster_put(&cluster, "/leaves/" S "/0", "\"\"");
  json_decref(cluster_sync(&cluster, 2, S, "alice", leecher, "{\"have\":1000,\"done\":true}", NULL));
  cr_assert(cluster_until(&cluster, is_over, S, 10000));
  cr_expect(cluster_until(&cluster, is_forgotten, S, 10000));
  cluster_run(&cluster, 100);
  cr_expect_eq(fake_member_count(cluster.pops[2].dataplane), 0);
}

Test(session, an_idle_tree_goes_and_comes_back) {
  start_three("idle_s = 1.0; gather_ms = 0;", 10 * GB);
  cr_assert(cluster_until(&cluster, no_tree_of_n1, S, 10000), "idle");
  cr_expect_str_eq(copse_session_rooted(cluster_session(&cluster, S), "N1")->reason, "nothing was sent on it for long");
  json_decref(cluster_sync(&cluster, 0, S, "alice", seed, "{\"have\":1000,\"want\":true}", NULL));
  cluster_run(&cluster, 500);
  cr_expect_eq(copse_session_rooted(cluster_session(&cluster, S), "N1")->status, COPSE_TREE_OK);
}

/* The child of a PoP in the tree of N1, and whether its subtree has been told to want nothing; -1: no such child. */
static int
is_unwanted(size_t pop, const char *child) {
  const struct fake_tree *tree = tree_at(pop, copse_session_rooted(cluster_session(&cluster, S), "N1")->id);
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

Test(session, subtrees_that_want_nothing_get_nothing_and_cost_nothing) {
  char *late;

  start_three("finish_ms = 60000; max_depth = 1;", 10 * GB);
  cr_expect_eq(is_unwanted(0, "N2"), 1, "a seed alone");
  cr_expect_eq(is_unwanted(0, "N3"), 0);
  cr_expect_eq(tree_at(0, copse_session_rooted(cluster_session(&cluster, S), "N1")->id)->set.charged_edges, 1);
  json_decref(cluster_sync(&cluster, 2, S, "alice", leecher, "{\"have\":1000,\"done\":true}", NULL));
  cr_expect(cluster_until(&cluster, nothing_for_n3, "N3", 5000));
  cr_expect_eq(tree_at(0, copse_session_rooted(cluster_session(&cluster, S), "N1")->id)->set.charged_edges, 0);
  cluster_pop_stop(&cluster, 0);
  cluster_run(&cluster, 50);
  cluster_pop_start(&cluster, 0);
  late = cluster_join(&cluster, 2, S, "alice", 4, false, NULL);
  cr_expect(cluster_until(&cluster, something_for_n3, "N3", 5000), "somebody wants again");
  cr_expect_eq(is_unwanted(0, "N2"), 1, "known from the table after a restart");
  free(late);
}

static bool
has_orders(struct cluster *c, const char *member) {
  (void)c;
  return order_count(1, member) > 0;
}

Test(session, orders_of_a_seed_behind_a_dead_dataplane_are_given_back) {
  json_int_t first = -1, count = 0, again = -1, again_count = 0;
  json_t *answer;

  start_three("gather_ms = 0;", 100 * GB);
  answer = cluster_sync(&cluster, 0, S, "alice", seed, "{\"have\":1000,\"want\":true}", NULL);
  first_order(answer, &first, &count);
  json_decref(answer);
  cr_assert_gt(count, 0);
  fake_dataplane_disconnect(cluster.pops[0].dataplane);
  event_del(cluster.pops[0].dataplane->acceptable);
  cluster_run(&cluster, 50);
  answer = cluster_sync(&cluster, 0, S, "alice", seed, "{\"have\":1000,\"want\":true}", NULL);
  cr_expect_eq(json_array_size(json_object_get(json_object_get(answer, "send"), "orders")), 0);
  json_decref(answer);
  cluster_run(&cluster, 50);
  cr_expect(cluster_until(&cluster, has_orders, other_seed, 2000));
  answer = cluster_sync(&cluster, 1, S, "alice", other_seed, "{\"have\":1000,\"want\":true}", NULL);
  first_order(answer, &again, &again_count);
  json_decref(answer);
  cr_expect_eq(again, first, "the other seed sends them");
}

static bool
member_gone(struct cluster *c, const char *member) {
  return copse_session_member(cluster_session(c, S), member) == NULL && is_settled(c, S);
}

Test(session, the_silent_are_removed) {
  int status;

  bool gone = false;

  start_three("silence_ms = 1000;", 10 * GB);
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
  start_three("presence_ms = 1000;", 10 * GB);
  cluster_pop_stop(&cluster, 2);
  cr_expect(cluster_until(&cluster, planned_for_two, S, 10000));
  cluster_pop_start(&cluster, 2);
  cr_expect(cluster_until(&cluster, is_whole, S, 10000));
  cr_expect(cluster_until(&cluster, is_settled, S, 10000));
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
