/* SPDX-License-Identifier: Apache-2.0 */
/* The budget of a link at run time: what an operator sets wins over the configuration's, also after restarts, until it
 * is taken back. Dataplanes and plans follow the record. */
#include "handlers.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define KEY_BYTES (sizeof "/links/" + COPSE_LINK_CHARS)

/* Writes the budget, or takes it back where `budget` is null. -EAGAIN: the record has changed since it was read;
 * otherwise the reply is set. */
static int
change_budget(struct copse_call *call, const uint64_t *budget_bps) {
  char key[KEY_BYTES], *text = NULL;
  struct copse_compare compare = {.key = key};
  struct copse_change change = {.kind = COPSE_CHANGE_PUT, .key = key};
  json_t *record;
  int result = 0;

  snprintf(key, sizeof(key), "/links/%s", call->link);
  record = copse_record_get(call, key, "link", &compare.revision);
  if (record == NULL)
    return 0;
  if (copse_match(call, compare.revision, true)) {
    if (budget_bps != NULL)
      json_object_set_new(record, "budget_bps", json_integer((json_int_t)*budget_bps));
    else
      json_object_del(record, "budget_bps");
    text = json_dumps(record, JSON_COMPACT);
    change.value = text;
    result = text != NULL ? copse_record_commit(call, &compare, 1, &change, 1) : -ENOMEM;
    if (result == 0)
      call->reply.answer.status = 204;
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
