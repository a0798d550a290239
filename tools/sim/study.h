/* SPDX-License-Identifier: Apache-2.0 */
/* A study: a network, peers, and the cases to run on it (config/studies/). */
#ifndef SIM_STUDY_H
#define SIM_STUDY_H

#include "simulated.h"

#include <copse/error.h>

struct study_router {
  char *name, *city;
};

struct study_link {
  uint32_t from, to; /* routers */
  double delay_ms;
};

struct study_access {
  double uplink_bps, downlink_bps, delay_ms, loss;
  uint64_t uplink_queue_bytes, downlink_queue_bytes;
};

struct study_backbone {
  double bandwidth_bps;
  uint64_t queue_bytes;
};

struct study_pop {
  char *name;
  uint32_t router;
};

struct study_cdn {
  double access_bps, bandwidth_bps, budget_bps, delay_ms, growth;
  struct study_pop *pops;
  size_t pop_count;
};

enum study_arrivals { STUDY_FLASH, STUDY_POISSON };

struct study {
  char *name;
  struct study_router *routers;
  size_t router_count;
  uint32_t *pop_of; /* by router; UINT32_MAX: of none */
  struct study_link *links;
  size_t link_count;
  struct study_backbone backbone;
  struct study_access access;
  struct study_cdn cdn;
  double scale;            /* rates are multiplied and delays divided by it */
  double sync_ms, tick_ms; /* of peers: to their control plane; of fetching */
  uint64_t *peers, *seeds, *sizes_bytes;
  size_t peers_count, seeds_count, sizes_count;
  bool arrivals[2], modes[2]; /* by enum study_arrivals; without and with the CDN */
  uint64_t runs;
};

/* Negative errno with `file:line: sentence`. Free `study` in any case. */
int study_read(const char *path, struct study *study, struct copse_error *error);
int study_read_text(const char *name, const char *text, struct study *study, struct copse_error *error);
void study_free(struct study *study);

/* ---- cases ---- */

struct study_case {
  uint32_t peers;
  uint64_t size_bytes;
  enum study_arrivals arrivals;
  bool cdn;
  uint32_t run; /* from 0; also the seed of chance, the same for both modes */
};

#define STUDY_PEERS_MAX 256

struct study_result {
  uint32_t unfinished, too_early;                               /* peers; those that finished before physics allows */
  double arrival_s[STUDY_PEERS_MAX], finish_s[STUDY_PEERS_MAX]; /* finish 0: a seed */
  double seed_bytes;                                            /* that the seeds sent, of content */
  double cdn_bytes, backbone_bytes, direct_bytes;               /* on links, on links, of content from other peers */
  double queue_drops, tree_drops, events;
};

/* Seconds before which nobody can have the file: F over the sum of the seeds' uplinks. */
double study_floor(const struct study *study, uint64_t size_bytes);
/* The same for a peer that arrives then: no sooner than its downlink carries the file. */
double study_bound(const struct study *study, uint64_t size_bytes, double arrival_s);
void study_run(const struct study *study, const struct study_case *which, struct study_result *result);

#endif
