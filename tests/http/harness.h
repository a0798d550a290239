/* SPDX-License-Identifier: Apache-2.0 */
/* A real server on 127.0.0.1 in a thread with its own loop, and a real client (libcurl) that trusts only its
 * certificate. */
#ifndef TEST_HTTP_HARNESS_H
#define TEST_HTTP_HARNESS_H

#include "fake_control.h"
#include "http/server.h"
#include <curl/curl.h>
#include <pthread.h>

struct server {
  char directory[64]; /* state_dir, store */
  struct copse_http_config config;
  struct copse_control control;
  struct copse_http *http;
  struct copse_error error;
  pthread_t thread;
  int stop[2];
  uint16_t port;
};

struct reply {
  long status; /* 0: no answer */
  char *body;
  size_t length;
  char headers[2048];
  json_t *json;
  curl_off_t uploaded;
  long connects; /* new connections made for this request */
};

/* Defaults of the shipped table, in a directory of its own. server_start asserts. */
void server_prepare(struct server *server);
void server_start(struct server *server);
void server_stop(struct server *server);
/* Stops, removes the directory, and expects that nothing leaked (under AddressSanitizer). A test calls it last, and, as
 * expectations do not count in its `fini`, once more there in case it did not come so far: the second time is nothing.
 */
void server_end(struct server *server);
/* Operator's token, from its file. */
const char *server_token(const struct server *server);
/* A handle of one's own on the server's store. */
struct copse_store *server_store(const struct server *server);

/* One request; `token` and `body` may be null. Reply is valid until the next call. The connection is kept. */
const struct reply *ask(struct server *server, const char *method, const char *path, const char *token,
                        const char *body);
const struct reply *ask_bytes(struct server *server, const char *method, const char *path, const char *token,
                              const void *body, size_t length);
/* Without asserting that there is an answer; `extra` is one more header, or null. */
const struct reply *ask_raw(struct server *server, const char *method, const char *path, const char *token,
                            const void *body, size_t length, const char *extra);
/* A TLS connection without a request. */
CURL *connect_only(struct server *server);
/* Sends all of the text on it. */
bool client_send(CURL *handle, const char *text);
/* A TCP connection without TLS. */
int connect_plain(struct server *server);
/* Closes the connection that ask keeps. */
void client_end(void);
/* Seconds, monotonic. */
double client_now_s(void);

/* The last reply is a problem with this status whose detail contains the text, about this field (null: none). */
void expect_problem(const struct reply *reply, long status, const char *field, const char *text);

/* Makes an account; its token is copied. */
void make_account(struct server *server, const char *name, char token[65]);
/* Makes a session of `blocks` full blocks with made-up leaves; `leaves` (32 bytes each) is filled. */
void make_session(struct server *server, const char *token, uint32_t blocks, uint8_t *leaves, char session[33]);

#endif
