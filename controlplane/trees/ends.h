/* SPDX-License-Identifier: Apache-2.0 */
/* The arcs of a network by their ends. */
#ifndef COPSE_ENDS_H
#define COPSE_ENDS_H

#include <copse/trees.h>

#define COPSE_NO_ARC UINT32_MAX

struct copse_ends {
  uint32_t pops;
  const struct copse_arc *arcs; /* of the network */
  size_t *begin;                /* of each PoP's part of `order`; [pops] is the end of the last */
  uint32_t *order;              /* arcs by `from`, then `to` */
};

/* False when memory is short; free it in any case. */
bool copse_ends_create(struct copse_ends *ends, const struct copse_network *network);
void copse_ends_free(struct copse_ends *ends);
/* The arc between two PoPs of the network, COPSE_NO_ARC if there is none. */
uint32_t copse_ends_find(const struct copse_ends *ends, uint32_t from, uint32_t to);

#endif
