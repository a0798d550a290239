/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions as records; their members and trees are the business of controlplane/session. */
#include "handlers.h"
#include <copse/manifest.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool
copse_session_mine(struct copse_call *call, const json_t *record) {
  const char *creator = json_string_value(json_object_get(record, "creator"));

  if (call->caller.role == COPSE_ROLE_OPERATOR || (creator != NULL && strcmp(creator, call->caller.account) == 0))
    return true;
  copse_reply_fail(call, 403, NULL, "only for the session's creator");
  return false;
}

bool
copse_session_finished(const json_t *record) {
  const char *state = json_string_value(json_object_get(record, "state"));

  return state != NULL && strcmp(state, "finished") == 0;
}

void
copse_session_key(const struct copse_call *call, char key[COPSE_SESSION_KEY_BYTES]) {
  snprintf(key, COPSE_SESSION_KEY_BYTES, "/sessions/%s", call->session);
}

/* Writes the record over `revision`, with the answer. */
static int
put_session(struct copse_call *call, const json_t *record, uint64_t revision, int status, json_t *body) {
  struct copse_transaction transaction = {0};
  char key[COPSE_SESSION_KEY_BYTES];
  int result;

  copse_session_key(call, key);
  copse_transaction_compare(&transaction, revision, "%s", key);
  copse_transaction_put(&transaction, json_dumps(record, JSON_COMPACT), "%s", key);
  result = copse_commit_once(call, &transaction, status, body);
  copse_transaction_free(&transaction);
  return result;
}

void
copse_handle_session_create(struct copse_call *call) {
  uint8_t id[COPSE_SESSION_CHARS / 2];
  struct copse_manifest manifest;
  struct copse_error error = {.text = ""};
  const char *field = NULL;
  json_t *record;
  int result;

  if (copse_manifest_parse(call->json, &manifest, &field, &error) != 0) {
    copse_reply_fail(call, 400, field, "%s", error.text);
    return;
  }
  if (copse_replay(call))
    return;
  randombytes_buf(id, sizeof(id));
  sodium_bin2hex(call->session, sizeof(call->session), id, sizeof(id));
  record = json_pack("{s:o, s:s, s:s}", "manifest", copse_manifest_json(&manifest), "creator", call->caller.account,
                     "state", "open");
  result = put_session(call, record, 0, 201, json_pack("{s:s}", "session", call->session));
  if (result == -EAGAIN && !copse_replay(call))
    copse_reply_store(call, result);
  json_decref(record);
}

void
copse_handle_session_delete(struct copse_call *call) {
  char key[COPSE_SESSION_KEY_BYTES];
  int result = -EAGAIN;

  copse_session_key(call, key);
  for (int try = 0; result == -EAGAIN && try < COPSE_COMMIT_TRIES; try++) {
    uint64_t revision;
    json_t *record = copse_record_get(call, key, "session", &revision);
    if (record == NULL || !copse_session_mine(call, record) || !copse_match(call, revision, false)) {
      json_decref(record);
      return;
    }
    if (copse_session_finished(record) && json_object_get(record, "completed") == NULL) {
      call->reply.answer.status = 204;
      result = 0;
    } else { /* without `completed`, nobody who joins opens it again */
      json_object_set_new(record, "state", json_string("finished"));
      json_object_del(record, "completed");
      result = put_session(call, record, revision, 204, NULL);
    }
    json_decref(record);
  }
  if (result == -EAGAIN)
    copse_reply_store(call, result);
}

void
copse_handle_join(struct copse_call *call) {
  struct copse_answer *answer = &call->reply.answer;
  const char *member;

  if (call->joined == NULL) {
    copse_member_join(call->api->control, &call->caller, call->session, call->json, answer);
    if (answer->status != 201)
      return;
    call->joined = answer->body;
    *answer = (struct copse_answer){.status = 0}; /* until the member is ready */
  }
  member = json_string_value(json_object_get(call->joined, "member"));
  if (copse_member_ready(call->api->control, member != NULL ? member : "")) {
    copse_reply_json(call, 201, call->joined);
    call->joined = NULL;
  } else if (call->waited) {
    copse_reply_fail(call, 503, NULL, "the dataplane has not taken the member yet: join again");
  }
}

void
copse_handle_sync(struct copse_call *call) {
  copse_member_sync(call->api->control, &call->caller, call->session, call->member, call->json, &call->reply.answer);
}

void
copse_handle_leave(struct copse_call *call) {
  copse_member_leave(call->api->control, &call->caller, call->session, call->member, &call->reply.answer);
}
