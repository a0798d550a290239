/* SPDX-License-Identifier: Apache-2.0 */
/* A user of etcd: name and password for a token, which goes with every request. */
#include "etcd_internal.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Headers of all requests; streams that were begun with the former ones end. */
static int
set_headers(struct etcd_store *store) {
  struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json"), *more = NULL;
  char *line = NULL;

  if (headers != NULL)
    more = curl_slist_append(headers, "Expect:"); /* no asking first whether a large request is welcome */
  if (more != NULL && store->token != NULL) {
    if (asprintf(&line, "Authorization: %s", store->token) < 0)
      line = NULL;
    more = line == NULL ? NULL : curl_slist_append(headers, line);
    free(line);
  }
  if (more == NULL) {
    curl_slist_free_all(headers);
    return -ENOMEM;
  }
  etcd_watches_stop(store);
  etcd_transfer_stop(store, &store->call);
  etcd_transfer_stop(store, &store->probe);
  store->probe.started = false;
  curl_slist_free_all(store->headers);
  store->headers = headers;
  return 0;
}

static int
take_token(struct etcd_store *store, const json_t *answer, struct copse_error *error) {
  const char *token = json_string_value(json_object_get(answer, "token"));

  /* It becomes a line of a header. */
  if (token == NULL || strpbrk(token, "\r\n") != NULL)
    return copse_fail(error, -EPROTO, "etcd: no token for user %s", store->user);
  store->token = strdup(token);
  return store->token == NULL || set_headers(store) < 0 ? copse_fail(error, -ENOMEM, "no memory for etcd's token") : 0;
}

int
etcd_log_in(struct etcd_store *store, struct copse_error *error) {
  json_t *request, *answer = NULL;
  int result;

  if (store->user == NULL || store->token != NULL)
    return store->headers != NULL ? 0 : set_headers(store);
  if (set_headers(store) < 0) /* without the former token: it would be refused before the password is looked at */
    return copse_fail(error, -ENOMEM, "no memory for a request to etcd");
  request = json_pack("{s:s, s:s}", "name", store->user, "password", store->password);
  result = request == NULL ? copse_fail(error, -ENOMEM, "no memory for a request to etcd")
                           : etcd_post(store, "/v3/auth/authenticate", request, &answer, error);
  if (result == 0)
    result = take_token(store, answer, error);
  json_decref(request);
  json_decref(answer);
  return result;
}

void
etcd_log_out(struct etcd_store *store) {
  free(store->token);
  store->token = NULL;
}
