/* SPDX-License-Identifier: Apache-2.0 */
/* Calls to the HTTP API (docs/api.md) of one control plane at a time, and what to tell a person when it is away. */
#ifndef PEER_API_H
#define PEER_API_H

#include "pops.h"
#include "transfer.h"
#include <copse/error.h>
#include <jansson.h>

struct api {
  struct transfers *transfers;
  struct event_base *base;
  struct pops *pops;   /* calls go to the current one */
  const char *token;   /* bearer */
  bool away;           /* the last call had no useful answer, and a person was told */
  uint64_t backoff_ms; /* before the next try, at most */
};

struct api_answer {
  int status;   /* HTTP; 0: no answer */
  json_t *json; /* null when the body is not JSON; freed after the callback */
  const char *body;
  size_t bytes;
  const char *detail; /* what went wrong, for a person; empty if nothing */
};
typedef void api_done(void *context, const struct api_answer *answer);

struct api_request {
  const char *method, *path;
  const char *content_type; /* null: application/json */
  const char *key;          /* Idempotency-Key; null: none */
  const void *body;         /* null: none */
  size_t body_bytes;
  unsigned total_ms;
  api_done *done;
  void *context;
};

/* False when memory is short; then `done` is not called. */
bool api_call(struct api *api, const struct api_request *request);
/* True when it is worth trying again: no answer, 429, or a 5xx. */
bool api_retryable(const struct api_answer *answer);
/* After an answer worth trying again, how long to wait: longer each time, and never in step with others. */
uint64_t api_backoff(const struct api *api);

/* The same, running the loop until there is an answer that is not worth trying again, at one PoP after another.
 * -ENOMEM.
 */
struct api_reply {
  int status;
  json_t *json;
  char *body;
  size_t bytes;
  char detail[COPSE_ERROR_TEXT_BYTES];
};
int api_wait(struct api *api, const struct api_request *request, struct api_reply *reply);
/* Runs the loop for a while. */
void api_pause(struct api *api, uint64_t ms);
void api_reply_free(struct api_reply *reply);

#endif
