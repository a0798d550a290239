/* SPDX-License-Identifier: Apache-2.0 */
/* Between desire.c and leave.c. */
#ifndef COPSE_DESIRE_H
#define COPSE_DESIRE_H

#include "plan.h"
#include "state.h"

#define BATCH_BYTES (8U << 20) /* a batch gets no larger than about this; the rest comes with the next */

struct copse_walk {
  struct copse_control *control;
  struct copse_nodes *nodes;
  struct copse_shadow *shadow;
  uint64_t now_ms;
  struct copse_api_hop *hops; /* of the tree at hand */
  bool *unwanted;             /* by hop, see shadow.h */
  uint32_t *behind;           /* by edge, see copse_tree_branches */
};

static inline bool
is_here(const struct copse_walk *walk, const char *pop) {
  return strcmp(pop, walk->control->config->pop) == 0;
}

static inline bool
is_full(const struct copse_walk *walk) {
  return walk->nodes->operations.length >= BATCH_BYTES;
}

/* A tree that may carry something now. */
static inline bool
has_allowance(const struct copse_shadow_tree *tree) {
  return tree->allowance_bytes > 0 || tree->set.charged_edges == 0;
}

/* Finds the trees here that no plan wants and lets those go that may. */
void copse_leave_trees(struct copse_walk *walk);
/* Takes what goes out of what stays, then out of the table. */
void copse_leave_objects(struct copse_walk *walk);

#endif
