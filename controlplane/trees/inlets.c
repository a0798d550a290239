/* SPDX-License-Identifier: Apache-2.0 */
#include "inlets.h"
#include "ends.h"
#include <stdlib.h>

#define BLOCK_INLETS 16

/* Of the PoP; those of the PoPs before it are fewer. */
static uint64_t *
blocks_of(const struct copse_inlets *inlets, uint32_t to) {
  return &inlets->most_bps[inlets->begin[to] / BLOCK_INLETS + to];
}

static uint64_t
most_of(const struct copse_inlets *inlets, uint32_t to, size_t block) {
  size_t begin = inlets->begin[to] + block * BLOCK_INLETS, end = begin + BLOCK_INLETS;
  uint64_t most_bps = 0;

  if (end > inlets->begin[to + 1])
    end = inlets->begin[to + 1];
  for (size_t i = begin; i < end; i++)
    most_bps = inlets->all[i].left_bps > most_bps ? inlets->all[i].left_bps : most_bps;
  return most_bps;
}

/* `order` is that of arcs by `from`. */
static void
fill(struct copse_inlets *inlets, const struct copse_network *network, const uint32_t *order) {
  size_t end = 0;

  /* Ends first; putting an arc before the end of what is there makes them beginnings. */
  for (size_t i = 0; i < network->arc_count; i++)
    inlets->begin[network->arcs[i].to]++;
  for (uint32_t pop = 0; pop <= network->pops; pop++)
    end = inlets->begin[pop] += end;
  for (size_t i = network->arc_count; i-- > 0;) {
    const struct copse_arc *arc = &network->arcs[order[i]];
    inlets->all[--inlets->begin[arc->to]] = (struct copse_inlet){.from = arc->from, .arc = order[i]};
  }
}

bool
copse_inlets_create(struct copse_inlets *inlets, const struct copse_network *network) {
  size_t blocks = network->arc_count / BLOCK_INLETS + network->pops + 1;
  struct copse_ends ends;
  bool done = copse_ends_create(&ends, network);

  *inlets = (struct copse_inlets){.pops = network->pops,
                                  .begin = calloc(network->pops + 1UL, sizeof(*inlets->begin)),
                                  .all = malloc((network->arc_count + 1) * sizeof(*inlets->all)),
                                  .most_bps = calloc(blocks, sizeof(*inlets->most_bps))};
  done = done && inlets->begin && inlets->all && inlets->most_bps;
  if (done)
    fill(inlets, network, ends.order);
  copse_ends_free(&ends);
  return done;
}

void
copse_inlets_free(struct copse_inlets *inlets) {
  free(inlets->begin);
  free(inlets->all);
  free(inlets->most_bps);
}

uint32_t
copse_inlets_at(const struct copse_inlets *inlets, uint32_t from, uint32_t to) {
  size_t begin = inlets->begin[to], count = inlets->begin[to + 1] - begin;
  /* `from` PoPs are before it, and all but so many have an arc: in a full mesh little is left to search. */
  size_t absent = inlets->pops - count, low = begin + (from > absent ? from - absent : 0), high = begin + count;

  if (from < count)
    high = begin + from + 1;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (inlets->all[middle].from < from)
      low = middle + 1;
    else
      high = middle;
  }
  return low < begin + count && inlets->all[low].from == from ? (uint32_t)low : COPSE_NO_INLET;
}

void
copse_inlets_set(struct copse_inlets *inlets, uint32_t to, uint32_t inlet, uint64_t left_bps) {
  size_t block = (inlet - inlets->begin[to]) / BLOCK_INLETS;
  uint64_t *most_bps = &blocks_of(inlets, to)[block], *left = &inlets->all[inlet].left_bps;
  bool was_most = *left == *most_bps;

  *left = left_bps;
  if (left_bps >= *most_bps)
    *most_bps = left_bps;
  else if (was_most)
    *most_bps = most_of(inlets, to, block);
}

size_t
copse_inlets_find(const struct copse_inlets *inlets, uint32_t to, uint64_t rate_bps, uint32_t *found, size_t room) {
  size_t end = inlets->begin[to + 1], hits = 0;
  const uint64_t *most_bps = blocks_of(inlets, to);

  for (size_t begin = inlets->begin[to]; begin < end; begin += BLOCK_INLETS) {
    if (*most_bps++ < rate_bps)
      continue;
    for (size_t i = begin; i < begin + BLOCK_INLETS && i < end; i++) {
      if (inlets->all[i].left_bps < rate_bps)
        continue;
      found[hits++] = (uint32_t)i;
      if (hits == room)
        return hits;
    }
  }
  return hits;
}
