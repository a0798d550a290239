/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions as docs/api.md shows them: any PoP shows all of it, from the store. */
#include "state.h"
#include <stdio.h>

static json_t *
member_json(const struct copse_session *session, const struct copse_member *member) {
  const struct copse_progress *progress = &member->progress;
  uint64_t have = member->record.seed ? copse_session_blocks(session) : progress->have;

  return json_pack("{s:s, s:s, s:s, s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "member", member->id, "pop",
                   member->record.pop, "account", member->record.account, "seed", member->record.seed, "done",
                   copse_member_complete(member), "have", (json_int_t)have, "cdn_bps", (json_int_t)progress->cdn_bps,
                   "direct_bps", (json_int_t)progress->direct_bps, "cdn_bytes", (json_int_t)progress->cdn_bytes,
                   "direct_bytes", (json_int_t)progress->direct_bytes, "sent_bytes", (json_int_t)progress->sent_bytes,
                   "uplink_bps", (json_int_t)member->record.uplink_bps, "downlink_bps",
                   (json_int_t)member->record.downlink_bps);
}

static json_t *
members_json(const struct copse_session *session) {
  json_t *members = json_array();

  for (size_t i = 0; i < session->members.count; i++) {
    const struct copse_member *member = session->members.items[i];

    if (member->revision != 0)
      json_array_append_new(members, member_json(session, member));
  }
  return members;
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
  char name[COPSE_ID_BYTES + COPSE_NAME_BYTES];

  snprintf(name, sizeof(name), "%s/%s", tree->id, tree->root);
  return json_pack("{s:s, s:I, s:s, s:s, s:s, s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "id", tree->id, "number",
                   (json_int_t)tree->number, "root", tree->root, "status", copse_tree_status_name(tree->status),
                   "reason", tree->reason, "clamped", tree->clamped, "installed",
                   copse_set_find(&session->installed, name) != NULL, "min_bps", (json_int_t)tree->min_bps, "max_bps",
                   (json_int_t)tree->max_bps, "rate_bps", (json_int_t)tree->rate_bps, "bps", (json_int_t)record->bps,
                   "packets", (json_int_t)record->packets, "bytes", (json_int_t)record->bytes, "edges",
                   edges_json(tree));
}

static json_t *
trees_json(const struct copse_session *session) {
  json_t *trees = json_array();

  for (size_t i = 0; i < session->plan.tree_count; i++)
    json_array_append_new(trees, tree_json(session, &session->plan.trees[i]));
  return trees;
}

static const struct copse_session *
find(struct copse_control *control, const char *id, struct copse_answer *answer) {
  const struct copse_session *session;

  copse_control_refresh(control);
  session = copse_model_session(&control->model, id);
  if (session == NULL)
    copse_answer_fail(answer, 404, NULL, "no such session");
  return session;
}

static void
finish(struct copse_answer *answer, json_t *body) {
  answer->status = 200;
  answer->body = body;
  if (body == NULL)
    copse_answer_fail(answer, 503, NULL, "no memory");
}

void
copse_session_view(struct copse_control *control, const char *id, struct copse_answer *answer) {
  const struct copse_session *session = find(control, id, answer);
  json_t *body;

  if (session == NULL)
    return;
  body = json_pack("{s:s, s:O*, s:s, s:s, s:I, s:o, s:o}", "session", session->id, "creator",
                   json_object_get(session->record, "creator"), "state", session->finished ? "finished" : "open",
                   "owner", session->owner, "epoch", (json_int_t)session->plan.epoch, "members", members_json(session),
                   "trees", trees_json(session));
  json_object_update(body, json_object_get(session->record, "manifest"));
  finish(answer, body);
}

void
copse_session_trees(struct copse_control *control, const char *id, struct copse_answer *answer) {
  const struct copse_session *session = find(control, id, answer);

  if (session != NULL)
    finish(answer, json_pack("{s:o, s:I}", "trees", trees_json(session), "epoch", (json_int_t)session->plan.epoch));
}
