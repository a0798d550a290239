/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions of the SQLite store: compares, changes, their log. */
#include "sqlite.h"
#include <errno.h>
#include <string.h>

#define COMPACT_EVERY 256 /* revisions */

static int
check_compares(struct sqlite_store *store, const struct copse_compare *compares, size_t count,
               struct copse_error *error) {
  for (size_t i = 0; i < count; i++) {
    sqlite3_stmt *statement = sqlite_statement(store, STATEMENT_KEY_REVISION);
    int64_t revision = 0;
    int result;

    sqlite3_bind_text(statement, 1, compares[i].key, -1, SQLITE_STATIC);
    result = sqlite_number(store, statement, &revision, error);
    if (result < 0 && result != -ENOENT)
      return result;
    if ((uint64_t)revision != compares[i].revision)
      return copse_fail(error, -EAGAIN, "%s has changed", compares[i].key);
  }
  return 0;
}

static int
put(struct sqlite_store *store, const struct copse_change *change, uint64_t revision, struct copse_error *error) {
  sqlite3_stmt *statement;

  if (change->lease != 0) {
    int64_t ttl;
    int result;

    statement = sqlite_statement(store, STATEMENT_LEASE_GET);
    sqlite3_bind_int64(statement, 1, (int64_t)change->lease);
    result = sqlite_number(store, statement, &ttl, error);
    if (result == -ENOENT)
      return copse_fail(error, -ENOENT, "%s: the lease has expired", change->key);
    if (result < 0)
      return result;
  }
  statement = sqlite_statement(store, STATEMENT_PUT);
  sqlite3_bind_text(statement, 1, change->key, -1, SQLITE_STATIC);
  sqlite3_bind_text(statement, 2, change->value, -1, SQLITE_STATIC);
  sqlite3_bind_int64(statement, 3, (int64_t)revision);
  sqlite3_bind_int64(statement, 4, (int64_t)change->lease);
  return sqlite_run(store, statement, error);
}

/* 1 when the key existed. */
static int delete (struct sqlite_store *store, const char *key, struct copse_error *error) {
  sqlite3_stmt *statement = sqlite_statement(store, STATEMENT_DELETE);
  int result;

  sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
  result = sqlite_run(store, statement, error);
  return result < 0 ? result : sqlite3_changes(store->db) > 0;
}

static int
log_change(struct sqlite_store *store, uint64_t row, const char *key, const char *value, struct copse_error *error) {
  sqlite3_stmt *statement = sqlite_statement(store, STATEMENT_LOG);

  sqlite3_bind_int64(statement, 1, (int64_t)row);
  sqlite3_bind_text(statement, 2, key, -1, SQLITE_STATIC);
  if (value != NULL)
    sqlite3_bind_text(statement, 3, value, -1, SQLITE_STATIC);
  return sqlite_run(store, statement, error);
}

static int
advance(struct sqlite_store *store, uint64_t revision, struct copse_error *error) {
  sqlite3_stmt *statement = sqlite_statement(store, STATEMENT_ADVANCE);
  int result;

  sqlite3_bind_int64(statement, 1, (int64_t)revision);
  result = sqlite_run(store, statement, error);
  if (result < 0 || revision % COMPACT_EVERY != 0 || revision <= COPSE_STORE_HISTORY)
    return result;
  statement = sqlite_statement(store, STATEMENT_COMPACT);
  sqlite3_bind_int64(statement, 1, (int64_t)((revision - COPSE_STORE_HISTORY) << ROW_BITS));
  return sqlite_run(store, statement, error);
}

int
sqlite_apply(struct sqlite_store *store, const struct copse_change *changes, size_t count, uint64_t *revision,
             struct copse_error *error) {
  int64_t current = 0;
  uint64_t made = 0;
  int result = sqlite_number(store, sqlite_statement(store, STATEMENT_REVISION), &current, error);

  for (size_t i = 0; i < count && result >= 0; i++) {
    const struct copse_change *change = &changes[i];
    const char *value = change->kind == COPSE_CHANGE_PUT ? change->value : NULL;

    result = value != NULL ? put(store, change, (uint64_t)current + 1, error) : delete (store, change->key, error);
    if (result < 0 || (value == NULL && result == 0))
      continue;
    result = log_change(store, ((uint64_t)current + 1) << ROW_BITS | made++, change->key, value, error);
  }
  if (result < 0)
    return result;
  if (made > 0)
    result = advance(store, (uint64_t)++current, error);
  if (revision != NULL)
    *revision = (uint64_t)current;
  return result;
}

int
sqlite_commit(struct copse_store *base, const struct copse_compare *compares, size_t compare_count,
              const struct copse_change *changes, size_t change_count, uint64_t *revision, struct copse_error *error) {
  struct sqlite_store *store = sqlite_of(base);
  int result = sqlite_begin(store, true, error);

  if (result < 0)
    return result;
  result = check_compares(store, compares, compare_count, error);
  if (result == 0)
    result = sqlite_apply(store, changes, change_count, revision, error);
  store->dirty = true;
  return sqlite_end(store, result, error);
}
