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

/* A plan that lasts while areas come and go: trees keep their edges and rates where they can. */
struct copse_forest;

/* The plan for these areas. From nothing it is that of copse_build_trees. With `before`, not null, trees keep what they
 * can of the plan before, which may be for other areas and of a network whose links and budgets were others: an edge
 * that is no more, or cannot carry the tree any more, is replaced alone. The arrays of the network must outlive the
 * forest; `before` and areas need not. Errors as above. */
int copse_forest_create(const struct copse_network *network, const struct copse_area *areas, size_t area_count,
                        const struct copse_shape *shape, const struct copse_plan *before, struct copse_forest **forest,
                        struct copse_error *error);
/* A new area: every tree gets one edge to its PoP, from the one with most bandwidth left that can carry the tree's
 * rate, and its own tree is grown in what is left. A tree for which nobody can is grown again as a whole, unless there
 * are many of them. Areas may be left without a tree that copse_forest_improve would give them. -EINVAL, -EEXIST:
 * nothing is changed; -ENOMEM: free the forest. */
int copse_forest_join(struct copse_forest *forest, const struct copse_area *area, struct copse_error *error);
/* The area at this PoP is gone with its tree; what hung from its PoP in others gets another parent in the same way.
 * -ENOENT: nothing is changed; -ENOMEM: free the forest. */
int copse_forest_leave(struct copse_forest *forest, uint32_t pop, struct copse_error *error);
/* Takes its time to make better use of the network than changes do: grows every tree that is missing, and if areas are
 * still without one, tries a plan from nothing. It is taken if it serves such an area, unless an earlier one, in
 * the order of BuildTrees, would lose its tree. -ENOMEM: free the forest. */
int copse_forest_improve(struct copse_forest *forest, struct copse_error *error);
/* Belongs to the forest and is true until its next change. Trees are in the order they were built in. */
const struct copse_plan *copse_forest_plan(const struct copse_forest *forest);
void copse_forest_free(struct copse_forest *forest);

/* Guarantee G1, checked without trusting the builder: 0, or -EBADMSG with the first violation. */
int copse_verify_plan(const struct copse_network *network, const struct copse_area *areas, size_t area_count,
                      const struct copse_shape *shape, const struct copse_plan *plan, struct copse_error *error);

/* How far a plan is from what is possible, by its least rate. */
struct copse_bound {
  uint64_t rate_bps;  /* no plan gives every area with sender and credit a tree of more: links, egress and caps */
  uint64_t least_bps; /* what this plan gives each of them at least; 0 if one has no tree */
  size_t trees;       /* how many such areas there are */
  bool flow;          /* found by max-flow (Edmonds); else by cuts around single PoPs, which is looser */
};
#define COPSE_FLOW_AREAS 300 /* max-flow takes a fifth of a second for so many */
/* For a verified plan. Max-flow, which takes longer, is used for at most `flow_limit` areas. -ENOMEM. */
int copse_bound_plan(const struct copse_network *network, const struct copse_area *areas, size_t area_count,
                     const struct copse_plan *plan, size_t flow_limit, struct copse_bound *bound,
                     struct copse_error *error);

void copse_plan_free(struct copse_plan *plan);

#endif
