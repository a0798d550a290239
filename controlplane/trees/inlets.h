/* SPDX-License-Identifier: Apache-2.0 */
/* What is left of the arcs into each PoP: finds those that can carry a rate, however few of many they are. */
#ifndef COPSE_INLETS_H
#define COPSE_INLETS_H

#include <copse/trees.h>

struct copse_inlets {
  size_t *begin;      /* of each PoP's part of `arcs` and `left_bps`; [pops] is the end of the last */
  uint32_t *arcs;     /* of the network, by `to` */
  uint32_t *places;   /* of each arc of the network in its PoP's part */
  uint64_t *left_bps; /* of each arc, by `to` */
  uint64_t *most_bps; /* that is left of any arc of a block: each PoP's part is in blocks of its own */
};

/* As all arcs have all that is not reserved. False when memory is short; free it in any case. */
bool copse_inlets_create(struct copse_inlets *inlets, const struct copse_network *network,
                         const uint64_t *reserved_bps);
void copse_inlets_free(struct copse_inlets *inlets);
/* The arc into the PoP has this left. */
void copse_inlets_set(struct copse_inlets *inlets, uint32_t to, uint32_t arc, uint64_t left_bps);
/* Finds arcs into the PoP that have so much left; at most `room` of them. Returns how many. */
size_t copse_inlets_find(const struct copse_inlets *inlets, uint32_t to, uint64_t rate_bps, uint32_t *found,
                         size_t room);

#endif
