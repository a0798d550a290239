/* SPDX-License-Identifier: Apache-2.0 */
/* Changes that say what they change (If-Match), changes that are made once (Idempotency-Key), and changes as they come
 * (text/event-stream). */
#include "harness.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define BUDGET "/v1/links/N1/N2/budget"
#define ROOT "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
#define MANIFEST "{\"name\":\"f.iso\",\"size\":50000000,\"block_bytes\":16384,\"root\":\"" ROOT "\"}"

static struct server server;
static char alice[65], operator[65];

static void
put(const char *key, const char *value) {
  struct copse_store *store = server_store(&server);
  struct copse_change change = {.kind = COPSE_CHANGE_PUT, .key = key, .value = value};

  cr_assert(eq(int, copse_store_commit(store, NULL, 0, &change, 1, NULL, NULL), 0));
  copse_store_close(store);
}

/* The text and revision of a record, valid until the next call. */
static const struct copse_value *
get(const char *key) {
  static struct copse_value value;
  struct copse_store *store = server_store(&server);

  copse_value_free(&value);
  cr_assert(eq(int, copse_store_get(store, key, &value), 0), "%s", key);
  copse_store_close(store);
  return &value;
}

static void
set_up(void) {
  server_prepare(&server);
  server_start(&server);
  strcpy(operator, server_token(&server));
  make_account(&server, "alice", alice);
  put("/links/N1/N2", "{\"bandwidth_bps\":100000000,\"delay_ms\":2.5,\"by\":\"N1\"}");
}

static void
tear_down(void) {
  server_end(&server);
}

TestSuite(changes, .init = set_up, .fini = tear_down);

static const struct reply *
ask_with(const char *method, const char *path, const char *token, const char *body, const char *header) {
  const struct reply *reply = ask_raw(&server, method, path, token, body, body != NULL ? strlen(body) : 0, header);

  cr_assert(reply->status != 0);
  return reply;
}

static const struct reply *
ask_matching(const char *method, const char *body, const char *tags) {
  char header[192];

  snprintf(header, sizeof(header), "If-Match: %s", tags);
  return ask_with(method, BUDGET, operator, body, header);
}

Test(changes, a_budget_is_set_and_taken_back) {
  char tag[32];

  expect_problem(ask(&server, "PUT", BUDGET, operator, "{\"bandwidth_bps\":5e7}"), 428, "If-Match", "ETag");
  expect_problem(ask_matching("PUT", "{\"bandwidth_bps\":-1}", "*"), 400, "bandwidth_bps", "whole number");
  snprintf(tag, sizeof(tag), "\"%llu\"", (unsigned long long)get("/links/N1/N2")->revision);
  put("/reserved/N1", "{\"s\":{\"bps\":45000000,\"links\":{\"N2\":40000000,\"N3\":5000000}},"
                      "\"t\":{\"bps\":20000000,\"links\":{\"N2\":20000000}}}");
  const struct reply *reply = ask_matching("PUT", "{\"bandwidth_bps\":5e7}", tag);
  cr_expect(eq(long, reply->status, 200));
  cr_expect(strstr(reply->body, "\"reserved_bps\":60000000,\"over_bps\":10000000") != NULL, "%s", reply->body);
  cr_expect(strstr(get("/links/N1/N2")->value, "\"budget_bps\":50000000") != NULL);
  cr_expect(strstr(get("/links/N1/N2")->value, "\"bandwidth_bps\":100000000") != NULL, "the configuration's stays");
  expect_problem(ask_matching("PUT", "{\"bandwidth_bps\":6e7}", tag), 412, "If-Match", "has changed since");
  expect_problem(ask_matching("DELETE", NULL, tag), 412, "If-Match", "has changed since");
  cr_expect(strstr(get("/links/N1/N2")->value, "\"budget_bps\":50000000") != NULL, "refused changes nothing");
  cr_expect(eq(long, ask_matching("DELETE", NULL, "*")->status, 200));
  cr_expect(strstr(get("/links/N1/N2")->value, "budget_bps\":") == NULL);
  expect_problem(ask_with("PUT", "/v1/links/N1/N9/budget", operator, "{\"bandwidth_bps\":1}", "If-Match: *"), 404, NULL,
                 "no such link");
  tear_down();
}

