/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger.h"
#include "state.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

void
copse_ledger_begin(struct copse_ledger_change *change, const char *session, const char *tree, const char *root,
                   const struct copse_tree_ledger *ledger) {
  *change = (struct copse_ledger_change){0};
  snprintf(change->session, sizeof(change->session), "%s", session);
  snprintf(change->tree, sizeof(change->tree), "%s", tree);
  if (ledger != NULL) {
    change->revision = ledger->revision;
    change->record = ledger->record;
  }
  snprintf(change->record.root, sizeof(change->record.root), "%s", root);
}

void
copse_ledger_adopt(struct copse_ledger_change *change, uint64_t instance) {
  struct copse_tree_record *record = &change->record;

  record->instance = instance;
  record->base_bytes = record->charged_bytes + record->lost_bytes;
  record->counted_bytes = 0;
}

/* The account as this change leaves it so far; null when there is no such account (any more), or too many. */
static struct copse_account_change *
account_of(struct copse_ledger_change *change, const struct copse_account *account) {
  if (account == NULL)
    return NULL;
  for (size_t i = 0; i < change->account_count; i++)
    if (strcmp(change->accounts[i].name, account->name) == 0)
      return &change->accounts[i];
  if (change->account_count == COPSE_LEDGER_ACCOUNTS)
    return NULL;
  copse_account_begin(&change->accounts[change->account_count], account->name, account->revision, &account->record);
  return &change->accounts[change->account_count++];
}

bool
copse_ledger_lease(struct copse_ledger_change *change, const struct copse_account *account, uint64_t bytes) {
  struct copse_tree_record *record = &change->record;
  struct copse_grant *last = record->grant_count == 0 ? NULL : &record->grants[record->grant_count - 1];
  struct copse_account_change *from = account_of(change, account);

  if (from == NULL)
    return false;
  if (last == NULL || strcmp(last->account, account->name) != 0) {
    if (record->grant_count == COPSE_GRANTS_MAX)
      return false;
    last = &record->grants[record->grant_count++];
    *last = (struct copse_grant){.bytes = 0};
    snprintf(last->account, sizeof(last->account), "%s", account->name);
  }
  bytes = copse_account_move(from, COPSE_BOOK_CREDIT, COPSE_BOOK_LEASED, bytes);
  last->bytes += bytes;
  record->granted_bytes += bytes;
  return true;
}

/* Moves up to `bytes` of the grants, the oldest first, from leased to another book of their accounts; those without
 * grants left are dropped. Returns how many. */
static uint64_t
take_grants(struct copse_ledger_change *change, const struct copse_model *model, enum copse_book to, uint64_t bytes) {
  struct copse_tree_record *record = &change->record;
  uint64_t left = bytes;
  size_t kept = 0;

  for (size_t i = 0; i < record->grant_count; i++) {
    struct copse_grant *grant = &record->grants[i];
    struct copse_account_change *account = account_of(change, copse_set_find(&model->accounts, grant->account));
    uint64_t part = left < grant->bytes ? left : grant->bytes;

    grant->bytes -= part;
    left -= part;
    if (account != NULL)
      copse_account_move(account, COPSE_BOOK_LEASED, to, part);
    if (grant->bytes > 0)
      record->grants[kept++] = *grant;
  }
  record->grant_count = kept;
  return bytes - left;
}

void
copse_ledger_settle(struct copse_ledger_change *change, const struct copse_model *model, uint64_t charged_bytes) {
  struct copse_tree_record *record = &change->record;
  uint64_t settled = record->charged_bytes + record->lost_bytes - record->base_bytes;

  record->counted_bytes = charged_bytes;
  if (charged_bytes > settled)
    record->charged_bytes += take_grants(change, model, COPSE_BOOK_CHARGED, charged_bytes - settled);
}

void
copse_ledger_lose(struct copse_ledger_change *change, const struct copse_model *model) {
  change->record.lost_bytes += take_grants(change, model, COPSE_BOOK_LOST, UINT64_MAX);
}

void
copse_ledger_return(struct copse_ledger_change *change, const struct copse_model *model) {
  change->record.granted_bytes -= take_grants(change, model, COPSE_BOOK_CREDIT, UINT64_MAX);
  change->close = true;
}

int
copse_ledger_commit(struct copse_control *control, struct copse_ledger_change *change) {
  json_t *why =
    json_pack("{s:s, s:s, s:s}", "session", change->session, "tree", change->tree, "root", change->record.root);
  struct copse_transaction transaction = {0};

  for (size_t i = 0; i < change->account_count; i++)
    copse_account_finish(&change->accounts[i], why, copse_control_wall() / 1000, &transaction);
  json_decref(why);
  copse_transaction_compare(&transaction, change->revision, "/sessions/%s/trees/%s", change->session, change->tree);
  if (change->absent[0] != '\0')
    copse_transaction_compare(&transaction, 0, "/pops/%s", change->absent);
  if (change->close)
    copse_transaction_delete(&transaction, "/sessions/%s/trees/%s", change->session, change->tree);
  else
    copse_transaction_put(&transaction, copse_json_take(copse_tree_record_write(&change->record)),
                          "/sessions/%s/trees/%s", change->session, change->tree);
  return copse_control_transact(control, &transaction);
}
