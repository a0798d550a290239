/* SPDX-License-Identifier: Apache-2.0 */
/* BuildTrees as design section 8 reads, word for word, without any cleverness: what the builder must agree with. And
 * random instances for both. */
#ifndef COPSE_TEST_REFERENCE_H
#define COPSE_TEST_REFERENCE_H

#include <copse/trees.h>

#define POPS_MAX 64
#define UPLINKS_MAX 12

struct instance {
  struct copse_network network;
  struct copse_arc arcs[POPS_MAX * POPS_MAX];
  uint64_t egress_bps[POPS_MAX];
  struct copse_area areas[POPS_MAX];
  size_t area_count;
  uint64_t uplinks_bps[POPS_MAX][UPLINKS_MAX];
  struct copse_shape shape;
};

struct reference_tree {
  uint32_t root;
  enum copse_tree_status status;
  uint64_t lo_bps, hi_bps, rate_bps;
  struct copse_edge edges[POPS_MAX];
  size_t edge_count;
};

/* 1 … bound, from a generator that is the same everywhere. */
uint64_t random_up_to(uint64_t *state, uint64_t bound);

struct traits {
  uint32_t pops;         /* at most */
  uint64_t bandwidth;    /* of links, egress budgets and uplinks: at most; small makes ties */
  unsigned density;      /* percent of possible links */
  bool egress, shape;    /* some PoPs have a budget; limits are possible */
  bool every_pop, sends; /* is in V'; every area has a sender with credit */
};

/* A pointer in the instance points into it: it is not to be copied. */
void random_instance(struct instance *instance, uint64_t *state, const struct traits *traits);

/* One tree per area, in build order. */
void reference_build(const struct instance *instance, struct reference_tree *trees);

#endif
