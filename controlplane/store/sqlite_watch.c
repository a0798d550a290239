/* SPDX-License-Identifier: Apache-2.0 */
/* Watches of the SQLite store: the log of changes, read when the file's version says that somebody wrote. */
#include "sqlite.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 256 /* changes read at a time */

struct batch {
  struct copse_values values; /* `revision` holds the row */
  uint64_t last;
};

/* -ESTALE when changes after `row` have been compacted away. */
static int
check_history(struct sqlite_store *store, uint64_t row) {
  int64_t oldest, current;
  int result = sqlite_number(store, sqlite_statement(store, STATEMENT_REVISION), &current, NULL);

  if (result < 0 || row >> ROW_BITS >= (uint64_t)current)
    return result;
  result = sqlite_number(store, sqlite_statement(store, STATEMENT_OLDEST), &oldest, NULL);
  if (result < 0 && result != -ENOENT)
    return result;
  return result == -ENOENT || (uint64_t)oldest >> ROW_BITS > (row >> ROW_BITS) + 1 ? -ESTALE : 0;
}

int
sqlite_watch(struct copse_store *base, const char *prefix, uint64_t after, copse_watch_callback *callback,
             void *context) {
  struct sqlite_store *store = sqlite_of(base);
  uint64_t row = after << ROW_BITS | ROW_MASK;
  int result = check_history(store, row);
  struct sqlite_watch *watches;
  char *copy;

  if (result < 0)
    return result;
  watches = reallocarray(store->watches, store->watch_count + 1, sizeof(*watches));
  if (watches == NULL)
    return -ENOMEM;
  store->watches = watches;
  copy = strdup(prefix);
  if (copy == NULL)
    return -ENOMEM;
  watches[store->watch_count++] = (struct sqlite_watch){copy, strlen(prefix), row, callback, context};
  store->dirty = true;
  return 0;
}

static int
batch_read(struct sqlite_store *store, uint64_t after, struct batch *batch) {
  sqlite3_stmt *statement = sqlite_statement(store, STATEMENT_CHANGES);
  int code, result = 0;

  *batch = (struct batch){.last = after};
  sqlite3_bind_int64(statement, 1, (int64_t)after);
  sqlite3_bind_int64(statement, 2, BATCH);
  while (result == 0 && (code = sqlite3_step(statement)) != SQLITE_DONE) {
    if (code != SQLITE_ROW) {
      result = sqlite_fail(store, code, NULL);
      break;
    }
    batch->last = (uint64_t)sqlite3_column_int64(statement, 0);
    result = copse_values_add(&batch->values, (const char *)sqlite3_column_text(statement, 1),
                              (const char *)sqlite3_column_text(statement, 2), batch->last);
  }
  sqlite3_reset(statement);
  return result;
}

static int
deliver(struct sqlite_store *store, const struct copse_value *change) {
  int delivered = 0;

  for (size_t i = 0; i < store->watch_count; i++) { /* callbacks may add watches: index, never a pointer */
    if (change->revision <= store->watches[i].row)
      continue;
    store->watches[i].row = change->revision;
    if (strncmp(change->key, store->watches[i].prefix, store->watches[i].prefix_bytes) != 0)
      continue;
    delivered = 1;
    store->watches[i].callback(store->watches[i].context, change->key, change->value, change->revision >> ROW_BITS);
  }
  return delivered;
}

static uint64_t
oldest_watch(const struct sqlite_store *store) {
  uint64_t row = UINT64_MAX;

  for (size_t i = 0; i < store->watch_count; i++)
    if (store->watches[i].row < row)
      row = store->watches[i].row;
  return row;
}

/* The handle fell behind the log: nothing in between can be told apart any more. */
static int
skip_to_now(struct sqlite_store *store) {
  int64_t current = 0;
  int result = sqlite_number(store, sqlite_statement(store, STATEMENT_REVISION), &current, NULL);

  for (size_t i = 0; i < store->watch_count && result == 0; i++) {
    store->watches[i].row = (uint64_t)current << ROW_BITS | ROW_MASK;
    store->watches[i].callback(store->watches[i].context, NULL, NULL, (uint64_t)current);
  }
  return result;
}

static int
deliver_all(struct sqlite_store *store) {
  int result = 0, count = 0;
  size_t read;

  if (store->watch_count == 0)
    return 0;
  result = check_history(store, oldest_watch(store));
  if (result < 0)
    return result == -ESTALE ? skip_to_now(store) : result;
  do {
    struct batch batch;

    result = batch_read(store, oldest_watch(store), &batch);
    read = result == 0 ? batch.values.count : 0;
    for (size_t i = 0; i < read; i++)
      count += deliver(store, &batch.values.items[i]);
    copse_values_free(&batch.values);
  } while (read == BATCH);
  return result < 0 ? result : count;
}

int
sqlite_poll(struct copse_store *base, uint64_t now_ms) {
  struct sqlite_store *store = sqlite_of(base);
  int64_t version = 0;
  int result;

  result = sqlite_number(store, sqlite_statement(store, STATEMENT_VERSION), &version, NULL);
  if (result < 0)
    return result;
  if (version == store->version && !store->dirty && now_ms < store->next_deadline)
    return 0;
  store->dirty = false;
  result = sqlite_expire(store, now_ms);
  if (result == 0)
    result = deliver_all(store);
  if (result >= 0)
    store->version = version;
  else
    store->dirty = true;
  return result;
}