Test(changes, tags) {
  unsigned long long revision = get("/links/N1/N2")->revision;
  static const char *const malformed[] = {"7", "\"7", "W/7", "\"7\" \"8\"", "\"7\",x", "**"};
  char tags[128];

  for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
    expect_problem(ask_matching("DELETE", NULL, malformed[i]), 400, "If-Match", "entity tags");
  snprintf(tags, sizeof(tags), "W/\"%llu\"", revision);
  expect_problem(ask_matching("DELETE", NULL, tags), 412, "If-Match", "changed"); /* weak */
  expect_problem(ask_matching("DELETE", NULL, "\"\""), 412, "If-Match", "changed");
  expect_problem(ask_matching("DELETE", NULL, "\"99999999999999999999999999999\""), 412, "If-Match", "changed");
  snprintf(tags, sizeof(tags), "\"x\" ,\t\"%llu\"", revision);
  cr_expect(eq(long, ask_matching("DELETE", NULL, tags)->status, 200));
  tear_down();
}

Test(changes, sessions_may_be_matched) {
  const struct reply *reply = ask(&server, "GET", "/v1/accounts/alice", operator, NULL);
  char header[64], path[64];

  snprintf(header, sizeof(header), "ETag: \"%llu\"\r\n", (unsigned long long)get("/accounts/alice")->revision);
  cr_expect(strstr(reply->headers, header) != NULL, "%s", reply->headers);
  reply = ask(&server, "POST", "/v1/sessions", alice, MANIFEST);
  snprintf(path, sizeof(path), "/v1/sessions/%s", json_string_value(json_object_get(reply->json, "session")));
  expect_problem(ask_with("DELETE", path, alice, NULL, "If-Match: \"1\""), 412, "If-Match", "changed");
  snprintf(header, sizeof(header), "If-Match: \"%llu\"", (unsigned long long)get(path + strlen("/v1"))->revision);
  cr_expect(eq(long, ask_with("DELETE", path, alice, NULL, header)->status, 204));
  tear_down();
}

/* The token comes again with the answer, though the store has it nowhere in the clear; who has not made the request
 * does not get it. */
Test(changes, an_account_is_made_once) {
  const char *body = "{\"name\":\"carol\",\"credit_bytes\":1}";
  char *first = strdup(ask_with("POST", "/v1/accounts", operator, body, "Idempotency-Key: 1")->body);
  const char *token;
  struct copse_store *store = server_store(&server);
  struct copse_values values;
  json_t *json = json_loads(first, 0, NULL);

  token = json_string_value(json_object_get(json, "token"));
  cr_assert(token != NULL);
  cr_expect(eq(str, (char *)ask_with("POST", "/v1/accounts", operator, body, "Idempotency-Key: 1")->body, first));
  cr_expect(eq(long, ask(&server, "GET", "/v1/accounts/carol", token, NULL)->status, 200));
  expect_problem(ask_with("POST", "/v1/accounts", operator, body, "Idempotency-Key: 2"), 409, "name", "already");
  expect_problem(
    ask_with("POST", "/v1/accounts", operator, "{\"name\":\"dave\",\"credit_bytes\":1}", "Idempotency-Key: 1"), 422,
    "Idempotency-Key", "another body");
  expect_problem(ask_with("POST", "/v1/accounts", operator, body, "Idempotency-Key: a b"), 400, "Idempotency-Key",
                 "visible");
  client_end();
  server_stop(&server);
  server_start(&server);
  cr_expect(eq(str, (char *)ask_with("POST", "/v1/accounts", operator, body, "Idempotency-Key: 1")->body, first),
            "also after a restart");
  cr_assert(eq(int, copse_store_list(store, "/", &values), 0));
  for (size_t i = 0; i < values.count; i++)
    cr_expect(strstr(values.items[i].value, token) == NULL, "%s", values.items[i].key);
  copse_values_free(&values);
  copse_store_close(store);
  json_decref(json);
  free(first);
  tear_down();
}

Test(changes, a_session_is_made_once_for_each_caller) {
  char *first = strdup(ask_with("POST", "/v1/sessions", alice, MANIFEST, "Idempotency-Key: k")->body);

  cr_expect(eq(str, (char *)ask_with("POST", "/v1/sessions", alice, MANIFEST, "Idempotency-Key: k")->body, first));
  cr_expect(ne(str, (char *)ask_with("POST", "/v1/sessions", operator, MANIFEST, "Idempotency-Key: k")->body, first));
  cr_expect(ne(str, (char *)ask_with("POST", "/v1/sessions", alice, MANIFEST, "Idempotency-Key: l")->body, first));
  free(first);
  tear_down();
}

