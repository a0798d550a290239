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

/* Where the next change is logged. */
struct place {
  uint64_t revision, made;
};

/* Tells watches; a revision without rows left is followed by another. */
static int
note(struct sqlite_store *store, struct place *place, const char *key, const char *value, struct copse_error *error) {
  if (place->made > ROW_MASK)
    *place = (struct place){.revision = place->revision + 1};
  return log_change(store, place->revision << ROW_BITS | place->made++, key, value, error);
}

static int
delete_one(struct sqlite_store *store, struct place *place, const char *key, struct copse_error *error) {
  int result = delete (store, key, error);

  return result > 0 ? note(store, place, key, NULL, error) : result;
}

static int
delete_prefix(struct sqlite_store *store, struct place *place, const char *prefix, struct copse_error *error) {
  struct copse_values values = {0};
  int result = sqlite_list(store, prefix, &values);

  for (size_t i = 0; i < values.count && result == 0; i++)
    result = delete_one(store, place, values.items[i].key, error);
  copse_values_free(&values);
  return result;
}

static int
make_change(struct sqlite_store *store, struct place *place, const struct copse_change *change,
            struct copse_error *error) {
  int result;

  if (change->kind == COPSE_CHANGE_DELETE)
    return delete_one(store, place, change->key, error);
  if (change->kind == COPSE_CHANGE_DELETE_PREFIX)
    return delete_prefix(store, place, change->key, error);
  result = put(store, change, place->revision, error);
  return result < 0 ? result : note(store, place, change->key, change->value, error);
}

int
sqlite_apply(struct sqlite_store *store, const struct copse_change *changes, size_t count, uint64_t *revision,
             struct copse_error *error) {
  struct place place = {0};
  int64_t current = 0;
  int result = sqlite_number(store, sqlite_statement(store, STATEMENT_REVISION), &current, error);

  place.revision = (uint64_t)current + 1;
  for (size_t i = 0; i < count && result == 0; i++)
    result = make_change(store, &place, &changes[i], error);
  if (result < 0)
    return result;
  if (place.made > 0) {
    current = (int64_t)place.revision;
    result = advance(store, place.revision, error);
  }
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
