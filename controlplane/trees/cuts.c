/* SPDX-License-Identifier: Apache-2.0 */
#include "cuts.h"
#include "moving.h"
#include <stdlib.h>
#include <string.h>

bool
copse_cuts_create(struct copse_cuts *cuts, uint32_t pops) {
  *cuts = (struct copse_cuts){.marked = calloc(pops + 1UL, sizeof(*cuts->marked)),
                              .wanted = calloc(pops + 1UL, sizeof(*cuts->wanted)),
                              .child = calloc(pops + 1UL, sizeof(*cuts->child)),
                              .below = calloc(pops + 1UL, sizeof(*cuts->below))};
  return cuts->marked && cuts->wanted && cuts->child && cuts->below;
}

void
copse_cuts_free(struct copse_cuts *cuts) {
  free(cuts->marked);
  free(cuts->wanted);
  free(cuts->child);
  free(cuts->below);
}

void
copse_cuts_clear(struct copse_forest *forest) {
  memset(forest->moving->cuts.marked, false, forest->network.pops * sizeof(*forest->moving->cuts.marked));
}

/* A PoP that stands could carry this one. If none does, those that could if they stood are wanted. */
static bool
look_for_parents(struct copse_forest *forest, uint32_t pop, uint64_t rate_bps, size_t *wanted_count) {
  struct copse_moving *moving = forest->moving;
  struct copse_cuts *cuts = &moving->cuts;
  const struct copse_shape *shape = &forest->shape;
  size_t count = copse_inlets_find(&moving->inlets, pop, rate_bps, moving->found, COPSE_FEW_INLETS);

  for (size_t i = 0; i < count; i++) {
    uint32_t parent = moving->inlets.all[moving->found[i]].from;
    if (forest->outside[parent] || forest->nodes[parent].egress_bps < rate_bps ||
        (shape->max_fanout > 0 && moving->reaches[parent].children >= shape->max_fanout))
      continue;
    if (moving->branches[moving->places[parent].branch].stands)
      return true;
    if (cuts->child[parent] == COPSE_NO_POP) {
      cuts->child[parent] = pop;
      cuts->wanted[(*wanted_count)++] = parent;
    }
  }
  return false;
}

/* Every PoP that is wanted stands if it, or one above it in its branch, gets a parent. */
bool
copse_cuts_find(struct copse_forest *forest, size_t number, uint32_t top) {
  const struct copse_built_tree *tree = &forest->plan.trees[number];
  const struct copse_moving *moving = forest->moving;
  const struct copse_cuts *cuts = &moving->cuts;
  size_t count = 1;

  memset(cuts->child, 0xff, forest->network.pops * sizeof(*cuts->child));
  memset(cuts->below, 0xff, forest->network.pops * sizeof(*cuts->below));
  cuts->wanted[0] = top;
  for (size_t i = 0; i < count; i++) {
    uint32_t wanted = cuts->wanted[i], branch = moving->places[wanted].branch, pop = wanted;
    while (cuts->below[pop] == COPSE_NO_POP) {
      cuts->below[pop] = wanted;
      if (look_for_parents(forest, pop, tree->rate_bps, &count)) {
        for (; pop != top; pop = cuts->child[cuts->below[pop]])
          cuts->marked[pop] = pop != moving->branches[moving->places[pop].branch].top;
        return true;
      }
      if (pop != moving->branches[branch].top)
        pop = tree->edges[moving->places[pop].edge].from;
    }
  }
  return false;
}
