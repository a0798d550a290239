/* SPDX-License-Identifier: Apache-2.0 */
/* The server over time: long polls, stopping, what a restart keeps, what a start refuses. */
#include "harness.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct server server;
static char alice[65], operator[65];

static void
start(void) {
  server_start(&server);
  strcpy(operator, server_token(&server));
  make_account(&server, "alice", alice);
}

static void
prepare(void) {
  server_prepare(&server);
}

static void
set_up(void) {
  prepare();
  start();
}

static void
tear_down(void) {
  server_end(&server);
}

static json_int_t
revision_now(void) {
  return json_integer_value(json_object_get(ask(&server, "GET", "/v1/events", operator, NULL)->json, "revision"));
}

static void *
put_later(void *context) {
  struct copse_store *store = server_store(&server);
  struct copse_change change = {.kind = COPSE_CHANGE_PUT, .key = "/links/N1/N2", .value = "{}"};

  usleep(300000);
  copse_store_commit(store, NULL, 0, &change, 1, NULL, NULL);
  change.kind = COPSE_CHANGE_DELETE;
  copse_store_commit(store, NULL, 0, &change, 1, NULL, NULL);
  copse_store_close(store);
  return context;
}

/* A change made by another process (here: another handle) answers the waiting poll; so does one already made. */
Test(life, long_poll, .init = set_up, .fini = tear_down) {
  const struct reply *reply = ask(&server, "GET", "/v1/events", operator, NULL);
  json_int_t revision;
  pthread_t thread;
  double begin;
  char path[64];

  cr_expect(eq(sz, json_array_size(json_object_get(reply->json, "events")), 0));
  usleep(50000); /* the account made in set_up is seen by now */
  revision = revision_now();
  snprintf(path, sizeof(path), "/v1/events?after=%lld", (long long)revision);
  pthread_create(&thread, NULL, put_later, NULL);
  begin = client_now_s();
  reply = ask(&server, "GET", path, operator, NULL);
  cr_expect(client_now_s() - begin > 0.2 && client_now_s() - begin < 3, "%.1f s", client_now_s() - begin);
  cr_assert(eq(long, reply->status, 200));
  cr_expect(strstr(reply->body, "{\"key\":\"/links/N1/N2\",\"type\":\"put\"}") != NULL, "%s", reply->body);
  cr_expect(json_integer_value(json_object_get(reply->json, "revision")) > revision);
  pthread_join(thread, NULL);
  usleep(50000);
  reply = ask(&server, "GET", path, operator, NULL);
  cr_expect(eq(sz, json_array_size(json_object_get(reply->json, "events")), 2), "%s", reply->body);
  cr_expect(strstr(reply->body, "\"type\":\"delete\"") != NULL);
  cr_expect(eq(long, (long)json_integer_value(json_object_get(reply->json, "revision")), (long)revision + 2));
  expect_problem(ask(&server, "GET", "/v1/events?after=-1", operator, NULL), 400, "after", "revision");
  expect_problem(ask(&server, "GET", "/v1/events?after=", operator, NULL), 400, "after", "revision");
  expect_problem(ask(&server, "GET", "/v1/events?after=99999999999999999999", operator, NULL), 400, "after",
                 "revision");
  tear_down();
}

static void
prepare_short_poll(void) {
  prepare();
  server.config.events_ms = 2500;
  server.config.idle_s = server.config.request_s = 1;
  start();
  usleep(50000);
}

#define JOIN "/v1/sessions/0123456789abcdef0123456789abcdef/members"

static void *
take_later(void *context) {
  usleep(300000);
  atomic_store(&server.control.takes, true);
  return context;
}

/* A join is answered when the dataplane has taken its member, though nothing changes in the store. */
Test(life, join_waits_for_the_dataplane, .init = set_up, .fini = tear_down) {
  pthread_t thread;
  double begin;

  usleep(50000);
  atomic_store(&server.control.unready, 1);
  pthread_create(&thread, NULL, take_later, NULL);
  begin = client_now_s();
  cr_expect(eq(long, ask(&server, "POST", JOIN, operator, "{}")->status, 201));
  cr_expect(client_now_s() - begin > 0.2 && client_now_s() - begin < 3, "%.1f s", client_now_s() - begin);
  pthread_join(thread, NULL);
  tear_down();
}

Test(life, join_gives_up_on_the_dataplane, .init = prepare_short_poll, .fini = tear_down) {
  atomic_store(&server.control.unready, 1000);
  expect_problem(ask(&server, "POST", JOIN, operator, "{}"), 503, NULL, "join again");
  tear_down();
}

/* Waiting for a change is not slowness. */
Test(life, long_poll_ends_without_change, .init = prepare_short_poll, .fini = tear_down) {
  json_int_t revision = revision_now();
  const struct reply *reply;
  double begin = client_now_s();
  char path[64], body[96];

  snprintf(path, sizeof(path), "/v1/events?after=%lld", (long long)revision);
  snprintf(body, sizeof(body), "{\"revision\":%lld,\"events\":[]}", (long long)revision);
  reply = ask(&server, "GET", path, operator, NULL);
  cr_expect(client_now_s() - begin > 2.4 && client_now_s() - begin < 5, "%.1f s", client_now_s() - begin);
  cr_expect(eq(str, reply->body, body));
  tear_down();
}

