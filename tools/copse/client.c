/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_MS 5000L
#define TOTAL_MS 30000L
#define ANSWER_MAX ((size_t)64 << 20)
#define PAGE 500
#define LINE_MAX_BYTES 8192

struct client {
  const struct settings *settings;
  CURL *curl;
  char failure[CURL_ERROR_SIZE];
  char *text; /* of the answer */
  size_t length;
};

struct client *
client_create(const struct settings *settings) {
  struct client *client = calloc(1, sizeof(*client));

  if (client == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
      (client->curl = curl_easy_init()) == NULL) {
    free(client);
    return NULL;
  }
  client->settings = settings;
  return client;
}

void
client_free(struct client *client) {
  if (client == NULL)
    return;
  curl_easy_cleanup(client->curl);
  curl_global_cleanup();
  free(client->text);
  free(client);
}

static size_t
take_bytes(char *data, size_t size, size_t count, void *context) {
  struct client *client = context;
  size_t bytes = size * count;
  char *text = client->length + bytes <= ANSWER_MAX ? realloc(client->text, client->length + bytes + 1) : NULL;

  if (text == NULL)
    return 0;
  memcpy(text + client->length, data, bytes);
  client->text = text;
  client->length += bytes;
  text[client->length] = '\0';
  return bytes;
}

/* The handle for a request; its headers, which are to be freed after it. */
static struct curl_slist *
prepare(struct client *client, const char *method, const char *path, const char *header) {
  struct curl_slist *headers = NULL;
  char line[1024], url[1024];

  free(client->text);
  client->text = NULL;
  client->length = 0;
  client->failure[0] = '\0';
  snprintf(url, sizeof(url), "%s%s", client->settings->endpoint, path);
  curl_easy_reset(client->curl);
  curl_easy_setopt(client->curl, CURLOPT_URL, url);
  curl_easy_setopt(client->curl, CURLOPT_CUSTOMREQUEST, method);
  curl_easy_setopt(client->curl, CURLOPT_PROTOCOLS_STR, "https");
  curl_easy_setopt(client->curl, CURLOPT_PROXY, "");
  curl_easy_setopt(client->curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(client->curl, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(client->curl, CURLOPT_ERRORBUFFER, client->failure);
  curl_easy_setopt(client->curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
  if (client->settings->ca != NULL) {
    curl_easy_setopt(client->curl, CURLOPT_CAINFO, client->settings->ca);
    curl_easy_setopt(client->curl, CURLOPT_CAPATH, NULL); /* or the system's authorities are trusted as well */
  }
  if (client->settings->token != NULL) {
    snprintf(line, sizeof(line), "Authorization: Bearer %s", client->settings->token);
    headers = curl_slist_append(headers, line);
  }
  if (header != NULL)
    headers = curl_slist_append(headers, header);
  curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, headers);
  return headers;
}

static int
no_answer(const struct client *client, CURLcode code, struct copse_error *error) {
  const char *why = client->failure[0] != '\0' ? client->failure : curl_easy_strerror(code);

  if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE)
    return copse_fail(error, -ENOTCONN, "%s: its certificate is not trusted (%s); --ca names the one to trust",
                      client->settings->endpoint, why);
  return copse_fail(error, -ENOTCONN, "%s does not answer: %s", client->settings->endpoint, why);
}

/* What an answer that is no success says. */
static int
refused(const struct client *client, long status, const json_t *answer, struct copse_error *error) {
  const char *detail = json_string_value(json_object_get(answer, "detail"));

  if (detail == NULL)
    return copse_fail(error, -EPROTO, "%s answered %ld: is it a control plane?", client->settings->endpoint, status);
  if (status == 401)
    return copse_fail(error, -EACCES, "%s; --token-file names the file with the token", detail);
  return copse_fail(error, status == 404 ? -ENOENT : status == 403 ? -EACCES : -EIO, "%s", detail);
}

int
client_ask(struct client *client, const char *method, const char *path, const json_t *body, const char *header,
           json_t **answer, struct copse_error *error) {
  struct curl_slist *headers = prepare(client, method, path, header);
  char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
  json_t *json;
  CURLcode code;
  long status = 0;

  *answer = NULL;
  curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, take_bytes);
  curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, client);
  curl_easy_setopt(client->curl, CURLOPT_TIMEOUT_MS, TOTAL_MS);
  if (text != NULL)
    curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, text);
  code = curl_easy_perform(client->curl);
  curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
  curl_slist_free_all(headers);
  free(text);
  if (code != CURLE_OK)
    return no_answer(client, code, error);
  json = client->text != NULL ? json_loadb(client->text, client->length, 0, NULL) : NULL;
  if (status < 200 || status >= 300) {
    int result = refused(client, status, json, error);
    json_decref(json);
    return result;
  }
  if (json == NULL && status != 204)
    return copse_fail(error, -EPROTO, "%s answered what is no JSON: is it a control plane?",
                      client->settings->endpoint);
  *answer = json;
  return 0;
}

