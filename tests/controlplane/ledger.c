/* SPDX-License-Identifier: Apache-2.0 */
/* Double entry: accounts and their journals, contributions, and the ledgers of trees. */
#include "session/ledger.h"
#include "account.h"
#include "ledger/contribution.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define S "00000000000000000000000000000001"
#define LIMIT ((1ULL << 53) - 1)

/* ---- accounts ---- */

static struct copse_store *store;
static char path[64];

static void
open_store(void) {
  struct copse_error error;

  snprintf(path, sizeof(path), "/tmp/copse-ledger-%d.db", (int)getpid());
  cr_assert_eq(copse_store_open(path, &store, &error), 0, "%s", error.text);
}

static void
close_store(void) {
  static const char *const more[] = {"", "-wal", "-shm"};
  char name[80];

  copse_store_close(store);
  for (int i = 0; i < 3; i++) {
    snprintf(name, sizeof(name), "%s%s", path, more[i]);
    unlink(name);
  }
}

TestSuite(account, .init = open_store, .fini = close_store);

static void
commit(struct copse_account_change *change) {
  struct copse_transaction transaction = {0};
  json_t *why = json_pack("{s:s}", "tree", "t");

  copse_account_finish(change, why, 1700000000, &transaction);
  json_decref(why);
  cr_assert_eq(copse_transaction_commit(&transaction, store, NULL, NULL), 0);
  copse_transaction_free(&transaction);
}

static struct copse_account_change
begin(const char *name) {
  struct copse_account_record record;
  struct copse_account_change change;
  uint64_t revision = 0;
  bool known = copse_account_get(store, name, &record, &revision) == 0;

  copse_account_begin(&change, name, revision, known ? &record : NULL);
  return change;
}

Test(account, what_one_book_loses_another_gains) {
  struct copse_account_change change = begin("alice");

  cr_expect_eq(copse_account_move(&change, COPSE_BOOK_GRANTED, COPSE_BOOK_CREDIT, 1000), 1000);
  cr_expect_eq(copse_account_move(&change, COPSE_BOOK_EARNED, COPSE_BOOK_CREDIT, 500), 500);
  cr_expect_eq(copse_account_move(&change, COPSE_BOOK_CREDIT, COPSE_BOOK_LEASED, 1200), 1200);
  cr_expect_eq(copse_account_move(&change, COPSE_BOOK_CREDIT, COPSE_BOOK_LEASED, 1200), 300, "what there is");
  cr_expect_eq(copse_account_move(&change, COPSE_BOOK_LEASED, COPSE_BOOK_CHARGED, 400), 400);
  cr_expect_eq(copse_account_move(&change, COPSE_BOOK_CREDIT, COPSE_BOOK_LEASED, 1), 0);
  cr_expect_eq(change.move_count, 4, "equal moves are one");
  cr_expect_eq(change.moves[2].bytes, 1500);
  cr_expect_eq(change.record.bytes[COPSE_BOOK_LEASED], 1100);
  cr_expect_eq(copse_account_residual(&change.record), 0);
}

/* The balances an account has when only its journal is believed. */
static void
add_up(const char *name, int64_t books[COPSE_BOOK_COUNT]) {
  json_t *entries, *entry, *move;
  size_t i, j;

  memset(books, 0, COPSE_BOOK_COUNT * sizeof(*books));
  cr_assert_eq(copse_account_journal(store, name, &entries), 0);
  json_array_foreach(entries, i, entry) {
    json_array_foreach(json_object_get(entry, "moves"), j, move) {
      for (int book = 0; book < COPSE_BOOK_COUNT; book++) {
        if (strcmp(json_string_value(json_object_get(move, "from")), copse_book_names[book]) == 0)
          books[book] -= json_integer_value(json_object_get(move, "bytes"));
        if (strcmp(json_string_value(json_object_get(move, "to")), copse_book_names[book]) == 0)
          books[book] += json_integer_value(json_object_get(move, "bytes"));
      }
    }
  }
  json_decref(entries);
}

