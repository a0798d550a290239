/* SPDX-License-Identifier: Apache-2.0 */
#include "why.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define AT_LIMIT 0.9       /* of a rate: held by it */
#define LINK_LOSS_MIN 0.02 /* below, clocks and smoothing may be all of it */
#define HOP_LOSS_MIN 0.10  /* what a peer counts is its content: later, and without repeats */
/* Content in a layer 3 byte of full packets over IPv4. */
#define CONTENT_SHARE ((double)COPSE_SYMBOL_BYTES / (COPSE_SYMBOL_BYTES + COPSE_HEADER_BYTES + 28))

static const char *const names[] = {
  [COPSE_WHY_NO_TREE] = "no_tree",   [COPSE_WHY_INSTALLING] = "installing",   [COPSE_WHY_CREDIT] = "credit",
  [COPSE_WHY_UPLINK] = "uplink",     [COPSE_WHY_LINK_BUDGET] = "link_budget", [COPSE_WHY_LOSS] = "loss",
  [COPSE_WHY_IDLE] = "idle",         [COPSE_WHY_TREE_RATE] = "tree_rate",     [COPSE_WHY_SENDER] = "sender",
  [COPSE_WHY_LAST_HOP] = "last_hop", [COPSE_WHY_UNPROVEN] = "unproven",       [COPSE_WHY_DONE] = "done",
};

const char *
copse_verdict_name(enum copse_verdict verdict) {
  return names[verdict];
}

static void __attribute__((format(printf, 3, 4)))
say(struct copse_why *out, enum copse_verdict verdict, const char *format, ...) {
  va_list arguments;

  out->verdict = verdict;
  va_start(arguments, format);
  vsnprintf(out->text, sizeof(out->text), format, arguments);
  va_end(arguments);
}

static void
number(struct copse_why *out, const char *name, uint64_t value) {
  json_object_set_new(out->numbers, name, json_integer((json_int_t)value));
}

static double
mega(uint64_t bps) {
  return (double)bps / 1e6;
}

static bool
is_at(uint64_t rate, uint64_t limit) {
  return limit > 0 && (double)rate >= AT_LIMIT * (double)limit;
}

/* ---- trees ---- */

/* The plan has no tree for this root. */
static void
explain_absence(const struct copse_planned_tree *tree, struct copse_why *out) {
  if (tree->status == COPSE_TREE_INFEASIBLE)
    say(out, COPSE_WHY_LINK_BUDGET, "no tree of %s: the links have no room for %.3f Mbit/s: %s", tree->root,
        mega(tree->min_bps), tree->reason);
  else if (tree->status == COPSE_TREE_NO_SENDER && strcmp(tree->reason, "no credit") == 0)
    say(out, COPSE_WHY_CREDIT, "no tree of %s: its area's accounts have no credit", tree->root);
  else
    say(out, COPSE_WHY_NO_TREE, "no tree of %s: %s", tree->root,
        tree->reason[0] != '\0' ? tree->reason : copse_tree_status_name(tree->status));
}

static bool
is_installed(const struct copse_session *session, const struct copse_planned_tree *tree, struct copse_why *out) {
  for (size_t i = 0; i <= tree->edge_count; i++) {
    const char *pop = i < tree->edge_count ? tree->edges[i].to : tree->root;

    if (copse_session_label(session, tree->id, pop) != NULL)
      continue;
    say(out, COPSE_WHY_INSTALLING, "%s has not installed the tree yet", pop);
    return false;
  }
  return true;
}

static bool
lacks_credit(const struct copse_planned_tree *tree, const struct copse_tree_record *record, struct copse_why *out) {
  if (record->unpaid_pps == 0)
    return false;
  say(out, COPSE_WHY_CREDIT,
      "the prepaid allowance is spent: %s drops %llu packets/s for it; its area's accounts need credit", tree->root,
      (unsigned long long)record->unpaid_pps);
  return true;
}

