/* SPDX-License-Identifier: Apache-2.0 */
/* An operator says that a PoP never returns: what only it could have cleared away goes, and what its trees had leased
 * is settled by the last count there is. Every transaction compares that the PoP is not there, so it is done once. */
#include "ledger.h"
#include "state.h"
#include <copse/log.h>
#include <errno.h>
#include <stdlib.h>

#define TRIES 16
#define CHANGES_MAX 64 /* in a transaction */

struct removal {
  struct copse_control *control;
  const char *pop;
  uint64_t trees, members, charged_bytes, returned_bytes;
};

/* What it has counted is charged as far as it said so; the rest returns. */
static int
settle(struct removal *removal, const struct copse_session *session, const struct copse_tree_ledger *ledger) {
  const struct copse_model *model = &removal->control->model;
  struct copse_ledger_change change;
  uint64_t charged, returned;
  int result;

  copse_ledger_begin(&change, session->id, ledger->id, ledger->record.root, ledger);
  copse_copy(change.absent, sizeof(change.absent), removal->pop);
  copse_ledger_settle(&change, model, change.record.counted_bytes);
  charged = change.record.charged_bytes - ledger->record.charged_bytes;
  returned = copse_tree_record_leased(&change.record);
  copse_ledger_return(&change, model);
  result = copse_ledger_commit(removal->control, &change);
  if (result == 0) {
    removal->trees++;
    removal->charged_bytes += charged;
    removal->returned_bytes += returned;
  }
  return result;
}

/* Backwards: a ledger that is settled is no longer in the set. */
static int
settle_all(struct removal *removal, struct copse_session *session) {
  int result = 0;

  for (size_t i = session->ledgers.count; i-- > 0 && result == 0;) {
    const struct copse_tree_ledger *ledger = session->ledgers.items[i];

    if (strcmp(ledger->record.root, removal->pop) == 0)
      result = settle(removal, session, ledger);
  }
  return result;
}

/* Changes something of the PoP, unless it is back; consumes the transaction. */
static int
transact(const struct removal *removal, struct copse_transaction *transaction) {
  copse_transaction_compare(transaction, 0, "/pops/%s", removal->pop);
  return copse_control_transact(removal->control, transaction);
}

/* Its members, label records and the area: as many as fit into the transaction. Returns how many members. */
static size_t
gather(const struct removal *removal, const struct copse_session *session, struct copse_transaction *transaction) {
  size_t members = 0;

  for (size_t i = 0; i < session->members.count && transaction->change_count < CHANGES_MAX; i++) {
    const struct copse_member *member = session->members.items[i];

    if (member->revision == 0 || strcmp(member->record.pop, removal->pop) != 0)
      continue;
    members++;
    copse_transaction_delete(transaction, "/sessions/%s/members/%s", session->id, member->id);
    copse_transaction_delete(transaction, "/sessions/%s/progress/%s", session->id, member->id);
  }
  for (size_t i = 0; i < session->installed.count && transaction->change_count < CHANGES_MAX; i++) {
    const struct copse_installed *installed = session->installed.items[i];

    if (strcmp(installed->pop, removal->pop) == 0)
      copse_transaction_delete(transaction, "/sessions/%s/labels/%s/%s", session->id, installed->tree, installed->pop);
  }
  if (copse_set_find(&session->areas, removal->pop) != NULL && transaction->change_count < CHANGES_MAX)
    copse_transaction_delete(transaction, "/sessions/%s/area/%s", session->id, removal->pop);
  return members;
}

/* Until nothing of it is left in the session. */
static int
clear(struct removal *removal, const char *id) {
  for (;;) {
    const struct copse_session *session = copse_set_find(&removal->control->model.sessions, id);
    struct copse_transaction transaction = {0};
    size_t members = session == NULL ? 0 : gather(removal, session, &transaction);
    int result;

    if (transaction.change_count == 0)
      return 0;
    result = transact(removal, &transaction);
    if (result < 0)
      return result;
    removal->members += members;
  }
}

