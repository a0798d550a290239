/* SPDX-License-Identifier: Apache-2.0 */
#include "reference.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef __int128 wide;

uint64_t
random_up_to(uint64_t *state, uint64_t bound) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return 1 + (*state >> 11) % bound;
}

static void
random_area(struct instance *instance, uint64_t *state, const struct traits *traits, uint32_t pop) {
  static const double growths[] = {1, 1, 1.25, 1.5, 2, 0.5, 3, 0};
  size_t at = instance->area_count++, count = random_up_to(state, UPLINKS_MAX) - (traits->sends ? 0 : 1);
  uint64_t *uplinks = instance->uplinks_bps[at];

  for (size_t i = 0; i < count; i++)
    uplinks[i] = random_up_to(state, traits->bandwidth);
  instance->areas[at] = (struct copse_area){.pop = pop,
                                            .seed = random_up_to(state, 3) == 1,
                                            .growth = growths[random_up_to(state, traits->sends ? 5 : 8) - 1],
                                            .uplinks_bps = uplinks,
                                            .uplink_count = count};
}

void
random_instance(struct instance *instance, uint64_t *state, const struct traits *traits) {
  uint32_t pops = (uint32_t)random_up_to(state, traits->pops), first = (uint32_t)random_up_to(state, pops);

  memset(instance, 0, sizeof(*instance));
  instance->network = (struct copse_network){.pops = pops, .arcs = instance->arcs, .egress_bps = instance->egress_bps};
  for (uint32_t from = 0; from < pops; from++)
    for (uint32_t to = 0; to < pops; to++)
      if (from != to && random_up_to(state, 100) <= traits->density)
        instance->arcs[instance->network.arc_count++] =
          (struct copse_arc){from, to, random_up_to(state, traits->bandwidth)};
  for (uint32_t pop = 0; pop < pops; pop++)
    instance->egress_bps[pop] =
      traits->egress && random_up_to(state, 2) == 1 ? random_up_to(state, 4 * traits->bandwidth) : COPSE_NO_LIMIT;
  for (uint32_t i = 0; i < pops; i++) /* not in the order of PoPs */
    if (traits->every_pop || random_up_to(state, 4) > 1)
      random_area(instance, state, traits, (first + i) % pops);
  if (traits->shape) {
    instance->shape.max_depth = (uint32_t)random_up_to(state, 4) - 1;
    instance->shape.max_fanout = (uint32_t)random_up_to(state, 4) - 1;
  }
}

/* ---- the reference ---- */

struct state {
  const struct instance *instance;
  uint64_t bw[POPS_MAX][POPS_MAX]; /* what is left; 0: no link */
  wide sum[POPS_MAX];              /* of all links out of the PoP, at first */
  wide held[POPS_MAX];             /* by earlier trees: r for each child */
  bool member[POPS_MAX];
  bool in_tree[POPS_MAX];
  uint32_t depth[POPS_MAX], children[POPS_MAX];
  uint64_t lo, hi;
};

static int
compare_rates(const void *a, const void *b) {
  uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

  return (left > right) - (left < right);
}

static uint64_t
median(const uint64_t *rates, size_t count) {
  uint64_t sorted[UPLINKS_MAX];

  memcpy(sorted, rates, count * sizeof(*rates));
  qsort(sorted, count, sizeof(*sorted), compare_rates);
  return sorted[(count - 1) / 2];
}

static uint64_t
mode(const uint64_t *rates, size_t count) {
  uint64_t fullest[UPLINKS_MAX];
  size_t most = 0;

  if (count < 5)
    return median(rates, count);
  for (int k = 0; k < 256; k++) {
    uint64_t bin[UPLINKS_MAX];
    size_t inside = 0;
    for (size_t i = 0; i < count; i++)
      if (exp2l(k / 4.0L) <= rates[i] && rates[i] < exp2l((k + 1) / 4.0L))
        bin[inside++] = rates[i];
    if (inside > most) {
      most = inside;
      memcpy(fullest, bin, sizeof(bin));
    }
  }
  return median(fullest, most);
}

static bool
has_budget(const struct state *state, uint32_t u) {
  return state->instance->egress_bps[u] != COPSE_NO_LIMIT;
}

static wide
egress_left(const struct state *state, uint32_t u) {
  return (wide)state->instance->egress_bps[u] - state->held[u];
}

static wide
remained(const struct state *state, uint32_t u) {
  wide bw = has_budget(state, u) && state->instance->egress_bps[u] < state->sum[u]
              ? (wide)state->instance->egress_bps[u]
              : state->sum[u];

  return bw - state->held[u] - (wide)state->hi * state->children[u] - state->hi;
}

static bool
shape_allows(const struct state *state, uint32_t u) {
  const struct copse_shape *shape = &state->instance->shape;

  return (!shape->max_depth || state->depth[u] < shape->max_depth) &&
         (!shape->max_fanout || state->children[u] < shape->max_fanout);
}

