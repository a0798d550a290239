/* SPDX-License-Identifier: Apache-2.0 */
/* Members of this PoP: join, leave, and what becomes of the silent. A join puts the member into the store and, in the
 * same turn of the loop, into a batch for the dataplane; its answer waits for the dataplane's. */
#include "state.h"
#include <arpa/inet.h>
#include <copse/log.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#define TRIES 8
#define MEMBERS_MAX 16384 /* of a session */

#define KEY_BYTES (sizeof("/sessions//progress/") + COPSE_SESSION_BYTES + COPSE_NAME_BYTES)

static bool
read_rate(const json_t *body, const char *name, uint64_t *out, struct copse_answer *answer) {
  if (copse_json_number(body, name, out) && *out >= COPSE_RATE_MIN_BPS && *out <= COPSE_RATE_MAX_BPS)
    return true;
  copse_answer_fail(answer, 400, name, "%s: must be a whole number of bit/s from %d to %llu", name, COPSE_RATE_MIN_BPS,
                    COPSE_RATE_MAX_BPS);
  return false;
}

static bool
read_port(const json_t *body, const char *name, uint16_t *out, struct copse_answer *answer) {
  uint64_t port;

  if (!copse_json_number(body, name, &port) || port == 0 || port > UINT16_MAX) {
    copse_answer_fail(answer, 400, name, "%s: must be a port, 1 to 65535", name);
    return false;
  }
  *out = (uint16_t)port;
  return true;
}

/* An address packets can be sent to: not of many, not of nobody. */
static bool
is_unicast(const struct copse_endpoint *endpoint) {
  static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  static const uint8_t none[16];

  if (memcmp(endpoint->address, mapped, sizeof(mapped)) == 0)
    return endpoint->address[12] != 0 && endpoint->address[12] < 224;
  return endpoint->address[0] != 0xff && memcmp(endpoint->address, none, sizeof(none)) != 0;
}

static bool
read_join(const json_t *body, struct copse_member_record *record, struct copse_answer *answer) {
  struct copse_endpoint endpoint;

  if (!read_port(body, "port", &record->port, answer) || !read_port(body, "http_port", &record->http_port, answer))
    return false;
  if (!copse_json_text(body, "address", record->address, sizeof(record->address)) ||
      !copse_endpoint_parse(record->address, record->port, &endpoint) || !is_unicast(&endpoint)) {
    copse_answer_fail(answer, 400, "address", "address: must be the IPv4 or IPv6 address the peer's packets come from");
    return false;
  }
  return copse_answer_flag(body, "seed", &record->seed, answer) &&
         copse_answer_flag(body, "direct", &record->direct, answer) &&
         read_rate(body, "uplink_bps", &record->uplink_bps, answer) &&
         read_rate(body, "downlink_bps", &record->downlink_bps, answer);
}

/* The member that joined before from the same place, at whatever PoP; it is gone, or would not join again. */
static const struct copse_member *
former_self(const struct copse_session *session, const struct copse_member_record *record) {
  for (size_t i = 0; i < session->members.count; i++) {
    const struct copse_member *member = session->members.items[i];

    if (member->revision != 0 && member->record.port == record->port &&
        strcmp(member->record.address, record->address) == 0 && strcmp(member->record.account, record->account) == 0)
      return member;
  }
  return NULL;
}

static bool
check_room(const struct copse_control *control, const struct copse_session *session, struct copse_answer *answer) {
  const struct copse_shadow *shadow = &control->nodes.shadow;
  size_t here = 0;

  if (!copse_control_healthy(control)) {
    copse_answer_fail(answer, 503, NULL, "the store or the dataplane of %s is away", control->config->pop);
    return false;
  }
  for (size_t i = 0; i < session->members.count; i++) {
    const struct copse_member *member = session->members.items[i];

    here += member->revision != 0 && strcmp(member->record.pop, control->config->pop) == 0;
  }
  if (session->members.count >= MEMBERS_MAX || here + control->model.pops.count >= shadow->limits.fan_out ||
      shadow->member_slots.count >= shadow->member_slots.limit) {
    copse_answer_fail(answer, 503, NULL, "%s has no room for another member of this session", control->config->pop);
    return false;
  }
  return true;
}

/* The record of a session that has ended by itself, open again. Owned by the caller; null when it need not be. */
static json_t *
reopened(const struct copse_session *session, const struct copse_member_record *record) {
  json_t *copy;

  if (!session->finished || record->seed)
    return NULL;
  copy = json_deep_copy(session->record);
  json_object_set_new(copy, "state", json_string("open"));
  json_object_del(copy, "completed");
  json_object_del(copy, "ended_s");
  return copy;
}

/* One transaction: the member, the area's key if this is its first, the session open again if it had ended, and the
 * end of the member's former self. */