/* A link of the tree that is full; what the link carries is of all trees. */
static bool
meets_full_link(const struct copse_model *model, const struct copse_planned_tree *tree, uint64_t now_s,
                struct copse_why *out) {
  for (size_t i = 0; i < tree->edge_count; i++) {
    const struct copse_tree_edge *edge = &tree->edges[i];
    const struct copse_link *link;
    struct copse_link_now now;
    char name[2 * COPSE_NAME_BYTES];

    snprintf(name, sizeof(name), "%s/%s", edge->from, edge->to);
    link = copse_set_find(&model->links, name);
    copse_stats_link(model, edge->from, edge->to, now_s, &now);
    if (link == NULL || (now.drops_pps == 0 && !is_at(now.bps, link->record.bandwidth_bps)))
      continue;
    number(out, "link_bps", now.bps);
    number(out, "link_bandwidth_bps", link->record.bandwidth_bps);
    number(out, "link_drops_pps", now.drops_pps);
    json_object_set_new(out->numbers, "link", json_string(name));
    say(out, COPSE_WHY_LINK_BUDGET,
        "the link %s to %s carries %.3f of the %.3f Mbit/s that peers may use of it, and drops %llu copies/s",
        edge->from, edge->to, mega(now.bps), mega(link->record.bandwidth_bps), (unsigned long long)now.drops_pps);
    return true;
  }
  return false;
}

static bool
loses(const struct copse_model *model, const struct copse_planned_tree *tree, uint64_t now_s, struct copse_why *out) {
  for (size_t i = 0; i < tree->edge_count; i++) {
    const struct copse_tree_edge *edge = &tree->edges[i];
    struct copse_link_now now;

    copse_stats_link(model, edge->from, edge->to, now_s, &now);
    if (!now.loss_known || now.loss < LINK_LOSS_MIN)
      continue;
    json_object_set_new(out->numbers, "link_loss", json_real(now.loss));
    say(out, COPSE_WHY_LOSS, "%.1f %% of the packets on the link %s to %s do not arrive", 100 * now.loss, edge->from,
        edge->to);
    return true;
  }
  return false;
}

/* A link of the tree that STAMP has found worth less than its budget. */
static bool
meets_poor_link(const struct copse_model *model, const struct copse_planned_tree *tree, struct copse_why *out) {
  for (size_t i = 0; i < tree->edge_count; i++) {
    const struct copse_link *link = copse_model_link(model, tree->edges[i].from, tree->edges[i].to);
    const struct copse_measured_record *measured;

    if (link == NULL || link->measured_revision == 0 || link->measured.capacity_percent == 100)
      continue;
    measured = &link->measured;
    json_object_set_new(out->numbers, "link", json_string(link->name));
    json_object_set_new(out->numbers, "link_loss", json_real(measured->loss));
    number(out, "link_capacity_percent", measured->capacity_percent);
    say(out, COPSE_WHY_LOSS,
        "%.1f %% of the test packets on the link %s to %s do not arrive: it is %s, and plans use %u %% of its budget",
        100 * measured->loss, link->from, link->to, copse_measured_state(measured),
        (unsigned)measured->capacity_percent);
    return true;
  }
  return false;
}

static bool
is_at_rate(const struct copse_planned_tree *tree, const struct copse_tree_record *record, struct copse_why *out) {
  if (record->red_pps == 0 && !is_at(record->bps, tree->rate_bps))
    return false;
  say(out, COPSE_WHY_TREE_RATE, "the tree carries %.3f of its %.3f Mbit/s; %s", mega(record->bps), mega(tree->rate_bps),
      tree->rate_bps >= tree->max_bps ? "more needs more credit or faster uplinks in the root's area (C_i times M_i)"
                                      : "more needs room on the links, whose budgets end there");
  return true;
}

struct senders {
  uint64_t uplink_bps, in_bps, count;
};

/* Who could send on the tree: members of its area with the whole content. */
static struct senders
senders_of(const struct copse_session *session, const struct copse_planned_tree *tree) {
  struct senders senders = {0};

  for (size_t i = 0; i < session->members.count; i++) {
    const struct copse_member *member = session->members.items[i];

    if (!copse_member_in_area(member, tree->root) || !copse_member_complete(member))
      continue;
    senders.uplink_bps += member->record.uplink_bps;
    senders.in_bps += member->progress.in_bps;
    senders.count++;
  }
  return senders;
}

