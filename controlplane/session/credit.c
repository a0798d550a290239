/* SPDX-License-Identifier: Apache-2.0 */
/* Prepaid allowance of the trees rooted here. Bytes are taken from an account and granted to a tree in one transaction;
 * the dataplane carries no more than was granted, so nothing that fails can overspend.
 *
 * A dataplane that does not answer may still forward, so what it has been granted stays granted. Once another life
 * answers in its place it has ended, and its counters, if we had them mapped, are final: the rest of its grants goes on
 * in the new life. Without them nobody can say what was carried, and the grants count as lost: at most allowance_s
 * seconds of a tree. */
#include "ledger.h"
#include "plan.h"
#include "state.h"
#include <copse/log.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define PUBLISH_MS 1000

static uint64_t
instance_of(const struct copse_control *control) {
  return copse_dataplane_hello(control->dataplane)->instance;
}

/* What a former life of the dataplane has carried is charged if its last count is known; else its grants are lost. */
static void
end_former_life(const struct copse_control *control, struct copse_ledger_change *change) {
  const struct copse_final *final = copse_set_find(&control->nodes.finals, change->tree);

  if (final != NULL && final->instance == change->record.instance)
    copse_ledger_settle(change, &control->model, final->charged_bytes);
  else
    copse_ledger_lose(change, &control->model);
}

/* The instance's counters are final: remembers what its trees have charged until their ledgers take it. */
void
copse_credit_note_finals(struct copse_control *control, const struct copse_counters *former, uint64_t instance) {
  for (size_t i = 0; i < control->model.sessions.count; i++) {
    const struct copse_session *session = control->model.sessions.items[i];

    for (size_t j = 0; j < session->ledgers.count; j++) {
      const struct copse_tree_ledger *ledger = session->ledgers.items[j];
      const struct copse_shadow_tree *tree = copse_shadow_tree(&control->nodes.shadow, ledger->id);
      struct copse_tree_state state;
      struct copse_final *final;

      if (tree == NULL || ledger->record.instance != instance)
        continue;
      copse_counters_tree_state(former, tree->set.slot, &state);
      if (state.id != tree->set.id)
        continue;
      free(copse_set_remove(&control->nodes.finals, ledger->id));
      final = copse_set_make(&control->nodes.finals, ledger->id, sizeof(*final));
      if (final != NULL) {
        final->instance = instance;
        final->charged_bytes = state.charged_bytes;
      }
    }
  }
}

/* Commits; the last count of a former life has been used then. */
static int
commit(struct copse_control *control, struct copse_ledger_change *change) {
  int result = copse_ledger_commit(control, change);

  if (result == 0 && (change->close || change->record.instance == instance_of(control)))
    free(copse_set_remove(&control->nodes.finals, change->tree));
  return result;
}

/* What the tree has been charged in this life of the dataplane; false when its state is not visible. */
static bool
read_charged(const struct copse_control *control, const struct copse_shadow_tree *tree, uint64_t *charged) {
  struct copse_tree_state state;

  copse_counters_tree_state(copse_dataplane_counters(control->dataplane), tree->set.slot, &state);
  *charged = state.charged_bytes;
  return state.id == tree->set.id;
}

/* Notes that packets pass; a tree that is seen for the first time begins its idle time now. */
static void
watch_activity(const struct copse_control *control, struct copse_shadow_tree *tree,
               struct copse_tree_counters *counters, uint64_t now_ms) {
  copse_counters_tree(copse_dataplane_counters(control->dataplane), tree->set.slot, counters);
  if (tree->active_ms == 0 || counters->packets != tree->packets)
    tree->active_ms = now_ms;
  tree->packets = counters->packets;
  tree->bytes = counters->bytes;
}

