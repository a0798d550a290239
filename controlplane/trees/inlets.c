/* SPDX-License-Identifier: Apache-2.0 */
#include "inlets.h"
#include <stdlib.h>

static uint64_t
larger(const uint64_t *pair) {
  return pair[0] > pair[1] ? pair[0] : pair[1];
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
    uint64_t *most_bps = &inlets->most_bps[2 * begin];
    for (size_t i = 0; i < count; i++) {
      uint32_t arc = inlets->arcs[begin + i];
      inlets->places[arc] = (uint32_t)i;
      most_bps[count + i] = network->arcs[arc].bandwidth_bps - reserved_bps[arc];
    }
    for (size_t i = count; i-- > 1;)
      most_bps[i] = larger(&most_bps[2 * i]);
  }
}

bool
copse_inlets_create(struct copse_inlets *inlets, const struct copse_network *network, const uint64_t *reserved_bps) {
  *inlets = (struct copse_inlets){.begin = calloc(network->pops + 1UL, sizeof(*inlets->begin)),
                                  .arcs = malloc((network->arc_count + 1) * sizeof(*inlets->arcs)),
                                  .places = malloc((network->arc_count + 1) * sizeof(*inlets->places)),
                                  .most_bps = malloc(2 * (network->arc_count + 1) * sizeof(*inlets->most_bps))};
  if (!inlets->begin || !inlets->arcs || !inlets->places || !inlets->most_bps)
    return false;
  fill(inlets, network, reserved_bps);
  return true;
}

void
copse_inlets_free(struct copse_inlets *inlets) {
  free(inlets->begin);
  free(inlets->arcs);
  free(inlets->places);
  free(inlets->most_bps);
}

void
copse_inlets_set(struct copse_inlets *inlets, uint32_t to, uint32_t arc, uint64_t left_bps) {
  size_t begin = inlets->begin[to], at = inlets->begin[to + 1] - begin + inlets->places[arc];
  uint64_t *most_bps = &inlets->most_bps[2 * begin];

  most_bps[at] = left_bps;
  for (at /= 2; at > 0 && most_bps[at] != larger(&most_bps[2 * at]); at /= 2)
    most_bps[at] = larger(&most_bps[2 * at]);
}

size_t
copse_inlets_find(const struct copse_inlets *inlets, uint32_t to, uint64_t rate_bps, uint32_t *found, size_t room) {
  size_t begin = inlets->begin[to], count = inlets->begin[to + 1] - begin, hits = 0, waiting = 0, at = 1;
  const uint64_t *most_bps = &inlets->most_bps[2 * begin];
  size_t others[8 * sizeof(size_t)]; /* at most one for every level */

  if (count == 0 || most_bps[1] < rate_bps)
    return 0;
  for (;;) {
    if (at >= count) {
      found[hits++] = inlets->arcs[begin + at - count];
      if (hits == room || waiting == 0)
        return hits;
      at = others[--waiting];
      continue;
    }
    at *= 2;
    if (most_bps[at] < rate_bps)
      at++;
    else if (most_bps[at + 1] >= rate_bps)
      others[waiting++] = at + 1;
  }
}
