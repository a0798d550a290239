/* SPDX-License-Identifier: Apache-2.0 */
/* A plan takes effect: links are reserved for it, it is written, what it no longer needs is given back.
 *
 * What sessions hold of the links from a PoP is one key, `/reserved/U`, which whoever changes it compares. One
 * transaction has room for some such keys. A plan that changes more is carried out in parts: keys are raised to what
 * the plan before and this one need, each link to the more of the two; the plan is written together with the last of
 * the keys; the others are lowered to what it needs. So at every revision, whoever dies and whoever else plans,
 *
 *     what the plan in the store needs  <=  what is reserved for it,  and  all that is reserved  <=  budgets.
 *
 * All raise in the order of names: who finds something taken was overtaken by somebody who is further, so not all can
 * fail. Every part compares owner and plan; what an owner leaves behind, the next one settles. */
#ifndef COPSE_CARRY_OUT_H
#define COPSE_CARRY_OUT_H

#include "plan.h"
#include "state.h"

/* Replaces the session's plan by this one, with its reservations. `record`, if not null, replaces the session's own
 * record with it. -EAGAIN: the store has moved on; otherwise as copse_store_commit. On failure the plan before holds,
 * unless it is -ETIMEDOUT. What could not be given back is left to copse_reservations_settle: session->planning tells.
 * Refreshes the model: find the session again. */
int copse_plan_carry_out(struct copse_control *control, const char *session, const struct copse_plan_record *plan,
                         const json_t *record);
/* Gives back what is reserved for the session beyond its plan. Refreshes the model. */
int copse_reservations_settle(struct copse_control *control, const char *session);

#endif
