/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that wait for their answer, and which endpoint they go to. */
#include "etcd_internal.h"
#include <copse/log.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define AGAIN_MS 200  /* between two rounds over all endpoints while none answers */
#define PROBE_MS 2000 /* between two questions whether the endpoint in use is still there */

/* Another endpoint may know better. */
static bool
is_lost(int result) {
  return result == -EHOSTUNREACH || result == -EPROTO;
}

/* From now on the next endpoint is in use. */
static void
leave_endpoint(struct etcd_store *store) {
  etcd_watches_stop(store);
  etcd_transfer_stop(store, &store->probe);
  store->probe.started = false;
  store->endpoint = (store->endpoint + 1) % store->endpoint_count;
  store->connected = false;
  store->failed++;
}

void
etcd_lose(struct etcd_store *store) {
  leave_endpoint(store);
  store->away = true;
  store->probe_ms = 0;
}

int
etcd_post(struct etcd_store *store, const char *path, const json_t *request, json_t **answer,
          struct copse_error *error) {
  long connections = 0;
  int result = etcd_transfer_start(store, &store->call, path, request, store->timeout_ms);

  *answer = NULL;
  if (result < 0)
    return copse_fail(error, result, "no memory for a request to etcd");
  while (store->call.running)
    etcd_turn(store, 1000);
  curl_easy_getinfo(store->call.easy, CURLINFO_NUM_CONNECTS, &connections);
  store->reconnected = store->connected && connections > 0;
  return etcd_transfer_result(store, &store->call, answer, error);
}

/* The same, logged in where that is asked for. */
static int
post_as_user(struct etcd_store *store, const char *path, const json_t *request, json_t **answer,
             struct copse_error *error) {
  bool known = store->token != NULL;
  int result = etcd_log_in(store, error);

  if (result == 0)
    result = etcd_post(store, path, request, answer, error);
  if (result != -EACCES || !known)
    return result;
  etcd_log_out(store); /* tokens end */
  result = etcd_log_in(store, error);
  return result == 0 ? etcd_post(store, path, request, answer, error) : result;
}

/* The last request may have been carried out. */
static bool
was_sent(const struct etcd_store *store) {
  return store->call.code != CURLE_COULDNT_CONNECT && store->call.code != CURLE_COULDNT_RESOLVE_HOST;
}

static int
call(struct etcd_store *store, const char *path, const json_t *request, bool repeatable, json_t **answer,
     struct copse_error *error) {
  if (store->away)
    return copse_fail(error, -EHOSTUNREACH, "etcd is away: none of its endpoints answers");
  for (;;) {
    int result = post_as_user(store, path, request, answer, error);

    if (!is_lost(result)) {
      store->connected = true;
      store->failed = 0;
      return result;
    }
    if (store->call.code == CURLE_OPERATION_TIMEDOUT || store->failed + 1 >= store->endpoint_count)
      etcd_lose(store); /* who has waited once shall not wait again */
    else
      leave_endpoint(store);
    if (was_sent(store) && !repeatable)
      return -ETIMEDOUT;
    if (store->away)
      return -EHOSTUNREACH;
  }
}

int
etcd_call(struct etcd_store *store, const char *path, json_t *request, bool repeatable, json_t **answer,
          struct copse_error *error) {
  int result;

  *answer = NULL;
  result = request == NULL ? copse_fail(error, -ENOMEM, "no memory for a request to etcd")
                           : call(store, path, request, repeatable, answer, error);
  json_decref(request);
  return result;
}

/* A reading that a quorum must agree to. */
static void
probe(struct etcd_store *store, uint64_t now_ms) {
  json_t *request = json_pack("{s:o}", "key", copse_etcd_bytes(store->prefix, "/"));

  store->probed_ms = now_ms;
  store->probe_ms = now_ms + PROBE_MS;
  etcd_watches_mark(store);
  if (request != NULL)
    etcd_transfer_start(store, &store->probe, "/v3/kv/range", request, 0);
  json_decref(request);
}

/* Even a refusal is an answer. What has arrived counts, however late it is looked at: it is not etcd that was slow. */
static void
take_probe(struct etcd_store *store, uint64_t now_ms) {
  json_t *answer;

  if (store->probe.running) {
    etcd_transfer_stop(store, &store->probe);
    store->probe.code = CURLE_OPERATION_TIMEDOUT;
  }
  store->probe.started = false;
  if (!is_lost(etcd_transfer_result(store, &store->probe, &answer, NULL))) {
    store->away = false;
    store->failed = 0;
    if (copse_etcd_revision(answer) != 0)
      etcd_watches_check(store, copse_etcd_revision(answer));
    json_decref(answer);
    return;
  }
  etcd_lose(store);
  if (store->failed % store->endpoint_count == 0)
    store->probe_ms = now_ms + AGAIN_MS;
}

int
etcd_look(struct etcd_store *store, uint64_t now_ms) {
  if (store->probe.started && (!store->probe.running || now_ms >= store->probed_ms + store->timeout_ms))
    take_probe(store, now_ms);
  if (!store->probe.started && now_ms >= store->probe_ms)
    probe(store, now_ms);
  return store->away ? -EHOSTUNREACH : 0;
}
