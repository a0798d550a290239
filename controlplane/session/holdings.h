/* SPDX-License-Identifier: Apache-2.0 */
/* What the trees of one session hold of links. Only one tree of a root carries at a time, so a root holds on a link
 * what the fastest of its trees there needs; a session holds what its roots do. */
#ifndef COPSE_HOLDINGS_H
#define COPSE_HOLDINGS_H

#include "model.h"

struct copse_held_tree {
  const struct copse_planned_tree *tree;
  uint64_t rate_bps;
};

struct copse_holdings {
  struct copse_set names;        /* of PoPs; their places there are their numbers */
  uint64_t *link_bps;            /* [from * names.count + to] */
  uint64_t *egress_bps;          /* by number: the sum over the links from there */
  struct copse_held_tree *trees; /* that were added, borrowed */
  size_t tree_count, tree_room;
  uint64_t *of_root; /* as link_bps, of the root at hand; zeros between calls */
  uint64_t *more;    /* by edge of the tree at hand */
};

/* Nothing is held yet. Knows the PoPs of the session's plan and of another, which may be null, and those on whose links
 * the store reserves something for it. -ENOMEM; to be freed all the same. */
int copse_holdings_create(struct copse_holdings *holdings, const struct copse_model *model,
                          const struct copse_session *session, const struct copse_plan_record *plan);
void copse_holdings_free(struct copse_holdings *holdings);

/* What each edge of the tree needs at this rate in addition to what its root holds; valid until the next call. */
const uint64_t *copse_holdings_more(struct copse_holdings *holdings, const struct copse_planned_tree *tree,
                                    uint64_t rate_bps);
/* Adds the tree, of one of the plans it was created for, which must last as long. */
void copse_holdings_add(struct copse_holdings *holdings, const struct copse_planned_tree *tree, uint64_t rate_bps);
/* Adds all trees of a plan, and those that are leaving. */
void copse_holdings_add_plan(struct copse_holdings *holdings, const struct copse_plan_record *plan);

/* SIZE_MAX: no such PoP. */
size_t copse_holdings_number(const struct copse_holdings *holdings, const char *pop);
/* Of a link, and of all links from a PoP, by names. */
uint64_t copse_holdings_link(const struct copse_holdings *holdings, const char *from, const char *to);
uint64_t copse_holdings_egress(const struct copse_holdings *holdings, const char *from);

#endif
