/* SPDX-License-Identifier: Apache-2.0 */
/* Which limit holds a tree or a peer now. A decision over the model alone: no clock, no I/O; `now_s` is the calendar's.
 *
 * What drops packets comes first: no tree, no credit, a full link, losses; then what is at its limit: the tree's rate,
 * the senders' uplinks. Of a peer its last hop is looked at before the tree that feeds it. What is at nine tenths of
 * its limit is held by it: token buckets run below their rate by their depth (see burst_us). */
#ifndef COPSE_WHY_H
#define COPSE_WHY_H

#include "stats.h"

enum copse_verdict {
  COPSE_WHY_NO_TREE,     /* the session has no tree for it; the plan's reason says why */
  COPSE_WHY_INSTALLING,  /* not all PoPs have installed the tree yet */
  COPSE_WHY_CREDIT,      /* packets are dropped for lack of allowance, or there is no credit for a tree */
  COPSE_WHY_LINK_BUDGET, /* a link on its way is full, or had no room for it */
  COPSE_WHY_LOSS,        /* packets are lost on the way */
  COPSE_WHY_TREE_RATE,   /* at the rate that was planned */
  COPSE_WHY_UPLINK,      /* its senders send all they can */
  COPSE_WHY_IDLE,        /* nothing is sent */
  COPSE_WHY_SENDER,      /* its senders send less than they could */
  COPSE_WHY_LAST_HOP,    /* the peer gets all its downlink carries */
  COPSE_WHY_UNPROVEN,    /* the peer has not proven its address */
  COPSE_WHY_DONE,        /* the peer has everything */
};

#define COPSE_WHY_TEXT_BYTES 320
struct copse_why {
  enum copse_verdict verdict;
  char text[COPSE_WHY_TEXT_BYTES]; /* one sentence, with the numbers */
  json_t *numbers;                 /* that led to it; owned by the receiver */
  const char *tree;                /* that was looked at; null if none */
};

const char *copse_verdict_name(enum copse_verdict verdict);
void copse_why_tree(const struct copse_model *model, const struct copse_session *session,
                    const struct copse_planned_tree *tree, uint64_t now_s, struct copse_why *out);
void copse_why_member(const struct copse_model *model, const struct copse_session *session,
                      const struct copse_member *member, uint64_t now_s, struct copse_why *out);

#endif
