/* SPDX-License-Identifier: Apache-2.0 */
#include "heap.h"

bool
copse_candidate_before(const struct copse_candidate *a, const struct copse_candidate *b) {
  if (a->width_bps != b->width_bps)
    return a->width_bps > b->width_bps;
  if (a->remaining != b->remaining)
    return a->remaining > b->remaining;
  if (a->depth != b->depth)
    return a->depth < b->depth;
  return a->node < b->node;
}

void
copse_heap_push(struct copse_heap *heap, struct copse_candidate candidate) {
  size_t at = heap->count++;

  for (; at > 0; at = (at - 1) / 2) {
    const struct copse_candidate *parent = &heap->items[(at - 1) / 2];
    if (!copse_candidate_before(&candidate, parent))
      break;
    heap->items[at] = *parent;
  }
  heap->items[at] = candidate;
}

void
copse_heap_lower(struct copse_heap *heap, struct copse_candidate candidate) {
  size_t at = 0;

  for (;;) {
    size_t child = 2 * at + 1;
    if (child + 1 < heap->count && copse_candidate_before(&heap->items[child + 1], &heap->items[child]))
      child++;
    if (child >= heap->count || !copse_candidate_before(&heap->items[child], &candidate))
      break;
    heap->items[at] = heap->items[child];
    at = child;
  }
  heap->items[at] = candidate;
}

void
copse_heap_pop(struct copse_heap *heap) {
  struct copse_candidate last = heap->items[--heap->count];

  if (heap->count > 0)
    copse_heap_lower(heap, last);
}
