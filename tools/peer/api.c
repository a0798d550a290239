/* SPDX-License-Identifier: Apache-2.0 */
#include "api.h"
#include "say.h"
#include <errno.h>
#include <event2/event.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MAX (32U << 20) /* leaf hashes of 8 GiB are 16 MiB */
#define BACKOFF_FIRST_MS 250
#define BACKOFF_MAX_MS 5000
#define CONNECT_MS 3000

struct call {
  struct api *api;
  api_done *done;
  void *context;
};

bool
api_retryable(const struct api_answer *answer) {
  return answer->status == 0 || answer->status == 429 || answer->status >= 500;
}

static void
note_reachable(struct api *api, const struct api_answer *answer) {
  if (!api_retryable(answer)) {
    if (api->away)
      say("%s answers", pops_url(api->pops));
    api->away = false;
    api->backoff_ms = 0;
    return;
  }
  if (!api->away && answer->status == 0)
    say("cannot reach %s: %s; trying again", pops_url(api->pops), answer->detail);
  else if (!api->away)
    say("%s answered %d: %s; trying again", pops_url(api->pops), answer->status, answer->detail);
  api->away = true;
  api->backoff_ms = api->backoff_ms ? api->backoff_ms * 2 : BACKOFF_FIRST_MS;
  if (api->backoff_ms > BACKOFF_MAX_MS)
    api->backoff_ms = BACKOFF_MAX_MS;
}

static void
on_done(void *context, const struct transfer_result *result, uint64_t now) {
  const struct call *call = context;
  struct api_answer answer = {.status = result->status, .body = result->body, .bytes = result->bytes, .detail = ""};

  (void)now;
  answer.json = json_loadb(result->body, result->bytes, 0, NULL);
  const char *detail = json_string_value(json_object_get(answer.json, "detail"));
  if (result->status == 0)
    answer.detail = result->failure;
  else if (result->status >= 400)
    answer.detail = detail ? detail : "no reason given";
  note_reachable(call->api, &answer);
  call->done(call->context, &answer);
  json_decref(answer.json);
}

bool
api_call(struct api *api, const struct api_request *request) {
  struct call *call = malloc(sizeof(*call));
  char *url;

  if (!call)
    return false;
  *call = (struct call){api, request->done, request->context};
  if (asprintf(&url, "%s%s", pops_url(api->pops), request->path) < 0) {
    free(call);
    return false;
  }
  struct transfer *transfer =
    transfer_start(api->transfers, &(struct transfer_request){
                                     .method = request->method,
                                     .url = url,
                                     .bearer = api->token,
                                     .content_type = request->content_type ? request->content_type : "application/json",
                                     .key = request->key,
                                     .body = request->body,
                                     .body_bytes = request->body_bytes,
                                     .limit = ANSWER_MAX,
                                     .connect_ms = CONNECT_MS,
                                     .total_ms = request->total_ms,
                                     .done = on_done,
                                     .context = call,
                                     .owned = true,
                                   });
  free(url);
  if (!transfer)
    free(call);
  return transfer != NULL;
}

uint64_t
api_backoff(const struct api *api) {
  return api->backoff_ms / 2 + randombytes_uniform((uint32_t)(api->backoff_ms / 2 + 1));
}

/* ---- waiting for one answer ---- */

struct wait {
  struct api_reply *reply;
  bool done, again, no_memory;
};

static void
on_reply(void *context, const struct api_answer *answer) {
  struct wait *wait = context;
  struct api_reply *reply = wait->reply;

  wait->done = true;
  wait->again = api_retryable(answer);
  if (wait->again)
    return;
  reply->status = answer->status;
  reply->json = json_incref(answer->json);
  reply->bytes = answer->bytes;
  reply->body = malloc(answer->bytes + 1);
  if (reply->body)
    memcpy(reply->body, answer->body, answer->bytes);
  wait->no_memory = !reply->body;
  snprintf(reply->detail, sizeof(reply->detail), "%s", answer->detail);
}

static void
on_pause(evutil_socket_t fd, short what, void *context) {
  (void)fd;
  (void)what;
  *(bool *)context = true;
}

void
api_pause(struct api *api, uint64_t ms) {
  struct timeval delay = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
  bool over = false;
  struct event *timer = evtimer_new(api->base, on_pause, &over);

  if (!timer)
    return;
  evtimer_add(timer, &delay);
  while (!over)
    event_base_loop(api->base, EVLOOP_ONCE);
  event_free(timer);
}

int
api_wait(struct api *api, const struct api_request *request, struct api_reply *reply) {
  struct wait wait = {.reply = reply, .again = true};
  struct api_request with_reply = *request;

  *reply = (struct api_reply){0};
  with_reply.done = on_reply;
  with_reply.context = &wait;
  while (wait.again) {
    wait.done = false;
    if (!api_call(api, &with_reply))
      return -ENOMEM;
    while (!wait.done)
      event_base_loop(api->base, EVLOOP_ONCE);
    if (wait.again) {
      pops_next(api->pops);
      api_pause(api, api_backoff(api));
    }
  }
  return wait.no_memory ? -ENOMEM : 0;
}

void
api_reply_free(struct api_reply *reply) {
  json_decref(reply->json);
  free(reply->body);
  *reply = (struct api_reply){0};
}
