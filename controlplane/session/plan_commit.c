/* SPDX-License-Identifier: Apache-2.0 */
/* The transaction of a plan: it takes effect together with its reservations, or not at all. */
#include "plan.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Puts a record, which is borrowed; null deletes. */
static void
put(struct copse_transaction *commit, const char *key, const json_t *value) {
  if (value == NULL)
    copse_transaction_delete(commit, "%s", key);
  else
    copse_transaction_put(commit, json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS), "%s", key);
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
static void
compare_egress(struct copse_transaction *commit, const struct copse_model *model, const char *pop) {
  for (size_t i = 0; i < model->links.count; i++) {
    const struct copse_link *link = model->links.items[i];

    if (strcmp(link->from, pop) == 0)
      copse_transaction_compare(commit, link->reserved_revision, "/reserved/%s", link->name);
  }
}

static void
add_link(struct copse_transaction *commit, const struct copse_model *model, const struct copse_session *session,
         json_t *holdings, const struct copse_link *link, const char **egress_done) {
  json_t *reserved = reservations(link, session, json_object_get(holdings, link->name));
  bool none = json_object_size(reserved) == 0;
  char key[sizeof("/reserved/") + 2UL * COPSE_NAME_BYTES];

  if (reserved == NULL)
    commit->failed = true;
  if (link->reserved == NULL ? !none : !json_equal(link->reserved, reserved)) {
    snprintf(key, sizeof(key), "/reserved/%s", link->name);
    copse_transaction_compare(commit, link->reserved_revision, "%s", key);
    copse_transaction_compare(commit, link->revision, "/links/%s", link->name);
    put(commit, key, none ? NULL : reserved);
    if (copse_set_find(&model->egress, link->from) != NULL &&
        (*egress_done == NULL || strcmp(*egress_done, link->from) != 0)) {
      *egress_done = link->from; /* links are in order of `from` */
      compare_egress(commit, model, link->from);
    }
  }
  json_decref(reserved);
}

void
copse_plan_commit(const struct copse_model *model, const struct copse_session *session,
                  const struct copse_plan_record *plan, const json_t *record, struct copse_transaction *commit) {
  char key[sizeof("/sessions//plan") + COPSE_SESSION_BYTES];
  json_t *holdings = copse_plan_holdings(session, plan), *json = copse_plan_write(plan);
  const char *egress_done = NULL;

  if (holdings == NULL || json == NULL)
    commit->failed = true;
  copse_transaction_compare(commit, session->owner_revision, "/sessions/%s/owner", session->id);
  copse_transaction_compare(commit, session->plan_revision, "/sessions/%s/plan", session->id);
  copse_transaction_compare(commit, session->revision, "/sessions/%s", session->id);
  snprintf(key, sizeof(key), "/sessions/%s/plan", session->id);
  put(commit, key, json);
  snprintf(key, sizeof(key), "/sessions/%s", session->id);
  if (record != NULL)
    put(commit, key, record);
  for (size_t i = 0; i < model->links.count && !commit->failed; i++)
    add_link(commit, model, session, holdings, model->links.items[i], &egress_done);
  json_decref(holdings);
  json_decref(json);
}
