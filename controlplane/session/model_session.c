/* SPDX-License-Identifier: Apache-2.0 */
/* Everything below /sessions/ of the store. */
#include "model_keys.h"
#include <copse/log.h>
#include <copse/scheduler.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void
member_free(void *object) {
  struct copse_member *member = object;

  free(member->local.wanted);
  free(member);
}

static void
installed_free(void *object) {
  struct copse_installed *installed = object;

  copse_label_record_free(&installed->record);
  free(installed);
}

void
copse_model_session_free(void *object) {
  struct copse_session *session = object;

  json_decref(session->record);
  json_decref(session->injected);
  copse_scheduler_free(session->scheduler);
  free(session->orders);
  copse_plan_record_free(&session->plan);
  copse_set_free(&session->members, member_free);
  copse_set_free(&session->installed, installed_free);
  copse_set_free(&session->areas, free);
  copse_set_free(&session->ledgers, free);
  free(session);
}

static int
apply_record(struct copse_session *session, json_t *value, uint64_t revision) {
  const char *state = json_string_value(json_object_get(value, "state"));
  struct copse_error error;

  if (revision < session->revision)
    return 0;
  json_decref(session->record);
  session->record = NULL;
  session->revision = 0;
  session->planning.stale = true;
  if (value == NULL)
    return 0;
  if (state == NULL || copse_manifest_parse(json_object_get(value, "manifest"), &session->manifest, NULL, &error) < 0) {
    copse_log(COPSE_LOG_WARNING, "session %s: its record cannot be read", session->id);
    return 0;
  }
  session->record = json_incref(value);
  session->revision = revision;
  session->finished = strcmp(state, "finished") == 0;
  return 0;
}

static int
apply_owner(struct copse_session *session, const json_t *value, uint64_t revision) {
  const char *owner = json_string_value(value);

  if (revision <= session->owner_revision)
    return 0;
  session->owner[0] = '\0';
  session->owner_revision = 0;
  session->planning = (struct copse_planning){.stale = true, .unsettled = true};
  if (owner != NULL && strlen(owner) < sizeof(session->owner)) {
    copse_copy(session->owner, sizeof(session->owner), owner);
    session->owner_revision = revision;
  }
  return 0;
}

static int
apply_plan(struct copse_session *session, const json_t *value, uint64_t revision) {
  if (revision < session->plan_revision)
    return 0;
  if (revision > session->plan_revision)
    session->planning.unsettled = true;
  copse_plan_record_free(&session->plan);
  session->plan_revision = value != NULL && copse_plan_read(value, &session->plan) ? revision : 0;
  session->planning.stale = true;
  return 0;
}

static int
apply_orders(struct copse_session *session, const char *text, uint64_t revision) {
  if (revision < session->orders_revision)
    return 0;
  free(session->orders);
  copse_scheduler_free(session->scheduler);
  json_decref(session->injected);
  session->orders = text == NULL ? NULL : strdup(text);
  session->scheduler = NULL;
  session->injected = NULL;
  session->orders_revision = session->orders == NULL ? 0 : revision;
  return text != NULL && session->orders == NULL ? -ENOMEM : 0;
}

static void
member_sweep(struct copse_session *session, struct copse_member *member) {
  if (member->revision == 0 && member->progress_revision == 0)
    member_free(copse_set_remove(&session->members, member->id));
}

static int
apply_member(struct copse_session *session, const char *id, const json_t *value, uint64_t revision) {
  struct copse_member *member =
    strlen(id) == COPSE_ID_BYTES - 1 ? copse_entry(&session->members, id, sizeof(*member)) : NULL;

  if (member == NULL)
    return -ENOMEM;
  if (revision < member->revision)
    return 0;
  member->number = strtoull(id, NULL, 16);
  member->revision = copse_member_read(value, &member->record) ? revision : 0;
  if (member->revision != 0)
    copse_endpoint_parse(member->record.address, member->record.port, &member->endpoint);
  session->planning.stale = true;
  member_sweep(session, member);
  return 0;
}

static int
apply_progress(struct copse_session *session, const char *id, const json_t *value, uint64_t revision) {
  struct copse_member *member =
    strlen(id) == COPSE_ID_BYTES - 1 ? copse_entry(&session->members, id, sizeof(*member)) : NULL;

  if (member == NULL)
    return -ENOMEM;
  if (revision < member->progress_revision)
    return 0;
  bool was_done = member->progress.done;
  member->progress_revision = copse_progress_read(value, &member->progress) ? revision : 0;
  if (member->progress_revision == 0)
    member->progress = (struct copse_progress){0};
  if (was_done != member->progress.done)
    session->planning.stale = true;
  member_sweep(session, member);
  return 0;
}

static int
apply_installed(struct copse_session *session, const char *name, const json_t *value, uint64_t revision) {
  const char *slash = strchr(name, '/');
  struct copse_installed *installed;

  if (slash == NULL || slash - name != COPSE_ID_BYTES - 1 || strlen(slash + 1) >= COPSE_NAME_BYTES)
    return 0;
  installed = copse_entry(&session->installed, name, sizeof(*installed));
  if (installed == NULL)
    return -ENOMEM;
  if (revision < installed->revision)
    return 0;
  installed->revision = revision;
  session->planning.stale |= session->plan.leaving_count > 0;
  memcpy(installed->tree, name, COPSE_ID_BYTES - 1);
  copse_copy(installed->pop, sizeof(installed->pop), slash + 1);
  copse_label_record_free(&installed->record);
  if (!copse_label_read(value, &installed->record))
    installed_free(copse_set_remove(&session->installed, name));
  return 0;
}

