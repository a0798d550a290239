/* SPDX-License-Identifier: Apache-2.0 */
#include "model.h"
#include "model_keys.h"
#include <copse/log.h>
#include <copse/scheduler.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Budgets come after when they changed last: read the other way round, a change between the two would be missed. */
static const char *const prefixes[] = {"/pops/",     "/budgets/", "/links/",    "/egress/", "/reserved/",
                                       "/measured/", "/stamp/",   "/accounts/", "/stats/",  "/sessions/"};

void *
copse_entry(struct copse_set *set, const char *name, size_t bytes) {
  void *object = copse_set_find(set, name);

  return object != NULL ? object : copse_set_make(set, name, bytes);
}

/* What plans are made of may have changed. */
static void
plans_stale(const struct copse_model *model) {
  for (size_t i = 0; i < model->sessions.count; i++)
    ((struct copse_session *)model->sessions.items[i])->planning.stale = true;
}

static int
apply_pop(struct copse_model *model, const char *name, const json_t *value, uint64_t revision) {
  struct copse_pop *pop = copse_entry(&model->pops, name, sizeof(*pop));

  if (pop == NULL)
    return -ENOMEM;
  if (revision < pop->revision)
    return 0;
  pop->revision = revision;
  plans_stale(model);
  if (!copse_pop_read(value, &pop->record))
    free(copse_set_remove(&model->pops, name));
  return 0;
}

static int
apply_account(struct copse_model *model, const char *name, const json_t *value, uint64_t revision) {
  struct copse_account *account = copse_entry(&model->accounts, name, sizeof(*account));

  if (account == NULL)
    return -ENOMEM;
  if (revision < account->revision)
    return 0;
  account->revision = revision;
  plans_stale(model);
  if (!copse_account_read(value, &account->record))
    free(copse_set_remove(&model->accounts, name));
  return 0;
}

static int
apply_egress(struct copse_model *model, const char *name, const json_t *value, uint64_t revision) {
  struct copse_egress *egress = copse_entry(&model->egress, name, sizeof(*egress));

  if (egress == NULL)
    return -ENOMEM;
  if (revision < egress->revision)
    return 0;
  egress->revision = revision;
  plans_stale(model);
  if (!copse_egress_read(value, &egress->record))
    free(copse_set_remove(&model->egress, name));
  return 0;
}

static void
stats_free(void *object) {
  struct copse_pop_stats *stats = object;

  copse_stats_record_free(&stats->record);
  free(stats);
}

static int
apply_stats(struct copse_model *model, const char *name, const json_t *value, uint64_t revision) {
  struct copse_pop_stats *stats = copse_entry(&model->stats, name, sizeof(*stats));

  if (stats == NULL)
    return -ENOMEM;
  if (revision < stats->revision)
    return 0;
  stats->revision = revision;
  copse_stats_record_free(&stats->record);
  if (!copse_stats_read(value, &stats->record))
    stats_free(copse_set_remove(&model->stats, name));
  return 0;
}

struct copse_link *
copse_model_link_entry(struct copse_model *model, const char *from, const char *to) {
  char name[2 * COPSE_NAME_BYTES];
  struct copse_link *link;

  if (strlen(from) >= COPSE_NAME_BYTES || strlen(to) >= COPSE_NAME_BYTES)
    return NULL;
  snprintf(name, sizeof(name), "%s/%s", from, to);
  link = copse_entry(&model->links, name, sizeof(*link));
  if (link != NULL && link->from[0] == '\0') {
    copse_copy(link->from, sizeof(link->from), from);
    copse_copy(link->to, sizeof(link->to), to);
  }
  return link;
}

/* The same for "U/V"; null also when the name is not that. */
static struct copse_link *
link_entry(struct copse_model *model, const char *name) {
  const char *slash = strchr(name, '/');
  char from[COPSE_NAME_BYTES];

  if (slash == NULL || slash - name >= COPSE_NAME_BYTES || strlen(slash + 1) >= COPSE_NAME_BYTES)
    return NULL;
  copse_copy(from, (size_t)(slash - name) + 1, name);
  return copse_model_link_entry(model, from, slash + 1);
}

