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

bool
copse_ledger_adopt(struct copse_ledger_change *change, uint64_t instance) {
  if (change->record.instance == instance)
    return false;
  change->record.instance = instance;
  change->record.base_bytes = change->record.granted_bytes;
  return change->record.granted_bytes > 0;
}

/* The account as this change leaves it so far; null when there is no such account (any more), or too many. */
static struct copse_account_record *
account_of(struct copse_ledger_change *change, const struct copse_account *account) {
  if (account == NULL)
    return NULL;
  for (size_t i = 0; i < change->account_count; i++)
    if (change->accounts[i].account == account)
      return &change->accounts[i].record;
  if (change->account_count == COPSE_GRANTS_MAX + 1)
    return NULL;
  change->accounts[change->account_count] = (struct copse_ledger_account){account, account->record};
  return &change->accounts[change->account_count++].record;
}

bool
copse_ledger_lease(struct copse_ledger_change *change, const struct copse_account *account, uint64_t bytes) {
  struct copse_tree_record *record = &change->record;
  struct copse_grant *last = record->grant_count == 0 ? NULL : &record->grants[record->grant_count - 1];
  struct copse_account_record *from = account_of(change, account);

  if (from == NULL)
    return false;
  if (last == NULL || strcmp(last->account, account->name) != 0) {
    if (record->grant_count == COPSE_GRANTS_MAX)
      return false;
    last = &record->grants[record->grant_count++];
    *last = (struct copse_grant){.bytes = 0};
    snprintf(last->account, sizeof(last->account), "%s", account->name);
  }
  if (bytes > from->credit_bytes)
    bytes = from->credit_bytes;
  from->credit_bytes -= bytes;
  from->leased_bytes += bytes;
  last->bytes += bytes;
  record->granted_bytes += bytes;
  return true;
}

/* Takes bytes out of a grant: back to credit, or spent. */
static void
reduce(struct copse_ledger_change *change, const struct copse_model *model, struct copse_grant *grant, uint64_t bytes,
       bool give_back) {
  struct copse_account_record *account = account_of(change, copse_set_find(&model->accounts, grant->account));

  grant->bytes -= bytes;
  if (account == NULL)
    return;
  account->leased_bytes -= bytes < account->leased_bytes ? bytes : account->leased_bytes;
  if (give_back)
    account->credit_bytes += bytes;
}

static void
drop_empty_grants(struct copse_tree_record *record) {
  size_t kept = 0;

  for (size_t i = 0; i < record->grant_count; i++)
    if (record->grants[i].bytes > 0)
      record->grants[kept++] = record->grants[i];
  record->grant_count = kept;
}

void
copse_ledger_settle(struct copse_ledger_change *change, const struct copse_model *model, uint64_t charged_bytes) {
  struct copse_tree_record *record = &change->record;
  uint64_t left;

  if (charged_bytes > record->granted_bytes)
    charged_bytes = record->granted_bytes;
  left = charged_bytes > record->charged_bytes ? charged_bytes - record->charged_bytes : 0;
  record->charged_bytes += left;
  for (size_t i = 0; i < record->grant_count && left > 0; i++) {
    uint64_t bytes = left < record->grants[i].bytes ? left : record->grants[i].bytes;

    reduce(change, model, &record->grants[i], bytes, false);
    left -= bytes;
  }
  drop_empty_grants(record);
}

void
copse_ledger_return(struct copse_ledger_change *change, const struct copse_model *model) {
  struct copse_tree_record *record = &change->record;

  for (size_t i = 0; i < record->grant_count; i++)
    reduce(change, model, &record->grants[i], record->grants[i].bytes, true);
  drop_empty_grants(record);
  change->close = true;
}

#define KEY_BYTES (sizeof("/sessions//trees/") + COPSE_SESSION_BYTES + COPSE_ACCOUNT_BYTES)

int
copse_ledger_commit(struct copse_control *control, const struct copse_ledger_change *change) {
  struct copse_compare compares[COPSE_GRANTS_MAX + 2];
  struct copse_change changes[COPSE_GRANTS_MAX + 2];
  char keys[COPSE_GRANTS_MAX + 2][KEY_BYTES];
  size_t count = change->account_count + 1;
  int result = 0;

  for (size_t i = 0; i < change->account_count; i++) {
    snprintf(keys[i], KEY_BYTES, "/accounts/%s", change->accounts[i].account->name);
    compares[i] = (struct copse_compare){.key = keys[i], .revision = change->accounts[i].account->revision};
    changes[i] = (struct copse_change){.kind = COPSE_CHANGE_PUT,
                                       .key = keys[i],
                                       .value = copse_json_take(copse_account_write(&change->accounts[i].record))};
  }
  snprintf(keys[count - 1], KEY_BYTES, "/sessions/%s/trees/%s", change->session, change->tree);
  compares[count - 1] = (struct copse_compare){.key = keys[count - 1], .revision = change->revision};
  changes[count - 1] =
    (struct copse_change){.kind = change->close ? COPSE_CHANGE_DELETE : COPSE_CHANGE_PUT,
                          .key = keys[count - 1],
                          .value = change->close ? NULL : copse_json_take(copse_tree_record_write(&change->record))};
  for (size_t i = 0; i < count; i++)
    if (changes[i].kind == COPSE_CHANGE_PUT && changes[i].value == NULL)
      result = -ENOMEM;
  if (result == 0)
    result = copse_control_commit(control, compares, count, changes, count);
  for (size_t i = 0; i < count; i++)
    free((void *)changes[i].value);
  return result;
}
