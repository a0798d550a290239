/* SPDX-License-Identifier: Apache-2.0 */
#include "cuts.h"
#include "moving.h"
#include <stdlib.h>
#include <string.h>

#define FEW_STANDING 4 /* it is cheaper to look at their links than at those to PoPs that could hang from them */

bool
copse_cuts_create(struct copse_cuts *cuts, uint32_t pops) {
  *cuts = (struct copse_cuts){.marked = calloc(pops + 1UL, sizeof(*cuts->marked)),
                              .near = calloc(pops + 1UL, sizeof(*cuts->near)),
                              .queue = calloc(pops + 1UL, sizeof(*cuts->queue)),
                              .child = calloc(pops + 1UL, sizeof(*cuts->child)),
                              .below = calloc(pops + 1UL, sizeof(*cuts->below))};
  return cuts->marked && cuts->near && cuts->queue && cuts->child && cuts->below;
}

void
copse_cuts_free(struct copse_cuts *cuts) {
  free(cuts->marked);
  free(cuts->near);
  free(cuts->queue);
  free(cuts->child);
  free(cuts->below);
}

static bool
stands(const struct copse_forest *forest, uint32_t pop) {
  return forest->moving->branches[forest->moving->places[pop].branch].stands;
}

/* Did it stand, it would have room for a child. */
static bool
has_room(const struct copse_forest *forest, uint32_t pop, uint64_t rate_bps) {
  return !forest->outside[pop] && forest->nodes[pop].egress_bps >= rate_bps &&
         (forest->shape.max_fanout == 0 || forest->moving->reaches[pop].children < forest->shape.max_fanout);
}

static void
find_near(struct copse_forest *forest, uint32_t pop, uint64_t rate_bps) {
  struct copse_residual *residual = &forest->residual;

  if (!has_room(forest, pop, rate_bps))
    return;
  copse_residual_settle(residual, pop);
  for (size_t i = copse_residual_find(residual, pop, rate_bps, 0); i < residual->begin[pop + 1]; i++)
    forest->moving->cuts.near[residual->arcs[i].to] = true;
}

void
copse_cuts_start(struct copse_forest *forest, size_t number, size_t whole) {
  const struct copse_built_tree *tree = &forest->plan.trees[number];
  const struct copse_cuts *cuts = &forest->moving->cuts;
  uint32_t few[FEW_STANDING] = {tree->root};
  size_t count = 1;

  memset(cuts->marked, false, forest->network.pops * sizeof(*cuts->marked));
  memset(cuts->near, false, forest->network.pops * sizeof(*cuts->near));
  for (size_t i = whole < FEW_STANDING ? 0 : tree->edge_count; i < tree->edge_count; i++)
    if (stands(forest, tree->edges[i].to)) {
      if (count == FEW_STANDING)
        return;
      few[count++] = tree->edges[i].to;
    }
  for (size_t i = 0; i < count && whole < FEW_STANDING; i++)
    find_near(forest, few[i], tree->rate_bps);
}

/* Where the edge to the parent of this edge is. Mostly it is the one before: then no load waits for another. */
static uint32_t
edge_above(const struct copse_forest *forest, const struct copse_built_tree *tree, uint32_t edge) {
  uint32_t parent = tree->edges[edge].from;

  return edge > 0 && tree->edges[edge - 1].to == parent ? edge - 1 : forest->moving->places[parent].edge;
}

/* The PoP is wanted. Returns one that can be carried by a PoP that stands, COPSE_NO_POP if none is known yet. */
static uint32_t
want(struct copse_forest *forest, const struct copse_built_tree *tree, uint32_t wanted, size_t *count) {
  const struct copse_moving *moving = forest->moving;
  const struct copse_cuts *cuts = &moving->cuts;
  uint32_t edge = moving->places[wanted].edge, top = moving->branches[moving->places[wanted].branch].top;

  for (uint32_t pop = wanted; cuts->below[pop] == COPSE_NO_POP; pop = tree->edges[edge].to) {
    cuts->below[pop] = wanted;
    cuts->queue[(*count)++] = pop;
    if (cuts->near[pop])
      return pop;
    if (pop != top)
      edge = edge_above(forest, tree, edge);
  }
  return COPSE_NO_POP;
}

/* Who could carry the PoP is wanted. Returns as above. */
static uint32_t
look(struct copse_forest *forest, const struct copse_built_tree *tree, uint32_t pop, size_t *count) {
  struct copse_moving *moving = forest->moving;
  const struct copse_cuts *cuts = &moving->cuts;
  size_t inlets = copse_inlets_find(&moving->inlets, pop, tree->rate_bps, moving->found, COPSE_FEW_INLETS);
  uint32_t carried = COPSE_NO_POP;

  for (size_t i = 0; i < inlets && carried == COPSE_NO_POP; i++) {
    uint32_t parent = moving->inlets.all[moving->found[i]].from;
    if (!has_room(forest, parent, tree->rate_bps) || cuts->child[parent] != COPSE_NO_POP)
      continue;
    if (stands(forest, parent))
      return pop;
    cuts->child[parent] = pop;
    carried = want(forest, tree, parent, count);
  }
  return carried;
}

bool
copse_cuts_find(struct copse_forest *forest, size_t number, uint32_t top) {
  const struct copse_built_tree *tree = &forest->plan.trees[number];
  const struct copse_moving *moving = forest->moving;
  const struct copse_cuts *cuts = &moving->cuts;
  size_t count = 0;
  uint32_t pop;

  memset(cuts->child, 0xff, forest->network.pops * sizeof(*cuts->child));
  memset(cuts->below, 0xff, forest->network.pops * sizeof(*cuts->below));
  pop = want(forest, tree, top, &count);
  for (size_t i = 0; i < count && pop == COPSE_NO_POP; i++)
    pop = look(forest, tree, cuts->queue[i], &count);
  if (pop == COPSE_NO_POP)
    return false;
  for (; pop != top; pop = cuts->child[cuts->below[pop]])
    cuts->marked[pop] = pop != moving->branches[moving->places[pop].branch].top;
  return true;
}
