/* SPDX-License-Identifier: Apache-2.0 */
/* What is left of the arcs into each PoP from those of V': finds those that can carry a rate, however few of many they
 * are. */
#ifndef COPSE_INLETS_H
#define COPSE_INLETS_H

#include <copse/trees.h>

#define COPSE_NO_INLET UINT32_MAX

struct copse_inlet {
  uint64_t left_bps;
  uint32_t from, arc; /* of the network */
};

struct copse_inlets {
  uint32_t pops;
  size_t *begin;           /* of each PoP's part of `all`; [pops] is the end of the last */
  struct copse_inlet *all; /* by `to`, then `from` */
  uint64_t *most_bps;      /* that is left of any of a block: each PoP's part is in blocks of its own */
};

/* Nothing is left of any. False when memory is short; free it in any case. */
bool copse_inlets_create(struct copse_inlets *inlets, const struct copse_network *network);
void copse_inlets_free(struct copse_inlets *inlets);
/* The inlet between two PoPs of the network, COPSE_NO_INLET if there is none. */
uint32_t copse_inlets_at(const struct copse_inlets *inlets, uint32_t from, uint32_t to);
/* The inlet of the PoP `to` has this left. */
void copse_inlets_set(struct copse_inlets *inlets, uint32_t to, uint32_t inlet, uint64_t left_bps);
/* Finds inlets of the PoP that have so much left; at most `room` of them. Returns how many. */
size_t copse_inlets_find(const struct copse_inlets *inlets, uint32_t to, uint64_t rate_bps, uint32_t *found,
                         size_t room);

#endif
