/* SPDX-License-Identifier: Apache-2.0 */
/* The store in one SQLite file (WAL), shared by the control planes of one machine.
 *
 * Commits survive the death of any process; a power failure may take the last ones, whole (synchronous = NORMAL). */
#include "sqlite.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SCHEMA_VERSION 1
#define BUSY_WAIT_MS 2000 /* for the lock, then -EBUSY */

static const char schema[] =
  "CREATE TABLE kv (key TEXT PRIMARY KEY, value TEXT NOT NULL, revision INTEGER NOT NULL, lease INTEGER NOT NULL)"
  " WITHOUT ROWID;"
  "CREATE INDEX kv_lease ON kv (lease) WHERE lease <> 0;"
  "CREATE TABLE changes (row INTEGER PRIMARY KEY, key TEXT NOT NULL, value TEXT);"
  "CREATE TABLE leases (id INTEGER PRIMARY KEY AUTOINCREMENT, ttl INTEGER NOT NULL, deadline INTEGER NOT NULL);"
  "CREATE TABLE revision (current INTEGER NOT NULL);"
  "INSERT INTO revision VALUES (0);"
  "PRAGMA user_version = 1;";

static const char *const statement_texts[STATEMENT_COUNT] = {
  [STATEMENT_BEGIN_READ] = "BEGIN",
  [STATEMENT_BEGIN_WRITE] = "BEGIN IMMEDIATE",
  [STATEMENT_COMMIT] = "COMMIT",
  [STATEMENT_ROLLBACK] = "ROLLBACK",
  [STATEMENT_VERSION] = "PRAGMA data_version",
  [STATEMENT_REVISION] = "SELECT current FROM revision",
  [STATEMENT_ADVANCE] = "UPDATE revision SET current = ?1",
  [STATEMENT_KEY_REVISION] = "SELECT revision FROM kv WHERE key = ?1",
  [STATEMENT_GET] = "SELECT value, revision FROM kv WHERE key = ?1",
  [STATEMENT_LIST] = "SELECT key, value, revision FROM kv WHERE key >= ?1 AND (?2 IS NULL OR key < ?2) ORDER BY key",
  [STATEMENT_PUT] = "INSERT OR REPLACE INTO kv VALUES (?1, ?2, ?3, ?4)",
  [STATEMENT_DELETE] = "DELETE FROM kv WHERE key = ?1",
  [STATEMENT_LOG] = "INSERT INTO changes VALUES (?1, ?2, ?3)",
  [STATEMENT_COMPACT] = "DELETE FROM changes WHERE row < ?1",
  [STATEMENT_OLDEST] = "SELECT min(row) FROM changes",
  [STATEMENT_CHANGES] = "SELECT row, key, value FROM changes WHERE row > ?1 ORDER BY row LIMIT ?2",
  [STATEMENT_LEASE_PUT] = "INSERT INTO leases (ttl, deadline) VALUES (?1, ?2)",
  [STATEMENT_LEASE_GET] = "SELECT ttl FROM leases WHERE id = ?1",
  [STATEMENT_LEASE_RENEW] = "UPDATE leases SET deadline = ?2 + ttl WHERE id = ?1",
  [STATEMENT_LEASE_DELETE] = "DELETE FROM leases WHERE id = ?1",
  [STATEMENT_LEASE_KEYS] = "SELECT key FROM kv WHERE lease = ?1 AND lease <> 0 ORDER BY key",
  [STATEMENT_LEASE_EXPIRED] = "SELECT id FROM leases WHERE deadline <= ?1 OR deadline > ?1 + 2 * ttl LIMIT 1",
  [STATEMENT_LEASE_NEXT] = "SELECT min(deadline) FROM leases",
};

int
sqlite_fail(struct sqlite_store *store, int code, struct copse_error *error) {
  const char *text = store->db == NULL ? sqlite3_errstr(code) : sqlite3_errmsg(store->db);
  int result;

  switch (code & 0xff) {
  case SQLITE_FULL:
    result = -ENOSPC;
    break;
  case SQLITE_READONLY:
  case SQLITE_CANTOPEN:
  case SQLITE_PERM:
    result = -EROFS;
    break;
  case SQLITE_BUSY:
  case SQLITE_LOCKED:
    result = -EBUSY;
    break;
  case SQLITE_NOMEM:
    result = -ENOMEM;
    break;
  case SQLITE_TOOBIG:
    result = -E2BIG;
    break;
  default:
    result = store->db != NULL && sqlite3_system_errno(store->db) == ENOSPC ? -ENOSPC : -EIO;
  }
  return copse_fail(error, result, "the store: %s", text);
}

