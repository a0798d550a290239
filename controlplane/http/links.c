/* SPDX-License-Identifier: Apache-2.0 */
/* The budget of a link at run time: what an operator sets wins over the configuration's, also after restarts, until it
 * is taken back. Dataplanes and plans follow the record. */
#include "handlers.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_BYTES (sizeof "/reserved/" + COPSE_LINK_CHARS)

/* A key of all links from where this one begins. */
static void
pop_key(const struct copse_call *call, const char *prefix, char key[KEY_BYTES]) {
  snprintf(key, KEY_BYTES, "%s%.*s", prefix, (int)strcspn(call->link, "/"), call->link);
}

/* Answers with the budget that holds now, and what trees hold on the link: more, until they are planned anew. */
static void
answer_budget(struct copse_call *call, const json_t *record) {
  const json_t *budget = json_object_get(record, "budget_bps");
  const json_int_t bandwidth_bps =
    json_integer_value(budget != NULL ? budget : json_object_get(record, "bandwidth_bps"));
  const char *to = strchr(call->link, '/') + 1;
  json_int_t reserved_bps = 0;
  struct copse_value value;
  char key[KEY_BYTES];
  json_t *reserved = NULL, *share;
  const char *session;

  pop_key(call, "/reserved/", key);
  if (copse_store_get(copse_control_store(call->api->control), key, &value) == 0) {
    reserved = json_loads(value.value, 0, NULL);
    copse_value_free(&value);
  }
  json_object_foreach(reserved, session, share) {
    reserved_bps += json_integer_value(json_object_get(json_object_get(share, "links"), to));
  }
  json_decref(reserved);
  call->reply.answer.status = 200;
  call->reply.answer.body = json_pack("{s:I, s:I, s:I}", "bandwidth_bps", bandwidth_bps, "reserved_bps", reserved_bps,
                                      "over_bps", reserved_bps > bandwidth_bps ? reserved_bps - bandwidth_bps : 0);
  if (call->reply.answer.body == NULL)
    copse_reply_fail(call, 503, NULL, "no memory");
}

/* Writes the budget, or takes it back where `budget` is null. -EAGAIN: the record has changed since it was read;
 * otherwise the reply is set. */
static int
change_budget(struct copse_call *call, const uint64_t *budget_bps) {
  char key[KEY_BYTES], changed[KEY_BYTES], *text = NULL;
  struct copse_compare compare = {.key = key};
  struct copse_change changes[] = {{.kind = COPSE_CHANGE_PUT, .key = key},
                                   {.kind = COPSE_CHANGE_PUT, .key = changed, .value = "\"operator\""}};
  json_t *record;
  int result = 0;

  snprintf(key, sizeof(key), "/links/%s", call->link);
  pop_key(call, "/budgets/", changed);
  record = copse_record_get(call, key, "link", &compare.revision);
  if (record == NULL)
    return 0;
  if (copse_match(call, compare.revision, true)) {
    if (budget_bps != NULL)
      json_object_set_new(record, "budget_bps", json_integer((json_int_t)*budget_bps));
    else
      json_object_del(record, "budget_bps");
    text = json_dumps(record, JSON_COMPACT);
    changes[0].value = text;
    result = text != NULL ? copse_record_commit(call, &compare, 1, changes, 2) : -ENOMEM;
    if (result == 0)
      answer_budget(call, record);
    else if (result == -ENOMEM)
      copse_reply_fail(call, 503, NULL, "no memory");
  }
  free(text);
  json_decref(record);
  return result;
}

/* A change that is refused by the store is looked at again: the client may have allowed any state with *. */
static void
change_until_done(struct copse_call *call, const uint64_t *budget_bps) {
  for (int try = 0; try < COPSE_COMMIT_TRIES; try++)
    if (change_budget(call, budget_bps) != -EAGAIN)
      return;
  copse_reply_store(call, -EAGAIN);
}

void
copse_handle_link_put(struct copse_call *call) {
  uint64_t budget_bps;

  if (copse_body_number(call, "bandwidth_bps", 0, &budget_bps))
    change_until_done(call, &budget_bps);
}

void
copse_handle_link_reset(struct copse_call *call) {
  change_until_done(call, NULL);
}