/* A restarted server knows no changes from before: it says so instead of losing them. */
Test(life, long_poll_of_an_old_revision, .init = set_up, .fini = tear_down) {
  client_end();
  server_stop(&server);
  server_start(&server);
  expect_problem(ask(&server, "GET", "/v1/events?after=0", operator, NULL), 410, "after", "begin again");
  tear_down();
}

static void *
wait_for_events(void *context) {
  struct reply *copy = context;
  char path[64];

  snprintf(path, sizeof(path), "/v1/events?after=%d", 1000000);
  copy->status = ask_raw(&server, "GET", path, operator, NULL, 0, NULL)->status;
  return NULL;
}

/* Stopping answers who waits, and drops who has gone away while waiting. */
Test(life, stop_while_polls_wait, .init = set_up) {
  CURL *handle = connect_only(&server);
  struct reply copy = {.status = 0};
  char request[256];
  pthread_t thread;

  snprintf(request, sizeof(request),
           "GET /v1/events?after=1000000 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", operator);
  cr_assert(client_send(handle, request));
  pthread_create(&thread, NULL, wait_for_events, &copy);
  usleep(300000);
  curl_easy_cleanup(handle);
  server_stop(&server);
  pthread_join(thread, NULL);
  cr_expect(eq(long, copy.status, 200));
  server_start(&server);
  server_end(&server);
}

/* Connections in every state of waiting: the loop sleeps. */
Test(life, waiting_costs_nothing, .init = set_up, .fini = tear_down) {
  CURL *silent = connect_only(&server), *headers = connect_only(&server), *poller = connect_only(&server);
  struct timespec before, after;
  int plain = connect_plain(&server);
  char request[256];
  double used;

  snprintf(request, sizeof(request),
           "GET /v1/events?after=1000000 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", operator);
  cr_assert(client_send(poller, request));
  cr_assert(client_send(headers, "GET /healthz HTTP/1.1\r\nHost: x\r\n"));
  usleep(100000);
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
  sleep(1);
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
  used = (double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) / 1e9;
  cr_expect(used < 0.3, "%.3f s", used); /* the test's loop asks the store 200 times in it */
  close(plain);
  curl_easy_cleanup(silent);
  curl_easy_cleanup(headers);
  curl_easy_cleanup(poller);
  tear_down();
}

static char *
slurp(const char *name) {
  static char text[4096];
  struct stat status;
  char path[96];
  FILE *file;

  snprintf(path, sizeof(path), "%s/%s", server.directory, name);
  cr_assert(eq(int, stat(path, &status), 0));
  cr_expect(eq(int, (int)(status.st_mode & 07777), 0600), "%s", name);
  file = fopen(path, "r");
  text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
  fclose(file);
  return text;
}

/* The second start finds certificate, key, tokens and accounts of the first. */
Test(life, restart, .init = set_up, .fini = tear_down) {
  char *certificate = strdup(slurp("cert.pem")), *key = strdup(slurp("key.pem"));

  client_end();
  server_stop(&server);
  server_start(&server);
  cr_expect(eq(str, slurp("cert.pem"), certificate));
  cr_expect(eq(str, slurp("key.pem"), key));
  cr_expect(eq(str, (char *)server_token(&server), operator));
  cr_expect(eq(long, ask(&server, "GET", "/v1/accounts/alice", alice, NULL)->status, 200));
  free(certificate);
  free(key);
  tear_down();
}

/* The client's trust is in this certificate: a server with another one is refused. */
Test(life, another_certificate, .init = set_up, .fini = tear_down) {
  char path[96], aside[96];

  client_end();
  server_stop(&server);
  snprintf(path, sizeof(path), "%s/cert.pem", server.directory);
  snprintf(aside, sizeof(aside), "%s/old.pem", server.directory);
  cr_assert(eq(int, rename(path, aside), 0));
  server_start(&server);
  cr_assert(eq(int, rename(aside, path), 0));
  cr_expect(eq(long, ask_raw(&server, "GET", "/healthz", NULL, NULL, 0, NULL)->status, 0));
  tear_down();
}

Test(life, start_says_what_is_wrong, .init = set_up, .fini = tear_down) {
  struct copse_http_config config = server.config;
  struct copse_http *second = NULL;
  struct copse_error error = {.text = ""};

  config.port = server.port;
  cr_expect(eq(int, copse_http_start(&server.control, &config, &second, &error), -EADDRINUSE));
  cr_expect(strstr(error.text, "listening on 127.0.0.1 port") != NULL, "%s", error.text);
  config.address = (char[]){"localhost"};
  cr_expect(eq(int, copse_http_start(&server.control, &config, &second, &error), -EINVAL));
  cr_expect(strstr(error.text, "neither IPv4 nor IPv6") != NULL, "%s", error.text);
  config.state_dir = "/nowhere";
  cr_expect(eq(int, copse_http_start(&server.control, &config, &second, &error), -ENOENT));
  cr_expect(strstr(error.text, "/nowhere/operator.token") != NULL, "%s", error.text);
  tear_down();
}

static void
prepare_v6(void) {
  prepare();
  free(server.config.address);
  server.config.address = strdup("::");
  server_start(&server);
}

/* "::" takes IPv4 as well, and the certificate names the machine's addresses. */
Test(life, all_addresses, .init = prepare_v6, .fini = tear_down) {
  cr_expect(eq(long, ask(&server, "GET", "/healthz", NULL, NULL)->status, 200));
  tear_down();
}
