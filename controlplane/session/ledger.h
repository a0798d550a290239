/* SPDX-License-Identifier: Apache-2.0 */
/* One change of a tree's ledger together with the accounts it touches: a transaction in the making. Bytes move between
 * an account's credit, its leased bytes and "charged"; none appear or vanish. */
#ifndef COPSE_LEDGER_H
#define COPSE_LEDGER_H

#include "model.h"

struct copse_control;

struct copse_ledger_account {
  const struct copse_account *account; /* as it is in the model */
  struct copse_account_record record;  /* as it is to be */
};

struct copse_ledger_change {
  char session[COPSE_SESSION_BYTES], tree[COPSE_ID_BYTES];
  uint64_t revision; /* of the ledger, 0: it is new */
  struct copse_tree_record record;
  bool close; /* the ledger is to be deleted */
  struct copse_ledger_account accounts[COPSE_GRANTS_MAX + 1];
  size_t account_count;
};

/* Starts from what is there; `ledger` null: from an empty one. */
void copse_ledger_begin(struct copse_ledger_change *change, const char *session, const char *tree, const char *root,
                        const struct copse_tree_ledger *ledger);
/* The tree lives in this life of the dataplane, where it has been charged nothing yet; true when that is news. What was
 * granted in the life before is to be settled as charged. */
bool copse_ledger_adopt(struct copse_ledger_change *change, uint64_t instance);
/* Moves bytes from the account's credit to the tree, as many as there are up to `bytes`; false when there is no room
 * for another grant. */
bool copse_ledger_lease(struct copse_ledger_change *change, const struct copse_account *account, uint64_t bytes);
/* `charged_bytes` in all (at most what is granted) are spent: the oldest grants shrink, and with them leased bytes. */
void copse_ledger_settle(struct copse_ledger_change *change, const struct copse_model *model, uint64_t charged_bytes);
/* Gives what is left of all grants back to their accounts and closes the ledger. */
void copse_ledger_return(struct copse_ledger_change *change, const struct copse_model *model);
/* -EAGAIN when an account or the ledger has changed meanwhile: begin again from the model. */
int copse_ledger_commit(struct copse_control *control, const struct copse_ledger_change *change);

#endif