static void
explain_senders(const struct copse_session *session, const struct copse_planned_tree *tree,
                const struct copse_tree_record *record, struct copse_why *out) {
  struct senders senders = senders_of(session, tree);
  uint64_t sent_bps = senders.in_bps > record->bps ? senders.in_bps : record->bps;

  number(out, "senders", senders.count);
  number(out, "senders_uplink_bps", senders.uplink_bps);
  number(out, "senders_bps", sent_bps);
  if (senders.count == 0) {
    say(out, COPSE_WHY_IDLE, "no peer at %s has the whole content, so nobody sends on this tree", tree->root);
    return;
  }
  const bool one = senders.count == 1;
  char who[COPSE_NAME_BYTES + 40];

  if (one)
    snprintf(who, sizeof(who), "the sender at %s", tree->root);
  else
    snprintf(who, sizeof(who), "the %llu senders at %s", (unsigned long long)senders.count, tree->root);
  if (sent_bps == 0)
    say(out, COPSE_WHY_IDLE, "nothing is sent: %s %s", who, one ? "has no order" : "have no orders");
  else if (is_at(sent_bps, senders.uplink_bps))
    say(out, COPSE_WHY_UPLINK, "%s %s %.3f of the %.3f Mbit/s of %s; the tree could carry %.3f", who,
        one ? "sends" : "send", mega(sent_bps), mega(senders.uplink_bps), one ? "its uplink" : "their uplinks",
        mega(tree->rate_bps));
  else
    say(out, COPSE_WHY_SENDER, "%s %s %.3f Mbit/s, less than %s (%.3f) and the tree (%.3f) carry", who,
        one ? "sends" : "send", mega(sent_bps), one ? "its uplink" : "their uplinks", mega(senders.uplink_bps),
        mega(tree->rate_bps));
}

static void
begin(struct copse_why *out) {
  *out = (struct copse_why){.numbers = json_object()};
}

void
copse_why_tree(const struct copse_model *model, const struct copse_session *session,
               const struct copse_planned_tree *tree, uint64_t now_s, struct copse_why *out) {
  static const struct copse_tree_record nothing;
  const struct copse_tree_ledger *ledger = copse_set_find(&session->ledgers, tree->id);
  const struct copse_tree_record *record = ledger == NULL ? &nothing : &ledger->record;

  begin(out);
  out->tree = tree->id;
  number(out, "min_bps", tree->min_bps);
  number(out, "max_bps", tree->max_bps);
  number(out, "rate_bps", tree->rate_bps);
  number(out, "bps", record->bps);
  number(out, "red_pps", record->red_pps);
  number(out, "unpaid_pps", record->unpaid_pps);
  if (tree->status != COPSE_TREE_OK)
    explain_absence(tree, out);
  else if (is_installed(session, tree, out) && !lacks_credit(tree, record, out) &&
           !meets_full_link(model, tree, now_s, out) && !loses(model, tree, now_s, out) &&
           !meets_poor_link(model, tree, out) && !is_at_rate(tree, record, out))
    explain_senders(session, tree, record, out);
}

/* ---- peers ---- */

/* The tree that brings it most; else one that could. Null when the plan has none. */
static const struct copse_planned_tree *
feeding_tree(const struct copse_session *session) {
  const struct copse_planned_tree *best = NULL;
  uint64_t best_bps = 0;

  for (size_t i = 0; i < session->plan.tree_count; i++) {
    const struct copse_planned_tree *tree = &session->plan.trees[i];
    const struct copse_tree_ledger *ledger = copse_set_find(&session->ledgers, tree->id);
    uint64_t bps = ledger == NULL ? 0 : ledger->record.bps;

    if (best == NULL || (tree->status == COPSE_TREE_OK && (best->status != COPSE_TREE_OK || bps > best_bps))) {
      best = tree;
      best_bps = bps;
    }
  }
  return best;
}

static bool
is_at_last_hop(const struct copse_member *member, struct copse_why *out) {
  const struct copse_progress *progress = &member->progress;

  if (!is_at(progress->out_bps, member->record.downlink_bps))
    return false;
  say(out, COPSE_WHY_LAST_HOP, "%s sends it %.3f of the %.3f Mbit/s of its downlink", member->record.pop,
      mega(progress->out_bps), mega(member->record.downlink_bps));
  return true;
}

