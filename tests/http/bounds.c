/* SPDX-License-Identifier: Apache-2.0 */
/* What one client can do to the server: sizes, rates, slowness, waiting; and what a restart keeps. */
#include "harness.h"
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SESSION "0123456789abcdef0123456789abcdef"

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

static double
now_s(void) {
  struct timespec now;

  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* All that arrives on a connection until it ends or `wait_s` are over. False: it is still open then. */
static bool
read_to_end(CURL *handle, char *text, size_t capacity, double wait_s) {
  double end = now_s() + wait_s;
  curl_socket_t file;
  size_t used = 0;

  curl_easy_getinfo(handle, CURLINFO_ACTIVESOCKET, &file);
  while (now_s() < end) {
    struct pollfd ready = {.fd = file, .events = POLLIN};
    size_t got = 0;
    CURLcode code = curl_easy_recv(handle, text + used, capacity - 1 - used, &got);
    if (code == CURLE_AGAIN) {
      poll(&ready, 1, 20);
      continue;
    }
    if (code != CURLE_OK || got == 0) {
      text[used] = '\0';
      return true;
    }
    used += got;
  }
  text[used] = '\0';
  return false;
}

static bool
send_text(CURL *handle, const char *text) {
  size_t sent;

  return curl_easy_send(handle, text, strlen(text), &sent) == CURLE_OK && sent == strlen(text);
}

/* The largest JSON body is taken; one byte more is refused, before it is sent where the client asks first. */
Test(bounds, json_body, .init = set_up, .fini = tear_down) {
  size_t length = (1 << 20) + 1;
  char *body = malloc(length);
  const struct reply *reply;

  memset(body, ' ', length);
  body[0] = '{';
  body[length - 2] = '}';
  reply = ask_bytes(&server, "POST", "/v1/sessions/" SESSION "/members", alice, body, length - 1);
  cr_expect(eq(long, reply->status, 201), "%s", reply->body);
  body[length - 1] = '}';
  reply = ask_raw(&server, "POST", "/v1/sessions/" SESSION "/members", alice, body, length, "Expect: 100-continue");
  expect_problem(reply, 413, NULL, "at most 1048576 bytes");
  cr_expect(eq(long, (long)reply->uploaded, 0));
  free(body);
  tear_down();
}

/* Length is refused from the headers alone; nothing is read, and the connection ends. */
Test(bounds, body_announced_too_long, .init = set_up, .fini = tear_down) {
  static const char *const paths[] = {"POST /v1/sessions", ("PUT /v1/sessions/" SESSION "/leaves"), "GET /healthz",
                                      ("DELETE /v1/sessions/" SESSION)};

  for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
    CURL *handle = connect_only(&server);
    char request[512], answer[2048];

    snprintf(request, sizeof(request),
             "%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 16777217\r\n\r\n", paths[i], alice);
    cr_assert(send_text(handle, request));
    cr_expect(read_to_end(handle, answer, sizeof(answer), 4), "%s: still open", paths[i]);
    cr_expect(strncmp(answer, "HTTP/1.1 413 ", 13) == 0, "%s", answer);
    curl_easy_cleanup(handle);
  }
  tear_down();
}

Test(bounds, body_without_length, .init = set_up, .fini = tear_down) {
  CURL *handle = connect_only(&server);
  char request[512], answer[2048];

  snprintf(request, sizeof(request),
           "POST /v1/sessions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nTransfer-Encoding: chunked\r\n\r\n",
           alice);
  cr_assert(send_text(handle, request));
  cr_expect(read_to_end(handle, answer, sizeof(answer), 4));
  cr_expect(strncmp(answer, "HTTP/1.1 411 ", 13) == 0, "%s", answer);
  curl_easy_cleanup(handle);
  tear_down();
}

/* Headers larger than a connection's memory are refused; the server goes on. */
Test(bounds, headers_too_long, .init = set_up, .fini = tear_down) {
  static char header[64 << 10];
  long status;

  memset(header, 'x', sizeof(header) - 1);
  memcpy(header, "X-Long: ", 8);
  status = ask_raw(&server, "GET", "/healthz", NULL, NULL, 0, header)->status;
  cr_expect(status == 431 || status == 0, "%ld", status);
  client_end();
  cr_expect(eq(long, ask(&server, "GET", "/healthz", NULL, NULL)->status, 200));
  tear_down();
}

