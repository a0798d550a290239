/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"
#include <arpa/inet.h>
#include <copse/manifest.h>
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <ftw.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static CURL *client;
static struct reply last;
static size_t capacity; /* of its body */

static uint64_t
now_ms(void) {
  struct timespec now;

  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void
server_prepare(struct server *server) {
  memset(server, 0, sizeof(*server));
  strcpy(server->directory, "/tmp/copse-http-XXXXXX");
  cr_assert(mkdtemp(server->directory) != NULL);
  cr_assert(eq(int, copse_config_read_text("defaults", "", copse_http_keys, &server->config, &server->error), 0), "%s",
            server->error.text);
  free(server->config.address);
  server->config.address = strdup("127.0.0.1");
  server->config.port = 0;
  server->config.state_dir = server->directory;
}

static void
poll_store(int file, short what, void *context) {
  struct server *server = context;

  (void)file, (void)what;
  copse_store_poll(server->control.store, now_ms());
  if (atomic_exchange(&server->control.takes, false))
    server->control.taken(server->control.taken_context);
}

static void
stop_loop(int file, short what, void *context) {
  struct server *server = context;

  (void)file, (void)what;
  event_base_loopbreak(server->control.base);
}

static void *
run(void *context) {
  static const struct timeval often = {.tv_usec = 5000};
  struct server *server = context;
  struct event *poll = event_new(server->control.base, -1, EV_PERSIST, poll_store, server);
  struct event *stop = event_new(server->control.base, server->stop[0], EV_READ, stop_loop, server);

  event_add(poll, &often);
  event_add(stop, NULL);
  event_base_dispatch(server->control.base);
  event_free(poll);
  event_free(stop);
  copse_http_stop(server->http);
  return NULL;
}

struct copse_store *
server_store(const struct server *server) {
  struct copse_store *store;
  struct copse_error error;
  char path[96];

  snprintf(path, sizeof(path), "%s/store.db", server->directory);
  cr_assert(eq(int, copse_store_open(path, &store, &error), 0), "%s", error.text);
  return store;
}

void
server_start(struct server *server) {
  server->control.store = server_store(server);
  server->control.base = event_base_new();
  atomic_store(&server->control.healthy, true);
  cr_assert(eq(int, pipe(server->stop), 0));
  cr_assert(eq(int, copse_http_start(&server->control, &server->config, &server->http, &server->error), 0), "%s",
            server->error.text);
  server->port = copse_http_port(server->http);
  cr_assert(eq(int, pthread_create(&server->thread, NULL, run, server), 0));
}

/* There when built with AddressSanitizer; test processes end without asking it by themselves. */
int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

void
server_stop(struct server *server) {
  cr_assert(eq(int, (int)write(server->stop[1], "", 1), 1));
  pthread_join(server->thread, NULL);
  close(server->stop[0]);
  close(server->stop[1]);
  event_base_free(server->control.base);
  copse_store_close(server->control.store);
}

static int
remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk) {
  (void)status, (void)kind, (void)walk;
  return remove(path);
}

