/* SPDX-License-Identifier: Apache-2.0 */
/* One API request without its socket: who asks for what, and the reply. Tests and fuzzers make calls of their own. */
#ifndef COPSE_HTTP_CALL_H
#define COPSE_HTTP_CALL_H

#include "auth.h"
#include "control.h"
#include "events.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COPSE_JSON_BODY_MAX ((size_t)1 << 20)
#define COPSE_LEAVES_BODY_MAX ((size_t)1 << 24) /* hashes of the largest content, manifest.h */
#define COPSE_SESSION_CHARS 32
#define COPSE_MEMBER_CHARS 16
#define COPSE_CURSOR_CHARS 128 /* "session/member" and the like */
#define COPSE_LINK_CHARS 63    /* "U/V" */

/* What all calls share. */
struct copse_api {
  struct copse_control *control;
  struct copse_auth auth;
  struct copse_events *events;
};

/* Exactly one of `answer.body`, `bytes` and nothing is sent; `answer.field` and `answer.error` make the problem of a
 * status of 400 and more. Status 0: nothing to say yet, ask again after a change of the store. */
struct copse_reply {
  struct copse_answer answer;
  void *bytes; /* allocated */
  size_t length;
  const char *content_type; /* of bytes */
  char allow[32];           /* methods, with 405 */
  bool stream;              /* events follow, one by one, from `after` on */
  uint64_t after;
};

/* Query arguments there are. */
enum copse_argument { COPSE_ARGUMENT_AFTER, COPSE_ARGUMENT_LIMIT, COPSE_ARGUMENT_CURSOR, COPSE_ARGUMENT_COUNT };
extern const char *const copse_argument_names[COPSE_ARGUMENT_COUNT];

/* What matters of a request but its body. Strings live as long as the call; null: not there. */
struct copse_request {
  const char *method, *path;
  const char *arguments[COPSE_ARGUMENT_COUNT];
  const char *unknown; /* name of an argument that is none of these */
  const char *authorization, *if_match, *idempotency_key, *last_event_id;
  bool stream; /* wants text/event-stream */
  uint64_t body_length;
};

struct copse_route;

struct copse_call {
  struct copse_api *api;
  struct copse_request request;
  const struct copse_route *route;
  struct copse_caller caller;
  /* of the path, checked for form; empty when the path has none */
  char session[COPSE_SESSION_CHARS + 1];
  char member[COPSE_MEMBER_CHARS + 1];
  char account[sizeof(((struct copse_caller *)0)->account)];
  char link[COPSE_LINK_CHARS + 1];
  size_t limit;   /* of a list's page */
  bool waited;    /* a long poll whose time is over */
  json_t *json;   /* body, of routes that take JSON: always an object */
  json_t *joined; /* answer to a join, kept until the member is ready */
  const uint8_t *bytes;
  size_t length;
  struct copse_reply reply;
};

/* Finds the route and the caller and checks role, arguments and length of the body, before any of it is read. False:
 * refused, the reply says why. */
bool copse_call_admit(struct copse_call *call, struct copse_api *api, const struct copse_request *request);
/* Answers an admitted call. May be called again while the status is 0. */
void copse_call_run(struct copse_call *call, const void *body, size_t length);
/* The reply as it is sent, errors as application/problem+json; allocated, null when there is no body or no memory. */
char *copse_call_text(const struct copse_call *call, const char **content_type, size_t *length);
/* Gives every header the reply needs beside its content type to `add`. */
void copse_call_headers(const struct copse_call *call, void (*add)(void *context, const char *name, const char *value),
                        void *context);
void copse_call_free(struct copse_call *call);

/* Sets the reply: a status with a body it takes over (null when memory was short: 500), or what is wrong. */
void copse_reply_json(struct copse_call *call, int status, json_t *body);
void copse_reply_fail(struct copse_call *call, int status, const char *field, const char *format, ...)
  __attribute__((format(printf, 4, 5)));
/* For a negative errno of the store. */
void copse_reply_store(struct copse_call *call, int error);

#endif