static int
apply_area(struct copse_session *session, const char *pop, const json_t *value, uint64_t revision) {
  struct copse_area_state *area =
    strlen(pop) < COPSE_NAME_BYTES ? copse_entry(&session->areas, pop, sizeof(*area)) : NULL;

  if (area == NULL)
    return -ENOMEM;
  if (revision < area->revision)
    return 0;
  area->revision = revision;
  session->planning.stale = true;
  if (!copse_area_read(value, &area->record))
    free(copse_set_remove(&session->areas, pop));
  return 0;
}

static int
apply_ledger(struct copse_session *session, const char *id, const json_t *value, uint64_t revision) {
  struct copse_tree_ledger *ledger =
    strlen(id) == COPSE_ID_BYTES - 1 ? copse_entry(&session->ledgers, id, sizeof(*ledger)) : NULL;

  if (ledger == NULL)
    return -ENOMEM;
  if (revision < ledger->revision)
    return 0;
  ledger->revision = revision;
  session->planning.stale = true;
  if (!copse_tree_record_read(value, &ledger->record))
    free(copse_set_remove(&session->ledgers, id));
  return 0;
}

/* Nothing is left of it. */
static bool
is_empty(const struct copse_session *session) {
  return session->revision == 0 && session->owner_revision == 0 && session->plan_revision == 0 &&
         session->orders_revision == 0 && session->members.count == 0 && session->installed.count == 0 &&
         session->areas.count == 0 && session->ledgers.count == 0 && session->outlets == 0;
}

int
copse_model_count_outlet(struct copse_model *model, const char *id, int by) {
  struct copse_session *session;

  if (strlen(id) != COPSE_SESSION_BYTES - 1)
    return 0;
  session = copse_entry(&model->sessions, id, sizeof(*session));
  if (session == NULL)
    return -ENOMEM;
  session->outlets += (size_t)by;
  if (is_empty(session))
    copse_model_session_free(copse_set_remove(&model->sessions, id));
  return 0;
}

static int
apply_part(struct copse_session *session, const char *part, const char *text, json_t *value, uint64_t revision) {
  static const struct {
    const char *prefix;
    int (*apply)(struct copse_session *session, const char *name, const json_t *value, uint64_t revision);
  } parts[] = {{"members/", apply_member},
               {"progress/", apply_progress},
               {"labels/", apply_installed},
               {"area/", apply_area},
               {"trees/", apply_ledger}};

  if (part[0] == '\0')
    return apply_record(session, value, revision);
  if (strcmp(part, "owner") == 0)
    return apply_owner(session, value, revision);
  if (strcmp(part, "plan") == 0)
    return apply_plan(session, value, revision);
  if (strcmp(part, "orders") == 0)
    return apply_orders(session, text, revision);
  for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
    if (strncmp(part, parts[i].prefix, strlen(parts[i].prefix)) == 0)
      return parts[i].apply(session, part + strlen(parts[i].prefix), value, revision);
  return 0;
}

int
copse_model_apply_session(struct copse_model *model, const char *key, const char *text, json_t *value,
                          uint64_t revision) {
  size_t length = strcspn(key, "/");
  const char *part = key[length] == '/' ? key + length + 1 : "";
  struct copse_session *session;
  char id[COPSE_SESSION_BYTES];
  int result;

  if (length != COPSE_SESSION_BYTES - 1)
    return 0;
  memcpy(id, key, length);
  id[length] = '\0';
  session = copse_entry(&model->sessions, id, sizeof(*session));
  if (session == NULL)
    return -ENOMEM;
  result = apply_part(session, part, text, value, revision);
  if (is_empty(session))
    copse_model_session_free(copse_set_remove(&model->sessions, id));
  return result;
}

struct copse_session *
copse_model_session(const struct copse_model *model, const char *id) {
  struct copse_session *session = copse_set_find(&model->sessions, id);

  return session != NULL && session->revision != 0 ? session : NULL;
}

struct copse_member *
copse_session_member(const struct copse_session *session, const char *id) {
  struct copse_member *member = copse_set_find(&session->members, id);

  return member != NULL && member->revision != 0 ? member : NULL;
}

const struct copse_installed *
copse_session_label(const struct copse_session *session, const char *tree, const char *pop) {
  char name[COPSE_ID_BYTES + COPSE_NAME_BYTES];

  snprintf(name, sizeof(name), "%s/%s", tree, pop);
  return copse_set_find(&session->installed, name);
}

struct copse_planned_tree *
copse_session_tree(const struct copse_session *session, const char *id) {
  for (size_t i = 0; i < session->plan.tree_count; i++)
    if (session->plan.trees[i].status == COPSE_TREE_OK && strcmp(session->plan.trees[i].id, id) == 0)
      return &session->plan.trees[i];
  return NULL;
}

struct copse_planned_tree *
copse_session_rooted(const struct copse_session *session, const char *root) {
  for (size_t i = 0; i < session->plan.tree_count; i++)
    if (strcmp(session->plan.trees[i].root, root) == 0)
      return &session->plan.trees[i];
  return NULL;
}

bool
copse_session_holds(const struct copse_session *session) {
  for (size_t i = 0; i < session->plan.tree_count; i++)
    if (session->plan.trees[i].status == COPSE_TREE_OK)
      return true;
  return session->plan.leaving_count > 0 || session->outlets > 0;
}

uint32_t
copse_session_blocks(const struct copse_session *session) {
  return copse_manifest_blocks(&session->manifest);
}

bool
copse_member_complete(const struct copse_member *member) {
  return member->record.seed || member->progress.done;
}

bool
copse_member_in_area(const struct copse_member *member, const char *pop) {
  return member->revision != 0 && !member->record.direct && strcmp(member->record.pop, pop) == 0;
}