/* A link to or from it that is still known, or null. */
static const struct copse_link *
next_link(const struct removal *removal) {
  const struct copse_set *links = &removal->control->model.links;

  for (size_t i = 0; i < links->count; i++) {
    const struct copse_link *link = links->items[i];

    if ((strcmp(link->from, removal->pop) == 0 || strcmp(link->to, removal->pop) == 0) &&
        (link->revision != 0 || link->measured_revision != 0 || link->stamp_revision != 0))
      return link;
  }
  return NULL;
}

/* Until no link begins or ends there. Who sells links of `from` compares /budgets/. Where a configuration still lists
 * one, its PoP puts it again at its next start. */
static int
forget_links(const struct removal *removal) {
  const struct copse_link *link;
  int result = 0;

  while (result >= 0 && (link = next_link(removal)) != NULL) {
    struct copse_transaction transaction = {0};

    copse_transaction_delete(&transaction, "/links/%s", link->name);
    copse_transaction_delete(&transaction, "/measured/%s", link->name);
    copse_transaction_delete(&transaction, "/stamp/%s", link->name);
    copse_transaction_put(&transaction, copse_json_take(json_string("operator")), "/budgets/%s", link->from);
    result = transact(removal, &transaction);
  }
  return result;
}

static bool
is_planned(const struct copse_session *session, const char *pop) {
  const struct copse_planned_tree *tree = copse_session_rooted(session, pop);

  return tree != NULL && tree->status == COPSE_TREE_OK;
}

/* -EBUSY: it lives, or a plan still has a tree of it; the answer says so. */
static int
remove_everywhere(struct removal *removal, struct copse_answer *answer) {
  const struct copse_model *model = &removal->control->model;
  int result = 0;

  copse_control_refresh(removal->control);
  if (copse_set_find(&model->pops, removal->pop) != NULL) {
    copse_answer_fail(answer, 409, NULL, "%s is there: end its control plane and its dataplane first", removal->pop);
    return -EBUSY;
  }
  for (size_t i = model->sessions.count; i-- > 0 && result == 0;) {
    struct copse_session *session = model->sessions.items[i];
    char id[COPSE_SESSION_BYTES];

    copse_copy(id, sizeof(id), session->id);
    if (is_planned(session, removal->pop)) {
      copse_answer_fail(answer, 409, NULL, "session %s still plans with a tree of %s: again in a moment", id,
                        removal->pop);
      return -EBUSY;
    }
    result = settle_all(removal, session);
    if (result == 0)
      result = clear(removal, id);
  }
  return result == 0 ? forget_links(removal) : result;
}

void
copse_pop_remove(struct copse_control *control, const char *pop, struct copse_answer *answer) {
  struct removal removal = {.control = control, .pop = pop};
  int result = -EAGAIN;

  for (int try = 0; try < TRIES && result == -EAGAIN; try++)
    result = remove_everywhere(&removal, answer);
  if (result == -EBUSY)
    return;
  if (result < 0) {
    copse_answer_fail(answer, 503, NULL, "not all of %s is removed: %s", pop, strerror(-result));
    return;
  }
  copse_log(COPSE_LOG_INFO, "%s is removed: %llu trees settled, %llu bytes charged, %llu returned", pop,
            (unsigned long long)removal.trees, (unsigned long long)removal.charged_bytes,
            (unsigned long long)removal.returned_bytes);
  answer->status = 200;
  answer->body = json_pack("{s:s, s:I, s:I, s:I, s:I}", "pop", pop, "trees", (json_int_t)removal.trees, "members",
                           (json_int_t)removal.members, "charged_bytes", (json_int_t)removal.charged_bytes,
                           "returned_bytes", (json_int_t)removal.returned_bytes);
  if (answer->body == NULL)
    copse_answer_fail(answer, 503, NULL, "no memory");
}
