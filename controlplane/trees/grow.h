/* SPDX-License-Identifier: Apache-2.0 */
/* Grows one tree over V' from its root, in the order BuildTrees fixes. */
#ifndef COPSE_GROW_H
#define COPSE_GROW_H

#include "forest.h"

/* Adds edges, the network's arc of each in forest->arcs, until V' is covered or nothing more can be reached. Budgets
 * stay as they are. True if V' is covered: then tree->rate_bps is set. */
bool copse_grow_tree(struct copse_forest *forest, const struct copse_bounds *bounds, struct copse_built_tree *tree);

#endif