static int
commit_join(struct copse_control *control, const struct copse_session *session, const char *id,
            const struct copse_member_record *record) {
  char member_key[KEY_BYTES], area_key[KEY_BYTES], session_key[KEY_BYTES], former_key[KEY_BYTES];
  char former_progress[KEY_BYTES];
  const struct copse_area_state *area = copse_set_find(&session->areas, control->config->pop);
  const struct copse_member *former = former_self(session, record);
  struct copse_area_record fresh = {.idle = false};
  struct copse_change changes[5];
  struct copse_compare compares[] = {{session_key, session->revision}, {member_key, 0}, {area_key, 0}};
  json_t *reopen = reopened(session, record);
  char *texts[3] = {copse_json_take(copse_member_write(record)), NULL, NULL};
  size_t count = 0;
  int result;

  snprintf(session_key, KEY_BYTES, "/sessions/%s", session->id);
  snprintf(member_key, KEY_BYTES, "/sessions/%s/members/%s", session->id, id);
  snprintf(area_key, KEY_BYTES, "/sessions/%s/area/%s", session->id, control->config->pop);
  changes[count++] = (struct copse_change){.kind = COPSE_CHANGE_PUT, .key = member_key, .value = texts[0]};
  if (area == NULL) {
    randombytes_buf(fresh.key, sizeof(fresh.key));
    texts[1] = copse_json_take(copse_area_write(&fresh));
    changes[count++] = (struct copse_change){.kind = COPSE_CHANGE_PUT, .key = area_key, .value = texts[1]};
  }
  if (reopen != NULL) {
    texts[2] = copse_json_take(reopen);
    changes[count++] = (struct copse_change){.kind = COPSE_CHANGE_PUT, .key = session_key, .value = texts[2]};
  }
  if (former != NULL) {
    snprintf(former_key, KEY_BYTES, "/sessions/%s/members/%s", session->id, former->id);
    snprintf(former_progress, KEY_BYTES, "/sessions/%s/progress/%s", session->id, former->id);
    changes[count++] = (struct copse_change){.kind = COPSE_CHANGE_DELETE, .key = former_key};
    changes[count++] = (struct copse_change){.kind = COPSE_CHANGE_DELETE, .key = former_progress};
  }
  result = texts[0] == NULL || (area == NULL && texts[1] == NULL) || (reopen != NULL && texts[2] == NULL) ? -ENOMEM : 0;
  if (result == 0)
    result = copse_control_commit(control, compares, area == NULL ? 3 : 2, changes, count);
  for (size_t i = 0; i < 3; i++)
    free(texts[i]);
  return result;
}

static void
answer_join(struct copse_control *control, const struct copse_session *session, const char *id,
            const struct copse_member_record *record, struct copse_answer *answer) {
  const struct copse_area_state *area = copse_set_find(&session->areas, control->config->pop);
  char key[2 * COPSE_KEY_BYTES + 1], area_key[2 * COPSE_KEY_BYTES + 1];

  copse_hex(record->key, sizeof(record->key), key);
  copse_hex(area->record.key, sizeof(area->record.key), area_key);
  answer->status = 201;
  answer->body =
    json_pack("{s:s, s:I, s:s, s:s, s:i, s:s, s:i, s:I}", "member", id, "label", (json_int_t)record->label, "key", key,
              "block_address", control->config->block_address, "block_port", (int)control->config->block_port,
              "area_key", area_key, "permission_s", (int)copse_dataplane_hello(control->dataplane)->permission_s,
              "sync_ms", (json_int_t)control->config->sync_ms);
}

static void
make_identity(char id[COPSE_ID_BYTES], struct copse_member_record *record) {
  uint64_t number;

  do
    randombytes_buf(&number, sizeof(number));
  while (number == 0);
  snprintf(id, COPSE_ID_BYTES, "%016llx", (unsigned long long)number);
  randombytes_buf(record->key, sizeof(record->key));
}

void
copse_member_join(struct copse_control *control, const struct copse_caller *caller, const char *session_id,
                  const json_t *body, struct copse_answer *answer) {
  struct copse_member_record record = {.label = COPSE_LABEL_NONE};
  struct copse_session *session;
  char id[COPSE_ID_BYTES];
  int result = -EAGAIN;

  if (!read_join(body, &record, answer))
    return;
  copse_copy(record.pop, sizeof(record.pop), control->config->pop);
  copse_copy(record.account, sizeof(record.account), caller->account);
  make_identity(id, &record);
  for (int i = 0; i < TRIES && result == -EAGAIN; i++) {
    copse_control_refresh(control);
    session = copse_control_session(control, session_id, answer);
    if (session == NULL)
      break;
    if (session->finished && !json_is_true(json_object_get(session->record, "completed"))) {
      copse_answer_fail(answer, 409, NULL, "the session is finished");
      break;
    }
    if (!check_room(control, session, answer))
      break;
    if (record.label == COPSE_LABEL_NONE) {
      copse_nodes_labels(control);
      record.label = copse_shadow_label_take(&control->nodes.shadow);
    }
    if (record.label == COPSE_LABEL_NONE) {
      copse_answer_fail(answer, 503, NULL, "%s has no label left", control->config->pop);
      return;
    }
    result = commit_join(control, session, id, &record);
  }
  if (result != 0) { /* the label stays taken: a commit that nobody was told of may have been made */
    if (answer->status == 0)
      copse_answer_fail(answer, 503, NULL, "the store cannot take the member now: %s", strerror(-result));
    return;
  }
  copse_session_member(session, id)->local.seen_ms = copse_control_now();
  answer_join(control, session, id, &record, answer);
  copse_nodes_walk(control, copse_control_now());
}

