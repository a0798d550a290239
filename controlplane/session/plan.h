/* SPDX-License-Identifier: Apache-2.0 */
/* From the members of a session to its trees: what the paper hands to the owner PoP. No clock, no I/O; carry_out.h
 * makes it so.
 *
 * The uplinks of an area are those of all its members: every peer that is admitted may send. C_i comes from the credit
 * of the accounts of the area's members, each counted once, and what its tree still holds of it; it is kept while it
 * is within a tenth of the exact value, so that spending does not move rates all the time. */
#ifndef COPSE_PLAN_H
#define COPSE_PLAN_H

#include "config.h"
#include "model.h"

/* Credit that is less than this cannot carry a block down any tree. */
#define COPSE_CREDIT_MIN_BYTES 65536

/* Makes the plan of a session from the model: trees whose root and edges are as before keep id, number and key. Without
 * members, or when the session is finished, a plan without trees. What need not change stays, unless `improve`: then
 * all trees may be others, if that gives a tree to an area that would have none (copse_forest_improve). -ENOMEM,
 * -EBADMSG when the verifier refuses it. */
int copse_plan_make(const struct copse_model *model, const struct copse_session *session,
                    const struct copse_control_config *config, bool improve, struct copse_plan_record *plan,
                    struct copse_error *error);

/* Lists the trees of the plan before that still hold links as leaving, and puts those in the place of new trees for
 * which there is no room beside them yet, so that old and new together are within the budgets; it is to be planned
 * again when they are gone. -ENOMEM. */
int copse_plan_switch(const struct copse_model *model, const struct copse_session *session,
                      struct copse_plan_record *plan);
/* A PoP that lives still has the tree installed. */
bool copse_tree_is_held(const struct copse_model *model, const struct copse_session *session, const char *tree);

/* A digest of what the plan is made of, but for other sessions' reservations unless a tree is infeasible: a plan whose
 * inputs did not change is not made again. */
void copse_plan_digest(const struct copse_model *model, const struct copse_session *session,
                       const struct copse_control_config *config, uint8_t digest[32]);

/* An edge of a tree and what is behind it. */
struct copse_branch {
  uint32_t parent; /* edge that leads to where it begins */
  bool wanted;     /* somebody behind it misses something */
  bool closed;     /* nothing passes: whoever asks copse_branches_reached says so */
  bool reached;
};
#define COPSE_BRANCH_OF_ROOT UINT32_MAX

/* Fills in `parent` and `wanted` for every edge of a tree, in their order. -ENOMEM. */
int copse_tree_branches(const struct copse_session *session, const struct copse_planned_tree *tree,
                        struct copse_branch *branches);
/* Finds what is reached from the root past no closed edge; returns how many edges. */
uint32_t copse_branches_reached(struct copse_branch *branches, size_t count);
/* An area has members in the session, and a control plane that lives. */
bool copse_area_alive(const struct copse_model *model, const struct copse_session *session, const char *pop);
/* An area is alive of which the plan knows nothing. */
bool copse_plan_behind(const struct copse_model *model, const struct copse_session *session);
/* The credit an area can still spend, bytes. */
uint64_t copse_area_credit(const struct copse_model *model, const struct copse_session *session, const char *pop);

#endif
