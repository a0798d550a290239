/* SPDX-License-Identifier: Apache-2.0 */
#include "residual.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int
compare_arcs(const void *a, const void *b) {
  const struct copse_residual_arc *left = a, *right = b;

  if (left->bandwidth_bps != right->bandwidth_bps)
    return left->bandwidth_bps < right->bandwidth_bps ? -1 : 1;
  return (left->to > right->to) - (left->to < right->to);
}

int
copse_residual_create(struct copse_residual *residual, const struct copse_network *network, const bool *member) {
  const struct copse_arc *arcs = network->arcs;
  size_t *next = calloc(network->pops + 1, sizeof(*next)), used = 0;

  residual->begin = calloc(network->pops + 1, sizeof(*residual->begin));
  residual->arcs = malloc((network->arc_count + 1) * sizeof(*residual->arcs));
  if (!next || !residual->begin || !residual->arcs) {
    free(next);
    return -ENOMEM;
  }
  for (size_t i = 0; i < network->arc_count; i++)
    if (member[arcs[i].from] && member[arcs[i].to])
      residual->begin[arcs[i].from]++;
  for (uint32_t pop = 0; pop <= network->pops; pop++) {
    size_t count = residual->begin[pop];
    residual->begin[pop] = next[pop] = used;
    used += count;
  }
  for (size_t i = 0; i < network->arc_count; i++)
    if (member[arcs[i].from] && member[arcs[i].to])
      residual->arcs[next[arcs[i].from]++] =
        (struct copse_residual_arc){arcs[i].bandwidth_bps, arcs[i].to, (uint32_t)i};
  for (uint32_t pop = 0; pop < network->pops; pop++)
    qsort(residual->arcs + residual->begin[pop], residual->begin[pop + 1] - residual->begin[pop],
          sizeof(*residual->arcs), compare_arcs);
  free(next);
  return 0;
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
