/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions of the etcd store: one Txn, whose failure says what each compared key is at. */
#include "etcd_internal.h"
#include <errno.h>

/* Takes a packed item over; false when there was no memory for it. */
static bool
append(json_t *array, json_t *item) {
  return item != NULL && json_array_append_new(array, item) == 0;
}

static bool
add_compare(const struct etcd_store *store, const struct copse_compare *compare, json_t *compares, json_t *failure) {
  json_t *key = copse_etcd_bytes(store->prefix, compare->key);
  bool done = key != NULL &&
              append(compares, json_pack("{s:O, s:s, s:o}", "key", key, "target", "MOD", "mod_revision",
                                         copse_etcd_integer(compare->revision))) &&
              append(failure, json_pack("{s:{s:O, s:b}}", "request_range", "key", key, "keys_only", 1));

  json_decref(key);
  return done;
}

static bool
add_change(const struct etcd_store *store, const struct copse_change *change, json_t *success) {
  json_t *key = copse_etcd_bytes(store->prefix, change->key);

  if (change->kind == COPSE_CHANGE_DELETE)
    return append(success, json_pack("{s:{s:o}}", "request_delete_range", "key", key));
  if (change->kind == COPSE_CHANGE_DELETE_PREFIX)
    return append(success, json_pack("{s:{s:o, s:o}}", "request_delete_range", "key", key, "range_end",
                                     copse_etcd_range_end(store->prefix, change->key)));
  return append(success, json_pack("{s:{s:o, s:o, s:o}}", "request_put", "key", key, "value",
                                   copse_etcd_bytes("", change->value), "lease", copse_etcd_integer(change->lease)));
}

/* Null when memory is short. */
static json_t *
make_request(const struct etcd_store *store, const struct copse_compare *compares, size_t compare_count,
             const struct copse_change *changes, size_t change_count) {
  json_t *compare = json_array(), *success = json_array(), *failure = json_array();
  bool done = compare != NULL && success != NULL && failure != NULL;

  for (size_t i = 0; i < compare_count && done; i++)
    done = add_compare(store, &compares[i], compare, failure);
  for (size_t i = 0; i < change_count && done; i++)
    done = add_change(store, &changes[i], success);
  if (done)
    return json_pack("{s:o, s:o, s:o}", "compare", compare, "success", success, "failure", failure);
  json_decref(compare);
  json_decref(success);
  json_decref(failure);
  return NULL;
}

/* Its watches see at least what has been changed. A delete of what was not there made no event. */
static void
await_changes(struct etcd_store *store, const json_t *answer, const struct copse_change *changes, size_t count) {
  const json_t *responses = json_object_get(answer, "responses");

  for (size_t i = 0; i < count; i++) {
    const json_t *deleted = json_object_get(json_array_get(responses, i), "response_delete_range");

    if (changes[i].kind == COPSE_CHANGE_PUT || copse_etcd_number(deleted, "deleted") > 0)
      etcd_await(store, changes[i].key, copse_etcd_revision(answer));
  }
}

/* And at least what was in the way. Where that was a delete, nobody says when it was made: not after now. */
static int
refuse(struct etcd_store *store, const json_t *answer, const struct copse_compare *compares, size_t count,
       struct copse_error *error) {
  const json_t *responses = json_object_get(answer, "responses");
  const char *changed = "something";

  for (size_t i = 0; i < count; i++) {
    const json_t *range = json_object_get(json_array_get(responses, i), "response_range");
    uint64_t revision = copse_etcd_number(json_array_get(json_object_get(range, "kvs"), 0), "mod_revision");

    if (revision == compares[i].revision)
      continue;
    changed = compares[i].key;
    etcd_await(store, changed, revision != 0 ? revision : copse_etcd_revision(answer));
  }
  if (store->reconnected) /* libcurl sends again what an old connection may have delivered: perhaps it was ourselves */
    return copse_fail(error, -ETIMEDOUT, "%s has changed while etcd was lost", changed);
  return copse_fail(error, -EAGAIN, "%s has changed", changed);
}

int
etcd_commit(struct copse_store *base, const struct copse_compare *compares, size_t compare_count,
            const struct copse_change *changes, size_t change_count, uint64_t *revision, struct copse_error *error) {
  struct etcd_store *store = etcd_of(base);
  json_t *answer;
  int result = etcd_call(store, "/v3/kv/txn", make_request(store, compares, compare_count, changes, change_count),
                         false, &answer, error);

  if (result == 0 && !json_is_true(json_object_get(answer, "succeeded"))) {
    result = refuse(store, answer, compares, compare_count, error);
  } else if (result == 0) {
    await_changes(store, answer, changes, change_count);
    if (revision != NULL)
      *revision = copse_etcd_revision(answer);
  }
  json_decref(answer);
  return result;
}