/* The account of the area with the most credit; null when none has enough for a block. */
static const struct copse_account *
richest_account(const struct copse_control *control, const struct copse_session *session) {
  const struct copse_account *best = NULL;

  for (size_t i = 0; i < session->members.count; i++) {
    const struct copse_member *member = session->members.items[i];
    const struct copse_account *account = copse_set_find(&control->model.accounts, member->record.account);

    if (!copse_member_in_area(member, control->config->pop) || account == NULL ||
        account->record.bytes[COPSE_BOOK_CREDIT] < COPSE_CREDIT_MIN_BYTES)
      continue;
    if (best == NULL || account->record.bytes[COPSE_BOOK_CREDIT] > best->record.bytes[COPSE_BOOK_CREDIT])
      best = account;
  }
  return best;
}

/* Somebody here could send. */
static bool
has_source(const struct copse_control *control, const struct copse_session *session) {
  for (size_t i = 0; i < session->members.count; i++) {
    const struct copse_member *member = session->members.items[i];

    if (copse_member_in_area(member, control->config->pop) && copse_member_complete(member))
      return true;
  }
  return false;
}

/* Leases when less than half of what should be at hand is left, settles what was charged. */
static void
renew(struct copse_control *control, const struct copse_session *session, const struct copse_planned_tree *planned,
      const struct copse_shadow_tree *tree) {
  const struct copse_tree_ledger *ledger = copse_set_find(&session->ledgers, planned->id);
  struct copse_ledger_change change;
  const double edges = tree->set.charged_edges;
  uint64_t charged, granted, at_hand, full;
  bool settle;

  if (!read_charged(control, tree, &charged))
    return;
  copse_ledger_begin(&change, session->id, planned->id, planned->root, ledger);
  settle = change.record.instance != instance_of(control) && change.record.granted_bytes > 0;
  if (change.record.instance != instance_of(control)) {
    end_former_life(control, &change);
    copse_ledger_adopt(&change, instance_of(control));
  }
  granted = change.record.granted_bytes - change.record.base_bytes;
  full = (uint64_t)((double)planned->rate_bps / 8 * (edges > 0 ? edges : 1) * control->config->allowance_s);
  at_hand = granted > charged ? granted - charged : 0;
  if (at_hand < full / 2 && has_source(control, session)) {
    const struct copse_account *account = richest_account(control, session);

    if (account != NULL)
      settle |= copse_ledger_lease(&change, account, full - at_hand);
  }
  /* What is left of the last lease carries no block any more, and is not credit that would keep the tree. */
  settle |= at_hand < COPSE_CREDIT_MIN_BYTES &&
            charged > change.record.charged_bytes + change.record.lost_bytes - change.record.base_bytes;
  if (settle) {
    copse_ledger_settle(&change, &control->model, charged);
    commit(control, &change);
  }
}

/* Per second since `*before`, which becomes `now`; 0 for the first time. */
static uint64_t
rate(uint64_t *before, uint64_t now, uint64_t passed_ms, bool first) {
  uint64_t grown = first || now < *before ? 0 : now - *before;

  *before = now;
  return grown * 1000 / passed_ms;
}

/* Once a second, what the tree carries, for everybody to see. */
static void
publish(struct copse_control *control, const struct copse_session *session, struct copse_shadow_tree *tree,
        const struct copse_tree_counters *counters, uint64_t now_ms) {
  const struct copse_tree_ledger *ledger = copse_set_find(&session->ledgers, tree->id);
  struct copse_ledger_change change;
  uint64_t passed_ms = now_ms - tree->published_ms, bps, red_pps, unpaid_pps;
  bool first = tree->published_ms == 0;

  if (ledger == NULL || passed_ms < PUBLISH_MS)
    return;
  bps = 8 * rate(&tree->published_bytes, tree->bytes, passed_ms, first);
  red_pps = rate(&tree->published_red, counters->copy_drops[COPSE_DROP_RED], passed_ms, first);
  unpaid_pps = rate(&tree->published_unpaid, counters->copy_drops[COPSE_DROP_NO_ALLOWANCE], passed_ms, first);
  tree->published_ms = now_ms;
  if (ledger->record.packets == tree->packets && ledger->record.bps == bps && ledger->record.red_pps == red_pps &&
      ledger->record.unpaid_pps == unpaid_pps)
    return;
  copse_ledger_begin(&change, session->id, tree->id, ledger->record.root, ledger);
  if (ledger->record.instance == instance_of(control))
    read_charged(control, tree, &change.record.counted_bytes);
  change.record.bps = bps;
  change.record.red_pps = red_pps;
  change.record.unpaid_pps = unpaid_pps;
  change.record.packets = tree->packets;
  change.record.bytes = tree->bytes;
  copse_ledger_commit(control, &change);
}

