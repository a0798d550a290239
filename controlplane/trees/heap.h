/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes of a growing tree, the one to take the next child from first. */
#ifndef COPSE_HEAP_H
#define COPSE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Wide enough for sums and differences of 64-bit rates. */
typedef __int128 copse_balance;

struct copse_candidate {
  uint64_t width_bps;      /* of the arc it would add; the same for all where only the balance counts */
  copse_balance remaining; /* RemainedBW_u, bit/s */
  uint32_t depth, node;
};

struct copse_heap {
  struct copse_candidate *items; /* room for every node, owned by the user */
  size_t count;
};

/* Wider, then more left, then shallower, then earlier in the configuration. */
bool copse_candidate_before(const struct copse_candidate *a, const struct copse_candidate *b);

void copse_heap_push(struct copse_heap *heap, struct copse_candidate candidate);
void copse_heap_pop(struct copse_heap *heap);
/* The first is now this, which is not before what it was. */
void copse_heap_lower(struct copse_heap *heap, struct copse_candidate candidate);

#endif