Test(account, the_journal_adds_up_to_the_record) {
  int64_t books[COPSE_BOOK_COUNT], sum = 0;
  struct copse_account_change change = begin("alice");

  srandom(1);
  copse_account_move(&change, COPSE_BOOK_GRANTED, COPSE_BOOK_CREDIT, 100000);
  commit(&change);
  for (int i = 0; i < COPSE_JOURNAL_ENTRIES - 1; i++) {
    change = begin("alice");
    while (change.move_count == 0)
      copse_account_move(&change, (enum copse_book)(random() % COPSE_BOOK_COUNT),
                         (enum copse_book)(COPSE_BOOK_CREDIT + random() % 4), (uint64_t)random() % 1000);
    commit(&change);
  }
  change = begin("alice");
  cr_expect_eq(change.record.entries, COPSE_JOURNAL_ENTRIES);
  add_up("alice", books);
  for (int book = 0; book < COPSE_BOOK_COUNT; book++) {
    sum += books[book];
    cr_expect_eq(books[book],
                 book < COPSE_BOOK_CREDIT ? -(int64_t)change.record.bytes[book] : (int64_t)change.record.bytes[book]);
  }
  cr_expect_eq(sum, 0);
}

Test(account, a_journal_is_bounded) {
  json_t *entries;

  for (int i = 0; i < 3 * COPSE_JOURNAL_ENTRIES; i++) {
    struct copse_account_change change = begin("alice");

    copse_account_move(&change, COPSE_BOOK_GRANTED, COPSE_BOOK_CREDIT, 1);
    commit(&change);
  }
  cr_assert_eq(copse_account_journal(store, "alice", &entries), 0);
  cr_expect_eq(json_array_size(entries), COPSE_JOURNAL_ENTRIES);
  for (size_t i = 0; i < COPSE_JOURNAL_ENTRIES; i++)
    cr_expect_eq(json_integer_value(json_object_get(json_array_get(entries, i), "entry")),
                 2 * COPSE_JOURNAL_ENTRIES + (int)i + 1, "the last ones, in order");
  json_decref(entries);
}

Test(account, books_that_do_not_add_up_are_no_account) {
  static const char *const wrong[] = {
    "{\"granted_bytes\":10,\"earned_bytes\":0,\"credit_bytes\":9,\"leased_bytes\":0,\"charged_bytes\":0,"
    "\"lost_bytes\":0,\"entries\":1}",
    "{\"granted_bytes\":10,\"earned_bytes\":0,\"credit_bytes\":10,\"leased_bytes\":0,\"charged_bytes\":0,"
    "\"entries\":1}",
    "{\"granted_bytes\":-10,\"earned_bytes\":10,\"credit_bytes\":0,\"leased_bytes\":0,\"charged_bytes\":0,"
    "\"lost_bytes\":0,\"entries\":1}",
    "{\"credit_bytes\":0,\"leased_bytes\":0}", "[]"};

  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    struct copse_account_record record;
    json_t *json = json_loads(wrong[i], 0, NULL);

    cr_expect_not(copse_account_read(json, &record), "%s", wrong[i]);
    json_decref(json);
  }
}

/* ---- contributions ---- */

static void
open_account(void) {
  open_store();
  struct copse_account_change change = begin("alice");
  commit(&change);
}

TestSuite(contribution, .init = open_account, .fini = close_store);

Test(contribution, is_recorded_once_however_often_it_is_reported) {
  struct copse_contribution upload = {.key = "chunk-7", .note = "bob", .source = COPSE_BOOK_EARNED, .bytes = 700};
  struct copse_account_record record;

  for (int i = 0; i < 5; i++) {
    cr_expect_eq(copse_contribute(store, "alice", &upload, LIMIT, 1000 + (uint64_t)i, &record), 0);
    cr_expect_eq(record.bytes[COPSE_BOOK_CREDIT], 700);
    cr_expect_eq(record.bytes[COPSE_BOOK_EARNED], 700);
  }
  upload.bytes = 701;
  cr_expect_eq(copse_contribute(store, "alice", &upload, LIMIT, 1000, &record), -EEXIST, "another under its key");
  strcpy(upload.key, "chunk-8");
  cr_expect_eq(copse_contribute(store, "alice", &upload, LIMIT, 1000, &record), 0);
  cr_expect_eq(record.bytes[COPSE_BOOK_CREDIT], 1401);
  cr_expect_eq(copse_contribute(store, "nobody", &upload, LIMIT, 1000, &record), -ENOENT);
  strcpy(upload.key, "chunk-9");
  upload.bytes = LIMIT;
  cr_expect_eq(copse_contribute(store, "alice", &upload, LIMIT, 1000, &record), -ERANGE);
}

