/* SPDX-License-Identifier: Apache-2.0 */
/* Finished sessions are kept for a while for people to look at, then they go with all their keys. Any PoP does it. */
#include "state.h"
#include <copse/log.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define LOOK_MS 1000
#define LEAVES_PER_CHUNK 2000
#define FIXED_KEYS 4
#define KEY_BYTES (sizeof("/sessions//progress/") + COPSE_SESSION_BYTES + COPSE_NAME_BYTES)

struct removal {
  struct copse_change *changes;
  char (*keys)[KEY_BYTES];
  size_t count;
};

static void __attribute__((format(printf, 2, 3))) add(struct removal *removal, const char *format, ...) {
  va_list arguments;

  va_start(arguments, format);
  vsnprintf(removal->keys[removal->count], KEY_BYTES, format, arguments);
  va_end(arguments);
  removal->changes[removal->count] =
    (struct copse_change){.kind = COPSE_CHANGE_DELETE, .key = removal->keys[removal->count]};
  removal->count++;
}

/* Every key of the session; those that do not exist change nothing. */
static void
gather(struct removal *removal, const struct copse_session *session, size_t chunks) {
  add(removal, "/sessions/%s", session->id);
  add(removal, "/sessions/%s/owner", session->id);
  add(removal, "/sessions/%s/plan", session->id);
  add(removal, "/sessions/%s/orders", session->id);
  for (size_t i = 0; i < session->areas.count; i++)
    add(removal, "/sessions/%s/area/%s", session->id, ((struct copse_area_state *)session->areas.items[i])->pop);
  for (size_t i = 0; i < session->members.count; i++) {
    const struct copse_member *member = session->members.items[i];

    add(removal, "/sessions/%s/members/%s", session->id, member->id);
    add(removal, "/sessions/%s/progress/%s", session->id, member->id);
  }
  for (size_t i = 0; i < chunks; i++)
    add(removal, "/leaves/%s/%zu", session->id, i);
}

static void
remove_session(struct copse_control *control, const struct copse_session *session) {
  size_t chunks = ((size_t)copse_session_blocks(session) + LEAVES_PER_CHUNK - 1) / LEAVES_PER_CHUNK;
  size_t most = FIXED_KEYS + session->areas.count + 2 * session->members.count + chunks;
  struct removal removal = {.changes = calloc(most, sizeof(*removal.changes)),
                            .keys = calloc(most, sizeof(*removal.keys))};
  char key[KEY_BYTES], id[COPSE_SESSION_BYTES];
  struct copse_compare compare = {.key = key, .revision = session->revision};

  copse_copy(id, sizeof(id), session->id);
  snprintf(key, sizeof(key), "/sessions/%s", id);
  if (removal.changes != NULL && removal.keys != NULL) {
    gather(&removal, session, chunks);
    if (copse_control_commit(control, &compare, 1, removal.changes, removal.count) == 0)
      copse_log(COPSE_LOG_INFO, "session %s: forgotten", id);
  }
  free(removal.changes);
  free(removal.keys);
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
  for (size_t i = control->model.sessions.count; i-- > 0;) {
    const struct copse_session *session = control->model.sessions.items[i];

    if (session->revision == 0 || !session->finished)
      continue;
    if (!copse_json_number(session->record, "ended_s", &ended_s))
      note_end(control, session, wall_s);
    else if (wall_s > ended_s && (double)(wall_s - ended_s) > control->config->keep_s &&
             session->installed.count == 0 && session->ledgers.count == 0)
      remove_session(control, session);
  }
}
