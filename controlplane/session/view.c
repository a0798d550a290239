/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions, their trees and their members as docs/api.md shows them: any PoP shows all of it, from the store. */
#include "page.h"
#include "state.h"
#include <stdio.h>

/* Where it is only operators see; who is in the session is told by sync. */
static json_t *
member_json(const struct copse_session *session, const struct copse_member *member, bool with_address) {
  const struct copse_progress *progress = &member->progress;
  uint64_t have = member->record.seed ? copse_session_blocks(session) : progress->have;

  return json_pack("{s:s, s:s, s:s, s:s, s:s*, s:b, s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
                   "member", member->id, "session", session->id, "pop", member->record.pop, "account",
                   member->record.account, "address", with_address ? member->record.address : NULL, "seed",
                   member->record.seed, "done", copse_member_complete(member), "permitted",
                   member->progress_revision != 0 && !progress->unproven, "have", (json_int_t)have, "blocks",
                   (json_int_t)copse_session_blocks(session), "cdn_bps", (json_int_t)progress->cdn_bps, "direct_bps",
                   (json_int_t)progress->direct_bps, "in_bps", (json_int_t)progress->in_bps, "out_bps",
                   (json_int_t)progress->out_bps, "cdn_bytes", (json_int_t)progress->cdn_bytes, "direct_bytes",
                   (json_int_t)progress->direct_bytes, "sent_bytes", (json_int_t)progress->sent_bytes, "uplink_bps",
                   (json_int_t)member->record.uplink_bps, "downlink_bps", (json_int_t)member->record.downlink_bps);
}

/* From index `first` on. False when the page is full. */
static bool
add_members(struct copse_page *page, const struct copse_session *session, size_t first, bool everywhere) {
  for (size_t i = first; i < session->members.count; i++) {
    const struct copse_member *member = session->members.items[i];

    if (member->revision != 0 && !copse_page_add(page, member_json(session, member, everywhere),
                                                 everywhere ? session->id : member->id, everywhere ? member->id : NULL))
      return false;
  }
  return true;
}

static json_t *
edges_json(const struct copse_planned_tree *tree) {
  json_t *edges = json_array();

  for (size_t i = 0; i < tree->edge_count; i++)
    json_array_append_new(edges, json_pack("{s:s, s:s}", "from", tree->edges[i].from, "to", tree->edges[i].to));
  return edges;
}

static json_t *
tree_json(const struct copse_session *session, const struct copse_planned_tree *tree) {
  const struct copse_tree_ledger *ledger = tree->id[0] == '\0' ? NULL : copse_set_find(&session->ledgers, tree->id);
  static const struct copse_tree_record nothing;
  const struct copse_tree_record *record = ledger == NULL ? &nothing : &ledger->record;

  return json_pack("{s:s, s:s, s:I, s:s, s:s, s:s, s:b, s:b, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}",
                   "id", tree->id, "session", session->id, "number", (json_int_t)tree->number, "root", tree->root,
                   "status", copse_tree_status_name(tree->status), "reason", tree->reason, "clamped", tree->clamped,
                   "installed", copse_session_label(session, tree->id, tree->root) != NULL, "growth", tree->growth,
                   "min_bps", (json_int_t)tree->min_bps, "max_bps", (json_int_t)tree->max_bps, "rate_bps",
                   (json_int_t)tree->rate_bps, "bound_bps", (json_int_t)session->plan.bound_bps, "bps",
                   (json_int_t)record->bps, "packets", (json_int_t)record->packets, "bytes", (json_int_t)record->bytes,
                   "granted_bytes", (json_int_t)record->granted_bytes, "charged_bytes",
                   (json_int_t)record->charged_bytes, "edges", edges_json(tree));
}

/* Trees in build order but those before and at the root `after`. False when the page is full. */
static bool
add_trees(struct copse_page *page, const struct copse_session *session, const char *after, bool everywhere) {
  size_t first = 0;

  for (size_t i = 0; i < session->plan.tree_count; i++)
    if (strcmp(session->plan.trees[i].root, after) == 0)
      first = i + 1;
  for (size_t i = first; i < session->plan.tree_count; i++) {
    const struct copse_planned_tree *tree = &session->plan.trees[i];

    if (!copse_page_add(page, tree_json(session, tree), everywhere ? session->id : tree->root,
                        everywhere ? tree->root : NULL))
      return false;
  }
  return true;
}

static const struct copse_session *
find(struct copse_control *control, const char *id, struct copse_answer *answer) {
  copse_control_refresh(control);
  return copse_control_session(control, id, answer);
}

/* Its record: what it distributes, for whom. */
static json_t *
head_json(const struct copse_session *session) {
  json_t *head =
    json_pack("{s:s, s:O*, s:s, s:I}", "session", session->id, "creator", json_object_get(session->record, "creator"),
              "state", session->finished ? "finished" : "open", "epoch", (json_int_t)session->plan.epoch);

  if (head != NULL && session->owner[0] != '\0')
    json_object_set_new(head, "owner", json_string(session->owner));
  json_object_update(head, json_object_get(session->record, "manifest"));
  return head;
}