static bool
loses_last(const struct copse_member *member, struct copse_why *out) {
  const struct copse_progress *progress = &member->progress;
  double expected = (double)progress->out_bps * CONTENT_SHARE;
  double loss = expected > 0 ? 1 - (double)progress->cdn_bps / expected : 0;

  if (loss < HOP_LOSS_MIN)
    return false;
  json_object_set_new(out->numbers, "last_hop_loss", json_real(loss));
  say(out, COPSE_WHY_LOSS, "%.0f %% of what %s sends to the peer does not become content there", 100 * loss,
      member->record.pop);
  return true;
}

static void
add_member_numbers(const struct copse_session *session, const struct copse_member *member, struct copse_why *out) {
  number(out, "have", member->record.seed ? copse_session_blocks(session) : member->progress.have);
  number(out, "blocks", copse_session_blocks(session));
  number(out, "cdn_bps", member->progress.cdn_bps);
  number(out, "direct_bps", member->progress.direct_bps);
  number(out, "in_bps", member->progress.in_bps);
  number(out, "out_bps", member->progress.out_bps);
  number(out, "uplink_bps", member->record.uplink_bps);
  number(out, "downlink_bps", member->record.downlink_bps);
}

/* The verdict of a tree, for a peer. */
static void
adopt(const struct copse_model *model, const struct copse_session *session, const struct copse_planned_tree *tree,
      uint64_t now_s, struct copse_why *out) {
  struct copse_why of_tree;

  copse_why_tree(model, session, tree, now_s, &of_tree);
  json_object_update(of_tree.numbers, out->numbers);
  json_decref(out->numbers);
  *out = of_tree;
}

void
copse_why_member(const struct copse_model *model, const struct copse_session *session,
                 const struct copse_member *member, uint64_t now_s, struct copse_why *out) {
  const struct copse_planned_tree *own = copse_session_rooted(session, member->record.pop);
  const struct copse_planned_tree *feeding = feeding_tree(session);
  bool sends = member->record.seed || (copse_member_complete(member) && member->progress.in_bps > 0);

  begin(out);
  add_member_numbers(session, member, out);
  if (!sends && copse_member_complete(member))
    say(out, COPSE_WHY_DONE, "it has all %u blocks and sends none", copse_session_blocks(session));
  else if (member->record.direct)
    say(out, COPSE_WHY_NO_TREE, "it joined without the CDN: peers serve it directly");
  else if (member->progress_revision != 0 && member->progress.unproven)
    say(out, COPSE_WHY_UNPROVEN, "%s has no proof of its address: nothing is sent to it or taken from it",
        member->record.pop);
  else if (sends && own != NULL)
    adopt(model, session, own, now_s, out);
  else if (feeding == NULL)
    say(out, COPSE_WHY_NO_TREE, "the session has no trees: peers serve each other directly");
  else if (!is_at_last_hop(member, out) && !loses_last(member, out))
    adopt(model, session, feeding, now_s, out);
}

/* ---- the view ---- */

static void
answer(const char *kind, const char *id, const struct copse_session *session, struct copse_why *why,
       struct copse_answer *out) {
  json_t *body = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "id", id, "kind", kind, "session", session->id, "verdict",
                           copse_verdict_name(why->verdict), "text", why->text, "numbers", why->numbers);

  if (body != NULL && why->tree != NULL)
    json_object_set_new(body, "tree", json_string(why->tree));
  out->status = 200;
  out->body = body;
  if (body == NULL)
    copse_answer_fail(out, 503, NULL, "no memory");
}

void
copse_view_why(struct copse_control *control, const struct copse_query *query, struct copse_answer *out) {
  const struct copse_model *model = &control->model;
  uint64_t now_s = copse_control_wall() / 1000;
  struct copse_why why;

  copse_control_refresh(control);
  for (size_t i = 0; i < model->sessions.count; i++) {
    const struct copse_session *session = model->sessions.items[i];
    const struct copse_member *member = copse_session_member(session, query->name);
    const struct copse_planned_tree *tree = copse_session_tree(session, query->name);

    if (session->revision == 0 || (member == NULL && tree == NULL))
      continue;
    if (member != NULL)
      copse_why_member(model, session, member, now_s, &why);
    else
      copse_why_tree(model, session, tree, now_s, &why);
    answer(member != NULL ? "peer" : "tree", query->name, session, &why, out);
    return;
  }
  copse_answer_fail(out, 404, NULL, "no peer and no tree has this id");
}
