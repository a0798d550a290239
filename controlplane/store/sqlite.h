/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the SQLite store share. */
#ifndef COPSE_STORE_SQLITE_H
#define COPSE_STORE_SQLITE_H

#include "store.h"
#include <sqlite3.h>
#include <stdbool.h>

/* A change's row is revision << ROW_BITS | its place in the transaction: rows are in order of revision. */
#define ROW_BITS 14
#define ROW_MASK ((1ULL << ROW_BITS) - 1)

enum statement {
  STATEMENT_BEGIN_READ,
  STATEMENT_BEGIN_WRITE,
  STATEMENT_COMMIT,
  STATEMENT_ROLLBACK,
  STATEMENT_VERSION,
  STATEMENT_REVISION,
  STATEMENT_ADVANCE,
  STATEMENT_GET,
  STATEMENT_KEY_REVISION,
  STATEMENT_LIST,
  STATEMENT_PUT,
  STATEMENT_DELETE,
  STATEMENT_LOG,
  STATEMENT_COMPACT,
  STATEMENT_OLDEST,
  STATEMENT_CHANGES,
  STATEMENT_LEASE_PUT,
  STATEMENT_LEASE_GET,
  STATEMENT_LEASE_RENEW,
  STATEMENT_LEASE_DELETE,
  STATEMENT_LEASE_KEYS,
  STATEMENT_LEASE_EXPIRED,
  STATEMENT_LEASE_NEXT,
  STATEMENT_COUNT,
};

struct watch {
  char *prefix;
  size_t prefix_bytes;
  uint64_t row; /* last delivered */
  copse_watch_callback *callback;
  void *context;
};

struct copse_store {
  sqlite3 *db;
  sqlite3_stmt *statements[STATEMENT_COUNT];
  struct watch *watches;
  size_t watch_count;
  int64_t version;        /* of the file as last seen by poll, see PRAGMA data_version */
  bool dirty;             /* this handle has written since */
  bool polling;           /* callbacks are running */
  uint64_t next_deadline; /* ms, of all leases; UINT64_MAX: none */
};

/* Negative errno for the result of an SQLite call on this store, with SQLite's sentence. */
int store_fail(struct copse_store *store, int code, struct copse_error *error);
/* The statement, ready to be bound. */
sqlite3_stmt *store_statement(struct copse_store *store, enum statement which);
/* Runs a statement that yields no rows. */
int store_run(struct copse_store *store, sqlite3_stmt *statement, struct copse_error *error);
/* A statement that yields one number: 0, or -ENOENT without a row. */
int store_number(struct copse_store *store, sqlite3_stmt *statement, int64_t *out, struct copse_error *error);

/* Transactions; a write transaction holds the file's lock from its start. */
int store_begin(struct copse_store *store, bool write, struct copse_error *error);
/* Commits when `code` is 0, otherwise rolls back; returns the first error. */
int store_end(struct copse_store *store, int code, struct copse_error *error);
/* Inside a write transaction: makes the changes as the next revision. */
int store_apply(struct copse_store *store, const struct copse_change *changes, size_t count, uint64_t *revision,
                struct copse_error *error);
/* Ends every lease that is over at `now_ms`; called by poll. */
int store_expire(struct copse_store *store, uint64_t now_ms);
/* Appends a copy; -ENOMEM. */
int store_values_add(struct copse_values *values, const char *key, const char *value, uint64_t revision);

#endif