void
copse_model_link_sweep(struct copse_model *model, struct copse_link *link) {
  if (link->revision == 0 && link->reserved_bps == 0 && link->measured_revision == 0 && link->stamp_revision == 0)
    free(copse_set_remove(&model->links, link->name));
}

static int
apply_link(struct copse_model *model, const char *name, const json_t *value, uint64_t revision) {
  struct copse_link *link = link_entry(model, name);

  if (link == NULL)
    return -ENOMEM;
  if (revision < link->revision)
    return 0;
  link->revision = copse_link_read(value, &link->record) ? revision : 0;
  if (link->revision == 0)
    link->record = (struct copse_link_record){0};
  plans_stale(model);
  copse_model_link_sweep(model, link);
  return 0;
}

struct copse_link *
copse_model_link(const struct copse_model *model, const char *from, const char *to) {
  char name[2 * COPSE_NAME_BYTES];

  snprintf(name, sizeof(name), "%s/%s", from, to);
  return copse_set_find(&model->links, name);
}

bool
copse_link_configured(const struct copse_link *link) {
  return link->revision != 0 && link->record.bandwidth_bps > 0;
}

uint64_t
copse_link_capacity(const struct copse_link *link) {
  uint64_t percent = link->measured_revision == 0 ? 100 : link->measured.capacity_percent;

  return link->record.bandwidth_bps / 100 * percent + link->record.bandwidth_bps % 100 * percent / 100;
}

static int
apply_measured(struct copse_model *model, const char *name, const json_t *value, uint64_t revision) {
  struct copse_link *link = link_entry(model, name);
  uint64_t before;

  if (link == NULL)
    return -ENOMEM;
  if (revision < link->measured_revision)
    return 0;
  before = copse_link_capacity(link);
  link->measured_revision = copse_measured_read(value, &link->measured) ? revision : 0;
  if (copse_link_capacity(link) != before)
    plans_stale(model);
  copse_model_link_sweep(model, link);
  return 0;
}

static int
apply_stamp(struct copse_model *model, const char *name, const json_t *value, uint64_t revision) {
  struct copse_link *link = link_entry(model, name);

  if (link == NULL)
    return -ENOMEM;
  if (revision < link->stamp_revision)
    return 0;
  link->stamp_revision = copse_stamp_read(value, &link->stamp) ? revision : 0;
  copse_model_link_sweep(model, link);
  return 0;
}

/* What follows the prefix in the key, or null; also if that is longer than `limit` bytes. */
static const char *
below(const char *key, const char *prefix, size_t limit) {
  while (*prefix != '\0')
    if (*key++ != *prefix++)
      return NULL;
  return strnlen(key, limit + 1) <= limit ? key : NULL;
}

/* The names of PoPs and accounts fit their fields, or the record is none. */
static int
apply_value(struct copse_model *model, const char *key, json_t *value, uint64_t revision) {
  const char *name;

  if ((name = below(key, "/pops/", COPSE_NAME_BYTES - 1)) != NULL)
    return apply_pop(model, name, value, revision);
  if ((name = below(key, "/links/", SIZE_MAX - 1)) != NULL)
    return apply_link(model, name, value, revision);
  if ((name = below(key, "/reserved/", COPSE_NAME_BYTES - 1)) != NULL) {
    plans_stale(model); /* a tree that did not fit may now */
    return copse_model_apply_reserved(model, name, value, revision);
  }
  if ((name = below(key, "/budgets/", COPSE_NAME_BYTES - 1)) != NULL)
    return copse_model_apply_budgets(model, name, value, revision);
  if ((name = below(key, "/measured/", SIZE_MAX - 1)) != NULL)
    return apply_measured(model, name, value, revision);
  if ((name = below(key, "/stamp/", SIZE_MAX - 1)) != NULL)
    return apply_stamp(model, name, value, revision);
  if ((name = below(key, "/egress/", COPSE_NAME_BYTES - 1)) != NULL)
    return apply_egress(model, name, value, revision);
  if ((name = below(key, "/accounts/", COPSE_ACCOUNT_BYTES - 1)) != NULL)
    return apply_account(model, name, value, revision);
  if ((name = below(key, "/stats/", COPSE_NAME_BYTES - 1)) != NULL)
    return apply_stats(model, name, value, revision);
  return 0;
}

