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

  *residual =
    (struct copse_residual){.begin = calloc(network->pops + 1UL, sizeof(*residual->begin)),
                            .arcs = malloc((network->arc_count + 1) * sizeof(*residual->arcs)),
                            .joined = calloc(network->pops + 1UL, sizeof(*residual->joined)),
                            .moves = malloc((network->pops + 1UL) * COPSE_RESIDUAL_MOVES * sizeof(*residual->moves)),
                            .move_counts = calloc(network->pops + 1UL, sizeof(*residual->move_counts))};
  if (!residual->begin || !residual->arcs || !residual->joined || !residual->moves || !residual->move_counts)
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
  free(residual->arcs);
  free(residual->joined);
  free(residual->moves);
  free(residual->move_counts);
}

void
copse_residual_join(struct copse_residual *residual, const struct copse_network *network, const uint64_t *reserved_bps,
                    uint32_t pop) {
  struct copse_residual_arc *arcs = residual->arcs + residual->begin[pop];
  size_t count = residual->begin[pop + 1] - residual->begin[pop];

  if (residual->joined[pop])
    return;
  for (size_t i = 0; i < count; i++)
    arcs[i].bandwidth_bps = network->arcs[arcs[i].arc].bandwidth_bps - reserved_bps[arcs[i].arc];
  qsort(arcs, count, sizeof(*arcs), compare_arcs);
  residual->joined[pop] = true;
}

void
copse_residual_leave(struct copse_residual *residual, uint32_t pop) {
  residual->joined[pop] = false;
  residual->move_counts[pop] = 0;
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

static void
move(struct copse_residual *residual, uint32_t from, const struct copse_residual_move *change) {
  size_t index = copse_residual_find(residual, from, change->before_bps, change->to);
  size_t place = copse_residual_find(residual, from, change->after_bps, change->to);
  struct copse_residual_arc arc = residual->arcs[index];

  arc.bandwidth_bps = change->after_bps;
  if (place <= index) {
    memmove(&residual->arcs[place + 1], &residual->arcs[place], (index - place) * sizeof(arc));
  } else {
    place--; /* its own place is free */
    memmove(&residual->arcs[index], &residual->arcs[index + 1], (place - index) * sizeof(arc));
  }
  residual->arcs[place] = arc;
}

void
copse_residual_settle(struct copse_residual *residual, uint32_t pop) {
  const struct copse_residual_move *moves = &residual->moves[(size_t)pop * COPSE_RESIDUAL_MOVES];

  for (uint32_t i = 0; i < residual->move_counts[pop]; i++)
    move(residual, pop, &moves[i]);
  residual->move_counts[pop] = 0;
}

void
copse_residual_change(struct copse_residual *residual, uint32_t from, uint32_t to, uint64_t before_bps,
                      uint64_t after_bps) {
  if (!residual->joined[from])
    return;
  if (residual->move_counts[from] == COPSE_RESIDUAL_MOVES)
    copse_residual_settle(residual, from);
  residual->moves[(size_t)from * COPSE_RESIDUAL_MOVES + residual->move_counts[from]++] =
    (struct copse_residual_move){before_bps, after_bps, to};
}
