/* SPDX-License-Identifier: Apache-2.0 */
/* The areas of a session: who lives, and what they can spend. */
#include "plan.h"

bool
copse_area_alive(const struct copse_model *model, const struct copse_session *session, const char *pop) {
  if (copse_set_find(&model->pops, pop) == NULL)
    return false;
  for (size_t i = 0; i < session->members.count; i++) {
    if (copse_member_in_area(session->members.items[i], pop))
      return true;
  }
  return false;
}

bool
copse_plan_behind(const struct copse_model *model, const struct copse_session *session) {
  for (size_t i = 0; i < session->members.count; i++) {
    const struct copse_member *member = session->members.items[i];

    if (copse_member_in_area(member, member->record.pop) && copse_set_find(&model->pops, member->record.pop) != NULL &&
        copse_session_rooted(session, member->record.pop) == NULL)
      return true;
  }
  return false;
}

/* The first member of this area with this account. */
static bool
is_first_of_account(const struct copse_session *session, size_t index) {
  const struct copse_member *member = session->members.items[index];

  for (size_t i = 0; i < index; i++) {
    const struct copse_member *other = session->members.items[i];

    if (copse_member_in_area(other, member->record.pop) && strcmp(other->record.account, member->record.account) == 0)
      return false;
  }
  return true;
}

uint64_t
copse_area_credit(const struct copse_model *model, const struct copse_session *session, const char *pop) {
  uint64_t credit = 0;

  for (size_t i = 0; i < session->members.count; i++) {
    const struct copse_member *member = session->members.items[i];
    const struct copse_account *account = copse_set_find(&model->accounts, member->record.account);

    if (copse_member_in_area(member, pop) && account != NULL && is_first_of_account(session, i))
      credit += account->record.bytes[COPSE_BOOK_CREDIT];
  }
  for (size_t i = 0; i < session->ledgers.count; i++) {
    const struct copse_tree_ledger *ledger = session->ledgers.items[i];

    if (strcmp(ledger->record.root, pop) == 0)
      credit += copse_tree_record_leased(&ledger->record);
  }
  return credit < COPSE_CREDIT_MIN_BYTES ? 0 : credit;
}
