/* SPDX-License-Identifier: Apache-2.0 */
/* One PoP of a session's V' makes its plans: elected through the store, fenced by the revision of its election. */
#include "carry_out.h"
#include <copse/log.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define DEBOUNCE_MS 200
#define IMPROVE_MS 1000 /* after a plan that leaves areas without a tree */
#define RETRY_MAX_MS 2000

#define SESSION_KEY_BYTES (sizeof("/sessions//owner") + COPSE_SESSION_BYTES)

static bool
is_mine(const struct copse_control *control, const struct copse_session *session) {
  return session != NULL && session->owner_revision != 0 && strcmp(session->owner, control->config->pop) == 0;
}

static bool
has_living_area(const struct copse_control *control, const struct copse_session *session) {
  for (size_t i = 0; i < session->members.count; i++) {
    const struct copse_member *member = session->members.items[i];

    if (copse_member_in_area(member, member->record.pop) &&
        copse_set_find(&control->model.pops, member->record.pop) != NULL)
      return true;
  }
  return false;
}

/* A PoP of V' may own the session; when V' is empty, any may, to give back what its plan holds. */
static bool
may_own(const struct copse_control *control, const struct copse_session *session) {
  if (copse_area_alive(&control->model, session, control->config->pop))
    return true;
  return copse_session_holds(session) && !has_living_area(control, session);
}

static void
stand_for_election(struct copse_control *control, struct copse_session *session) {
  char key[SESSION_KEY_BYTES];
  char *text = copse_json_take(json_string(control->config->pop));
  struct copse_compare compare = {.key = key, .revision = 0};
  struct copse_change change = {.kind = COPSE_CHANGE_PUT, .key = key, .value = text, .lease = control->lease};

  snprintf(key, sizeof(key), "/sessions/%s/owner", session->id);
  if (text != NULL && control->lease != 0 && copse_control_commit(control, &compare, 1, &change, 1) == 0)
    copse_log(COPSE_LOG_INFO, "session %s: ours to plan", session->id);
  free(text);
}

static void
resign(struct copse_control *control, struct copse_session *session) {
  char key[SESSION_KEY_BYTES];
  struct copse_compare compare = {.key = key, .revision = session->owner_revision};
  struct copse_change change = {.kind = COPSE_CHANGE_DELETE, .key = key};

  snprintf(key, sizeof(key), "/sessions/%s/owner", session->id);
  copse_control_commit(control, &compare, 1, &change, 1);
}

static void
describe(const struct copse_session *session) {
  if (session->plan.bound_bps > 0)
    copse_log(COPSE_LOG_INFO, "session %s: plan %llu: no plan gives every area more than %.3f Mbit/s", session->id,
              (unsigned long long)session->plan.epoch, (double)session->plan.bound_bps / 1e6);
  for (size_t i = 0; i < session->plan.tree_count; i++) {
    const struct copse_planned_tree *tree = &session->plan.trees[i];

    if (tree->status == COPSE_TREE_OK)
      copse_log(COPSE_LOG_INFO, "session %s: plan %llu: tree %s of %s, %zu edges, %.3f Mbit/s in [%.3f, %.3f]",
                session->id, (unsigned long long)session->plan.epoch, tree->id, tree->root, tree->edge_count,
                (double)tree->rate_bps / 1e6, (double)tree->min_bps / 1e6, (double)tree->max_bps / 1e6);
    else
      copse_log(COPSE_LOG_INFO, "session %s: plan %llu: no tree of %s: %s %s", session->id,
                (unsigned long long)session->plan.epoch, tree->root, copse_tree_status_name(tree->status),
                tree->reason);
  }
}

/* Everything but the epoch and the bound, which moves with what others hold. */
static bool
same_plan(const struct copse_plan_record *a, const struct copse_plan_record *b) {
  json_t *left = copse_plan_write(a), *right = copse_plan_write(b);
  bool same;

  json_object_del(left, "epoch");
  json_object_del(right, "epoch");
  json_object_del(left, "bound_bps");
  json_object_del(right, "bound_bps");
  same = left != NULL && json_equal(left, right);
  json_decref(left);
  json_decref(right);
  return same;
}

static struct copse_session *
session_of(const struct copse_control *control, const char *id) {
  return copse_set_find(&control->model.sessions, id);
}

/* Makes the plan and carries it out, with `record` as the session's if not null; settles what is not. -EAGAIN: the
 * store has moved on. Refreshes the model. */
static int
plan(struct copse_control *control, const char *id, const json_t *record, bool improve) {
  const struct copse_session *session = session_of(control, id);
  struct copse_error error = {.text = ""};
  struct copse_plan_record made;
  int result = copse_plan_make(&control->model, session, control->config, improve, &made, &error);

  if (result < 0) {
    copse_log(COPSE_LOG_ERROR, "session %s: no plan: %s", id, error.text);
    return result;
  }
  if (record == NULL && (session->plan_revision != 0 ? same_plan(&made, &session->plan) : session->revision == 0)) {
    copse_plan_record_free(&made);
    return session->planning.unsettled ? copse_reservations_settle(control, id) : 0;
  }
  result = copse_plan_carry_out(control, id, &made, record);
  copse_plan_record_free(&made);
  session = session_of(control, id);
  if (result == 0 && session != NULL)
    describe(session);
  return result;
}

static bool
lacks_tree(const struct copse_session *session) {
  for (size_t i = 0; i < session->plan.tree_count; i++)
    if (session->plan.trees[i].status == COPSE_TREE_INFEASIBLE)
      return true;
  return false;
}

