/* SPDX-License-Identifier: Apache-2.0 */
#include "carry_out.h"
#include "holdings.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define PART_VALUE_BYTES (512U << 10) /* of a transaction, unless one key has more: etcd takes 1.5 MB at a time */
#define TRIES 32                      /* of a part that others come before */

/* One attempt of one owner. */
struct carrying {
  struct copse_control *control;
  char session[COPSE_SESSION_BYTES];
  uint64_t revision, owner_revision, plan_revision;
  struct copse_holdings before, after; /* of the same PoPs */
};

/* A transaction in the making. */
struct part {
  struct copse_transaction transaction;
  size_t outlets, value_bytes;
};

/* What becomes of a PoP's reservations in a transaction. */
enum adding {
  ADDING_DONE,
  ADDING_NO_ROOM, /* it is full */
  ADDING_TAKEN,   /* others have what would be reserved */
};

/* To replace the session's plan, or, where `plan` is null, to make reservations what its plan needs.
 * -ESTALE when it is not ours. */
static int
carrying_begin(struct carrying *carrying, struct copse_control *control, const struct copse_session *session,
               const struct copse_plan_record *plan) {
  int result;

  *carrying = (struct carrying){.control = control,
                                .revision = session->revision,
                                .owner_revision = session->owner_revision,
                                .plan_revision = session->plan_revision};
  copse_copy(carrying->session, sizeof(carrying->session), session->id);
  if (session->owner_revision == 0 || strcmp(session->owner, control->config->pop) != 0)
    return -ESTALE;
  result = copse_holdings_create(&carrying->after, &control->model, session, plan);
  if (result == 0)
    copse_holdings_add_plan(&carrying->after, plan != NULL ? plan : &session->plan);
  if (result == 0 && plan != NULL) {
    result = copse_holdings_create(&carrying->before, &control->model, session, plan);
    if (result == 0)
      copse_holdings_add_plan(&carrying->before, &session->plan);
  }
  return result;
}

static void
carrying_end(struct carrying *carrying) {
  copse_holdings_free(&carrying->before);
  copse_holdings_free(&carrying->after);
}

/* The session, while it is ours and has the plan it had. */
static struct copse_session *
still_ours(const struct carrying *carrying) {
  struct copse_session *session = copse_set_find(&carrying->control->model.sessions, carrying->session);

  return session != NULL && session->owner_revision == carrying->owner_revision &&
             session->plan_revision == carrying->plan_revision && !carrying->control->fell_behind
           ? session
           : NULL;
}

static uint64_t
larger(uint64_t a, uint64_t b) {
  return a > b ? a : b;
}

/* What the session is to hold of the links from a PoP: `both` plans' needs, or those of the one after. Null: nothing.
 */
static json_t *
make_share(const struct carrying *carrying, size_t from, bool both) {
  const struct copse_holdings *before = &carrying->before, *after = &carrying->after;
  uint64_t bps = larger(after->egress_bps[from], both ? before->egress_bps[from] : 0);
  json_t *links;

  if (bps == 0)
    return NULL;
  links = json_object();
  for (size_t to = 0, i = from * after->names.count; to < after->names.count; to++, i++) {
    uint64_t link_bps = larger(after->link_bps[i], both ? before->link_bps[i] : 0);

    if (link_bps > 0)
      json_object_set_new(links, after->names.items[to], json_integer((json_int_t)link_bps));
  }
  return json_pack("{s:I, s:o}", "bps", (json_int_t)bps, "links", links);
}

static bool
has_room(json_t *share, json_t *present, uint64_t held_by_others, uint64_t budget_bps) {
  json_int_t bps = json_integer_value(share);

  return bps <= json_integer_value(present) || held_by_others + (uint64_t)bps <= budget_bps;
}

/* What the share has more than the present one is free. */
static bool
fits(const struct carrying *carrying, const struct copse_session *session, const char *from, const json_t *share,
     const json_t *present) {
  const struct copse_model *model = &carrying->control->model;
  const struct copse_egress *egress = copse_set_find(&model->egress, from);
  const char *to;
  json_t *bps;

  if (egress != NULL && !has_room(json_object_get(share, "bps"), json_object_get(present, "bps"),
                                  copse_egress_held_by_others(model, from, session), egress->record.egress_bps))
    return false;
  json_object_foreach(json_object_get(share, "links"), to, bps) {
    const struct copse_link *link = copse_model_link(model, from, to);

    if (link == NULL || !has_room(bps, json_object_get(json_object_get(present, "links"), to),
                                  copse_link_held_by_others(model, link, session), copse_link_capacity(link)))
      return false;
  }
  return true;
}

