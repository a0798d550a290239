/* SPDX-License-Identifier: Apache-2.0 */
/* What a store is made of, behind store.h: its functions, and what all stores share. */
#ifndef COPSE_STORE_BACKEND_H
#define COPSE_STORE_BACKEND_H

#include "store.h"
#include <stdbool.h>

/* As in store.h, where what all stores refuse has been refused. */
struct copse_store_backend {
  void (*close)(struct copse_store *store);
  int (*get)(struct copse_store *store, const char *key, struct copse_value *out);
  int (*list)(struct copse_store *store, const char *prefix, struct copse_values *out);
  int (*commit)(struct copse_store *store, const struct copse_compare *compares, size_t compare_count,
                const struct copse_change *changes, size_t change_count, uint64_t *revision, struct copse_error *error);
  int (*lease)(struct copse_store *store, uint64_t now_ms, uint64_t ttl_ms, uint64_t *lease, struct copse_error *error);
  int (*renew)(struct copse_store *store, uint64_t lease, uint64_t now_ms);
  int (*revoke)(struct copse_store *store, uint64_t lease);
  int (*watch)(struct copse_store *store, const char *prefix, uint64_t after, copse_watch_callback *callback,
               void *context);
  int (*poll)(struct copse_store *store, uint64_t now_ms);
};

struct copse_store {
  const struct copse_store_backend *backend;
  bool polling; /* callbacks are running */
};

/* Appends a copy; -ENOMEM. */
int copse_values_add(struct copse_values *values, const char *key, const char *value, uint64_t revision);
/* The first key after all that start with `prefix`, into as many bytes and the null; false when there is no such key.
 */
bool copse_prefix_end(const char *prefix, char *end);

#endif