static bool
choose_tier_1(const struct state *state, struct copse_edge *choice) {
  uint32_t pops = state->instance->network.pops;
  bool found = false;

  for (uint32_t u = 0; u < pops; u++) {
    struct copse_edge fit = {u, POPS_MAX};
    if (!state->in_tree[u] || !shape_allows(state, u) ||
        (has_budget(state, u) && egress_left(state, u) < (wide)state->hi * (state->children[u] + 1)))
      continue;
    for (uint32_t j = 0; j < pops; j++)
      if (state->member[j] && !state->in_tree[j] && state->bw[u][j] && state->bw[u][j] >= state->hi &&
          (fit.to == POPS_MAX || state->bw[u][j] < state->bw[u][fit.to]))
        fit.to = j;
    if (fit.to == POPS_MAX)
      continue;
    wide ours = remained(state, u), theirs = found ? remained(state, choice->from) : 0;
    if (!found || ours > theirs || (ours == theirs && state->depth[u] < state->depth[choice->from]))
      *choice = fit;
    found = true;
  }
  return found;
}

static wide
width(const struct state *state, struct copse_edge edge) {
  wide arc = state->bw[edge.from][edge.to];
  wide share = has_budget(state, edge.from) ? egress_left(state, edge.from) / (state->children[edge.from] + 1) : arc;

  return arc < share ? arc : share;
}

static bool
choose_tier_2(const struct state *state, struct copse_edge *choice) {
  uint32_t pops = state->instance->network.pops;
  bool found = false;

  for (uint32_t u = 0; u < pops; u++)
    for (uint32_t j = 0; j < pops; j++) {
      struct copse_edge edge = {u, j};
      if (!state->in_tree[u] || !shape_allows(state, u) || !state->member[j] || state->in_tree[j] || !state->bw[u][j] ||
          width(state, edge) < (wide)state->lo)
        continue;
      wide ours = width(state, edge), theirs = found ? width(state, *choice) : 0;
      if (found && ours == theirs) {
        ours = remained(state, u);
        theirs = remained(state, choice->from);
      }
      if (!found || ours > theirs || (ours == theirs && state->depth[u] < state->depth[choice->from]))
        *choice = edge;
      found = true;
    }
  return found;
}

static void
finish_tree(struct state *state, struct reference_tree *tree) {
  tree->rate_bps = state->hi;
  for (size_t i = 0; i < tree->edge_count; i++) {
    struct copse_edge edge = tree->edges[i];
    if (state->bw[edge.from][edge.to] < tree->rate_bps)
      tree->rate_bps = state->bw[edge.from][edge.to];
    if (has_budget(state, edge.from) &&
        egress_left(state, edge.from) / state->children[edge.from] < (wide)tree->rate_bps)
      tree->rate_bps = (uint64_t)(egress_left(state, edge.from) / state->children[edge.from]);
  }
  for (size_t i = 0; i < tree->edge_count; i++) {
    state->bw[tree->edges[i].from][tree->edges[i].to] -= tree->rate_bps;
    state->held[tree->edges[i].from] += tree->rate_bps;
  }
}

static void
build_one(struct state *state, const struct copse_area *area, struct reference_tree *tree) {
  size_t members = state->instance->area_count;
  struct copse_edge choice;

  *tree = (struct reference_tree){.root = area->pop};
  if (area->uplink_count > 0) {
    uint64_t b = median(area->uplinks_bps, area->uplink_count);
    tree->hi_bps = (uint64_t)floor(area->growth * (double)mode(area->uplinks_bps, area->uplink_count));
    tree->lo_bps = b < tree->hi_bps ? b : tree->hi_bps;
  }
  tree->status = members == 1 ? COPSE_TREE_SINGLE_AREA : tree->hi_bps == 0 ? COPSE_TREE_NO_SENDER : COPSE_TREE_OK;
  if (tree->status != COPSE_TREE_OK)
    return;
  state->lo = tree->lo_bps;
  state->hi = tree->hi_bps;
  memset(state->in_tree, 0, sizeof(state->in_tree));
  memset(state->depth, 0, sizeof(state->depth));
  memset(state->children, 0, sizeof(state->children));
  state->in_tree[area->pop] = true;
  while (tree->edge_count + 1 < members) {
    if (!choose_tier_1(state, &choice) && !choose_tier_2(state, &choice)) {
      tree->status = COPSE_TREE_INFEASIBLE;
      tree->edge_count = 0;
      return;
    }
    tree->edges[tree->edge_count++] = choice;
    state->in_tree[choice.to] = true;
    state->depth[choice.to] = state->depth[choice.from] + 1;
    state->children[choice.from]++;
  }
  finish_tree(state, tree);
}

void
reference_build(const struct instance *instance, struct reference_tree *trees) {
  static struct state state;
  bool done[POPS_MAX] = {false};

  memset(&state, 0, sizeof(state));
  state.instance = instance;
  for (size_t i = 0; i < instance->network.arc_count; i++) {
    const struct copse_arc *arc = &instance->arcs[i];
    state.bw[arc->from][arc->to] = arc->bandwidth_bps;
    state.sum[arc->from] += arc->bandwidth_bps;
  }
  for (size_t i = 0; i < instance->area_count; i++)
    state.member[instance->areas[i].pop] = true;
  for (size_t built = 0; built < instance->area_count; built++) {
    const struct copse_area *next = NULL;
    for (size_t i = 0; i < instance->area_count; i++) {
      const struct copse_area *area = &instance->areas[i];
      if (!done[i] && (!next || area->seed > next->seed || (area->seed == next->seed && area->growth > next->growth)))
        next = area;
    }
    done[next - instance->areas] = true;
    build_one(&state, next, &trees[built]);
  }
}
