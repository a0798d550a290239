/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the SQLite store share. */
#ifndef COPSE_STORE_SQLITE_H
#define COPSE_STORE_SQLITE_H

#include "backend.h"
#include <sqlite3.h>
#include <stdbool.h>

/* A change's row is revision << ROW_BITS | its place in the transaction: rows are in order of revision. */
#define ROW_BITS 14
#define ROW_MASK ((1ULL << ROW_BITS) - 1) /* and the last place */

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

struct sqlite_watch {
  char *prefix;
  size_t prefix_bytes;
  uint64_t row; /* last delivered */
  copse_watch_callback *callback;
  void *context;
};

struct sqlite_store {
  struct copse_store store; /* first: what store.h hands out */
  sqlite3 *db;
  sqlite3_stmt *statements[STATEMENT_COUNT];
  struct sqlite_watch *watches;
  size_t watch_count;
  int64_t version;        /* of the file as last seen by poll, see PRAGMA data_version */
  bool dirty;             /* this handle has written since */
  uint64_t next_deadline; /* ms, of all leases; UINT64_MAX: none */
};

static inline struct sqlite_store *
sqlite_of(struct copse_store *base) {
  return (struct sqlite_store *)base;
}

/* Negative errno for the result of an SQLite call on this store, with SQLite's sentence. */
int sqlite_fail(struct sqlite_store *store, int code, struct copse_error *error);
/* The statement, ready to be bound. */
sqlite3_stmt *sqlite_statement(struct sqlite_store *store, enum statement which);
/* Runs a statement that yields no rows. */
int sqlite_run(struct sqlite_store *store, sqlite3_stmt *statement, struct copse_error *error);
/* A statement that yields one number: 0, or -ENOENT without a row. */
int sqlite_number(struct sqlite_store *store, sqlite3_stmt *statement, int64_t *out, struct copse_error *error);

/* Transactions; a write transaction holds the file's lock from its start. */
int sqlite_begin(struct sqlite_store *store, bool write, struct copse_error *error);
/* Commits when `code` is 0, otherwise rolls back; returns the first error. */
int sqlite_end(struct sqlite_store *store, int code, struct copse_error *error);
/* Appends all keys that start with `prefix`, in order. */
int sqlite_list(struct sqlite_store *store, const char *prefix, struct copse_values *out);
/* Inside a write transaction: makes the changes as the next revision; as several where they are more than a revision
 * has rows for, which only prefixes and leases can be. */
int sqlite_apply(struct sqlite_store *store, const struct copse_change *changes, size_t count, uint64_t *revision,
                 struct copse_error *error);
/* Ends every lease that is over at `now_ms`; called by poll. */
int sqlite_expire(struct sqlite_store *store, uint64_t now_ms);

/* store.h on this store: sqlite_commit.c, sqlite_lease.c, sqlite_watch.c. */
int sqlite_commit(struct copse_store *base, const struct copse_compare *compares, size_t compare_count,
                  const struct copse_change *changes, size_t change_count, uint64_t *revision,
                  struct copse_error *error);
int sqlite_lease(struct copse_store *base, uint64_t now_ms, uint64_t ttl_ms, uint64_t *lease,
                 struct copse_error *error);
int sqlite_renew(struct copse_store *base, uint64_t lease, uint64_t now_ms);
int sqlite_revoke(struct copse_store *base, uint64_t lease);
int sqlite_watch(struct copse_store *base, const char *prefix, uint64_t after, copse_watch_callback *callback,
                 void *context);
int sqlite_poll(struct copse_store *base, uint64_t now_ms);

#endif