/* ---- text/event-stream ---- */

static CURL *
begin_stream(const char *more) {
  CURL *handle = connect_only(&server);
  char request[512];

  snprintf(
    request, sizeof(request),
    "GET /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nAccept: text/event-stream\r\n%s\r\n", operator,
    more);
  cr_assert(client_send(handle, request));
  return handle;
}

/* Collects until the text has come, or the connection or the time ends. */
static bool
read_until(CURL *handle, char *text, size_t capacity, const char *wanted, double wait_s) {
  double end = client_now_s() + wait_s;
  size_t used = strlen(text), got;
  curl_socket_t file;

  curl_easy_getinfo(handle, CURLINFO_ACTIVESOCKET, &file);
  while (strstr(text, wanted) == NULL && client_now_s() < end) {
    struct pollfd ready = {.fd = file, .events = POLLIN};
    CURLcode code = curl_easy_recv(handle, text + used, capacity - 1 - used, &got);

    if (code == CURLE_AGAIN) {
      poll(&ready, 1, 20);
      continue;
    }
    if (code != CURLE_OK || got == 0)
      break;
    used += got;
    text[used] = '\0';
  }
  return strstr(text, wanted) != NULL;
}

Test(changes, are_streamed_as_they_come) {
  char text[8192] = "", more[64], *id;
  CURL *handle;
  unsigned long long revision;

  usleep(50000); /* what set_up has changed is seen by now */
  handle = begin_stream("");
  cr_assert(read_until(handle, text, sizeof(text), "\r\n\r\n", 4), "%s", text);
  cr_expect(strstr(text, "HTTP/1.1 200 ") == text && strstr(text, "Content-Type: text/event-stream\r\n") != NULL, "%s",
            text);
  put("/links/N1/N3", "{}");
  put("/stats/N1", "{}");
  put("/links/N1/N4", "{}");
  cr_assert(read_until(handle, text, sizeof(text), "N1/N4\"}\n\n", 4), "%s", text);
  cr_expect(strstr(text, "event: put\ndata: {\"key\":\"/links/N1/N3\"}\n\n") != NULL, "%s", text);
  cr_expect(strstr(text, "/stats/") == NULL, "%s", text);
  id = strstr(text, "id: ");
  cr_assert(id != NULL && sscanf(id, "id: %llu", &revision) == 1);
  curl_easy_cleanup(handle);
  snprintf(more, sizeof(more), "Last-Event-ID: %llu\r\n", revision);
  handle = begin_stream(more);
  text[0] = '\0';
  cr_assert(read_until(handle, text, sizeof(text), "N1/N4\"}\n\n", 4), "%s", text);
  cr_expect(strstr(text, "/links/N1/N3") == NULL, "resumed after it: %s", text);
  curl_easy_cleanup(handle);
  tear_down();
}

Test(changes, a_stream_that_cannot_be_resumed) {
  char text[4096] = "";
  CURL *handle = begin_stream("Last-Event-ID: x\r\n");

  cr_expect(read_until(handle, text, sizeof(text), "\"field\":\"Last-Event-ID\"", 4), "%s", text);
  curl_easy_cleanup(handle);
  client_end();
  server_stop(&server);
  server_start(&server);
  handle = begin_stream("Last-Event-ID: 1\r\n");
  text[0] = '\0';
  cr_expect(read_until(handle, text, sizeof(text), "HTTP/1.1 410 ", 4), "%s", text);
  curl_easy_cleanup(handle);
  tear_down();
}

static void
set_up_short(void) {
  server_prepare(&server);
  server.config.events_ms = 500;
  server.config.idle_s = server.config.request_s = 1;
  server_start(&server);
  strcpy(operator, server_token(&server));
}

/* Silence is filled with comments, and is not slowness; the stream ends with the server. */
Test(silence, a_stream_is_kept_alive, .init = set_up_short, .fini = tear_down) {
  char text[8192] = "";
  CURL *handle = begin_stream("");
  double begin = client_now_s();

  for (int i = 0; i < 6; i++) {
    cr_assert(read_until(handle, text, sizeof(text), ": keep-alive\n\n", 3), "%s", text);
    text[0] = '\0';
  }
  cr_expect(client_now_s() - begin > 2.4, "%.1f s", client_now_s() - begin);
  server_stop(&server);
  cr_expect(read_until(handle, text, sizeof(text), "no such text", 3) == false);
  curl_easy_cleanup(handle);
  server_start(&server);
  tear_down();
}
