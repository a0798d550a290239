/* SPDX-License-Identifier: Apache-2.0 */
/* Leases of the SQLite store: keys that live as long as somebody renews them. */
#include "sqlite.h"
#include <errno.h>
#include <stdlib.h>

int
sqlite_lease(struct copse_store *base, uint64_t now_ms, uint64_t ttl_ms, uint64_t *lease, struct copse_error *error) {
  struct sqlite_store *store = sqlite_of(base);
  sqlite3_stmt *statement = sqlite_statement(store, STATEMENT_LEASE_PUT);
  int result;

  sqlite3_bind_int64(statement, 1, (int64_t)ttl_ms);
  sqlite3_bind_int64(statement, 2, (int64_t)(now_ms + ttl_ms));
  result = sqlite_run(store, statement, error);
  if (result == 0)
    *lease = (uint64_t)sqlite3_last_insert_rowid(store->db);
  store->dirty = true;
  return result;
}

int
sqlite_renew(struct copse_store *base, uint64_t lease, uint64_t now_ms) {
  struct sqlite_store *store = sqlite_of(base);
  sqlite3_stmt *statement = sqlite_statement(store, STATEMENT_LEASE_RENEW);
  int result;

  sqlite3_bind_int64(statement, 1, (int64_t)lease);
  sqlite3_bind_int64(statement, 2, (int64_t)now_ms);
  result = sqlite_run(store, statement, NULL);
  if (result == 0 && sqlite3_changes(store->db) == 0)
    result = -ENOENT;
  store->dirty = true;
  return result;
}

/* The deletes of all its keys; `keys` owns the names. */
static int
keys_of(struct sqlite_store *store, uint64_t lease, struct copse_values *keys) {
  sqlite3_stmt *statement = sqlite_statement(store, STATEMENT_LEASE_KEYS);
  int code, result = 0;

  sqlite3_bind_int64(statement, 1, (int64_t)lease);
  while (result == 0 && (code = sqlite3_step(statement)) != SQLITE_DONE)
    result = code != SQLITE_ROW ? sqlite_fail(store, code, NULL)
                                : copse_values_add(keys, (const char *)sqlite3_column_text(statement, 0), NULL, 0);
  sqlite3_reset(statement);
  return result;
}

/* Inside a write transaction: removes the lease and its keys. */
static int
lease_end(struct sqlite_store *store, uint64_t lease) {
  sqlite3_stmt *statement = sqlite_statement(store, STATEMENT_LEASE_DELETE);
  struct copse_values keys = {0};
  struct copse_change *changes = NULL;
  int result;

  sqlite3_bind_int64(statement, 1, (int64_t)lease);
  result = sqlite_run(store, statement, NULL);
  if (result == 0 && sqlite3_changes(store->db) == 0)
    return -ENOENT;
  if (result == 0)
    result = keys_of(store, lease, &keys);
  if (result == 0 && keys.count > 0) {
    changes = calloc(keys.count, sizeof(*changes));
    result = changes == NULL ? -ENOMEM : 0;
  }
  for (size_t i = 0; i < keys.count && result == 0; i++)
    changes[i] = (struct copse_change){.kind = COPSE_CHANGE_DELETE, .key = keys.items[i].key};
  if (result == 0 && keys.count > 0)
    result = sqlite_apply(store, changes, keys.count, NULL, NULL);
  free(changes);
  copse_values_free(&keys);
  return result;
}

int
sqlite_revoke(struct copse_store *base, uint64_t lease) {
  struct sqlite_store *store = sqlite_of(base);
  int result = sqlite_begin(store, true, NULL);

  if (result < 0)
    return result;
  store->dirty = true;
  return sqlite_end(store, lease_end(store, lease), NULL);
}

/* A lease that ends later than it could was renewed before the machine restarted its clock: it is over as well. */
static int
next_expired(struct sqlite_store *store, uint64_t now_ms, int64_t *lease) {
  sqlite3_stmt *statement = sqlite_statement(store, STATEMENT_LEASE_EXPIRED);

  sqlite3_bind_int64(statement, 1, (int64_t)now_ms);
  return sqlite_number(store, statement, lease, NULL);
}

int
sqlite_expire(struct sqlite_store *store, uint64_t now_ms) {
  int64_t lease, next;
  int result = next_expired(store, now_ms, &lease);

  if (result == 0) {
    result = sqlite_begin(store, true, NULL);
    if (result < 0)
      return result;
    while ((result = next_expired(store, now_ms, &lease)) == 0 && (result = lease_end(store, (uint64_t)lease)) == 0)
      ;
    store->dirty = true;
    result = sqlite_end(store, result == -ENOENT ? 0 : result, NULL);
    if (result < 0)
      return result;
  } else if (result != -ENOENT) {
    return result;
  }
  result = sqlite_number(store, sqlite_statement(store, STATEMENT_LEASE_NEXT), &next, NULL);
  store->next_deadline = result == 0 ? (uint64_t)next : UINT64_MAX;
  return result == -ENOENT ? 0 : result;
}
