/* SPDX-License-Identifier: Apache-2.0 */
/* A commit in the making, which owns its keys and values. */
#ifndef COPSE_TRANSACTION_H
#define COPSE_TRANSACTION_H

#include "store.h"
#include <stdbool.h>

/* Grows as needed; starts as zeros, free with copse_transaction_free. */
struct copse_transaction {
  struct copse_compare *compares;
  size_t compare_count, compare_capacity;
  struct copse_change *changes;
  size_t change_count, change_capacity;
  bool failed; /* memory was short: something is missing, and it is not committed */
};

/* The key must be at this revision; 0: must not exist. */
void copse_transaction_compare(struct copse_transaction *transaction, uint64_t revision, const char *key_format, ...)
  __attribute__((format(printf, 3, 4)));
/* Takes the value over: allocated text, null when there was no memory for it. */
void copse_transaction_put(struct copse_transaction *transaction, char *value, const char *key_format, ...)
  __attribute__((format(printf, 3, 4)));
void copse_transaction_delete(struct copse_transaction *transaction, const char *key_format, ...)
  __attribute__((format(printf, 2, 3)));

/* All keys that start with this one. */
void copse_transaction_delete_prefix(struct copse_transaction *transaction, const char *prefix_format, ...)
  __attribute__((format(printf, 2, 3)));

/* copse_store_commit, and -ENOMEM when the transaction is not complete. */
int copse_transaction_commit(const struct copse_transaction *transaction, struct copse_store *store, uint64_t *revision,
                             struct copse_error *error);
void copse_transaction_free(struct copse_transaction *transaction);

#endif
