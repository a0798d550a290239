/* SPDX-License-Identifier: Apache-2.0 */
/* A tree in branches, some without a parent, becomes a tree again. */
#ifndef COPSE_MENDING_H
#define COPSE_MENDING_H

#include "moving.h"

/* Forgets the branches, and starts with the root's. */
void copse_cut_none(struct copse_forest *forest);
/* What hangs from this PoP, and it, is a branch without a parent. */
void copse_cut(struct copse_forest *forest, uint32_t top);
/* A tree holds so much more of the inlet of `to`, or so much less. */
void copse_hold(struct copse_forest *forest, uint32_t inlet, uint32_t to, uint64_t rate_bps);
void copse_release(struct copse_forest *forest, uint32_t inlet, uint32_t to, uint64_t rate_bps);
void copse_release_edge(struct copse_forest *forest, struct copse_edge edge, uint64_t rate_bps);
/* Hangs all branches of the tree; its first `whole` edges are of the root's. Where the edge to the top of a branch was,
 * or is to be, it has one to that PoP that holds nothing. If some cannot be hung, the tree is felled. */
void copse_mend(struct copse_forest *forest, size_t tree, size_t whole);

#endif