sqlite3_stmt *
sqlite_statement(struct sqlite_store *store, enum statement which) {
  return store->statements[which];
}

/* Leaves the statement unbound, so that no pointer of a caller outlives the call. */
static void
statement_done(sqlite3_stmt *statement) {
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
}

int
sqlite_run(struct sqlite_store *store, sqlite3_stmt *statement, struct copse_error *error) {
  int code = sqlite3_step(statement);
  int result = code == SQLITE_DONE || code == SQLITE_ROW ? 0 : sqlite_fail(store, code, error);

  statement_done(statement);
  return result;
}

int
sqlite_number(struct sqlite_store *store, sqlite3_stmt *statement, int64_t *out, struct copse_error *error) {
  int code = sqlite3_step(statement);
  int result = 0;

  if (code == SQLITE_ROW && sqlite3_column_type(statement, 0) != SQLITE_NULL)
    *out = sqlite3_column_int64(statement, 0);
  else if (code == SQLITE_ROW || code == SQLITE_DONE)
    result = -ENOENT;
  else
    result = sqlite_fail(store, code, error);
  statement_done(statement);
  return result;
}

int
sqlite_begin(struct sqlite_store *store, bool write, struct copse_error *error) {
  return sqlite_run(store, sqlite_statement(store, write ? STATEMENT_BEGIN_WRITE : STATEMENT_BEGIN_READ), error);
}

int
sqlite_end(struct sqlite_store *store, int code, struct copse_error *error) {
  if (code == 0)
    code = sqlite_run(store, sqlite_statement(store, STATEMENT_COMMIT), error);
  if (code < 0 && sqlite3_get_autocommit(store->db) == 0)
    sqlite_run(store, sqlite_statement(store, STATEMENT_ROLLBACK), NULL);
  return code;
}

/* Waits for another process' transaction in steps of a millisecond: transactions are short, and SQLite's own
 * handler backs off so far that one of two busy writers starves. */
static int
busy(void *context, int calls) {
  (void)context;
  if (calls >= BUSY_WAIT_MS)
    return 0;
  usleep(1000);
  return 1;
}