Test(contribution, keys_are_forgotten_in_time_and_bytes_are_not) {
  struct copse_contribution grant = {.key = "a", .source = COPSE_BOOK_GRANTED, .bytes = 5};
  struct copse_account_record record;

  cr_assert_eq(copse_contribute(store, "alice", &grant, LIMIT, 1000, &record), 0);
  strcpy(grant.key, "b");
  cr_assert_eq(copse_contribute(store, "alice", &grant, LIMIT, 2000, &record), 0);
  cr_expect_eq(copse_contributions_sweep(store, 1001), 1);
  cr_expect_eq(copse_contributions_sweep(store, 1001), 0);
  cr_expect_eq(copse_contribute(store, "alice", &grant, LIMIT, 3000, &record), 0, "b is remembered");
  cr_expect_eq(record.bytes[COPSE_BOOK_GRANTED], 10);
}

/* ---- ledgers of trees ---- */

static struct copse_model model;

static void
clear(void) {
  copse_model_free(&model);
}

TestSuite(ledger, .fini = clear);

static const struct copse_account *
make_account(const char *name, uint64_t credit, uint64_t leased) {
  char key[64], value[ACCOUNT_TEXT_BYTES];
  static uint64_t revision;

  snprintf(key, sizeof(key), "/accounts/%s", name);
  copse_model_apply(&model, key, account_text(value, credit, leased), ++revision);
  return copse_set_find(&model.accounts, name);
}

/* Every account adds up, and what was granted to the tree is somewhere. */
static bool
is_balanced(const struct copse_ledger_change *change) {
  uint64_t grants = 0;

  for (size_t i = 0; i < change->record.grant_count; i++)
    grants += change->record.grants[i].bytes;
  for (size_t i = 0; i < change->account_count; i++)
    if (copse_account_residual(&change->accounts[i].record) != 0)
      return false;
  return change->record.granted_bytes == change->record.charged_bytes + change->record.lost_bytes + grants;
}

Test(ledger, bytes_move_and_none_is_lost) {
  const struct copse_account *alice = make_account("alice", 1000, 0);
  struct copse_ledger_change change;

  copse_ledger_begin(&change, S, "00000000000000aa", "N1", NULL);
  copse_ledger_adopt(&change, 5);
  cr_expect(copse_ledger_lease(&change, alice, 600));
  cr_expect(copse_ledger_lease(&change, alice, 600), "what there is");
  cr_expect_eq(change.record.granted_bytes, 1000);
  cr_expect_eq(change.record.grant_count, 1);
  copse_ledger_settle(&change, &model, 250);
  cr_expect_eq(change.record.charged_bytes, 250);
  cr_expect_eq(change.accounts[0].record.bytes[COPSE_BOOK_LEASED], 750);
  cr_expect(is_balanced(&change));
  copse_ledger_settle(&change, &model, 100);
  cr_expect_eq(change.record.charged_bytes, 250, "charges never go back");
  copse_ledger_return(&change, &model);
  cr_expect_eq(change.accounts[0].record.bytes[COPSE_BOOK_CREDIT], 750);
  cr_expect_eq(change.accounts[0].record.bytes[COPSE_BOOK_LEASED], 0);
  cr_expect_eq(change.accounts[0].record.bytes[COPSE_BOOK_CHARGED], 250);
  cr_expect(is_balanced(&change));
}

/* Granted 800 in life 5 of the dataplane, 300 of them settled. */
static struct copse_tree_ledger
life_five(void) {
  return (struct copse_tree_ledger){.revision = 3,
                                    .record = {.instance = 5,
                                               .granted_bytes = 800,
                                               .charged_bytes = 300,
                                               .grants = {{.account = "alice", .bytes = 500}},
                                               .grant_count = 1}};
}