/* The store has more than a model: tokens, leaves, journals. */
static bool
is_of_model(const char *key) {
  for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
    if (strncmp(key, prefixes[i], strlen(prefixes[i])) == 0)
      return true;
  return false;
}

#define DELETED_MAX 2048
struct deletion {
  char key[COPSE_STORE_KEY_MAX + 1];
  uint64_t revision;
};

/* The key went at this revision. The last DELETED_MAX keys at least are remembered. */
static int
remember_deletion(struct copse_model *model, const char *key, uint64_t revision) {
  struct deletion *deletion;

  if (model->deleted[0].count >= DELETED_MAX) {
    copse_set_free(&model->deleted[1], free);
    model->deleted[1] = model->deleted[0];
    model->deleted[0] = (struct copse_set){0};
  }
  deletion = copse_entry(&model->deleted[0], key, sizeof(*deletion));
  if (deletion == NULL)
    return -ENOMEM;
  if (deletion->revision < revision)
    deletion->revision = revision;
  return 0;
}

static bool
went_later(const struct copse_model *model, const char *key, uint64_t revision) {
  for (int i = 0; i < 2; i++) {
    const struct deletion *deletion = copse_set_find(&model->deleted[i], key);

    if (deletion != NULL && deletion->revision > revision)
      return true;
  }
  return false;
}

int
copse_model_apply(struct copse_model *model, const char *key, const char *value, uint64_t revision) {
  json_error_t error;
  json_t *json = NULL;
  int result;

  if (!is_of_model(key) || strlen(key) > COPSE_STORE_KEY_MAX || went_later(model, key, revision))
    return 0;
  if (value != NULL) {
    json = json_loads(value, JSON_DECODE_ANY, &error);
    if (json == NULL)
      copse_log(COPSE_LOG_WARNING, "the store's %s cannot be read: %s", key, error.text);
  }
  if (strncmp(key, "/stats/", 7) != 0) /* nothing is decided by them */
    model->changed = true;
  const char *session = below(key, "/sessions/", SIZE_MAX - 1);
  result = session != NULL ? copse_model_apply_session(model, session, value, json, revision)
                           : apply_value(model, key, json, revision);
  json_decref(json);
  if (result == 0 && value == NULL)
    result = remember_deletion(model, key, revision);
  return result;
}

int
copse_model_load(struct copse_model *model, struct copse_store *store, uint64_t *revision) {
  struct copse_model loaded = {.changed = true};
  int result = 0;

  *revision = UINT64_MAX;
  for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]) && result == 0; i++) {
    struct copse_values values;

    result = copse_store_list(store, prefixes[i], &values);
    if (result < 0)
      break;
    if (values.revision < *revision)
      *revision = values.revision; /* changes between the lists come twice rather than never */
    for (size_t j = 0; j < values.count && result == 0; j++)
      result = copse_model_apply(&loaded, values.items[j].key, values.items[j].value, values.items[j].revision);
    copse_values_free(&values);
  }
  copse_model_free(result == 0 ? model : &loaded);
  if (result == 0)
    *model = loaded;
  return result;
}

void
copse_model_free(struct copse_model *model) {
  copse_set_free(&model->pops, free);
  copse_set_free(&model->links, free);
  copse_set_free(&model->outlets, copse_model_outlet_free);
  copse_set_free(&model->egress, free);
  copse_set_free(&model->accounts, free);
  copse_set_free(&model->stats, stats_free);
  copse_set_free(&model->sessions, copse_model_session_free);
  for (int i = 0; i < 2; i++)
    copse_set_free(&model->deleted[i], free);
  *model = (struct copse_model){.changed = true};
}
