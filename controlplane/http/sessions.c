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

/* Writes the record over `revision`. */
static int
put_session(struct copse_call *call, const json_t *record, uint64_t revision) {
  char key[COPSE_SESSION_KEY_BYTES];
  char *text = json_dumps(record, JSON_COMPACT);
  int result = -ENOMEM;

  copse_session_key(call, key);
  if (text != NULL) {
    struct copse_compare compare = {.key = key, .revision = revision};
    struct copse_change change = {.kind = COPSE_CHANGE_PUT, .key = key, .value = text};
    result = copse_record_commit(call, &compare, 1, &change, 1);
  } else {
    copse_reply_fail(call, 500, NULL, "no memory");
  }
  free(text);
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
  randombytes_buf(id, sizeof(id));
  sodium_bin2hex(call->session, sizeof(call->session), id, sizeof(id));
  record = json_pack("{s:o, s:s, s:s}", "manifest", copse_manifest_json(&manifest), "creator", call->caller.account,
                     "state", "open");
  result = put_session(call, record, 0);
  if (result == 0)
    copse_reply_json(call, 201, json_pack("{s:s}", "session", call->session));
  else if (result == -EAGAIN)
    copse_reply_store(call, result);
  json_decref(record);
}

/* Adds the entry of one key: /sessions/S opens an entry, /sessions/S/owner, which follows it, completes it. */
static int
list_key(json_t *list, const struct copse_value *value) {
  const char *session = value->key + strlen("/sessions/");
  size_t length = strcspn(session, "/");
  json_t *record;
  int result = 0;

  if (session[length] != '\0' && strcmp(session + length, "/owner") != 0)
    return 0;
  record = json_loads(value->value, JSON_DECODE_ANY, NULL);
  if (session[length] == '\0' && json_is_object(record)) {
    json_t *entry = json_pack("{s:s#, s:O*, s:O*}", "session", session, length, "state",
                              json_object_get(record, "state"), "creator", json_object_get(record, "creator"));
    json_object_update(entry, json_object_get(record, "manifest"));
    result = json_array_append_new(list, entry);
  } else if (json_is_string(record) && json_array_size(list) > 0) {
    json_t *entry = json_array_get(list, json_array_size(list) - 1);
    if (strncmp(json_string_value(json_object_get(entry, "session")), session, length) == 0)
      result = json_object_set(entry, "owner", record);
  }
  json_decref(record);
  return result;
}

void
copse_handle_session_list(struct copse_call *call) {
  struct copse_values values;
  json_t *list = json_array();
  int result = copse_store_list(copse_control_store(call->api->control), "/sessions/", &values);

  if (result != 0) {
    json_decref(list);
    copse_reply_store(call, result);
    return;
  }
  for (size_t i = 0; result == 0 && i < values.count; i++)
    result = list_key(list, &values.items[i]);
  copse_values_free(&values);
  if (result != 0) {
    json_decref(list);
    list = NULL;
  }
  copse_reply_json(call, 200, list != NULL ? json_pack("{s:o}", "sessions", list) : NULL);
}

void
copse_handle_session_show(struct copse_call *call) {
  copse_session_view(call->api->control, call->session, &call->reply.answer);
}

void
copse_handle_session_trees(struct copse_call *call) {
  copse_session_trees(call->api->control, call->session, &call->reply.answer);
}

void
copse_handle_session_delete(struct copse_call *call) {
  char key[COPSE_SESSION_KEY_BYTES];
  int result = -EAGAIN;

  copse_session_key(call, key);
  for (int try = 0; result == -EAGAIN && try < COPSE_COMMIT_TRIES; try++) {
    uint64_t revision;
    json_t *record = copse_record_get(call, key, "session", &revision);
    if (record == NULL || !copse_session_mine(call, record)) {
      json_decref(record);
      return;
    }
    if (copse_session_finished(record)) {
      result = 0;
    } else {
      json_object_set_new(record, "state", json_string("finished"));
      result = put_session(call, record, revision);
    }
    json_decref(record);
  }
  if (result == 0)
    call->reply.answer.status = 204;
  else if (result == -EAGAIN)
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
