/* SPDX-License-Identifier: Apache-2.0 */
/* Between desire.c, labels.c and leave.c. */
#ifndef COPSE_DESIRE_H
#define COPSE_DESIRE_H

#include "plan.h"
#include "state.h"

#define BATCH_BYTES (8U << 20) /* a batch gets no larger than about this; the rest comes with the next */
#define DRAIN_MS 400           /* between what a root does to its tree and where it is felt below */

struct copse_walk {
  struct copse_control *control;
  struct copse_nodes *nodes;
  struct copse_shadow *shadow;
  uint64_t now_ms;
  struct copse_api_hop *hops;                /* of the tree at hand */
  bool *unwanted;                            /* by hop, see shadow.h */
  struct copse_branch *branches;             /* by edge */
  const struct copse_installed *here, *root; /* its label records here and at its root; null: none */
  struct copse_transaction labels;           /* what becomes of label records here */
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

/* Label records here of trees that are not in the table any more go. */
void copse_labels_strike(struct copse_walk *walk);
/* Notes what is to be in the label record of the tree at hand, which the dataplane has confirmed. */
void copse_labels_note(struct copse_walk *walk, const struct copse_session *session,
                       const struct copse_planned_tree *planned, struct copse_shadow_tree *tree);
/* Writes what has been noted. */
void copse_labels_commit(struct copse_walk *walk);
/* The child that an edge from here leads to is sent nothing; `tree` is what the table has, null: nothing yet. */
bool copse_labels_close(const struct copse_walk *walk, const struct copse_planned_tree *planned, size_t edge,
                        const struct copse_shadow_tree *tree);
/* What the root lists is known, so that what it charges may change. */
bool copse_labels_settled(const struct copse_walk *walk, const struct copse_shadow_tree *tree);
/* The record lists the PoP as quiet. */
bool copse_label_lists(const struct copse_installed *installed, const char *pop);

/* Finds the trees here that no plan wants and lets those go that may. */
void copse_leave_trees(struct copse_walk *walk);
/* Takes what goes out of what stays, then out of the table. */
void copse_leave_objects(struct copse_walk *walk);

#endif
