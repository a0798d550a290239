/* SPDX-License-Identifier: Apache-2.0 */
#include "etcd_internal.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 1000 /* keys of a list read at a time */

static int
get(struct copse_store *base, const char *key, struct copse_value *out) {
  struct etcd_store *store = etcd_of(base);
  const json_t *kv;
  json_t *answer;
  int result = etcd_call(store, "/v3/kv/range", json_pack("{s:o}", "key", copse_etcd_bytes(store->prefix, key)), true,
                         &answer, NULL);

  kv = json_array_get(json_object_get(answer, "kvs"), 0);
  if (result == 0)
    result = kv == NULL ? -ENOENT : copse_etcd_read_value(kv, strlen(store->prefix), out);
  if (result == 0)
    etcd_await(store, key, out->revision);
  json_decref(answer);
  return result;
}

/* Keys from `out`'s last on, of the revision of the first page. */
static int
list_page(struct etcd_store *store, const char *prefix, struct copse_values *out, bool *more) {
  json_t *first = out->count == 0 ? copse_etcd_bytes(store->prefix, prefix)
                                  : copse_etcd_next(store->prefix, out->items[out->count - 1].key);
  json_t *answer;
  int result =
    etcd_call(store, "/v3/kv/range",
              json_pack("{s:o, s:o, s:i, s:o}", "key", first, "range_end", copse_etcd_range_end(store->prefix, prefix),
                        "limit", PAGE, "revision", copse_etcd_integer(out->revision)),
              true, &answer, NULL);

  if (result == 0)
    result = copse_etcd_read_values(answer, strlen(store->prefix), out);
  if (out->revision == 0)
    out->revision = copse_etcd_revision(answer);
  *more = json_is_true(json_object_get(answer, "more"));
  json_decref(answer);
  return result;
}

static int
list(struct copse_store *base, const char *prefix, struct copse_values *out) {
  struct etcd_store *store = etcd_of(base);
  bool more = true;
  int result = 0;

  while (more && result == 0)
    result = list_page(store, prefix, out, &more);
  for (size_t i = 0; i < out->count && result == 0; i++)
    etcd_await(store, out->items[i].key, out->items[i].revision);
  if (result < 0)
    copse_values_free(out);
  return result;
}

static void
close_store(struct copse_store *base) {
  struct etcd_store *store = etcd_of(base);
  char *strings[] = {store->prefix, store->ca,       store->certificate, store->key,
                     store->user,   store->password, store->token};

  etcd_watches_free(store);
  etcd_transfer_free(store, &store->call);
  etcd_transfer_free(store, &store->probe);
  if (store->multi != NULL)
    curl_multi_cleanup(store->multi);
  curl_slist_free_all(store->headers);
  for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
    free(strings[i]);
  for (size_t i = 0; i < store->endpoint_count; i++)
    free(store->endpoints[i]);
  free(store->endpoints);
  free(store);
  curl_global_cleanup();
}

static const struct copse_store_backend backend = {
  .close = close_store,
  .get = get,
  .list = list,
  .commit = etcd_commit,
  .lease = etcd_lease,
  .renew = etcd_renew,
  .revoke = etcd_revoke,
  .watch = etcd_watch,
  .poll = etcd_poll,
};

/* A copy of what may be null; `*short_of_memory` when it could not be made. */
static char *
copy(const char *text, bool *short_of_memory) {
  char *made = text == NULL ? NULL : strdup(text);

  *short_of_memory |= text != NULL && made == NULL;
  return made;
}

static int
take_config(struct etcd_store *store, const struct copse_etcd_config *config, struct copse_error *error) {
  bool failed = false;

  store->timeout_ms = config->timeout_ms;
  store->prefix = copy(config->prefix, &failed);
  store->ca = copy(config->ca, &failed);
  store->certificate = copy(config->certificate, &failed);
  store->key = copy(config->key, &failed);
  store->user = copy(config->user, &failed);
  store->endpoints = calloc(config->endpoint_count, sizeof(*store->endpoints));
  for (size_t i = 0; i < config->endpoint_count && store->endpoints != NULL; i++)
    store->endpoints[store->endpoint_count++] = copy(config->endpoints[i], &failed);
  store->multi = curl_multi_init();
  if (failed || store->endpoints == NULL || store->multi == NULL || etcd_transfer_init(store, &store->call) < 0 ||
      etcd_transfer_init(store, &store->probe) < 0)
    return copse_fail(error, -ENOMEM, "no memory for the store");
  return 0;
}

/* The first line of the file. */
static int
read_password(struct etcd_store *store, const char *path, struct copse_error *error) {
  FILE *file = fopen(path, "re");
  size_t capacity = 0;
  ssize_t length;
  int result;

  if (file == NULL) {
    result = -errno;
    return copse_fail(error, result, "%s: %s", path, strerror(-result));
  }
  length = getline(&store->password, &capacity, file);
  fclose(file);
  if (length < 0)
    return copse_fail(error, -EINVAL, "%s: no password in it", path);
  store->password[strcspn(store->password, "\r\n")] = '\0';
  return 0;
}

/* Each endpoint has its time; whoever is refused by one is refused by all. */
static int
connect_first(struct etcd_store *store, struct copse_error *error) {
  int result = -EHOSTUNREACH;

  for (size_t i = 0; i < store->endpoint_count && result == -EHOSTUNREACH; i++) {
    json_t *answer;

    store->away = false;
    result = etcd_call(store, "/v3/kv/range", json_pack("{s:o}", "key", copse_etcd_bytes(store->prefix, "/")), true,
                       &answer, error);
    json_decref(answer);
  }
  return result;
}

int
copse_store_open_etcd(const struct copse_etcd_config *config, struct copse_store **out, struct copse_error *error) {
  struct etcd_store *store;
  int result;

  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
    return copse_fail(error, -ENOMEM, "libcurl cannot be used");
  store = calloc(1, sizeof(*store));
  if (store == NULL) {
    curl_global_cleanup();
    return copse_fail(error, -ENOMEM, "no memory for the store");
  }
  store->store.backend = &backend;
  result = take_config(store, config, error);
  if (result == 0 && config->user != NULL)
    result = read_password(store, config->password_file, error);
  if (result == 0)
    result = connect_first(store, error);
  if (result < 0) {
    close_store(&store->store);
    return result;
  }
  *out = &store->store;
  return 0;
}
