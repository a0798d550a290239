/* SPDX-License-Identifier: Apache-2.0 */
/* BuildTrees (paper, section 3.2, algorithm 1), made exact in docs/decisions/buildtrees.md. Pure: no clock, no I/O. */
#ifndef COPSE_TREES_H
#define COPSE_TREES_H

#include <copse/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COPSE_NO_LIMIT UINT64_MAX

/* A directed link with what is left of its budget for peers' traffic, bit/s. Ends are indices of PoPs. */
struct copse_arc {
  uint32_t from, to;
  uint64_t bandwidth_bps;
};

struct copse_network {
  uint32_t pops;                /* numbered in configuration order */
  const uint64_t *egress_bps;   /* per PoP, COPSE_NO_LIMIT: none configured; null: none for any */
  const struct copse_arc *arcs; /* no self arcs, no duplicates */
  size_t arc_count;
};

struct copse_area {
  uint32_t pop;
  bool seed;                   /* has a peer with the whole content */
  double growth;               /* C_i; 0: no credit */
  const uint64_t *uplinks_bps; /* of peers admitted to send */
  size_t uplink_count;
};

struct copse_shape {
  uint32_t max_depth, max_fanout; /* 0: no limit */
};

enum copse_tree_status { COPSE_TREE_OK, COPSE_TREE_INFEASIBLE, COPSE_TREE_NO_SENDER, COPSE_TREE_SINGLE_AREA };

struct copse_edge {
  uint32_t from, to;
};

struct copse_built_tree {
  uint32_t root; /* PoP */
  enum copse_tree_status status;
  bool clamped; /* B_i > C_i * M_i */
  uint64_t min_bps, max_bps, rate_bps;
  struct copse_edge *edges; /* in order of addition: parents before children */
  size_t edge_count;
  char reason[COPSE_ERROR_TEXT_BYTES];
};

struct copse_plan {
  struct copse_built_tree *trees; /* in build order, one per area */
  size_t tree_count;
  uint64_t *reserved_bps; /* per arc of the network */
};

/* B_i: lower median. M_i: mode on the log grid [2^(k/4), 2^((k+1)/4)) bit/s, see design section 8; `count` > 0. */
uint64_t copse_median_bps(const uint64_t *rates_bps, size_t count);
uint64_t copse_mode_bps(const uint64_t *rates_bps, size_t count);

/* C_i = clamp(1 + credit / (M_i * T_ref), 1, maximum); credit in bytes, M_i in bit/s, T_ref in seconds. 0 if credit is
 * 0. */
double copse_growth(uint64_t credit_bytes, uint64_t mode_bps, double reference_s, double maximum);

/* Builds one tree per area. Deterministic. -EINVAL for indices out of range, duplicate areas; -ENOMEM. */
int copse_build_trees(const struct copse_network *network, const struct copse_area *areas, size_t area_count,
                      const struct copse_shape *shape, struct copse_plan *plan, struct copse_error *error);

/* Guarantee G1, checked without trusting the builder: 0, or -EBADMSG with the first violation. */
int copse_verify_plan(const struct copse_network *network, const struct copse_area *areas, size_t area_count,
                      const struct copse_shape *shape, const struct copse_plan *plan, struct copse_error *error);

void copse_plan_free(struct copse_plan *plan);

#endif
