/* SPDX-License-Identifier: Apache-2.0 */
#include "residual.h"
#include <stdlib.h>
#include <string.h>

static int
compare_arcs(const void *a, const void *b) {
  const struct copse_residual_arc *left = a, *right = b;

  if (left->bandwidth_bps != right->bandwidth_bps)
    return left->bandwidth_bps < right->bandwidth_bps ? -1 : 1;
  return (left->to > right->to) - (left->to < right->to);
}

bool
copse_residual_create(struct copse_residual *residual, const struct copse_network *network) {
  size_t end = 0;

  *residual = (struct copse_residual){.begin = calloc(network->pops + 1UL, sizeof(*residual->begin)),
                                      .sorted = calloc(network->pops + 1UL, sizeof(*residual->sorted)),
                                      .arcs = malloc((network->arc_count + 1) * sizeof(*residual->arcs))};
  if (!residual->begin || !residual->sorted || !residual->arcs)
    return false;
  /* Ends first; putting an arc before the end of what is there makes them beginnings. */
  for (size_t i = 0; i < network->arc_count; i++)
    residual->begin[network->arcs[i].from]++;
  for (uint32_t pop = 0; pop <= network->pops; pop++)
    end = residual->begin[pop] += end;
  for (size_t i = network->arc_count; i-- > 0;) {
    const struct copse_arc *arc = &network->arcs[i];
    residual->arcs[--residual->begin[arc->from]] =
      (struct copse_residual_arc){arc->bandwidth_bps, arc->to, (uint32_t)i};
  }
  return true;
}

void
copse_residual_free(struct copse_residual *residual) {
  free(residual->begin);
  free(residual->sorted);
  free(residual->arcs);
}

void
copse_residual_sort(struct copse_residual *residual, uint32_t pop) {
  if (!residual->sorted[pop])
    qsort(residual->arcs + residual->begin[pop], residual->begin[pop + 1] - residual->begin[pop],
          sizeof(*residual->arcs), compare_arcs);
  residual->sorted[pop] = true;
}

size_t
copse_residual_find(const struct copse_residual *residual, uint32_t from, uint64_t bandwidth_bps, uint32_t to) {
  const struct copse_residual_arc key = {bandwidth_bps, to, 0};
  size_t low = residual->begin[from], high = residual->begin[from + 1];

  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (compare_arcs(&residual->arcs[middle], &key) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

void
copse_residual_change(struct copse_residual *residual, uint32_t from, uint32_t to, uint64_t before_bps,
                      uint64_t after_bps) {
  size_t index = copse_residual_find(residual, from, before_bps, to);
  size_t place = copse_residual_find(residual, from, after_bps, to);
  struct copse_residual_arc arc = residual->arcs[index];

  arc.bandwidth_bps = after_bps;
  if (place <= index) {
    memmove(&residual->arcs[place + 1], &residual->arcs[place], (index - place) * sizeof(arc));
  } else {
    place--; /* its own place is free */
    memmove(&residual->arcs[index], &residual->arcs[index + 1], (place - index) * sizeof(arc));
  }
  residual->arcs[place] = arc;
}
