/* SPDX-License-Identifier: Apache-2.0 */
/* What fills accounts: contributions, each recorded once however often it is reported. */
#ifndef COPSE_CONTRIBUTION_H
#define COPSE_CONTRIBUTION_H

#include "account.h"

#define COPSE_CONTRIBUTION_KEY_BYTES 65
#define COPSE_CONTRIBUTION_NOTE_BYTES 129
/* A key is remembered for so long by the calendar; whoever reports again later contributes again. */
#define COPSE_CONTRIBUTION_KEEP_S (30 * 86400ULL)

struct copse_contribution {
  char key[COPSE_CONTRIBUTION_KEY_BYTES];   /* the reporter's: the same for each report of the same contribution */
  char note[COPSE_CONTRIBUTION_NOTE_BYTES]; /* for people: what was delivered, for whom */
  enum copse_book source;                   /* COPSE_BOOK_GRANTED or COPSE_BOOK_EARNED */
  uint64_t bytes;
};

/* Records it and moves its bytes to the account's credit in one transaction. 0, also when the same has been recorded
 * before; -EEXIST when the key stands for another, -ENOENT without such an account, -ERANGE when the account would hold
 * more than `limit` bytes, -EAGAIN when the account is too busy, errors of the store. `record` is the account after
 * it. */
int copse_contribute(struct copse_store *store, const char *account, const struct copse_contribution *contribution,
                     uint64_t limit, uint64_t at_s, struct copse_account_record *record);
/* Forgets keys recorded before `before_s`. Returns how many, or an error of the store. */
int copse_contributions_sweep(struct copse_store *store, uint64_t before_s);

#endif
