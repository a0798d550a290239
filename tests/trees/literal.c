/* SPDX-License-Identifier: Apache-2.0 */
#include "literal.h"
#include <stdlib.h>
#include <string.h>

struct literal {
  size_t n;                   /* |V|, all in V' */
  int64_t *bw;                /* n * n; 0: no edge */
  int64_t *node_bw;           /* BW_u */
  uint32_t *in_tree;          /* NodesInTree, in order of addition */
  bool *covered;              /* the same as a set */
  struct copse_edge *tree;    /* Tree_i */
  struct copse_edge *edge_of; /* Edge_u */
  int64_t *remained;          /* RemainedBW_u */
};

/* Lines 5 to 21. */
static size_t
build_tree(struct literal *l, uint32_t root, int64_t minimum, int64_t maximum) {
  size_t count = 1;
  int64_t bottleneck = INT64_MAX;

  memset(l->covered, 0, l->n);
  l->in_tree[0] = root;
  l->covered[root] = true;
  while (count < l->n) {
    uint32_t x = UINT32_MAX;
    for (size_t i = 0; i < count; i++) {
      uint32_t u = l->in_tree[i];
      int64_t least = INT64_MAX;
      for (uint32_t j = 0; j < l->n; j++) {
        int64_t bw = l->bw[u * l->n + j];
        if (!l->covered[j] && bw >= minimum && bw >= maximum && bw - maximum < least) {
          least = bw - maximum;
          l->edge_of[u] = (struct copse_edge){u, j};
        }
      }
      l->remained[u] = least == INT64_MAX ? INT64_MIN : l->node_bw[u] - (least + maximum);
      if (l->remained[u] != INT64_MIN && (x == UINT32_MAX || l->remained[u] > l->remained[x]))
        x = u;
    }
    if (x == UINT32_MAX)
      return 0;
    l->tree[count - 1] = l->edge_of[x];
    l->in_tree[count++] = l->edge_of[x].to;
    l->covered[l->edge_of[x].to] = true;
  }
  for (size_t i = 0; i + 1 < count; i++)
    if (l->bw[l->tree[i].from * l->n + l->tree[i].to] < bottleneck)
      bottleneck = l->bw[l->tree[i].from * l->n + l->tree[i].to];
  for (size_t i = 0; i + 1 < count; i++) {
    l->bw[l->tree[i].from * l->n + l->tree[i].to] -= bottleneck;
    l->node_bw[l->tree[i].from] -= bottleneck;
  }
  return count - 1;
}

size_t
literal_build(const struct copse_network *network, const struct copse_area *areas, size_t area_count,
              size_t tree_count) {
  size_t n = network->pops, edges = 0;
  struct literal l = {.n = n,
                      .bw = calloc(n * n, sizeof(*l.bw)),
                      .node_bw = calloc(n, sizeof(*l.node_bw)),
                      .in_tree = calloc(n, sizeof(*l.in_tree)),
                      .covered = calloc(n, sizeof(*l.covered)),
                      .tree = calloc(n, sizeof(*l.tree)),
                      .edge_of = calloc(n, sizeof(*l.edge_of)),
                      .remained = calloc(n, sizeof(*l.remained))};

  if (l.bw && l.node_bw && l.in_tree && l.covered && l.tree && l.edge_of && l.remained && area_count == n) {
    for (size_t i = 0; i < network->arc_count; i++) {
      l.bw[network->arcs[i].from * n + network->arcs[i].to] = (int64_t)network->arcs[i].bandwidth_bps;
      l.node_bw[network->arcs[i].from] += (int64_t)network->arcs[i].bandwidth_bps;
    }
    for (size_t i = 0; i < tree_count; i++) {
      int64_t rate = (int64_t)areas[i].uplinks_bps[0];
      edges += build_tree(&l, areas[i].pop, rate, (int64_t)(areas[i].growth * (double)rate));
    }
  }
  free(l.bw);
  free(l.node_bw);
  free(l.in_tree);
  free(l.covered);
  free(l.tree);
  free(l.edge_of);
  free(l.remained);
  return edges;
}
