/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to etcd's gateway and their answers, over libcurl. */
#include "etcd_internal.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static size_t
on_bytes(char *bytes, size_t size, size_t count, void *context) {
  struct etcd_transfer *transfer = context;
  size_t length = size * count, needed = transfer->length + length + 1;

  if (needed > ETCD_ANSWER_MAX) {
    transfer->too_long = true;
    return 0;
  }
  if (needed > transfer->capacity) {
    size_t capacity = needed < 4096 ? 4096 : needed * 2;
    char *text = realloc(transfer->text, capacity);

    if (text == NULL)
      return 0;
    transfer->text = text;
    transfer->capacity = capacity;
  }
  memcpy(transfer->text + transfer->length, bytes, length);
  transfer->length += length;
  transfer->text[transfer->length] = '\0';
  return length;
}

int
etcd_transfer_init(struct etcd_store *store, struct etcd_transfer *transfer) {
  CURL *easy = transfer->easy = curl_easy_init();

  if (easy == NULL)
    return -ENOMEM;
  curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->detail);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, 10L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, 5L);
  if (store->ca != NULL) {
    curl_easy_setopt(easy, CURLOPT_CAINFO, store->ca);
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL); /* or the system's authorities are trusted as well */
  }
  curl_easy_setopt(easy, CURLOPT_SSLCERT, store->certificate);
  curl_easy_setopt(easy, CURLOPT_SSLKEY, store->key);
  return 0;
}

void
etcd_transfer_stop(struct etcd_store *store, struct etcd_transfer *transfer) {
  if (transfer->running)
    curl_multi_remove_handle(store->multi, transfer->easy);
  transfer->running = false;
}

void
etcd_transfer_free(struct etcd_store *store, struct etcd_transfer *transfer) {
  etcd_transfer_stop(store, transfer);
  curl_easy_cleanup(transfer->easy);
  free(transfer->text);
  *transfer = (struct etcd_transfer){0};
}

int
etcd_transfer_start(struct etcd_store *store, struct etcd_transfer *transfer, const char *path, const json_t *request,
                    uint64_t whole_ms) {
  const char *endpoint = store->endpoints[store->endpoint];
  size_t url_bytes = strlen(endpoint) + strlen(path) + 1;
  char *url = malloc(url_bytes), *text = json_dumps(request, JSON_COMPACT);

  etcd_transfer_stop(store, transfer);
  transfer->length = 0;
  transfer->too_long = false;
  transfer->detail[0] = '\0';
  if (url != NULL && text != NULL) {
    snprintf(url, url_bytes, "%s%s", endpoint, path);
    curl_easy_setopt(transfer->easy, CURLOPT_URL, url);
    curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, store->headers);
    curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(text));
    curl_easy_setopt(transfer->easy, CURLOPT_COPYPOSTFIELDS, text);
    curl_easy_setopt(transfer->easy, CURLOPT_TIMEOUT_MS, (long)whole_ms);
    transfer->running = curl_multi_add_handle(store->multi, transfer->easy) == CURLM_OK;
  }
  transfer->started = transfer->running;
  free(url);
  free(text);
  return transfer->running ? 0 : -ENOMEM;
}

void
etcd_turn(struct etcd_store *store, int wait_ms) {
  CURLMsg *message;
  int running, left;

  if (wait_ms > 0)
    curl_multi_poll(store->multi, NULL, 0, wait_ms, NULL);
  curl_multi_perform(store->multi, &running);
  while ((message = curl_multi_info_read(store->multi, &left)) != NULL) {
    struct etcd_transfer *transfer = NULL;

    if (message->msg != CURLMSG_DONE)
      continue;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
    transfer->code = message->data.result; /* the message is gone with the handle */
    etcd_transfer_stop(store, transfer);
  }
}

static int
errno_of(CURLcode code) {
  switch (code) {
  case CURLE_OUT_OF_MEMORY:
    return -ENOMEM;
  case CURLE_SSL_CERTPROBLEM:
  case CURLE_SSL_CACERT_BADFILE:
    return -EACCES;
  default:
    return -EHOSTUNREACH;
  }
}

int
etcd_transfer_result(const struct etcd_store *store, const struct etcd_transfer *transfer, json_t **answer,
                     struct copse_error *error) {
  const char *endpoint = store->endpoints[store->endpoint];
  json_t *json;
  long status = 0;
  int result;

  *answer = NULL;
  if (transfer->too_long)
    return copse_fail(error, -E2BIG, "%s: an answer of more than %u bytes", endpoint, ETCD_ANSWER_MAX);
  if (transfer->code != CURLE_OK)
    return copse_fail(error, errno_of(transfer->code), "%s: %s", endpoint,
                      transfer->detail[0] != '\0' ? transfer->detail : curl_easy_strerror(transfer->code));
  curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
  json = transfer->length == 0 ? NULL : json_loadb(transfer->text, transfer->length, 0, NULL);
  if (status == 200 && json_is_object(json)) {
    *answer = json;
    return 0;
  }
  result = status == 200 ? copse_fail(error, -EPROTO, "%s: not an answer of etcd's gateway", endpoint)
                         : copse_etcd_read_failure(json, status, error);
  json_decref(json);
  return result;
}