static int
schema_prepare(struct sqlite_store *store, struct copse_error *error) {
  sqlite3_stmt *statement = NULL;
  int64_t version = 0;
  int code = sqlite3_exec(store->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);

  if (code != SQLITE_OK)
    return sqlite_fail(store, code, error);
  code = sqlite3_prepare_v2(store->db, "PRAGMA user_version", -1, &statement, NULL);
  if (code == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
    version = sqlite3_column_int64(statement, 0);
  sqlite3_finalize(statement);
  if (code == SQLITE_OK && version == 0)
    code = sqlite3_exec(store->db, schema, NULL, NULL, NULL);
  if (code == SQLITE_OK)
    code = sqlite3_exec(store->db, "COMMIT", NULL, NULL, NULL);
  if (code != SQLITE_OK)
    return sqlite_fail(store, code, error);
  if (version > SCHEMA_VERSION)
    return copse_fail(error, -EPROTO, "the store was made by a newer copse (schema %lld, this one knows %d)",
                      (long long)version, SCHEMA_VERSION);
  return 0;
}

/* Changing to WAL needs the file alone for a moment and does not wait by itself. */
static int
use_wal(struct sqlite_store *store) {
  int code = SQLITE_BUSY;

  for (int attempt = 0; attempt < BUSY_WAIT_MS && (code & 0xff) == SQLITE_BUSY; attempt++) {
    if (attempt > 0)
      usleep(1000);
    code = sqlite3_exec(store->db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;", NULL, NULL, NULL);
  }
  return code;
}

static int
prepare(struct sqlite_store *store, struct copse_error *error) {
  int code = SQLITE_OK;
  int result;

  sqlite3_busy_handler(store->db, busy, NULL);
  code = use_wal(store);
  if (code != SQLITE_OK)
    return sqlite_fail(store, code, error);
  result = schema_prepare(store, error);
  if (result < 0)
    return result;
  for (int i = 0; i < STATEMENT_COUNT && code == SQLITE_OK; i++)
    code =
      sqlite3_prepare_v3(store->db, statement_texts[i], -1, SQLITE_PREPARE_PERSISTENT, &store->statements[i], NULL);
  return code == SQLITE_OK ? 0 : sqlite_fail(store, code, error);
}

static void
close_store(struct copse_store *base) {
  struct sqlite_store *store = sqlite_of(base);

  for (int i = 0; i < STATEMENT_COUNT; i++)
    sqlite3_finalize(store->statements[i]);
  sqlite3_close(store->db);
  for (size_t i = 0; i < store->watch_count; i++)
    free(store->watches[i].prefix);
  free(store->watches);
  free(store);
}

static int
get(struct copse_store *base, const char *key, struct copse_value *out) {
  struct sqlite_store *store = sqlite_of(base);
  sqlite3_stmt *statement = sqlite_statement(store, STATEMENT_GET);
  int code, result = 0;

  *out = (struct copse_value){0};
  sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
  code = sqlite3_step(statement);
  if (code == SQLITE_ROW) {
    out->key = strdup(key);
    out->value = strdup((const char *)sqlite3_column_text(statement, 0));
    out->revision = (uint64_t)sqlite3_column_int64(statement, 1);
    if (out->key == NULL || out->value == NULL) {
      copse_value_free(out);
      result = -ENOMEM;
    }
  } else {
    result = code == SQLITE_DONE ? -ENOENT : sqlite_fail(store, code, NULL);
  }
  statement_done(statement);
  return result;
}

int
sqlite_list(struct sqlite_store *store, const char *prefix, struct copse_values *out) {
  sqlite3_stmt *statement = sqlite_statement(store, STATEMENT_LIST);
  char end[COPSE_STORE_KEY_MAX + 1];
  int code, result = 0;

  sqlite3_bind_text(statement, 1, prefix, -1, SQLITE_STATIC);
  if (copse_prefix_end(prefix, end))
    sqlite3_bind_text(statement, 2, end, -1, SQLITE_STATIC);
  while (result == 0 && (code = sqlite3_step(statement)) != SQLITE_DONE)
    result = code != SQLITE_ROW ? sqlite_fail(store, code, NULL)
                                : copse_values_add(out, (const char *)sqlite3_column_text(statement, 0),
                                                   (const char *)sqlite3_column_text(statement, 1),
                                                   (uint64_t)sqlite3_column_int64(statement, 2));
  statement_done(statement);
  return result;
}

static int
list(struct copse_store *base, const char *prefix, struct copse_values *out) {
  struct sqlite_store *store = sqlite_of(base);
  int64_t revision = 0;
  int result;

  *out = (struct copse_values){0};
  result = sqlite_begin(store, false, NULL); /* one snapshot for keys and revision */
  if (result < 0)
    return result;
  result = sqlite_number(store, sqlite_statement(store, STATEMENT_REVISION), &revision, NULL);
  if (result == 0)
    result = sqlite_list(store, prefix, out);
  result = sqlite_end(store, result, NULL);
  out->revision = (uint64_t)revision;
  if (result < 0)
    copse_values_free(out);
  return result;
}

static const struct copse_store_backend backend = {
  .close = close_store,
  .get = get,
  .list = list,
  .commit = sqlite_commit,
  .lease = sqlite_lease,
  .renew = sqlite_renew,
  .revoke = sqlite_revoke,
  .watch = sqlite_watch,
  .poll = sqlite_poll,
};

int
copse_store_open(const char *path, struct copse_store **out, struct copse_error *error) {
  struct sqlite_store *store = calloc(1, sizeof(*store));
  int code, fd, result;

  if (store == NULL)
    return copse_fail(error, -ENOMEM, "no memory for the store");
  store->store.backend = &backend;
  store->dirty = true;
  /* It holds keys: nobody else may read it. Never opened when it exists: closing would drop SQLite's locks. */
  fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0 && errno != EEXIST) {
    result = -errno;
    free(store);
    return copse_fail(error, result, "%s: %s", path, strerror(-result));
  }
  if (fd >= 0)
    close(fd);
  code = sqlite3_open_v2(path, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
  result = code == SQLITE_OK ? prepare(store, error) : sqlite_fail(store, code, error);
  if (result < 0) {
    struct copse_error reason = error != NULL ? *error : (struct copse_error){""};

    close_store(&store->store);
    return copse_fail(error, result, "%s: %.200s", path, reason.text);
  }
  *out = &store->store;
  return 0;
}