void
server_end(struct server *server) {
  if (server->directory[0] == '\0')
    return;
  client_end();
  server_stop(server);
  free(server->config.address);
  nftw(server->directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
  server->directory[0] = '\0';
  if (__lsan_do_recoverable_leak_check != NULL)
    cr_expect(eq(int, __lsan_do_recoverable_leak_check(), 0));
}

const char *
server_token(const struct server *server) {
  static char token[65];
  char path[96];
  FILE *file;

  snprintf(path, sizeof(path), "%s/operator.token", server->directory);
  file = fopen(path, "r");
  cr_assert(file != NULL && fgets(token, sizeof(token), file) != NULL);
  fclose(file);
  return token;
}

static void
forget(void) {
  free(last.body);
  json_decref(last.json);
  memset(&last, 0, sizeof(last));
  capacity = 0;
}

void
client_end(void) {
  forget();
  if (client != NULL)
    curl_easy_cleanup(client);
  client = NULL;
}

static size_t
take_body(char *data, size_t size, size_t count, void *context) {
  (void)context;
  if (last.length + size * count + 1 > capacity) {
    capacity = 2 * (last.length + size * count + 1);
    last.body = realloc(last.body, capacity);
  }
  memcpy(last.body + last.length, data, size * count);
  last.length += size * count;
  last.body[last.length] = '\0';
  return size * count;
}

static size_t
take_header(char *data, size_t size, size_t count, void *context) {
  size_t used = strlen(last.headers);

  (void)context;
  snprintf(last.headers + used, sizeof(last.headers) - used, "%.*s", (int)(size * count), data);
  return size * count;
}

static void
prepare_client(CURL *handle, struct server *server, const char *path) {
  char url[256], certificate[96];

  snprintf(url, sizeof(url), "https://127.0.0.1:%u%s", server->port, path);
  snprintf(certificate, sizeof(certificate), "%s/cert.pem", server->directory);
  curl_easy_setopt(handle, CURLOPT_URL, url);
  curl_easy_setopt(handle, CURLOPT_CAINFO, certificate);
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, 8000L);
  curl_easy_setopt(handle, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(handle, CURLOPT_PROXY, "");
}

CURL *
connect_only(struct server *server) {
  CURL *handle = curl_easy_init();

  prepare_client(handle, server, "/");
  curl_easy_setopt(handle, CURLOPT_CONNECT_ONLY, 1L);
  cr_assert(eq(int, curl_easy_perform(handle), CURLE_OK));
  return handle;
}

const struct reply *
ask_raw(struct server *server, const char *method, const char *path, const char *token, const void *body, size_t length,
        const char *extra) {
  struct curl_slist *headers = NULL;
  char authorization[128];

  forget();
  if (client == NULL)
    client = curl_easy_init();
  curl_easy_reset(client);
  prepare_client(client, server, path);
  curl_easy_setopt(client, CURLOPT_CUSTOMREQUEST, method);
  curl_easy_setopt(client, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(client, CURLOPT_HEADERFUNCTION, take_header);
  if (token != NULL) {
    snprintf(authorization, sizeof(authorization), "Authorization: Bearer %s", token);
    headers = curl_slist_append(headers, authorization);
  }
  if (extra != NULL)
    headers = curl_slist_append(headers, extra);
  if (body != NULL) {
    curl_easy_setopt(client, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(client, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)length);
  }
  curl_easy_setopt(client, CURLOPT_HTTPHEADER, headers);
  if (curl_easy_perform(client) == CURLE_OK)
    curl_easy_getinfo(client, CURLINFO_RESPONSE_CODE, &last.status);
  curl_easy_getinfo(client, CURLINFO_SIZE_UPLOAD_T, &last.uploaded);
  curl_easy_getinfo(client, CURLINFO_NUM_CONNECTS, &last.connects);
  curl_slist_free_all(headers);
  last.json = last.body != NULL ? json_loadb(last.body, last.length, 0, NULL) : NULL;
  return &last;
}

const struct reply *
ask_bytes(struct server *server, const char *method, const char *path, const char *token, const void *body,
          size_t length) {
  const struct reply *reply = ask_raw(server, method, path, token, body, length, NULL);

  cr_assert(reply->status != 0, "%s %s: no answer", method, path);
  return reply;
}

const struct reply *
ask(struct server *server, const char *method, const char *path, const char *token, const char *body) {
  return ask_bytes(server, method, path, token, body, body != NULL ? strlen(body) : 0);
}

void
expect_problem(const struct reply *reply, long status, const char *field, const char *text) {
  const char *detail = json_string_value(json_object_get(reply->json, "detail"));
  const char *about = json_string_value(json_object_get(reply->json, "field"));

  cr_expect(reply->status == status, "status %ld instead of %ld: %s", reply->status, status, reply->body);
  cr_expect(strstr(reply->headers, "application/problem+json") != NULL, "%s", reply->headers);
  cr_expect(json_integer_value(json_object_get(reply->json, "status")) == status, "%s", reply->body);
  cr_expect(detail != NULL && strstr(detail, text) != NULL, "detail without \"%s\": %s", text, reply->body);
  cr_expect(field == NULL ? about == NULL : about != NULL && strcmp(field, about) == 0, "field: %s", reply->body);
}

void
make_account(struct server *server, const char *name, char token[65]) {
  const struct reply *reply;
  char body[128];

  snprintf(body, sizeof(body), "{\"name\":\"%s\",\"credit_bytes\":9e9}", name);
  reply = ask(server, "POST", "/v1/accounts", server_token(server), body);
  cr_assert(reply->status == 201, "%s", reply->body);
  strcpy(token, json_string_value(json_object_get(reply->json, "token")));
}

void
make_session(struct server *server, const char *token, uint32_t blocks, uint8_t *leaves, char session[33]) {
  struct copse_manifest manifest = {.name = "f.iso", .size = (uint64_t)blocks * 16384, .block_bytes = 16384};
  const struct reply *reply;
  json_t *json;
  char *body;

  randombytes_buf(leaves, (size_t)blocks * COPSE_HASH_BYTES);
  copse_merkle_root((const uint8_t(*)[COPSE_HASH_BYTES])leaves, blocks, manifest.root);
  json = copse_manifest_json(&manifest);
  body = json_dumps(json, 0);
  reply = ask(server, "POST", "/v1/sessions", token, body);
  cr_assert(reply->status == 201, "%s", reply->body);
  strcpy(session, json_string_value(json_object_get(reply->json, "session")));
  json_decref(json);
  free(body);
}

double
client_now_s(void) {
  struct timespec now;

  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

bool
client_send(CURL *handle, const char *text) {
  size_t sent;

  return curl_easy_send(handle, text, strlen(text), &sent) == CURLE_OK && sent == strlen(text);
}

int
connect_plain(struct server *server) {
  struct sockaddr_in name = {
    .sin_family = AF_INET, .sin_port = htons(server->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int file = socket(AF_INET, SOCK_STREAM, 0);

  cr_assert(eq(int, connect(file, (struct sockaddr *)&name, sizeof(name)), 0));
  return file;
}
