/* SPDX-License-Identifier: Apache-2.0 */
/* What no plan can exceed. Trees of one rate for all roots can be packed, if a root's data may go down several trees,
 * if and only if from a source that feeds every root that rate, the flow to each PoP can be the sum (Edmonds 1973, in
 * the form for several roots). A plan has one tree for each root, so its least rate is at most that. */
#include "bandwidth.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FLOW_MAX ((uint64_t)1 << 62) /* residual capacities of both directions of a link stay within 64 bits */

typedef unsigned __int128 sum;

struct bounding {
  uint32_t pops;         /* of V', renumbered */
  uint32_t *number;      /* of each PoP of the network, UINT32_MAX outside V' */
  uint64_t *capacity;    /* pops * pops, inside V' */
  uint64_t *residual;    /* of the flow that is looked for */
  sum *in, *out;         /* per PoP: all its links inside V' */
  bool *root;            /* per PoP: has a tree to be built */
  uint32_t roots;        /* how many */
  uint64_t *supply;      /* per PoP: what the source can still feed it */
  uint32_t *level, *arc; /* per PoP: Dinic's distance from the source, and the next arc to try */
  uint32_t *queue;
};

static void
bounding_free(struct bounding *b) {
  free(b->number);
  free(b->capacity);
  free(b->residual);
  free(b->in);
  free(b->out);
  free(b->root);
  free(b->supply);
  free(b->level);
  free(b->arc);
  free(b->queue);
}

static bool
bounding_create(struct bounding *b, const struct copse_network *network, const struct copse_area *areas, size_t count,
                bool flow) {
  size_t cells = flow ? count * count : 0;

  *b = (struct bounding){.pops = (uint32_t)count,
                         .number = malloc((network->pops + 1UL) * sizeof(*b->number)),
                         .capacity = calloc(cells + 1, sizeof(*b->capacity)),
                         .residual = calloc(cells + 1, sizeof(*b->residual)),
                         .in = calloc(count + 1, sizeof(*b->in)),
                         .out = calloc(count + 1, sizeof(*b->out)),
                         .root = calloc(count + 1, sizeof(*b->root)),
                         .supply = calloc(count + 1, sizeof(*b->supply)),
                         .level = calloc(count + 1, sizeof(*b->level)),
                         .arc = calloc(count + 1, sizeof(*b->arc)),
                         .queue = calloc(count + 1, sizeof(*b->queue))};
  if (!b->number || !b->capacity || !b->residual || !b->in || !b->out || !b->root || !b->supply || !b->level ||
      !b->arc || !b->queue)
    return false;
  memset(b->number, 0xff, network->pops * sizeof(*b->number));
  for (uint32_t i = 0; i < count; i++)
    b->number[areas[i].pop] = i;
  for (size_t i = 0; i < network->arc_count; i++) {
    uint32_t from = b->number[network->arcs[i].from], to = b->number[network->arcs[i].to];
    if (from == UINT32_MAX || to == UINT32_MAX)
      continue;
    b->out[from] += network->arcs[i].bandwidth_bps;
    b->in[to] += network->arcs[i].bandwidth_bps;
    if (flow)
      b->capacity[(size_t)from * count + to] = network->arcs[i].bandwidth_bps;
  }
  return true;
}

/* Lowers the rate to what the links into and out of each single PoP carry, and to what all together send. */
static uint64_t
cut(const struct bounding *b, const struct copse_network *network, const struct copse_area *areas, uint64_t rate_bps) {
  sum all = 0;

  for (uint32_t i = 0; i < b->pops; i++) {
    uint64_t egress_bps = network->egress_bps ? network->egress_bps[areas[i].pop] : COPSE_NO_LIMIT;
    sum sends = egress_bps != COPSE_NO_LIMIT && egress_bps < b->out[i] ? egress_bps : b->out[i];
    uint32_t others = b->roots - b->root[i];
    all += sends;
    if (others > 0 && b->in[i] / others < rate_bps)
      rate_bps = (uint64_t)(b->in[i] / others);
    if (b->root[i] && sends < rate_bps)
      rate_bps = (uint64_t)sends;
  }
  all /= (sum)b->roots * (b->pops - 1);
  return all < rate_bps ? (uint64_t)all : rate_bps;
}

/* Levels of the PoPs that the source still reaches, UINT32_MAX for others. */
static void
find_levels(struct bounding *b) {
  uint32_t head = 0, tail = 0;

  memset(b->level, 0xff, b->pops * sizeof(*b->level));
  for (uint32_t pop = 0; pop < b->pops; pop++)
    if (b->supply[pop] > 0) {
      b->level[pop] = 0;
      b->queue[tail++] = pop;
    }
  while (head < tail) {
    uint32_t at = b->queue[head++];
    const uint64_t *row = &b->residual[(size_t)at * b->pops];
    for (uint32_t to = 0; to < b->pops; to++)
      if (row[to] > 0 && b->level[to] == UINT32_MAX) {
        b->level[to] = b->level[at] + 1;
        b->queue[tail++] = to;
      }
  }
}

