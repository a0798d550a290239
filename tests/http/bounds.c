/* SPDX-License-Identifier: Apache-2.0 */
/* What one client can do to the server: sizes, rates, numbers, slowness. */
#include "harness.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
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

/* All that arrives on a connection until it ends or `wait_s` are over. False: it is still open then. */
static bool
read_to_end(CURL *handle, char *text, size_t capacity, double wait_s) {
  double end = client_now_s() + wait_s;
  curl_socket_t file;
  size_t used = 0;

  curl_easy_getinfo(handle, CURLINFO_ACTIVESOCKET, &file);
  while (client_now_s() < end) {
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
    cr_assert(client_send(handle, request));
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
  cr_assert(client_send(handle, request));
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
  CURL *handle = connect_only(&server);
  int file = connect_plain(&server);
  char answer[2048];

  cr_assert(eq(int, (int)write(file, "GET / HTTP/1.1\r\n\r\n", 18), 18));
  cr_assert(client_send(handle, "nonsense\r\n\r\n"));
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
  double begin = client_now_s();
  curl_socket_t file;
  char answer[2048];

  curl_easy_getinfo(handle, CURLINFO_ACTIVESOCKET, &file);
  while (client_now_s() - begin < 7 && client_send(handle, piece) && !read_to_end(handle, answer, sizeof(answer), 0.1))
    ;
  return client_now_s() - begin;
}

/* A client that is never silent but never done is dropped all the same. */
Test(bounds, slow_headers, .init = prepare_impatient, .fini = tear_down) {
  CURL *handle = connect_only(&server);
  double lasted;

  cr_assert(client_send(handle, "GET /healthz HTTP/1.1\r\nHost: x\r\n"));
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
  cr_assert(client_send(handle, request));
  lasted = trickle(handle, " ");
  cr_expect(lasted > 1.8 && lasted < 5, "%.1f s", lasted);
  curl_easy_cleanup(handle);
  tear_down();
}

/* Before TLS there is no libmicrohttpd request yet: the time runs all the same. */
Test(bounds, slow_handshake, .init = prepare_impatient, .fini = tear_down) {
  struct pollfd ended = {.events = POLLIN};
  static const char hello[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"; /* the head of a ClientHello */
  double begin = client_now_s();
  int sent = 0;

  ended.fd = connect_plain(&server);
  while (client_now_s() - begin < 7 && poll(&ended, 1, 100) == 0) {
    if (write(ended.fd, sent < 11 ? hello + sent : "", 1) != 1)
      break;
    sent++;
  }
  cr_expect(client_now_s() - begin > 0.8 && client_now_s() - begin < 4, "%.1f s", client_now_s() - begin);
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
  cr_assert(client_send(handle, request));
  cr_expect(read_to_end(handle, answer, sizeof(answer), 5));
  curl_easy_cleanup(handle);
  tear_down();
}

Test(bounds, silence, .init = prepare_impatient, .fini = tear_down) {
  CURL *handle = connect_only(&server);
  char answer[256];
  double begin = client_now_s();

  cr_expect(read_to_end(handle, answer, sizeof(answer), 5));
  cr_expect(client_now_s() - begin > 0.8, "%.1f s", client_now_s() - begin);
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

static void
prepare_small(void) {
  prepare();
  server.config.connections = 2;
  server_start(&server);
}

/* Who comes when all places are taken gets that of who has been idle for longest. */
Test(bounds, the_longest_idle_gives_way, .init = prepare_small, .fini = tear_down) {
  CURL *first = connect_only(&server), *second = connect_only(&server);
  double begin = client_now_s();
  char answer[64];

  cr_expect(eq(long, ask(&server, "GET", "/healthz", NULL, NULL)->status, 200));
  cr_expect(client_now_s() - begin < 1, "%.2f s", client_now_s() - begin);
  cr_expect(read_to_end(first, answer, sizeof(answer), 2));
  cr_expect(eq(int, read_to_end(second, answer, sizeof(answer), 0.2), 0));
  curl_easy_cleanup(first);
  curl_easy_cleanup(second);
  tear_down();
}

static CURL *
begin_poll(void) {
  CURL *handle = connect_only(&server);
  char request[256];

  snprintf(request, sizeof(request),
           "GET /v1/events?after=1000000 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n",
           server_token(&server));
  cr_assert(client_send(handle, request));
  return handle;
}

/* Nobody is sent home who waits for an answer. */
Test(bounds, who_asks_keeps_its_place, .init = prepare_small, .fini = tear_down) {
  CURL *first = begin_poll(), *second = begin_poll();
  char answer[64];

  usleep(100000);
  for (int i = 0; i < 3; i++) {
    cr_expect(eq(long, ask(&server, "GET", "/healthz", NULL, NULL)->status, 200));
    client_end();
  }
  cr_expect(eq(int, read_to_end(first, answer, sizeof(answer), 0.1), 0));
  cr_expect(eq(int, read_to_end(second, answer, sizeof(answer), 0.1), 0));
  curl_easy_cleanup(first);
  curl_easy_cleanup(second);
  tear_down();
}
