/* SPDX-License-Identifier: Apache-2.0 */
#include "contribution.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRIES 16
#define KEY_BYTES (sizeof("/contributions//") + COPSE_ACCOUNT_BYTES + COPSE_CONTRIBUTION_KEY_BYTES)

static json_t *
document(const struct copse_contribution *contribution, uint64_t at_s) {
  return json_pack("{s:s, s:I, s:s, s:I}", "source", copse_book_names[contribution->source], "bytes",
                   (json_int_t)contribution->bytes, "note", contribution->note, "at_s", (json_int_t)at_s);
}

/* What stands in the store under its key: 1 the same, 0 nothing, -EEXIST another. */
static int
look_up(struct copse_store *store, const char *key, const struct copse_contribution *contribution) {
  json_t *ours = document(contribution, 0), *theirs;
  struct copse_value value;
  int result = copse_store_get(store, key, &value);

  if (result == 0) {
    theirs = json_loads(value.value, 0, NULL);
    json_object_set_new(theirs, "at_s", json_integer(0));
    result = json_equal(ours, theirs) ? 1 : -EEXIST;
    json_decref(theirs);
    copse_value_free(&value);
  }
  json_decref(ours);
  return result == -ENOENT ? 0 : result;
}

static int
record_once(struct copse_store *store, const char *account, const struct copse_contribution *contribution,
            uint64_t limit, uint64_t at_s, struct copse_account_record *record) {
  struct copse_transaction transaction = {0};
  struct copse_account_change change;
  char key[KEY_BYTES];
  uint64_t revision;
  json_t *why;
  int result = copse_account_get(store, account, record, &revision);

  if (result < 0)
    return result;
  snprintf(key, sizeof(key), "/contributions/%s/%s", account, contribution->key);
  result = look_up(store, key, contribution);
  if (result != 0)
    return result < 0 ? result : 0;
  if (contribution->bytes > limit || record->bytes[contribution->source] > limit - contribution->bytes)
    return -ERANGE;
  copse_account_begin(&change, account, revision, record);
  copse_account_move(&change, contribution->source, COPSE_BOOK_CREDIT, contribution->bytes);
  why = json_pack("{s:s}", "contribution", contribution->key);
  copse_account_finish(&change, why, at_s, &transaction);
  copse_transaction_compare(&transaction, 0, "%s", key);
  json_decref(why);
  json_t *json = document(contribution, at_s);
  copse_transaction_put(&transaction, json == NULL ? NULL : json_dumps(json, JSON_COMPACT), "%s", key);
  json_decref(json);
  result = copse_transaction_commit(&transaction, store, NULL, NULL);
  copse_transaction_free(&transaction);
  if (result == 0)
    *record = change.record;
  return result;
}

int
copse_contribute(struct copse_store *store, const char *account, const struct copse_contribution *contribution,
                 uint64_t limit, uint64_t at_s, struct copse_account_record *record) {
  int result = -EAGAIN;

  for (int i = 0; i < TRIES && result == -EAGAIN; i++)
    result = record_once(store, account, contribution, limit, at_s, record);
  return result;
}

/* As many as one transaction has room for; returns where to go on. */
static size_t
gather_old(const struct copse_values *values, size_t next, uint64_t before_s, struct copse_transaction *transaction) {
  for (; next < values->count && transaction->change_count < COPSE_STORE_OPERATIONS_MAX; next++) {
    json_t *json = json_loads(values->items[next].value, 0, NULL);

    if ((uint64_t)json_integer_value(json_object_get(json, "at_s")) < before_s)
      copse_transaction_delete(transaction, "%s", values->items[next].key);
    json_decref(json);
  }
  return next;
}

int
copse_contributions_sweep(struct copse_store *store, uint64_t before_s) {
  struct copse_values values;
  size_t next = 0;
  int result = copse_store_list(store, "/contributions/", &values), swept = 0;

  if (result < 0)
    return result;
  while (next < values.count && result == 0) {
    struct copse_transaction transaction = {0};

    next = gather_old(&values, next, before_s, &transaction);
    result = transaction.change_count == 0 ? 0 : copse_transaction_commit(&transaction, store, NULL, NULL);
    swept += result == 0 ? (int)transaction.change_count : 0;
    copse_transaction_free(&transaction);
  }
  copse_values_free(&values);
  return result < 0 ? result : swept;
}
