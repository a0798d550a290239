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

static bool
inside(const struct copse_arc *arc, const bool *member) {
  return member[arc->from] && member[arc->to];
}

struct copse_residual
copse_residual_create(const struct copse_network *network, const bool *member) {
  struct copse_residual residual = {.begin = calloc((size_t)network->pops + 1, sizeof(*residual.begin)),
                                    .arcs = calloc(network->arc_count + 1, sizeof(*residual.arcs))};
  size_t end = 0;

  if (!residual.begin || !residual.arcs) {
    copse_residual_free(&residual);
    return (struct copse_residual){0};
  }
  /* Ends first; putting an arc before the end of what is there makes them beginnings. */
  for (size_t i = 0; i < network->arc_count; i++)
    residual.begin[network->arcs[i].from] += inside(&network->arcs[i], member);
  for (uint32_t pop = 0; pop <= network->pops; pop++)
    end = residual.begin[pop] += end;
  for (size_t i = network->arc_count; i-- > 0;) {
    const struct copse_arc *arc = &network->arcs[i];
    if (inside(arc, member))
      residual.arcs[--residual.begin[arc->from]] =
        (struct copse_residual_arc){arc->bandwidth_bps, arc->to, (uint32_t)i};
  }
  for (uint32_t pop = 0; pop < network->pops; pop++)
    qsort(residual.arcs + residual.begin[pop], residual.begin[pop + 1] - residual.begin[pop], sizeof(*residual.arcs),
          compare_arcs);
  return residual;
}

void
copse_residual_free(struct copse_residual *residual) {
  free(residual->begin);
  free(residual->arcs);
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
copse_residual_take(struct copse_residual *residual, uint32_t from, size_t index, uint64_t rate_bps) {
  struct copse_residual_arc arc = residual->arcs[index];
  size_t place;

  arc.bandwidth_bps -= rate_bps;
  place = copse_residual_find(residual, from, arc.bandwidth_bps, arc.to);
  memmove(&residual->arcs[place + 1], &residual->arcs[place], (index - place) * sizeof(arc));
  residual->arcs[place] = arc;
}
