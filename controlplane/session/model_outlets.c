/* SPDX-License-Identifier: Apache-2.0 */
/* What the store has of all links of a PoP together: reservations, and when a budget there changed last. */
#include "model_keys.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void
copse_model_outlet_free(void *object) {
  struct copse_pop_links *outlet = object;

  json_decref(outlet->reserved);
  free(outlet);
}

static uint64_t
number(const json_t *object, const char *name) {
  json_int_t value = json_integer_value(json_object_get(object, name));

  return value > 0 ? (uint64_t)value : 0;
}

static int
count_sessions(struct copse_model *model, json_t *reserved, int by) {
  const char *session;
  json_t *share;
  int result = 0;

  json_object_foreach(reserved, session, share) {
    if (copse_model_count_outlet(model, session, by) < 0)
      result = -ENOMEM;
  }
  return result;
}

/* What is reserved for these sessions is not what it was. Also of a transaction that its owner believes lost. */
static void
note_changed(struct copse_model *model, json_t *reserved, const json_t *before) {
  const char *id;
  json_t *share;

  json_object_foreach(reserved, id, share) {
    struct copse_session *session = copse_set_find(&model->sessions, id);

    if (session != NULL && !json_equal(share, json_object_get(before, id)))
      session->planning.unsettled = true;
  }
}

/* Adds up what is reserved of links, or takes all off them. */
static int
sum_links(struct copse_model *model, const struct copse_pop_links *outlet, bool clear) {
  const char *session, *to;
  json_t *share, *bps;
  int result = 0;

  json_object_foreach(outlet->reserved, session, share) {
    json_object_foreach(json_object_get(share, "links"), to, bps) {
      struct copse_link *link = copse_model_link_entry(model, outlet->pop, to);

      if (link == NULL)
        result = -ENOMEM;
      else
        link->reserved_bps = clear ? 0 : link->reserved_bps + (uint64_t)json_integer_value(bps);
    }
  }
  return result;
}

static uint64_t
sum_egress(json_t *reserved) {
  const char *session;
  uint64_t sum = 0;
  json_t *share;

  json_object_foreach(reserved, session, share) {
    sum += number(share, "bps");
  }
  return sum;
}

/* Links that were there for nothing but a reservation. */
static void
sweep_links(struct copse_model *model, const char *from, json_t *reserved) {
  const char *session, *to;
  json_t *share, *bps;

  json_object_foreach(reserved, session, share) {
    json_object_foreach(json_object_get(share, "links"), to, bps) {
      struct copse_link *link = copse_model_link(model, from, to);

      if (link != NULL)
        copse_model_link_sweep(model, link);
    }
  }
}

static void
outlet_sweep(struct copse_model *model, struct copse_pop_links *outlet) {
  if (outlet->reserved_revision == 0 && outlet->budgets_revision == 0)
    copse_model_outlet_free(copse_set_remove(&model->outlets, outlet->pop));
}

int
copse_model_apply_reserved(struct copse_model *model, const char *pop, json_t *value, uint64_t revision) {
  struct copse_pop_links *outlet = copse_entry(&model->outlets, pop, sizeof(*outlet));
  int counted, summed;
  json_t *before;

  if (outlet == NULL)
    return -ENOMEM;
  if (revision < outlet->reserved_revision)
    return 0;
  sum_links(model, outlet, true);
  before = outlet->reserved;
  outlet->reserved = json_is_object(value) ? json_incref(value) : NULL;
  outlet->reserved_revision = outlet->reserved != NULL ? revision : 0;
  outlet->reserved_bps = sum_egress(outlet->reserved);
  counted = count_sessions(model, outlet->reserved, 1); /* first: a session of which nothing else is left stays */
  summed = sum_links(model, outlet, false);
  note_changed(model, outlet->reserved, before);
  count_sessions(model, before, -1);
  sweep_links(model, pop, before);
  json_decref(before);
  outlet_sweep(model, outlet);
  return counted < 0 ? counted : summed;
}

int
copse_model_apply_budgets(struct copse_model *model, const char *pop, const json_t *value, uint64_t revision) {
  struct copse_pop_links *outlet = copse_entry(&model->outlets, pop, sizeof(*outlet));

  if (outlet == NULL)
    return -ENOMEM;
  if (revision < outlet->budgets_revision)
    return 0;
  outlet->budgets_revision = value != NULL ? revision : 0;
  outlet_sweep(model, outlet);
  return 0;
}

/* {"bps","links"} of a session at a PoP, null when it holds nothing there. */
static const json_t *
share_of(const struct copse_model *model, const char *pop, const struct copse_session *session) {
  const struct copse_pop_links *outlet = copse_set_find(&model->outlets, pop);

  return outlet == NULL ? NULL : json_object_get(outlet->reserved, session->id);
}

uint64_t
copse_link_held_by_others(const struct copse_model *model, const struct copse_link *link,
                          const struct copse_session *session) {
  return link->reserved_bps - number(json_object_get(share_of(model, link->from, session), "links"), link->to);
}

uint64_t
copse_egress_held_by_others(const struct copse_model *model, const char *pop, const struct copse_session *session) {
  const struct copse_pop_links *outlet = copse_set_find(&model->outlets, pop);

  return outlet == NULL ? 0 : outlet->reserved_bps - number(share_of(model, pop, session), "bps");
}
