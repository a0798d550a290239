/* SPDX-License-Identifier: Apache-2.0 */
/* A plan for programs (JSON) and for the eye (graphviz). */
#ifndef COPSE_TREES_OUTPUT_H
#define COPSE_TREES_OUTPUT_H

#include "input.h"

/* One line per tree and per link. -ENOMEM. */
int copse_plan_print_json(const struct copse_trees_input *input, const struct copse_plan *plan,
                          const struct copse_bound *bound, FILE *out);
/* A digraph: one colour per tree, that of the frame of its root. */
void copse_plan_print_dot(const struct copse_trees_input *input, const struct copse_plan *plan,
                          const struct copse_bound *bound, FILE *out);
/* What is missing to the bound, as a share of it. */
static inline double
copse_gap(const struct copse_bound *bound) {
  return bound->rate_bps > 0 ? 1 - (double)bound->least_bps / (double)bound->rate_bps : 0;
}

#endif