/* Pushes up to `amount` from a PoP to the sink along levels; returns how much arrived. */
static uint64_t
push(struct bounding *b, uint32_t at, uint32_t sink, uint64_t amount) { /* NOLINT(misc-no-recursion): at most `pops` */
  uint64_t left = amount;

  if (at == sink)
    return amount;
  for (; b->arc[at] < b->pops; b->arc[at]++) {
    uint32_t to = b->arc[at];
    uint64_t *forth = &b->residual[(size_t)at * b->pops + to], *back = &b->residual[(size_t)to * b->pops + at];
    uint64_t arrived;
    if (*forth == 0 || b->level[to] != b->level[at] + 1)
      continue;
    arrived = push(b, to, sink, *forth < left ? *forth : left);
    *forth -= arrived;
    *back += arrived;
    left -= arrived;
    if (left == 0)
      break;
  }
  return amount - left;
}

/* Sends as much as it can to the sink, with every root fed this rate. True if all of it arrives; else levels say which
 * PoPs are on the source's side of a narrowest cut. */
static bool
flows(struct bounding *b, uint32_t sink, uint64_t rate_bps) {
  uint64_t missing = b->roots * rate_bps;

  memcpy(b->residual, b->capacity, (size_t)b->pops * b->pops * sizeof(*b->residual));
  for (uint32_t pop = 0; pop < b->pops; pop++)
    b->supply[pop] = b->root[pop] ? rate_bps : 0;
  for (;;) {
    find_levels(b);
    if (b->level[sink] == UINT32_MAX)
      return missing == 0;
    memset(b->arc, 0, b->pops * sizeof(*b->arc));
    for (uint32_t pop = 0; pop < b->pops; pop++)
      if (b->supply[pop] > 0) {
        uint64_t arrived = push(b, pop, sink, b->supply[pop]);
        b->supply[pop] -= arrived;
        missing -= arrived;
      }
  }
}

/* The highest rate the cut found last allows. */
static uint64_t
rate_of_cut(const struct bounding *b) {
  uint32_t inside = 0;
  sum capacity = 0;

  for (uint32_t from = 0; from < b->pops; from++) {
    if (b->level[from] == UINT32_MAX)
      continue;
    inside += b->root[from];
    for (uint32_t to = 0; to < b->pops; to++)
      if (b->level[to] == UINT32_MAX)
        capacity += b->capacity[(size_t)from * b->pops + to];
  }
  return inside > 0 ? (uint64_t)(capacity / inside) : 0;
}

/* Newton's method on cuts: each one found lowers the rate to what it allows, until none is in the way. */
static uint64_t
flow(struct bounding *b, uint64_t rate_bps) {
  uint64_t most = b->roots * rate_bps;

  for (size_t i = 0; i < (size_t)b->pops * b->pops; i++)
    b->capacity[i] = b->capacity[i] < most ? b->capacity[i] : most;
  for (uint32_t sink = 0; sink < b->pops; sink++)
    while (rate_bps > 0 && !flows(b, sink, rate_bps))
      rate_bps = rate_of_cut(b);
  return rate_bps;
}

/* The least rate of the areas that are to have a tree; counts them, and finds their least cap. */
static uint64_t
least_rate(struct bounding *b, const struct copse_plan *plan, uint64_t *cap_bps) {
  uint64_t least_bps = UINT64_MAX;

  *cap_bps = UINT64_MAX;
  for (size_t i = 0; i < plan->tree_count; i++) {
    const struct copse_built_tree *tree = &plan->trees[i];
    if (tree->status != COPSE_TREE_OK && tree->status != COPSE_TREE_INFEASIBLE)
      continue;
    b->root[b->number[tree->root]] = true;
    b->roots++;
    least_bps = tree->rate_bps < least_bps ? tree->rate_bps : least_bps;
    *cap_bps = tree->max_bps < *cap_bps ? tree->max_bps : *cap_bps;
  }
  return b->roots > 0 ? least_bps : 0;
}

int
copse_bound_plan(const struct copse_network *network, const struct copse_area *areas, size_t area_count,
                 const struct copse_plan *plan, size_t flow_limit, struct copse_bound *bound,
                 struct copse_error *error) {
  struct bounding b;

  *bound = (struct copse_bound){.flow = area_count <= flow_limit};
  if (!bounding_create(&b, network, areas, area_count, bound->flow)) {
    bounding_free(&b);
    return copse_fail(error, -ENOMEM, "not enough memory to bound a plan");
  }
  bound->least_bps = least_rate(&b, plan, &bound->rate_bps);
  bound->trees = b.roots;
  if (b.roots == 0 || b.pops < 2) {
    bound->rate_bps = 0;
  } else {
    bound->rate_bps = cut(&b, network, areas, bound->rate_bps);
    bound->flow &= bound->rate_bps <= FLOW_MAX / b.roots;
    if (bound->flow)
      bound->rate_bps = flow(&b, bound->rate_bps);
  }
  bounding_free(&b);
  return 0;
}
