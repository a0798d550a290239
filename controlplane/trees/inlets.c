/* SPDX-License-Identifier: Apache-2.0 */
#include "inlets.h"
#include <stdlib.h>

#define BLOCK_ARCS 32

/* Of the PoP; those of the PoPs before it are fewer. */
static uint64_t *
blocks_of(const struct copse_inlets *inlets, uint32_t to) {
  return &inlets->most_bps[inlets->begin[to] / BLOCK_ARCS + to];
}

static uint64_t
most_of(const struct copse_inlets *inlets, uint32_t to, size_t block) {
  size_t begin = inlets->begin[to] + block * BLOCK_ARCS, end = begin + BLOCK_ARCS;
  uint64_t most_bps = 0;

  if (end > inlets->begin[to + 1])
    end = inlets->begin[to + 1];
  for (size_t i = begin; i < end; i++)
    most_bps = inlets->left_bps[i] > most_bps ? inlets->left_bps[i] : most_bps;
  return most_bps;
}

static void
fill(struct copse_inlets *inlets, const struct copse_network *network, const uint64_t *reserved_bps) {
  size_t end = 0;

  /* Ends first; putting an arc before the end of what is there makes them beginnings. */
  for (size_t i = 0; i < network->arc_count; i++)
    inlets->begin[network->arcs[i].to]++;
  for (uint32_t pop = 0; pop <= network->pops; pop++)
    end = inlets->begin[pop] += end;
  for (size_t i = network->arc_count; i-- > 0;)
    inlets->arcs[--inlets->begin[network->arcs[i].to]] = (uint32_t)i;
  for (uint32_t pop = 0; pop < network->pops; pop++) {
    size_t begin = inlets->begin[pop], count = inlets->begin[pop + 1] - begin;
    for (size_t i = 0; i < count; i++) {
      uint32_t arc = inlets->arcs[begin + i];
      inlets->places[arc] = (uint32_t)i;
      inlets->left_bps[begin + i] = network->arcs[arc].bandwidth_bps - reserved_bps[arc];
    }
    for (size_t block = 0; block * BLOCK_ARCS < count; block++)
      blocks_of(inlets, pop)[block] = most_of(inlets, pop, block);
  }
}

bool
copse_inlets_create(struct copse_inlets *inlets, const struct copse_network *network, const uint64_t *reserved_bps) {
  *inlets = (struct copse_inlets){
    .begin = calloc(network->pops + 1UL, sizeof(*inlets->begin)),
    .arcs = malloc((network->arc_count + 1) * sizeof(*inlets->arcs)),
    .places = malloc((network->arc_count + 1) * sizeof(*inlets->places)),
    .left_bps = malloc((network->arc_count + 1) * sizeof(*inlets->left_bps)),
    .most_bps = malloc((network->arc_count / BLOCK_ARCS + network->pops + 1) * sizeof(*inlets->most_bps))};
  if (!inlets->begin || !inlets->arcs || !inlets->places || !inlets->left_bps || !inlets->most_bps)
    return false;
  fill(inlets, network, reserved_bps);
  return true;
}

void
copse_inlets_free(struct copse_inlets *inlets) {
  free(inlets->begin);
  free(inlets->arcs);
  free(inlets->places);
  free(inlets->left_bps);
  free(inlets->most_bps);
}

void
copse_inlets_set(struct copse_inlets *inlets, uint32_t to, uint32_t arc, uint64_t left_bps) {
  size_t place = inlets->places[arc], block = place / BLOCK_ARCS;
  uint64_t *most_bps = &blocks_of(inlets, to)[block], *left = &inlets->left_bps[inlets->begin[to] + place];
  bool was_most = *left == *most_bps;

  *left = left_bps;
  if (left_bps >= *most_bps)
    *most_bps = left_bps;
  else if (was_most)
    *most_bps = most_of(inlets, to, block);
}

size_t
copse_inlets_find(const struct copse_inlets *inlets, uint32_t to, uint64_t rate_bps, uint32_t *found, size_t room) {
  size_t begin = inlets->begin[to], count = inlets->begin[to + 1] - begin, hits = 0;
  const uint64_t *most_bps = blocks_of(inlets, to), *left_bps = &inlets->left_bps[begin];

  for (size_t block = 0; block * BLOCK_ARCS < count; block++) {
    size_t end = (block + 1) * BLOCK_ARCS < count ? (block + 1) * BLOCK_ARCS : count;
    if (most_bps[block] < rate_bps)
      continue;
    for (size_t i = block * BLOCK_ARCS; i < end; i++) {
      if (left_bps[i] < rate_bps)
        continue;
      found[hits++] = inlets->arcs[begin + i];
      if (hits == room)
        return hits;
    }
  }
  return hits;
}
