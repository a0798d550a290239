/* SPDX-License-Identifier: Apache-2.0 */
/* One change of a tree's ledger together with the accounts it touches: a transaction in the making. What a tree has
 * been granted is charged, lost, or still a grant of some account; what accounts have leased are these grants. */
#ifndef COPSE_LEDGER_H
#define COPSE_LEDGER_H

#include "model.h"

struct copse_control;

#define COPSE_LEDGER_ACCOUNTS (COPSE_GRANTS_MAX + 1)
struct copse_ledger_change {
  char session[COPSE_SESSION_BYTES], tree[COPSE_ID_BYTES];
  uint64_t revision; /* of the ledger, 0: it is new */
  struct copse_tree_record record;
  bool close;                    /* the ledger is to be deleted */
  char absent[COPSE_NAME_BYTES]; /* a PoP that must not be there, "": none */
  struct copse_account_change accounts[COPSE_LEDGER_ACCOUNTS];
  size_t account_count;
};

/* Starts from what is there; `ledger` null: from an empty one. */
void copse_ledger_begin(struct copse_ledger_change *change, const char *session, const char *tree, const char *root,
                        const struct copse_tree_ledger *ledger);
/* The tree lives in this life of the dataplane from now on, with the grants that are left: settle or lose those of the
 * life before first. */
void copse_ledger_adopt(struct copse_ledger_change *change, uint64_t instance);
/* Moves bytes from the account's credit to the tree, as many as there are up to `bytes`; false when there is no room
 * for another grant. */
bool copse_ledger_lease(struct copse_ledger_change *change, const struct copse_account *account, uint64_t bytes);
/* The dataplane has charged so much in this life (at most what is at hand there): the oldest grants shrink. */
void copse_ledger_settle(struct copse_ledger_change *change, const struct copse_model *model, uint64_t charged_bytes);
/* Nobody can say any more what became of the grants. */
void copse_ledger_lose(struct copse_ledger_change *change, const struct copse_model *model);
/* Gives what is left of all grants back to their accounts and closes the ledger. */
void copse_ledger_return(struct copse_ledger_change *change, const struct copse_model *model);
/* -EAGAIN when an account or the ledger has changed meanwhile: begin again from the model. */
int copse_ledger_commit(struct copse_control *control, struct copse_ledger_change *change);

#endif
