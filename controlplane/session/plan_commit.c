/* SPDX-License-Identifier: Apache-2.0 */
/* The transaction of a plan: it takes effect together with its reservations, or not at all. */
#include "plan.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static char *
key_of(const char *format, const char *a, const char *b) {
  char *key = NULL;

  return asprintf(&key, format, a, b) < 0 ? NULL : key;
}

/* Takes the key over. */
static int
add_compare(struct copse_plan_commit *commit, char *key, uint64_t revision) {
  if (key == NULL)
    return -ENOMEM;
  commit->compares[commit->compare_count++] = (struct copse_compare){.key = key, .revision = revision};
  return 0;
}

/* Takes the key over; null for the value deletes it. */
static int
add_change(struct copse_plan_commit *commit, char *key, const json_t *value) {
  char *text = value == NULL ? NULL : json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS);

  if (key == NULL || (value != NULL && text == NULL)) {
    free(key);
    return -ENOMEM;
  }
  commit->changes[commit->change_count++] =
    (struct copse_change){.kind = value == NULL ? COPSE_CHANGE_DELETE : COPSE_CHANGE_PUT, .key = key, .value = text};
  return 0;
}

/* What the link's record is to be: others' reservations, and ours. */
static json_t *
reservations(const struct copse_link *link, const struct copse_session *session, json_t *ours) {
  json_t *reserved = json_object();
  const char *name;
  json_t *rate;

  json_object_foreach(link->reserved, name, rate) {
    if (strncmp(name, session->id, COPSE_SESSION_BYTES - 1) != 0)
      json_object_set(reserved, name, rate);
  }
  json_object_update(reserved, ours);
  return reserved;
}

/* A PoP with an egress budget is sold as a whole: nobody may take more of any of its links meanwhile. */
static int
compare_egress(struct copse_plan_commit *commit, const struct copse_model *model, const char *pop) {
  int result = 0;

  for (size_t i = 0; i < model->links.count && result == 0; i++) {
    const struct copse_link *link = model->links.items[i];

    if (strcmp(link->from, pop) == 0)
      result = add_compare(commit, key_of("/reserved/%s/%s", link->from, link->to), link->reserved_revision);
  }
  return result;
}

static int
add_link(struct copse_plan_commit *commit, const struct copse_model *model, const struct copse_session *session,
         json_t *holdings, const struct copse_link *link, const char **egress_done) {
  json_t *reserved = reservations(link, session, json_object_get(holdings, link->name));
  int result = 0;

  if (reserved == NULL)
    return -ENOMEM;
  if (link->reserved == NULL ? json_object_size(reserved) > 0 : !json_equal(link->reserved, reserved)) {
    result = add_compare(commit, key_of("/reserved/%s/%s", link->from, link->to), link->reserved_revision);
    if (result == 0)
      result = add_compare(commit, key_of("/links/%s/%s", link->from, link->to), link->revision);
    if (result == 0)
      result = add_change(commit, key_of("/reserved/%s/%s", link->from, link->to),
                          json_object_size(reserved) > 0 ? reserved : NULL);
    if (result == 0 && copse_set_find(&model->egress, link->from) != NULL &&
        (*egress_done == NULL || strcmp(*egress_done, link->from) != 0)) {
      *egress_done = link->from; /* links are in order of `from` */
      result = compare_egress(commit, model, link->from);
    }
  }
  json_decref(reserved);
  return result;
}

static int
add_all(struct copse_plan_commit *commit, const struct copse_model *model, const struct copse_session *session,
        const struct copse_plan_record *plan, const json_t *record) {
  const char *egress_done = NULL;
  json_t *holdings = copse_plan_holdings(session, plan);
  json_t *json = copse_plan_write(plan);
  int result = add_compare(commit, key_of("/sessions/%s/%s", session->id, "owner"), session->owner_revision);

  if (result == 0)
    result = add_compare(commit, key_of("/sessions/%s/%s", session->id, "plan"), session->plan_revision);
  if (result == 0)
    result = add_compare(commit, key_of("/sessions/%s%s", session->id, ""), session->revision);
  if (result == 0)
    result = json == NULL ? -ENOMEM : add_change(commit, key_of("/sessions/%s/%s", session->id, "plan"), json);
  if (result == 0 && record != NULL)
    result = add_change(commit, key_of("/sessions/%s%s", session->id, ""), record);
  for (size_t i = 0; i < model->links.count && result == 0; i++)
    result = add_link(commit, model, session, holdings, model->links.items[i], &egress_done);
  json_decref(holdings);
  json_decref(json);
  return result;
}

int
copse_plan_commit_make(const struct copse_model *model, const struct copse_session *session,
                       const struct copse_plan_record *plan, const json_t *record, struct copse_plan_commit *commit) {
  int result = -ENOMEM;

  *commit = (struct copse_plan_commit){0};
  commit->compares = calloc(3 * model->links.count + 3, sizeof(*commit->compares));
  commit->changes = calloc(model->links.count + 2, sizeof(*commit->changes));
  if (commit->compares != NULL && commit->changes != NULL)
    result = add_all(commit, model, session, plan, record);
  if (result < 0)
    copse_plan_commit_free(commit);
  return result;
}

void
copse_plan_commit_free(struct copse_plan_commit *commit) {
  for (size_t i = 0; commit->compares != NULL && i < commit->compare_count; i++)
    free((void *)commit->compares[i].key);
  for (size_t i = 0; commit->changes != NULL && i < commit->change_count; i++) {
    free((void *)commit->changes[i].key);
    free((void *)commit->changes[i].value);
  }
  free(commit->compares);
  free(commit->changes);
  *commit = (struct copse_plan_commit){0};
}