int
client_list(struct client *client, const char *path, const char *items, size_t items_max, json_t **list,
            struct copse_error *error) {
  json_t *next = json_string("");
  int result = 0;

  *list = json_array();
  while (result == 0 && next != NULL && json_array_size(*list) < items_max) {
    char *cursor = curl_easy_escape(client->curl, json_string_value(next), 0);
    size_t left = items_max - json_array_size(*list);
    char address[1024];
    json_t *page;

    snprintf(address, sizeof(address), "%s?limit=%zu%s%s", path, left < PAGE ? left : PAGE,
             cursor[0] != '\0' ? "&cursor=" : "", cursor);
    curl_free(cursor);
    json_decref(next);
    next = NULL;
    result = client_ask(client, "GET", address, NULL, NULL, &page, error);
    if (result != 0)
      break;
    if (json_is_array(json_object_get(page, items))) {
      json_array_extend(*list, json_object_get(page, items));
      if (json_is_string(json_object_get(page, "next")))
        next = json_incref(json_object_get(page, "next"));
    } else {
      result = copse_fail(error, -EPROTO, "%s%s has no %s", client->settings->endpoint, path, items);
    }
    json_decref(page);
  }
  json_decref(next);
  if (result != 0) {
    json_decref(*list);
    *list = NULL;
  }
  return result;
}

struct following {
  bool (*take)(void *context, const char *line);
  void *context;
  char line[LINE_MAX_BYTES];
  size_t length;
  bool ended;
};

static size_t
take_stream(char *data, size_t size, size_t count, void *context) {
  struct following *following = context;

  for (size_t i = 0; i < size * count && !following->ended; i++) {
    if (data[i] != '\n') {
      if (following->length + 1 < sizeof(following->line))
        following->line[following->length++] = data[i];
      continue;
    }
    following->line[following->length] = '\0';
    following->length = 0;
    following->ended = !following->take(following->context, following->line);
  }
  return following->ended ? 0 : size * count;
}

int
client_follow(struct client *client, const char *last_id, bool (*take)(void *context, const char *line), void *context,
              struct copse_error *error) {
  struct following following = {.take = take, .context = context};
  struct curl_slist *headers = prepare(client, "GET", "/v1/events", "Accept: text/event-stream");
  CURLcode code;
  char line[128];
  long status = 0;

  if (last_id[0] != '\0') {
    snprintf(line, sizeof(line), "Last-Event-ID: %s", last_id);
    headers = curl_slist_append(headers, line);
    curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, headers);
  }
  curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, take_stream);
  curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, &following);
  curl_easy_setopt(client->curl, CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(client->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(client->curl, CURLOPT_LOW_SPEED_TIME, 60L); /* comments come more often */
  code = curl_easy_perform(client->curl);
  curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
  curl_slist_free_all(headers);
  if (following.ended || code == CURLE_OK)
    return 0;
  if (status == 401 || status == 403)
    return copse_fail(error, -EACCES, "only for operators; --token-file names the file with the token");
  if (status == 410)
    return copse_fail(error, -ESTALE, "changes that old are not kept");
  return no_answer(client, code, error);
}