/* The text of a PoP's reservations with this share of ours, allocated; null: there are none any more, or no memory. */
static char *
make_record(const struct carrying *carrying, const struct copse_pop_links *outlet, json_t *share, bool *none) {
  json_t *record = outlet == NULL || outlet->reserved == NULL ? json_object() : json_copy(outlet->reserved);
  char *text;

  if (share != NULL)
    json_object_set(record, carrying->session, share);
  else
    json_object_del(record, carrying->session);
  *none = record != NULL && json_object_size(record) == 0;
  text = *none ? NULL : json_dumps(record, JSON_COMPACT | JSON_SORT_KEYS);
  json_decref(record);
  return text;
}

static bool
is_full(const struct part *part, const struct copse_control *control, size_t value_bytes) {
  const struct copse_transaction *transaction = &part->transaction;

  return transaction->compare_count + 2 > COPSE_STORE_OPERATIONS_MAX ||
         transaction->change_count + 1 > COPSE_STORE_OPERATIONS_MAX ||
         (control->part_outlets != 0 && part->outlets == control->part_outlets) ||
         (part->value_bytes > 0 && part->value_bytes + value_bytes > PART_VALUE_BYTES);
}

/* Adds what the session is to hold of the links from a PoP, where that is not so. */
static enum adding
add_outlet(struct part *part, const struct carrying *carrying, const struct copse_session *session, size_t from,
           bool both) {
  const char *pop = carrying->after.names.items[from];
  const struct copse_pop_links *outlet = copse_set_find(&carrying->control->model.outlets, pop);
  json_t *present = outlet == NULL ? NULL : json_object_get(outlet->reserved, carrying->session);
  json_t *share = make_share(carrying, from, both);
  size_t value_bytes;
  bool none;
  char *text;

  if (share == NULL ? present == NULL : json_equal(share, present)) {
    json_decref(share);
    return ADDING_DONE;
  }
  if (!fits(carrying, session, pop, share, present)) {
    json_decref(share);
    return ADDING_TAKEN;
  }
  text = make_record(carrying, outlet, share, &none);
  value_bytes = text == NULL ? 0 : strlen(text);
  json_decref(share);
  if (is_full(part, carrying->control, value_bytes)) {
    free(text);
    return ADDING_NO_ROOM;
  }
  copse_transaction_compare(&part->transaction, outlet == NULL ? 0 : outlet->reserved_revision, "/reserved/%s", pop);
  copse_transaction_compare(&part->transaction, outlet == NULL ? 0 : outlet->budgets_revision, "/budgets/%s", pop);
  if (none)
    copse_transaction_delete(&part->transaction, "/reserved/%s", pop);
  else
    copse_transaction_put(&part->transaction, text, "/reserved/%s", pop);
  part->outlets++;
  part->value_bytes += value_bytes;
  return ADDING_DONE;
}

static void
part_begin(struct part *part, const struct carrying *carrying) {
  *part = (struct part){0};
  copse_transaction_compare(&part->transaction, carrying->owner_revision, "/sessions/%s/owner", carrying->session);
  copse_transaction_compare(&part->transaction, carrying->plan_revision, "/sessions/%s/plan", carrying->session);
}

/* Commits, or tells why not: -EAGAIN when others have changed something, -EBUSY when they have what we need. */
static int
part_end(struct part *part, const struct carrying *carrying, enum adding adding) {
  if (adding != ADDING_TAKEN && part->transaction.change_count > 0)
    return copse_control_transact(carrying->control, &part->transaction);
  copse_transaction_free(&part->transaction);
  return adding == ADDING_TAKEN ? -EBUSY : 0;
}

/* Makes reservations what they are to be, from number *next on, at as many PoPs as one transaction has room for. */
static int
try_part(const struct carrying *carrying, size_t *next, size_t end, bool both) {
  const struct copse_session *session = still_ours(carrying);
  enum adding adding = ADDING_DONE;
  size_t from = *next;
  struct part part;
  int result;

  if (session == NULL)
    return -ESTALE;
  part_begin(&part, carrying);
  while (from < end && (adding = add_outlet(&part, carrying, session, from, both)) == ADDING_DONE)
    from++;
  result = part_end(&part, carrying, adding);
  if (result == 0)
    *next = from;
  return result;
}