/* A tree that carried nothing for long leaves the plan: the area says so, its owner draws the consequence. */
static void
idle_out(struct copse_control *control, const struct copse_session *session, const struct copse_shadow_tree *tree,
         uint64_t now_ms) {
  if ((double)(now_ms - tree->active_ms) < control->config->idle_s * 1000)
    return;
  if (copse_area_idle(control, session, true) == 0)
    copse_log(COPSE_LOG_INFO, "session %s: tree %s carried nothing for %.0f s", session->id, tree->id,
              control->config->idle_s);
}

static void
walk_session(struct copse_control *control, struct copse_session *session, uint64_t now_ms) {
  for (size_t i = 0; i < session->plan.tree_count; i++) {
    const struct copse_planned_tree *planned = &session->plan.trees[i];
    struct copse_shadow_tree *tree = copse_shadow_tree(&control->nodes.shadow, planned->id);
    struct copse_tree_counters counters;

    if (planned->status != COPSE_TREE_OK || tree == NULL || strcmp(planned->root, control->config->pop) != 0)
      continue;
    watch_activity(control, tree, &counters, now_ms);
    renew(control, session, planned, tree);
    publish(control, session, tree, &counters, now_ms);
    idle_out(control, session, tree, now_ms);
    return; /* one tree of a session is rooted here, and the plan may have changed under us */
  }
}

/* Ledgers of trees that are gone from the plan and from the dataplane: closed by whoever's they are. */
static void
close_remains(struct copse_control *control, struct copse_session *session) {
  for (size_t i = session->ledgers.count; i-- > 0;) {
    struct copse_tree_ledger *ledger = session->ledgers.items[i];

    if (strcmp(ledger->record.root, control->config->pop) == 0 && copse_session_tree(session, ledger->id) == NULL &&
        copse_shadow_tree(&control->nodes.shadow, ledger->id) == NULL)
      copse_credit_close(control, session, ledger, NULL);
  }
}

void
copse_credit_walk(struct copse_control *control, uint64_t now_ms) {
  for (size_t i = control->model.sessions.count; i-- > 0;) {
    walk_session(control, control->model.sessions.items[i], now_ms);
    close_remains(control, control->model.sessions.items[i]);
  }
}

void
copse_credit_push(struct copse_control *control) {
  for (size_t i = 0; i < control->model.sessions.count; i++) {
    const struct copse_session *session = control->model.sessions.items[i];
    const struct copse_planned_tree *planned = copse_session_rooted(session, control->config->pop);
    const struct copse_tree_ledger *ledger =
      planned == NULL || planned->status != COPSE_TREE_OK ? NULL : copse_set_find(&session->ledgers, planned->id);
    const struct copse_shadow_tree *tree =
      ledger == NULL ? NULL : copse_shadow_tree(&control->nodes.shadow, planned->id);
    uint64_t total = ledger == NULL ? 0 : ledger->record.granted_bytes - ledger->record.base_bytes;

    if (tree != NULL && !tree->removing && ledger->record.instance == instance_of(control) &&
        tree->allowance_bytes != total)
      copse_nodes_allowance(&control->nodes, tree->set.slot, total);
  }
}

bool
copse_credit_close(struct copse_control *control, struct copse_session *session, struct copse_tree_ledger *ledger,
                   const struct copse_shadow_tree *tree) {
  struct copse_ledger_change change;
  uint64_t charged;
  bool known = tree != NULL && ledger->record.instance == instance_of(control) && read_charged(control, tree, &charged);

  copse_ledger_begin(&change, session->id, ledger->id, ledger->record.root, ledger);
  if (known)
    copse_ledger_settle(&change, &control->model, charged);
  else
    end_former_life(control, &change);
  copse_ledger_return(&change, &control->model);
  return commit(control, &change) == 0;
}
