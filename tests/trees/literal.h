/* SPDX-License-Identifier: Apache-2.0 */
/* Algorithm 1 of the paper as it is printed, to be measured against. */
#ifndef COPSE_TEST_LITERAL_H
#define COPSE_TEST_LITERAL_H

#include <copse/trees.h>

/* Trees for the first `tree_count` areas, which are in the order of line 3 already, one peer each. Lines 4 to 22 as
 * they are, but that a tree for which line 10 finds no edge is given up: as printed it would never end. Returns the
 * number of edges of all trees, so that there is a result; 0 when memory is short. */
size_t literal_build(const struct copse_network *network, const struct copse_area *areas, size_t area_count,
                     size_t tree_count);

#endif
