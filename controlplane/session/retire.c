/* SPDX-License-Identifier: Apache-2.0 */
/* Finished sessions are kept for a while for people to look at, then they go with all their keys; so do old keys of
 * contributions. Any PoP does it. */
#include "ledger/contribution.h"
#include "state.h"
#include <copse/log.h>
#include <stdio.h>
#include <stdlib.h>

#define LOOK_MS 1000
#define SWEEP_MS 3600000
#define KEY_BYTES (sizeof("/sessions/") + COPSE_SESSION_BYTES)

static void
remove_session(struct copse_control *control, const struct copse_session *session) {
  struct copse_transaction removal = {0};
  char id[COPSE_SESSION_BYTES];

  copse_copy(id, sizeof(id), session->id);
  copse_transaction_compare(&removal, session->revision, "/sessions/%s", id);
  copse_transaction_delete(&removal, "/sessions/%s", id);
  copse_transaction_delete_prefix(&removal, "/sessions/%s/", id);
  copse_transaction_delete_prefix(&removal, "/leaves/%s/", id);
  if (copse_control_transact(control, &removal) == 0)
    copse_log(COPSE_LOG_INFO, "session %s: forgotten", id);
}

/* Notes when it was first seen to have ended. */
static void
note_end(struct copse_control *control, const struct copse_session *session, uint64_t wall_s) {
  json_t *record = json_deep_copy(session->record);
  char key[KEY_BYTES], *text;
  struct copse_compare compare = {.key = key, .revision = session->revision};
  struct copse_change change = {.kind = COPSE_CHANGE_PUT, .key = key};

  snprintf(key, sizeof(key), "/sessions/%s", session->id);
  json_object_set_new(record, "ended_s", json_integer((json_int_t)wall_s));
  text = copse_json_take(record);
  change.value = text;
  if (text != NULL)
    copse_control_commit(control, &compare, 1, &change, 1);
  free(text);
}

void
copse_retire_walk(struct copse_control *control, uint64_t now_ms) {
  uint64_t wall_s = copse_control_wall() / 1000, ended_s;

  if (now_ms - control->retired_ms < LOOK_MS)
    return;
  control->retired_ms = now_ms;
  if (control->swept_ms == 0 || now_ms - control->swept_ms >= SWEEP_MS) {
    control->swept_ms = now_ms;
    copse_contributions_sweep(control->store, wall_s - COPSE_CONTRIBUTION_KEEP_S);
  }
  for (size_t i = control->model.sessions.count; i-- > 0;) {
    const struct copse_session *session = control->model.sessions.items[i];

    if (session->revision == 0 || !session->finished)
      continue;
    if (!copse_json_number(session->record, "ended_s", &ended_s))
      note_end(control, session, wall_s);
    else if (wall_s > ended_s && (double)(wall_s - ended_s) > control->config->keep_s &&
             session->installed.count == 0 && session->ledgers.count == 0 && !copse_session_holds(session))
      remove_session(control, session);
  }
}
