/* SPDX-License-Identifier: Apache-2.0 */
/* What operators look at: health, metrics, the API itself, changes. */
#include "handlers.h"
#include "openapi.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
copse_handle_health(struct copse_call *call) {
  if (!copse_control_healthy(call->api->control)) {
    copse_reply_fail(call, 503, NULL, "the store or the dataplane is away");
    return;
  }
  copse_reply_json(call, 200, json_pack("{s:s, s:s}", "status", "ok", "pop", copse_control_pop(call->api->control)));
}

void
copse_handle_metrics(struct copse_call *call) {
  char *text = NULL;
  size_t length = 0;
  FILE *out = open_memstream(&text, &length);

  if (out != NULL)
    copse_control_metrics(call->api->control, out);
  if (out == NULL || fclose(out) != 0) {
    free(text);
    copse_reply_fail(call, 500, NULL, "no memory");
    return;
  }
  call->reply = (struct copse_reply){
    .answer.status = 200, .bytes = text, .length = length, .content_type = "text/plain; version=0.0.4; charset=utf-8"};
}

void
copse_handle_openapi(struct copse_call *call) {
  char *text = strdup(copse_openapi_json);

  if (text == NULL) {
    copse_reply_fail(call, 503, NULL, "no memory");
    return;
  }
  call->reply = (struct copse_reply){
    .answer.status = 200, .bytes = text, .length = strlen(text), .content_type = "application/json"};
}

void
copse_handle_pop_remove(struct copse_call *call) {
  copse_pop_remove(call->api->control, call->link, &call->reply.answer);
}

/* Where to go on from: what the client has seen last. False: the reply is set. */
static bool
read_revision(struct copse_call *call, uint64_t *revision) {
  const char *after = call->request.arguments[COPSE_ARGUMENT_AFTER];
  const char *last = call->request.stream ? call->request.last_event_id : NULL;

  *revision = copse_events_revision(call->api->events);
  if (last != NULL && !copse_digits(last, revision)) {
    copse_reply_fail(call, 400, "Last-Event-ID", "Last-Event-ID: must be a revision");
    return false;
  }
  if (last == NULL && after != NULL && !copse_digits(after, revision)) {
    copse_reply_fail(call, 400, "after", "after: must be a revision");
    return false;
  }
  return true;
}

/* What has happened since is sent by the stream itself, see stream.c. */
static void
begin_stream(struct copse_call *call, uint64_t revision) {
  call->reply =
    (struct copse_reply){.answer.status = 200, .stream = true, .after = revision, .content_type = "text/event-stream"};
}

void
copse_handle_events(struct copse_call *call) {
  const struct copse_events *events = call->api->events;
  bool follow = call->request.arguments[COPSE_ARGUMENT_AFTER] != NULL;
  uint64_t revision;
  json_t *list;
  bool stale;

  if (!read_revision(call, &revision))
    return;
  list = copse_events_after(events, revision, &stale);
  if (stale) {
    copse_reply_fail(call, 410, "after", "after: changes that old are not kept: begin again without it, then list");
  } else if (list != NULL && call->request.stream) {
    json_decref(list);
    begin_stream(call, revision);
  } else if (list != NULL && json_array_size(list) == 0 && follow && !call->waited) {
    json_decref(list); /* status 0: wait for a change */
  } else {
    copse_reply_json(
      call, 200,
      list == NULL ? NULL
                   : json_pack("{s:I, s:o}", "revision", (json_int_t)copse_events_revision(events), "events", list));
  }
}