/* Plans, or improves the plan. A plan that lacks trees is to be improved a moment later: once, whatever comes of it. */
static void
plan_now(struct copse_control *control, const char *id, bool improve, uint64_t now_ms) {
  int result = plan(control, id, NULL, improve);
  struct copse_session *session = session_of(control, id);
  struct copse_planning *planning;
  uint64_t *due_ms, delay;

  if (session == NULL)
    return;
  planning = &session->planning;
  due_ms = improve ? &planning->improve_due_ms : &planning->due_ms;
  if (result == 0 && !planning->unsettled) {
    copse_plan_digest(&control->model, session, control->config, planning->digest); /* with what leaves now */
    *due_ms = planning->tries = 0;
    if (!improve && planning->improve_due_ms == 0 && lacks_tree(session))
      planning->improve_due_ms = now_ms + IMPROVE_MS;
    return;
  }
  /* Others were faster, or the store is ill: soon again, by and by less often, never in step with them. */
  delay = 10ULL << (planning->tries < 7 ? planning->tries : 7);
  planning->tries++;
  *due_ms = now_ms + delay + (uint64_t)random() % delay;
  if (*due_ms > now_ms + RETRY_MAX_MS)
    *due_ms = now_ms + RETRY_MAX_MS;
}

/* Plans when what a plan is made of has changed, a moment later: changes come in swarms. */
static void
plan_when_due(struct copse_control *control, struct copse_session *session, uint64_t now_ms) {
  struct copse_planning *planning = &session->planning;
  char id[COPSE_SESSION_BYTES];
  uint8_t digest[sizeof(planning->digest)];

  copse_copy(id, sizeof(id), session->id);
  if (planning->stale) {
    planning->stale = false;
    copse_plan_digest(&control->model, session, control->config, digest);
    if (planning->due_ms == 0 && memcmp(digest, planning->digest, sizeof(digest)) != 0)
      planning->due_ms = now_ms + (session->plan_revision == 0 || session->finished ? 0 : DEBOUNCE_MS);
  }
  if (planning->unsettled && planning->due_ms == 0)
    planning->due_ms = now_ms;
  if (planning->due_ms != 0 && now_ms >= planning->due_ms)
    plan_now(control, id, false, now_ms);
  else if (planning->due_ms == 0 && planning->improve_due_ms != 0 && now_ms >= planning->improve_due_ms)
    plan_now(control, id, true, now_ms);
}

/* Had not all of the content before it came, even if it has joined again since with all of it. */
static bool
has_wanted(const struct copse_member *member) {
  return !member->record.seed || member->progress.cdn_bytes > 0 || member->progress.direct_bytes > 0;
}

/* Somebody wanted the content, and everybody has it. Members of a PoP that is silent count: they will be back, and be
 * told that the session is over; their trees end by idleness. */
static bool
all_done(const struct copse_session *session) {
  bool wanted = false;

  for (size_t i = 0; i < session->members.count; i++) {
    const struct copse_member *member = session->members.items[i];

    if (member->revision != 0 && !copse_member_complete(member))
      return false;
    wanted |= member->revision != 0 && has_wanted(member);
  }
  return wanted;
}

static bool
says_finished(const struct copse_session *session) {
  const char *state = json_string_value(json_object_get(session->record, "state"));

  return state != NULL && strcmp(state, "finished") == 0;
}

/* `completed` tells an end that came by itself, after which others may still join, from one that was ordered. Refreshes
 * the model. */
static void
finish_when_done(struct copse_control *control, struct copse_session *session, uint64_t now_ms) {
  char id[COPSE_SESSION_BYTES];
  json_t *record;
  int result;

  if (session->finished || !all_done(session)) {
    session->planning.done_since_ms = 0;
    return;
  }
  if (session->planning.done_since_ms == 0)
    session->planning.done_since_ms = now_ms;
  if (now_ms - session->planning.done_since_ms < control->config->finish_ms)
    return;
  copse_copy(id, sizeof(id), session->id);
  record = json_deep_copy(session->record);
  json_object_set_new(record, "state", json_string("finished"));
  json_object_set_new(record, "completed", json_true());
  session->finished = true; /* for the plan: none */
  result = record == NULL ? -ENOMEM : plan(control, id, record, false);
  session = session_of(control, id);
  if (result == 0)
    copse_log(COPSE_LOG_INFO, "session %s: all members have the content", id);
  else if (session != NULL)
    session->finished = says_finished(session);
  json_decref(record);
}

static void
walk_session(struct copse_control *control, struct copse_session *session, uint64_t now_ms) {
  char id[COPSE_SESSION_BYTES];

  copse_copy(id, sizeof(id), session->id);
  if (session->owner_revision == 0) {
    if (may_own(control, session))
      stand_for_election(control, session);
    return;
  }
  if (is_mine(control, session) && session->revision != 0)
    finish_when_done(control, session, now_ms);
  session = session_of(control, id);
  if (is_mine(control, session))
    plan_when_due(control, session, now_ms);
  session = session_of(control, id);
  if (is_mine(control, session) && session->planning.due_ms == 0 && !may_own(control, session))
    resign(control, session);
}

void
copse_owner_walk(struct copse_control *control, uint64_t now_ms) {
  /* Backwards: a session may vanish with its last key. */
  for (size_t i = control->model.sessions.count; i-- > 0;)
    if (i < control->model.sessions.count)
      walk_session(control, control->model.sessions.items[i], now_ms);
}
