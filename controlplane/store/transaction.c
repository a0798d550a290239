/* SPDX-License-Identifier: Apache-2.0 */
#include "transaction.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Room for one more; false when memory is short. */
static bool
reserve(void **items, size_t count, size_t *capacity, size_t bytes) {
  size_t more = *capacity == 0 ? 8 : 2 * *capacity;
  void *grown;

  if (count < *capacity)
    return true;
  grown = reallocarray(*items, more, bytes);
  if (grown == NULL)
    return false;
  *items = grown;
  *capacity = more;
  return true;
}

static char *
make_key(const char *format, va_list arguments) {
  char *key = NULL;

  return vasprintf(&key, format, arguments) < 0 ? NULL : key;
}

void
copse_transaction_compare(struct copse_transaction *transaction, uint64_t revision, const char *format, ...) {
  va_list arguments;
  char *key;

  va_start(arguments, format);
  key = make_key(format, arguments);
  va_end(arguments);
  if (key == NULL || !reserve((void **)&transaction->compares, transaction->compare_count,
                              &transaction->compare_capacity, sizeof(*transaction->compares))) {
    transaction->failed = true;
    free(key);
    return;
  }
  transaction->compares[transaction->compare_count++] = (struct copse_compare){.key = key, .revision = revision};
}

/* Takes key and value over. */
static void
add_change(struct copse_transaction *transaction, enum copse_change_kind kind, char *key, char *value) {
  if (key == NULL || (kind == COPSE_CHANGE_PUT && value == NULL) ||
      !reserve((void **)&transaction->changes, transaction->change_count, &transaction->change_capacity,
               sizeof(*transaction->changes))) {
    transaction->failed = true;
    free(key);
    free(value);
    return;
  }
  transaction->changes[transaction->change_count++] = (struct copse_change){.kind = kind, .key = key, .value = value};
}

void
copse_transaction_put(struct copse_transaction *transaction, char *value, const char *format, ...) {
  va_list arguments;

  va_start(arguments, format);
  add_change(transaction, COPSE_CHANGE_PUT, make_key(format, arguments), value);
  va_end(arguments);
}

void
copse_transaction_delete(struct copse_transaction *transaction, const char *format, ...) {
  va_list arguments;

  va_start(arguments, format);
  add_change(transaction, COPSE_CHANGE_DELETE, make_key(format, arguments), NULL);
  va_end(arguments);
}

void
copse_transaction_delete_prefix(struct copse_transaction *transaction, const char *format, ...) {
  va_list arguments;

  va_start(arguments, format);
  add_change(transaction, COPSE_CHANGE_DELETE_PREFIX, make_key(format, arguments), NULL);
  va_end(arguments);
}

int
copse_transaction_commit(const struct copse_transaction *transaction, struct copse_store *store, uint64_t *revision,
                         struct copse_error *error) {
  if (transaction->failed)
    return copse_fail(error, -ENOMEM, "no memory for a transaction");
  return copse_store_commit(store, transaction->compares, transaction->compare_count, transaction->changes,
                            transaction->change_count, revision, error);
}

void
copse_transaction_free(struct copse_transaction *transaction) {
  for (size_t i = 0; i < transaction->compare_count; i++)
    free((void *)transaction->compares[i].key);
  for (size_t i = 0; i < transaction->change_count; i++) {
    free((void *)transaction->changes[i].key);
    free((void *)transaction->changes[i].value);
  }
  free(transaction->compares);
  free(transaction->changes);
  *transaction = (struct copse_transaction){0};
}