Test(ledger, what_nobody_counted_is_lost_not_charged) {
  const struct copse_account *alice = make_account("alice", 500, 500);
  struct copse_tree_ledger ledger = life_five();
  struct copse_ledger_change change;

  copse_ledger_begin(&change, S, "00000000000000aa", "N1", &ledger);
  copse_ledger_lose(&change, &model);
  copse_ledger_adopt(&change, 6);
  cr_expect_eq(change.record.base_bytes, 800);
  cr_expect(copse_ledger_lease(&change, alice, 200));
  copse_ledger_settle(&change, &model, 50);
  cr_expect_eq(change.record.charged_bytes, 350);
  cr_expect_eq(change.record.lost_bytes, 500);
  cr_expect_eq(change.record.granted_bytes, 1000);
  cr_expect_eq(change.accounts[0].record.bytes[COPSE_BOOK_CREDIT], 300);
  cr_expect_eq(change.accounts[0].record.bytes[COPSE_BOOK_LEASED], 150);
  cr_expect_eq(change.accounts[0].record.bytes[COPSE_BOOK_LOST], 500);
  cr_expect(is_balanced(&change));
}

Test(ledger, what_is_left_of_a_life_whose_last_count_is_known_goes_on) {
  make_account("alice", 500, 500);
  struct copse_tree_ledger ledger = life_five();
  struct copse_ledger_change change;

  copse_ledger_begin(&change, S, "00000000000000aa", "N1", &ledger);
  copse_ledger_settle(&change, &model, 450);
  copse_ledger_adopt(&change, 6);
  cr_expect_eq(change.record.charged_bytes, 450);
  cr_expect_eq(change.record.granted_bytes - change.record.base_bytes, 350, "at hand in the new life");
  copse_ledger_settle(&change, &model, 100);
  cr_expect_eq(change.record.charged_bytes, 550);
  copse_ledger_return(&change, &model);
  cr_expect_eq(change.accounts[0].record.bytes[COPSE_BOOK_CREDIT], 750);
  cr_expect(is_balanced(&change));
}

Test(ledger, more_than_is_at_hand_cannot_be_charged) {
  make_account("alice", 500, 500);
  struct copse_tree_ledger ledger = life_five();
  struct copse_ledger_change change;

  copse_ledger_begin(&change, S, "00000000000000aa", "N1", &ledger);
  copse_ledger_settle(&change, &model, 5000);
  cr_expect_eq(change.record.charged_bytes, 800);
  cr_expect(is_balanced(&change));
}

Test(ledger, oldest_grants_are_spent_first) {
  const struct copse_account *alice = make_account("alice", 100, 0), *bob = make_account("bob", 100, 0);
  struct copse_ledger_change change;

  copse_ledger_begin(&change, S, "00000000000000aa", "N1", NULL);
  copse_ledger_adopt(&change, 5);
  copse_ledger_lease(&change, alice, 100);
  copse_ledger_lease(&change, bob, 100);
  copse_ledger_settle(&change, &model, 130);
  cr_expect_eq(change.record.grant_count, 1);
  cr_expect_str_eq(change.record.grants[0].account, "bob");
  cr_expect_eq(change.record.grants[0].bytes, 70);
  copse_ledger_return(&change, &model);
  cr_expect_eq(change.accounts[1].record.bytes[COPSE_BOOK_CREDIT], 70);
  cr_expect(is_balanced(&change));
}

Test(ledger, an_account_that_is_gone_holds_nothing_up) {
  struct copse_tree_ledger ledger = {
    .revision = 3,
    .record = {.instance = 5, .granted_bytes = 800, .grants = {{.account = "nobody", .bytes = 800}}, .grant_count = 1}};
  struct copse_ledger_change change;

  copse_ledger_begin(&change, S, "00000000000000aa", "N1", &ledger);
  copse_ledger_settle(&change, &model, 100);
  copse_ledger_return(&change, &model);
  cr_expect_eq(change.account_count, 0);
  cr_expect_eq(change.record.grant_count, 0);
  cr_expect(change.close);
}