/* Somebody was faster: whether to look at what he did, and try again. */
static bool
again(const struct carrying *carrying, int result, unsigned *tries) {
  if (result != -EAGAIN || ++*tries == TRIES)
    return false;
  copse_control_refresh(carrying->control);
  return true;
}

/* All PoPs from number *next up to `end`; *next is the first where it was not done. */
static int
write_outlets(const struct carrying *carrying, size_t *next, size_t end, bool both) {
  unsigned tries = 0;
  int result = 0;

  while (*next < end && result == 0) {
    result = try_part(carrying, next, end, both);
    if (again(carrying, result, &tries))
      result = 0;
  }
  return result;
}

/* The plan, and what it needs at the last PoPs, as many as there is room for. Where those do not reach back to number
 * `raised`, up to which everything is raised, nothing is done: 1, and *reach is where they begin. */
static int
try_plan(const struct carrying *carrying, const char *plan, const char *record, size_t raised, size_t *reach) {
  const struct copse_session *session = still_ours(carrying);
  struct part part;
  enum adding adding = ADDING_DONE;

  if (session == NULL)
    return -ESTALE;
  part_begin(&part, carrying);
  copse_transaction_compare(&part.transaction, carrying->revision, "/sessions/%s", carrying->session);
  copse_transaction_put(&part.transaction, strdup(plan), "/sessions/%s/plan", carrying->session);
  part.value_bytes = strlen(plan);
  if (record != NULL) {
    copse_transaction_put(&part.transaction, strdup(record), "/sessions/%s", carrying->session);
    part.value_bytes += strlen(record);
  }
  *reach = carrying->after.names.count;
  while (*reach > raised && (adding = add_outlet(&part, carrying, session, *reach - 1, false)) == ADDING_DONE)
    --*reach;
  if (adding == ADDING_NO_ROOM) {
    copse_transaction_free(&part.transaction);
    return 1;
  }
  return part_end(&part, carrying, adding);
}

static int
raise_and_write(const struct carrying *carrying, const char *plan, const char *record, bool *raising) {
  size_t raised = 0, reach;
  unsigned tries = 0;
  int result;

  do {
    result = try_plan(carrying, plan, record, raised, &reach);
    if (result == 1) {
      *raising = true;
      result = write_outlets(carrying, &raised, reach, true);
      result = result == 0 ? 1 : result;
    }
  } while (result == 1 || again(carrying, result, &tries));
  return result;
}

int
copse_plan_carry_out(struct copse_control *control, const char *id, const struct copse_plan_record *plan,
                     const json_t *record) {
  const struct copse_session *session = copse_set_find(&control->model.sessions, id);
  char *plan_text = copse_json_take(copse_plan_write(plan));
  char *record_text = record == NULL ? NULL : json_dumps(record, JSON_COMPACT | JSON_SORT_KEYS);
  struct carrying carrying;
  struct copse_session *settled;
  bool raising = false;
  int result = carrying_begin(&carrying, control, session, plan);

  if (result == 0 && (plan_text == NULL || (record != NULL && record_text == NULL)))
    result = -ENOMEM;
  if (result == 0)
    result = raise_and_write(&carrying, plan_text, record_text, &raising);
  carrying_end(&carrying);
  free(plan_text);
  free(record_text);
  settled = copse_set_find(&control->model.sessions, id);
  if (result == 0 && !raising && settled != NULL)
    settled->planning.unsettled = false; /* all was written at once */
  if (raising)
    copse_reservations_settle(control, id);
  return result == -EBUSY || result == -ESTALE ? -EAGAIN : result;
}

int
copse_reservations_settle(struct copse_control *control, const char *id) {
  struct copse_session *session = copse_set_find(&control->model.sessions, id);
  struct carrying carrying;
  int result;

  if (session == NULL)
    return 0;
  result = carrying_begin(&carrying, control, session, NULL);
  for (unsigned i = 0; result == 0 && session != NULL && (i == 0 || session->planning.unsettled); i++) {
    size_t next = 0;

    session->planning.unsettled = false; /* until something changes: by ourselves, or by what we had believed lost */
    result = write_outlets(&carrying, &next, carrying.after.names.count, false);
    session = copse_set_find(&control->model.sessions, id);
  }
  if (result < 0 && session != NULL)
    session->planning.unsettled = true;
  carrying_end(&carrying);
  return result;
}