Test(bounds, not_http_and_not_tls, .init = set_up, .fini = tear_down) {
  struct sockaddr_in name = {
    .sin_family = AF_INET, .sin_port = htons(server.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  CURL *handle = connect_only(&server);
  int file = socket(AF_INET, SOCK_STREAM, 0);
  char answer[2048];

  cr_assert(eq(int, connect(file, (struct sockaddr *)&name, sizeof(name)), 0));
  cr_assert(eq(int, (int)write(file, "GET / HTTP/1.1\r\n\r\n", 18), 18));
  cr_assert(send_text(handle, "nonsense\r\n\r\n"));
  cr_expect(read_to_end(handle, answer, sizeof(answer), 4));
  while (read(file, answer, sizeof(answer)) > 0)
    ; /* an alert, then the end */
  cr_expect(eq(long, ask(&server, "GET", "/healthz", NULL, NULL)->status, 200));
  curl_easy_cleanup(handle);
  close(file);
  tear_down();
}

static void
prepare_impatient(void) {
  prepare();
  server.config.idle_s = 1;
  server.config.request_s = 2;
  start();
}

/* Seconds until the server ends a connection on which `piece` is sent every 100 ms. */
static double
trickle(CURL *handle, const char *piece) {
  double begin = now_s();
  curl_socket_t file;
  char answer[2048];

  curl_easy_getinfo(handle, CURLINFO_ACTIVESOCKET, &file);
  while (now_s() - begin < 7 && send_text(handle, piece) && !read_to_end(handle, answer, sizeof(answer), 0.1))
    ;
  return now_s() - begin;
}

/* A client that is never silent but never done is dropped all the same. */
Test(bounds, slow_headers, .init = prepare_impatient, .fini = tear_down) {
  CURL *handle = connect_only(&server);
  double lasted;

  cr_assert(send_text(handle, "GET /healthz HTTP/1.1\r\nHost: x\r\n"));
  lasted = trickle(handle, "X-Slow: 1\r\n");
  cr_expect(lasted > 0.8 && lasted < 4, "%.1f s", lasted);
  curl_easy_cleanup(handle);
  tear_down();
}

Test(bounds, slow_body, .init = prepare_impatient, .fini = tear_down) {
  CURL *handle = connect_only(&server);
  char request[512];
  double lasted;

  snprintf(request, sizeof(request),
           "POST /v1/sessions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 100000\r\n\r\n",
           alice);
  cr_assert(send_text(handle, request));
  lasted = trickle(handle, " ");
  cr_expect(lasted > 1.8 && lasted < 5, "%.1f s", lasted);
  curl_easy_cleanup(handle);
  tear_down();
}

/* Before TLS there is no libmicrohttpd request yet: the time runs all the same. */
Test(bounds, slow_handshake, .init = prepare_impatient, .fini = tear_down) {
  struct sockaddr_in name = {
    .sin_family = AF_INET, .sin_port = htons(server.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct pollfd ended = {.events = POLLIN};
  static const char hello[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"; /* the head of a ClientHello */
  double begin = now_s();
  int sent = 0;

  ended.fd = socket(AF_INET, SOCK_STREAM, 0);
  cr_assert(eq(int, connect(ended.fd, (struct sockaddr *)&name, sizeof(name)), 0));
  while (now_s() - begin < 7 && poll(&ended, 1, 100) == 0) {
    if (write(ended.fd, sent < 11 ? hello + sent : "", 1) != 1)
      break;
    sent++;
  }
  cr_expect(now_s() - begin > 0.8 && now_s() - begin < 4, "%.1f s", now_s() - begin);
  close(ended.fd);
  tear_down();
}

static void
prepare_patient(void) {
  prepare();
  server.config.idle_s = 1;
  start();
}

Test(bounds, silence_within_a_body, .init = prepare_patient, .fini = tear_down) {
  CURL *handle = connect_only(&server);
  char request[512], answer[256];

  snprintf(request, sizeof(request),
           "POST /v1/sessions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 10\r\n\r\n{", alice);
  cr_assert(send_text(handle, request));
  cr_expect(read_to_end(handle, answer, sizeof(answer), 5));
  curl_easy_cleanup(handle);
  tear_down();
}

Test(bounds, silence, .init = prepare_impatient, .fini = tear_down) {
  CURL *handle = connect_only(&server);
  char answer[256];
  double begin = now_s();

  cr_expect(read_to_end(handle, answer, sizeof(answer), 5));
  cr_expect(now_s() - begin > 0.8, "%.1f s", now_s() - begin);
  curl_easy_cleanup(handle);
  tear_down();
}

static void
prepare_few(void) {
  prepare();
  server.config.address_requests_per_s = 1;
  server.config.address_request_burst = 6;
  server_start(&server);
}

Test(bounds, requests_per_address, .init = prepare_few, .fini = tear_down) {
  const struct reply *reply;

  for (int i = 0; i < 5; i++) /* the connection took one */
    cr_expect(eq(long, ask(&server, "GET", "/healthz", NULL, NULL)->status, 200));
  reply = ask(&server, "GET", "/healthz", NULL, NULL);
  expect_problem(reply, 429, NULL, "too many requests");
  cr_expect(strstr(reply->headers, "Retry-After: 1") != NULL);
  usleep(1100000);
  reply = ask(&server, "GET", "/healthz", NULL, NULL);
  cr_expect(eq(long, reply->status, 200));
  cr_expect(eq(long, reply->connects, 0));
  tear_down();
}

static void
prepare_lonely(void) {
  prepare();
  server.config.address_connections = 2;
  server_start(&server);
}

Test(bounds, connections_per_address, .init = prepare_lonely, .fini = tear_down) {
  CURL *first = connect_only(&server), *second = connect_only(&server);
  long status = 0;

  cr_expect(eq(long, ask_raw(&server, "GET", "/healthz", NULL, NULL, 0, NULL)->status, 0));
  curl_easy_cleanup(second);
  for (int i = 0; i < 100 && status == 0; i++) {
    client_end();
    status = ask_raw(&server, "GET", "/healthz", NULL, NULL, 0, NULL)->status;
    usleep(20000);
  }
  cr_expect(eq(long, status, 200));
  curl_easy_cleanup(first);
  tear_down();
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
Test(bounds, long_poll, .init = set_up, .fini = tear_down) {
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
  begin = now_s();
  reply = ask(&server, "GET", path, operator, NULL);
  cr_expect(now_s() - begin > 0.2 && now_s() - begin < 3, "%.1f s", now_s() - begin);
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

/* Waiting for a change is not slowness. */
Test(bounds, long_poll_ends_without_change, .init = prepare_short_poll, .fini = tear_down) {
  json_int_t revision = revision_now();
  const struct reply *reply;
  double begin = now_s();
  char path[64], body[96];

  snprintf(path, sizeof(path), "/v1/events?after=%lld", (long long)revision);
  snprintf(body, sizeof(body), "{\"revision\":%lld,\"events\":[]}", (long long)revision);
  reply = ask(&server, "GET", path, operator, NULL);
  cr_expect(now_s() - begin > 2.4 && now_s() - begin < 5, "%.1f s", now_s() - begin);
  cr_expect(eq(str, reply->body, body));
  tear_down();
}

/* A restarted server knows no changes from before: it says so instead of losing them. */
Test(bounds, long_poll_of_an_old_revision, .init = set_up, .fini = tear_down) {
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
Test(bounds, stop_while_polls_wait, .init = set_up) {
  CURL *handle = connect_only(&server);
  struct reply copy = {.status = 0};
  char request[256];
  pthread_t thread;

  snprintf(request, sizeof(request),
           "GET /v1/events?after=1000000 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", operator);
  cr_assert(send_text(handle, request));
  pthread_create(&thread, NULL, wait_for_events, &copy);
  usleep(300000);
  curl_easy_cleanup(handle);
  server_stop(&server);
  pthread_join(thread, NULL);
  cr_expect(eq(long, copy.status, 200));
  server_start(&server);
  server_end(&server);
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
Test(bounds, restart, .init = set_up, .fini = tear_down) {
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
Test(bounds, another_certificate, .init = set_up, .fini = tear_down) {
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

Test(bounds, start_says_what_is_wrong, .init = set_up, .fini = tear_down) {
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
Test(bounds, all_addresses, .init = prepare_v6, .fini = tear_down) {
  cr_expect(eq(long, ask(&server, "GET", "/healthz", NULL, NULL)->status, 200));
  tear_down();
}
