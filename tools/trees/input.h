/* SPDX-License-Identifier: Apache-2.0 */
/* What copse-trees reads: a network, the areas of one session, optional limits. */
#ifndef COPSE_TREES_INPUT_H
#define COPSE_TREES_INPUT_H

#include "trees/topology.h"

/* Starts as zeros. */
struct copse_trees_input {
  struct copse_topology topology;
  struct copse_area *areas; /* in configuration order; each owns its uplinks */
  size_t area_count;
  struct copse_shape shape;
};

/* 0, or a negative errno with `file:line: sentence`; free the input in any case. */
int copse_trees_input_read(const char *path, struct copse_trees_input *input, struct copse_error *error);
/* The same from memory. */
int copse_trees_input_text(const char *name, const char *text, struct copse_trees_input *input,
                           struct copse_error *error);
void copse_trees_input_free(struct copse_trees_input *input);

#endif