void
copse_view_session(struct copse_control *control, const struct copse_query *query, struct copse_answer *answer) {
  const struct copse_session *session = find(control, query->name, answer);
  const struct copse_query all = {.after = "", .limit = SIZE_MAX};
  struct copse_page members, trees;
  json_t *body;

  if (session == NULL)
    return;
  copse_page_begin(&members, &all);
  copse_page_begin(&trees, &all);
  add_members(&members, session, 0, false);
  add_trees(&trees, session, "", false);
  body = head_json(session);
  json_object_set_new(body, "members", members.items);
  json_object_set_new(body, "trees", trees.items);
  answer->revision = session->revision;
  copse_answer_body(answer, body);
}

void
copse_view_session_trees(struct copse_control *control, const struct copse_query *query, struct copse_answer *answer) {
  const struct copse_session *session = find(control, query->name, answer);
  struct copse_page page;

  if (session == NULL)
    return;
  copse_page_begin(&page, query);
  add_trees(&page, session, query->after, false);
  copse_page_answer(&page, "trees", answer);
  json_object_set_new(answer->body, "epoch", json_integer((json_int_t)session->plan.epoch));
}

void
copse_view_session_members(struct copse_control *control, const struct copse_query *query,
                           struct copse_answer *answer) {
  const struct copse_session *session = find(control, query->name, answer);
  struct copse_page page;

  if (session == NULL)
    return;
  copse_page_begin(&page, query);
  add_members(&page, session, copse_set_after(&session->members, query->after), false);
  copse_page_answer(&page, "members", answer);
}

void
copse_view_sessions(struct copse_control *control, const struct copse_query *query, struct copse_answer *answer) {
  struct copse_page page;
  bool room = true;

  copse_control_refresh(control);
  copse_page_begin(&page, query);
  for (size_t i = copse_set_after(&control->model.sessions, query->after); i < control->model.sessions.count && room;
       i++) {
    const struct copse_session *session = control->model.sessions.items[i];
    size_t members = 0, trees = 0;
    json_t *item;

    if (session->revision == 0)
      continue;
    for (size_t j = 0; j < session->members.count; j++)
      members += ((const struct copse_member *)session->members.items[j])->revision != 0;
    for (size_t j = 0; j < session->plan.tree_count; j++)
      trees += session->plan.trees[j].status == COPSE_TREE_OK;
    item = head_json(session);
    json_object_set_new(item, "member_count", json_integer((json_int_t)members));
    json_object_set_new(item, "tree_count", json_integer((json_int_t)trees));
    room = copse_page_add(&page, item, session->id, NULL);
  }
  copse_page_answer(&page, "sessions", answer);
}

/* Where to go on in a list over all sessions: after `session`/`inner`. */
struct place {
  size_t index; /* of the session */
  char session[COPSE_SESSION_BYTES];
  const char *inner; /* in the session of that name; "": from its beginning */
};

static struct place
place_of(const struct copse_model *model, const char *after) {
  const char *slash = strchr(after, '/');
  struct place place = {.inner = slash == NULL ? "" : slash + 1};
  size_t length = slash == NULL ? strlen(after) : (size_t)(slash - after);

  if (length < sizeof(place.session))
    memcpy(place.session, after, length);
  place.index = copse_set_after(&model->sessions, place.session);
  if (place.index > 0 &&
      strcmp(((const struct copse_session *)model->sessions.items[place.index - 1])->id, place.session) == 0)
    place.index--;
  return place;
}

static const char *
inner_of(const struct place *place, const struct copse_session *session) {
  return strcmp(session->id, place->session) == 0 ? place->inner : "";
}

void
copse_view_trees(struct copse_control *control, const struct copse_query *query, struct copse_answer *answer) {
  struct copse_page page;
  struct place place;

  copse_control_refresh(control);
  copse_page_begin(&page, query);
  place = place_of(&control->model, query->after);
  for (size_t i = place.index; i < control->model.sessions.count; i++) {
    const struct copse_session *session = control->model.sessions.items[i];

    if (session->revision != 0 && !add_trees(&page, session, inner_of(&place, session), true))
      break;
  }
  copse_page_answer(&page, "trees", answer);
}

void
copse_view_peers(struct copse_control *control, const struct copse_query *query, struct copse_answer *answer) {
  struct copse_page page;
  struct place place;

  copse_control_refresh(control);
  copse_page_begin(&page, query);
  place = place_of(&control->model, query->after);
  for (size_t i = place.index; i < control->model.sessions.count; i++) {
    const struct copse_session *session = control->model.sessions.items[i];
    size_t first = copse_set_after(&session->members, inner_of(&place, session));

    if (session->revision != 0 && !add_members(&page, session, first, true))
      break;
  }
  copse_page_answer(&page, "peers", answer);
}
