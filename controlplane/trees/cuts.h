/* SPDX-License-Identifier: Apache-2.0 */
/* Where branches are cut so that a part of each can carry the rest. */
#ifndef COPSE_CUTS_H
#define COPSE_CUTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct copse_forest;

#define COPSE_NO_POP UINT32_MAX

/* All per PoP, but for `queue`. A PoP is wanted if it could carry another that is looked at, did it stand; then it, and
 * those above it in its branch, are looked at: it stands if one of them gets a parent. */
struct copse_cuts {
  bool *marked;    /* the branch is to be cut above it */
  bool *near;      /* one of few PoPs that stand could carry it */
  uint32_t *queue; /* PoPs that are looked at */
  uint32_t *child; /* of one that is wanted: whom it could carry */
  uint32_t *below; /* of one that is looked at: the wanted one that is below it, or is it */
};

/* False when memory is short; free it in any case. */
bool copse_cuts_create(struct copse_cuts *cuts, uint32_t pops);
void copse_cuts_free(struct copse_cuts *cuts);
/* Forgets all marks. The tree's places are known; its first `whole` edges are of the root's branch. */
void copse_cuts_start(struct copse_forest *forest, size_t tree, size_t whole);
/* Marks as few PoPs as need be of branches that do not stand for the top of one of them to get a parent: cut off, the
 * last of them can hang from a PoP that stands, each other from the part that the next one is the top of, and the top
 * from that of the first. False if there are none, whatever is cut: without limits of egress, depth and children, and
 * with less than COPSE_FEW_INLETS free links to every PoP, no tree of this rate exists then that has no edges but
 * these and free ones. */
bool copse_cuts_find(struct copse_forest *forest, size_t tree, uint32_t top);

#endif
