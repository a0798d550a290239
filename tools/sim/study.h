/* SPDX-License-Identifier: Apache-2.0 */
/* A study: a network, peers, and the cases to run on it (config/studies/). */
#ifndef SIM_STUDY_H
#define SIM_STUDY_H

#include "simulated.h"

#include <copse/error.h>
#include <copse/schema.h>

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

/* A network that is made, not written out. */
struct study_generated {
  uint64_t pops;    /* 0: none */
  uint64_t routers; /* 0: one for each PoP */
  uint64_t seed;
  double width_km, height_km;
};

struct study_cdn {
  double access_bps, bandwidth_bps, budget_bps, delay_ms, growth;
  struct study_pop *pops;
  size_t pop_count;
};

/* Of some peers, the first so many of the list, instead of everybody's. */
struct study_slow {
  uint64_t *peers; /* from 1 */
  size_t peers_count, count;
  double downlink_bps;
};

/* One quantity that takes several values, one after the other. */
struct study_vary {
  char *key; /* null: nothing varies */
  double *values;
  size_t count;
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
  struct study_generated generated; /* instead of routers, links and PoPs */
  struct study_slow slow;
  struct study_vary vary;
  bool parity;             /* in trees, where they lose symbols */
  bool seeds_leave;        /* each once every block is at somebody else */
  double core;             /* times the rates between routers and of the PoPs' access */
  double scale;            /* rates are multiplied and delays divided by it */
  double sync_ms, tick_ms; /* of peers: to their control plane; of fetching */
  bool peers_each;         /* `peers` counts those behind each router */
  uint64_t *peers, *seeds, *sizes_bytes;
  size_t peers_count, seeds_count, sizes_count;
  bool arrivals[2], modes[2]; /* by enum study_arrivals; without and with the CDN */
  bool levels[2];             /* packets; flows */
  uint64_t packet_peers;      /* more peers only at flow level */
  uint64_t runs;
};

/* Negative errno with `file:line: sentence`. Free `study` in any case. */
int study_read(const char *path, struct study *study, struct copse_error *error);
int study_read_text(const char *name, const char *text, struct study *study, struct copse_error *error);
void study_free(struct study *study);

#define STUDY_ROUTERS_MAX 256
#define STUDY_RATE_MAX 1e12

/* topology.c: reads what the keys of these names hold, into a study. */
int study_router_read(struct copse_reader *reader, const config_setting_t *element, void *target);
int study_link_read(struct copse_reader *reader, const config_setting_t *element, void *target);
int study_backbone_read(struct copse_reader *reader, const config_setting_t *group, void *target);
int study_access_read(struct copse_reader *reader, const config_setting_t *group, void *target);
int study_cdn_read(struct copse_reader *reader, const config_setting_t *group, void *target);
/* Either a network that is written out, each router in an area, or one that is made. */
int study_network_check(const struct study *study, const char *file, struct copse_error *error);

/* generate.c */
int study_generated_read(struct copse_reader *reader, const config_setting_t *group, void *target);
size_t study_router_count(const struct study *study);
/* Makes the network of a study that has none of its own; it is to be freed before anything of the study is. */
void study_generate(struct study *study);
void study_generated_free(struct study *study);

/* ---- cases ---- */

struct study_case {
  uint32_t peers;
  uint64_t size_bytes;
  enum study_arrivals arrivals;
  bool cdn;
  bool flow;    /* level of the network: flows instead of packets */
  double value; /* of what varies */
  uint32_t run; /* from 0; also the seed of chance, the same for both modes and all values */
};

/* The study with the case's value in its place. Shares all memory with `study`: not to be freed. */
struct study study_at(const struct study *study, const struct study_case *which);
/* How many peers a case has for one of the study's numbers of peers. */
uint32_t study_peers(const struct study *study, size_t index);
/* Reads the group `vary` into a study. */
int study_vary_read(struct copse_reader *reader, const config_setting_t *group, void *target);
/* Whether every value can take its place; -EINVAL with a sentence. */
int study_vary_check(const struct study *study, const char *file, struct copse_error *error);

#define STUDY_PEERS_MAX 10000

struct study_result {
  uint32_t unfinished, too_early;                               /* peers; those that finished before physics allows */
  double arrival_s[STUDY_PEERS_MAX], finish_s[STUDY_PEERS_MAX]; /* finish 0: a seed */
  double seeds_left_s;                                          /* the last of them; 0: none */
  double seed_bytes;                                            /* that the seeds sent, of content */
  double cdn_bytes, backbone_bytes, direct_bytes;               /* on links, on links, of content from other peers */
  double queue_drops, tree_drops, events;
};

/* Whether a peer (from 0) is one of the slow ones. */
bool study_is_slow(const struct study *study, const struct study_case *which, uint32_t peer);
/* Seconds before which nobody can have the file: F over the seeds' uplinks together, or over a downlink if that is
 * less. */
double study_floor(const struct study *study, const struct study_case *which);
/* The same for a peer that arrives then: no sooner than its downlink carries the file. */
double study_bound(const struct study *study, const struct study_case *which, uint32_t peer, double arrival_s);
void study_run(const struct study *study, const struct study_case *which, struct study_result *result);

#endif
