/* SPDX-License-Identifier: Apache-2.0 */
/* What is the same for every store: limits, and the way to the one that was opened. */
#include "backend.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void
copse_store_close(struct copse_store *store) {
  if (store != NULL)
    store->backend->close(store);
}

int
copse_store_get(struct copse_store *store, const char *key, struct copse_value *out) {
  *out = (struct copse_value){0};
  return store->backend->get(store, key, out);
}

int
copse_store_list(struct copse_store *store, const char *prefix, struct copse_values *out) {
  *out = (struct copse_values){0};
  return strlen(prefix) > COPSE_STORE_KEY_MAX ? -E2BIG : store->backend->list(store, prefix, out);
}

static int
check_sizes(const struct copse_change *changes, size_t count, size_t compare_count, struct copse_error *error) {
  if (count > COPSE_STORE_OPERATIONS_MAX || compare_count > COPSE_STORE_OPERATIONS_MAX)
    return copse_fail(error, -E2BIG, "%zu compares and %zu changes in one transaction, at most %d", compare_count,
                      count, COPSE_STORE_OPERATIONS_MAX);
  for (size_t i = 0; i < count; i++) {
    if (changes[i].key[0] == '\0' || strlen(changes[i].key) > COPSE_STORE_KEY_MAX)
      return copse_fail(error, -E2BIG, "a key must have 1 to %d bytes", COPSE_STORE_KEY_MAX);
    if (changes[i].kind == COPSE_CHANGE_PUT && strlen(changes[i].value) > COPSE_STORE_VALUE_MAX)
      return copse_fail(error, -E2BIG, "%s: a value may have at most %u bytes", changes[i].key, COPSE_STORE_VALUE_MAX);
  }
  return 0;
}

static int
compare_keys(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A prefix is deleted of which another key is changed. */
static bool
overlaps(const struct copse_change *changes, size_t count, const struct copse_change *change) {
  for (size_t i = 0; i < count && change->kind == COPSE_CHANGE_DELETE_PREFIX; i++)
    if (&changes[i] != change && strncmp(changes[i].key, change->key, strlen(change->key)) == 0)
      return true;
  return false;
}

static int
check_keys(const struct copse_change *changes, size_t count, struct copse_error *error) {
  const char *keys[COPSE_STORE_OPERATIONS_MAX];
  int result = 0;

  for (size_t i = 0; i < count; i++) {
    keys[i] = changes[i].key;
    if (overlaps(changes, count, &changes[i]))
      return copse_fail(error, -EINVAL, "a key below %s is changed twice in one transaction", keys[i]);
  }
  qsort(keys, count, sizeof(*keys), compare_keys);
  for (size_t i = 1; i < count && result == 0; i++)
    if (strcmp(keys[i - 1], keys[i]) == 0)
      result = copse_fail(error, -EINVAL, "%s is changed twice in one transaction", keys[i]);
  return result;
}

int
copse_store_commit(struct copse_store *store, const struct copse_compare *compares, size_t compare_count,
                   const struct copse_change *changes, size_t change_count, uint64_t *revision,
                   struct copse_error *error) {
  int result = check_sizes(changes, change_count, compare_count, error);

  if (result == 0)
    result = check_keys(changes, change_count, error);
  return result < 0 ? result
                    : store->backend->commit(store, compares, compare_count, changes, change_count, revision, error);
}

int
copse_store_lease(struct copse_store *store, uint64_t now_ms, uint64_t ttl_ms, uint64_t *lease,
                  struct copse_error *error) {
  return store->backend->lease(store, now_ms, ttl_ms, lease, error);
}

int
copse_store_renew(struct copse_store *store, uint64_t lease, uint64_t now_ms) {
  return store->backend->renew(store, lease, now_ms);
}

int
copse_store_revoke(struct copse_store *store, uint64_t lease) {
  return store->backend->revoke(store, lease);
}

int
copse_store_watch(struct copse_store *store, const char *prefix, uint64_t after, copse_watch_callback *callback,
                  void *context) {
  if (strlen(prefix) > COPSE_STORE_KEY_MAX)
    return -E2BIG;
  return store->backend->watch(store, prefix, after, callback, context);
}

int
copse_store_poll(struct copse_store *store, uint64_t now_ms) {
  int result;

  if (store->polling)
    return -EBUSY;
  store->polling = true;
  result = store->backend->poll(store, now_ms);
  store->polling = false;
  return result;
}