bool
copse_member_ready(const struct copse_control *control, const char *member) {
  const struct copse_shadow_member *here = copse_shadow_member(&control->nodes.shadow, member);

  return control->nodes.state >= COPSE_NODES_READY && here != NULL && here->batch <= control->nodes.confirmed;
}

bool
copse_member_find(struct copse_control *control, const struct copse_caller *caller, const char *session_id,
                  const char *member_id, struct copse_session **session, struct copse_member **member,
                  struct copse_answer *answer) {
  *session = copse_control_session(control, session_id, answer);
  *member = *session == NULL ? NULL : copse_session_member(*session, member_id);
  if (*session == NULL)
    return false;
  if (*member == NULL)
    copse_answer_fail(answer, 404, NULL, "no such member: it left, or was silent for too long; join again");
  else if (caller->role != COPSE_ROLE_OPERATOR && strcmp(caller->account, (*member)->record.account) != 0)
    copse_answer_fail(answer, 403, NULL, "not a member of your account");
  else if (strcmp((*member)->record.pop, control->config->pop) != 0)
    copse_answer_fail(answer, 421, NULL, "the member joined at %s", (*member)->record.pop);
  else
    return true;
  return false;
}

/* Takes the member out of the store; the dataplane follows. */
static int
remove_member(struct copse_control *control, struct copse_session *session, struct copse_member *member) {
  char member_key[KEY_BYTES], progress_key[KEY_BYTES];
  struct copse_compare compare = {.key = member_key, .revision = member->revision};
  struct copse_change changes[] = {{.kind = COPSE_CHANGE_DELETE, .key = member_key},
                                   {.kind = COPSE_CHANGE_DELETE, .key = progress_key}};

  snprintf(member_key, KEY_BYTES, "/sessions/%s/members/%s", session->id, member->id);
  snprintf(progress_key, KEY_BYTES, "/sessions/%s/progress/%s", session->id, member->id);
  copse_orders_leave(control, session, member, copse_control_now());
  return copse_control_commit(control, &compare, 1, changes, 2);
}

void
copse_member_leave(struct copse_control *control, const struct copse_caller *caller, const char *session_id,
                   const char *member_id, struct copse_answer *answer) {
  struct copse_session *session;
  struct copse_member *member;
  int result;

  if (!copse_member_find(control, caller, session_id, member_id, &session, &member, answer))
    return;
  result = remove_member(control, session, member);
  if (result == 0)
    answer->status = 204;
  else
    copse_answer_fail(answer, 503, NULL, "the store cannot take this now: %s", strerror(-result));
  copse_control_soon(control);
}

/* A member whose label the dataplane cannot have any more must join again as well. */
static bool
is_lost(const struct copse_control *control, const struct copse_member *member) {
  return control->nodes.state >= COPSE_NODES_READY &&
         copse_label_slot(member->record.label) >= control->nodes.shadow.limits.labels;
}

void
copse_members_walk(struct copse_control *control, uint64_t now_ms) {
  for (size_t i = control->model.sessions.count; i-- > 0;) {
    struct copse_session *session = control->model.sessions.items[i];

    for (size_t j = session->members.count; j-- > 0;) {
      struct copse_member *member = session->members.items[j];

      if (member->revision == 0 || strcmp(member->record.pop, control->config->pop) != 0)
        continue;
      if (member->local.seen_ms == 0) /* we have just started: it has its time */
        member->local.seen_ms = now_ms;
      if (now_ms - member->local.seen_ms < control->config->silence_ms && !is_lost(control, member))
        continue;
      copse_log(COPSE_LOG_INFO, "session %s: member %s is gone", session->id, member->id);
      remove_member(control, session, member);
      return; /* the sets have changed; the next walk goes on */
    }
  }
}

int
copse_area_idle(struct copse_control *control, const struct copse_session *session, bool idle) {
  const struct copse_area_state *area = copse_set_find(&session->areas, control->config->pop);
  char key[KEY_BYTES];
  struct copse_compare compare = {.key = key, .revision = area == NULL ? 0 : area->revision};
  struct copse_change change = {.kind = COPSE_CHANGE_PUT, .key = key};
  struct copse_area_record record;
  char *text;
  int result;

  if (area == NULL || area->record.idle == idle)
    return -EALREADY;
  record = area->record;
  record.idle = idle;
  snprintf(key, KEY_BYTES, "/sessions/%s/area/%s", session->id, control->config->pop);
  text = copse_json_take(copse_area_write(&record));
  change.value = text;
  result = text == NULL ? -ENOMEM : copse_control_commit(control, &compare, 1, &change, 1);
  free(text);
  return result;
}
