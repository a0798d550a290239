/* SPDX-License-Identifier: Apache-2.0 */
#include "grow.h"
#include <string.h>

/* Brings a node's place among the candidates up to date; false when it will take no child any more. While a tree
 * grows, arcs are only covered and balances only fall, so that no candidate ever gets better: what a heap
 * holds is at least as good as the truth, and the first that is still true is the best. */
typedef bool refresh(struct copse_forest *forest, const struct copse_bounds *bounds, uint32_t node,
                     struct copse_candidate *candidate);

static uint64_t
smaller(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

/* What each child of the node can get of its egress budget, had it one child more. */
static uint64_t
next_share(const struct copse_node *node) {
  return node->egress_bps == COPSE_NO_LIMIT ? COPSE_NO_LIMIT : node->egress_bps / (node->children + 1);
}

static bool
shape_allows_child(const struct copse_shape *shape, const struct copse_node *node) {
  return (shape->max_depth == 0 || node->depth < shape->max_depth) &&
         (shape->max_fanout == 0 || node->children < shape->max_fanout);
}

static struct copse_candidate
candidate_at(const struct copse_forest *forest, const struct copse_bounds *bounds, uint32_t pop, uint64_t width_bps) {
  const struct copse_node *node = &forest->nodes[pop];
  copse_balance held = (copse_balance)bounds->hi_bps * (node->children + 1);

  return (struct copse_candidate){width_bps, node->balance - held, node->depth, pop};
}

/* The first of the arcs with the bandwidth of this one that is not to a PoP before all that are free. */
static size_t
skip_ties(const struct copse_forest *forest, size_t index, uint32_t pop) {
  const struct copse_residual_arc *arcs = forest->residual.arcs;

  if (index + 1 >= forest->residual.begin[pop + 1] || arcs[index].bandwidth_bps != arcs[index + 1].bandwidth_bps)
    return index;
  return copse_residual_find(&forest->residual, pop, arcs[index].bandwidth_bps, forest->first_free);
}

/* The narrowest arc of at least this bandwidth that may be free; the end of the PoP's arcs if there is none. */
static size_t
find_fit(const struct copse_forest *forest, uint32_t pop, uint64_t bandwidth_bps) {
  const struct copse_residual *residual = &forest->residual;
  size_t end = residual->begin[pop + 1];

  if (end == residual->begin[pop] || residual->arcs[end - 1].bandwidth_bps < bandwidth_bps)
    return end;
  return skip_ties(forest, copse_residual_find(residual, pop, bandwidth_bps, 0), pop);
}

/* Tier 1: the node has a free arc of at least hi; its narrowest is at node->fit. */
static bool
refresh_fit(struct copse_forest *forest, const struct copse_bounds *bounds, uint32_t pop,
            struct copse_candidate *candidate) {
  const struct copse_residual *residual = &forest->residual;
  struct copse_node *node = &forest->nodes[pop];

  if (!shape_allows_child(&forest->shape, node) || next_share(node) < bounds->hi_bps)
    return false;
  while (node->fit < residual->begin[pop + 1] && forest->covered[residual->arcs[node->fit].to])
    node->fit++;
  *candidate = candidate_at(forest, bounds, pop, COPSE_NO_LIMIT);
  return node->fit < residual->begin[pop + 1];
}

/* Moves to the widest free arc, the one to the earliest PoP of those of one bandwidth; false if there is none. */
static bool
find_widest(struct copse_forest *forest, uint32_t pop) {
  const struct copse_residual_arc *arcs = forest->residual.arcs;
  struct copse_node *node = &forest->nodes[pop];
  size_t begin = forest->residual.begin[pop];

  for (;;) {
    while (node->wide < node->end && forest->covered[arcs[node->wide].to])
      node->wide++;
    if (node->wide < node->end)
      return true;
    node->end = node->narrow;
    if (node->end == begin)
      return false;
    node->narrow = node->end - 1;
    if (node->narrow > begin && arcs[node->narrow - 1].bandwidth_bps == arcs[node->narrow].bandwidth_bps)
      node->narrow = copse_residual_find(&forest->residual, pop, arcs[node->narrow].bandwidth_bps, 0);
    node->wide = skip_ties(forest, node->narrow, pop);
  }
}

/* Tier 2: the node has a free arc of at least lo; its widest is at node->wide. */
static bool
refresh_wide(struct copse_forest *forest, const struct copse_bounds *bounds, uint32_t pop,
             struct copse_candidate *candidate) {
  struct copse_node *node = &forest->nodes[pop];
  uint64_t width_bps;

  if (!shape_allows_child(&forest->shape, node) || !find_widest(forest, pop))
    return false;
  width_bps = smaller(forest->residual.arcs[node->wide].bandwidth_bps, next_share(node));
  *candidate = candidate_at(forest, bounds, pop, width_bps);
  return width_bps >= bounds->lo_bps;
}

/* The first candidate of the heap that is up to date; false when none is left. */
static bool
best(struct copse_forest *forest, const struct copse_bounds *bounds, struct copse_heap *heap, refresh *refresh_node,
     struct copse_candidate *out) {
  while (heap->count > 0) {
    if (!refresh_node(forest, bounds, heap->items[0].node, out))
      copse_heap_pop(heap);
    else if (copse_candidate_before(&heap->items[0], out))
      copse_heap_lower(heap, *out);
    else
      return true;
  }
  return false;
}

/* Of the node's free arcs that are as wide as its candidate, the one to the earliest PoP. Only where the egress budget
 * is what makes them equal can it be another than the widest. */
static size_t
widest_arc(const struct copse_forest *forest, const struct copse_candidate *candidate) {
  const struct copse_residual_arc *arcs = forest->residual.arcs;
  const struct copse_node *node = &forest->nodes[candidate->node];
  size_t found = node->wide;

  if (candidate->width_bps == arcs[found].bandwidth_bps)
    return found;
  for (size_t i = node->narrow; i-- > forest->residual.begin[candidate->node];) {
    if (arcs[i].bandwidth_bps < candidate->width_bps)
      break;
    if (arcs[i].to < arcs[found].to && !forest->covered[arcs[i].to])
      found = i;
  }
  return found;
}

static void
join(struct copse_forest *forest, const struct copse_bounds *bounds, uint32_t pop, uint32_t depth) {
  struct copse_node *node = &forest->nodes[pop];

  copse_residual_settle(&forest->residual, pop);
  forest->covered[pop] = true;
  while (forest->first_free < forest->network.pops && forest->covered[forest->first_free])
    forest->first_free++;
  node->depth = depth;
  node->children = 0;
  node->fit = find_fit(forest, pop, bounds->hi_bps);
  node->narrow = node->wide = node->end = forest->residual.begin[pop + 1];
  copse_heap_push(&forest->fit, candidate_at(forest, bounds, pop, COPSE_NO_LIMIT));
  copse_heap_push(&forest->wide, candidate_at(forest, bounds, pop, COPSE_NO_LIMIT));
}

static uint64_t
tree_rate(const struct copse_forest *forest, const struct copse_built_tree *tree, uint64_t rate_bps) {
  for (size_t i = 0; i < tree->edge_count; i++) {
    const struct copse_node *parent = &forest->nodes[tree->edges[i].from];
    if (parent->egress_bps != COPSE_NO_LIMIT)
      rate_bps = smaller(rate_bps, parent->egress_bps / parent->children);
  }
  return rate_bps;
}

bool
copse_grow_tree(struct copse_forest *forest, const struct copse_bounds *bounds, struct copse_built_tree *tree) {
  uint64_t narrowest_bps = bounds->hi_bps;
  struct copse_candidate choice;

  forest->fit.count = forest->wide.count = 0;
  forest->first_free = 0;
  memcpy(forest->covered, forest->outside, forest->network.pops * sizeof(*forest->covered));
  join(forest, bounds, tree->root, 0);

  while (tree->edge_count + 1 < forest->plan.tree_count) {
    size_t index;
    if (best(forest, bounds, &forest->fit, refresh_fit, &choice))
      index = forest->nodes[choice.node].fit;
    else if (best(forest, bounds, &forest->wide, refresh_wide, &choice))
      index = widest_arc(forest, &choice);
    else
      return false;
    const struct copse_residual_arc *arc = &forest->residual.arcs[index];
    narrowest_bps = smaller(narrowest_bps, arc->bandwidth_bps);
    forest->arcs[tree->edge_count] = arc->arc;
    tree->edges[tree->edge_count++] = (struct copse_edge){choice.node, arc->to};
    forest->nodes[choice.node].children++;
    join(forest, bounds, arc->to, choice.depth + 1);
  }
  tree->rate_bps = tree_rate(forest, tree, narrowest_bps);
  return true;
}
