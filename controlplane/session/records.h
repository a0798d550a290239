/* SPDX-License-Identifier: Apache-2.0 */
/* The store's records (docs/store.md) as structs, and their JSON. Reading is strict: a record that does not hold what
 * it must is no record. All texts are null terminated; all rates are layer 3 bit/s. */
#ifndef COPSE_RECORDS_H
#define COPSE_RECORDS_H

#include "ledger/account.h"
#include "set.h"
#include <copse/api.h>
#include <copse/trees.h>
#include <jansson.h>
#include <stdbool.h>

#define COPSE_SESSION_BYTES 33 /* 32 hex digits */
#define COPSE_ID_BYTES 17      /* of members and trees: 16 hex digits */
#define COPSE_URL_BYTES 256
#define COPSE_ADDRESS_BYTES 46

struct copse_pop_record {
  struct copse_endpoint endpoint; /* of its dataplane */
  uint16_t stamp_port;            /* of its Session-Reflector, host order; 0: none */
  char api[COPSE_URL_BYTES];
  uint64_t fan_out; /* next hops a tree may have at its dataplane; 0: not known */
  uint64_t lease;   /* that the record lives under */
};

struct copse_link_record {
  uint64_t bandwidth_bps; /* the budget for peers' traffic: an operator's if there is one, else the configuration's */
  uint64_t configured_bps;
  bool overridden; /* by an operator */
  double delay_ms;
  char by[COPSE_NAME_BYTES]; /* the PoP whose configuration has it */
};

/* What is measured of a link, written by the PoP that it leaves. */
struct copse_measured_record {
  uint64_t capacity_percent; /* of its configured bandwidth that can be used: 100 up, 0 down, between degraded */
  bool heard;                /* test packets of the other end arrive */
  double loss;               /* share of packets, 0 to 1 */
  double delay_ms, jitter_ms;
};

/* Key of the STAMP session from one PoP to another. */
struct copse_stamp_record {
  uint8_t key[COPSE_KEY_BYTES]; /* zeros: unauthenticated mode */
};

/* One of a PoP's links. Rates of packets are smoothed over some seconds, the same way at both ends. */
struct copse_link_stats {
  char to[COPSE_NAME_BYTES];
  uint64_t packets, bytes, drops; /* sent and dropped in all */
  uint64_t bps, drops_pps;        /* over the last second */
  uint64_t sent_pps;              /* smoothed over the last `seconds` */
  uint64_t received_pps;          /* from there */
  uint64_t seconds;
};

/* Counted by a PoP's dataplane since it began; rates are over the second that ended at `at_s`. */
struct copse_stats_record {
  uint64_t at_s; /* of the calendar: all PoPs look at the beginning of a second */
  uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
  uint64_t rx_bps, tx_bps;
  uint64_t drops_pps; /* but for copies that nobody missed */
  uint64_t packet_drops[COPSE_PACKET_DROP_COUNT], copy_drops[COPSE_COPY_DROP_COUNT];
  struct copse_link_stats *links;
  size_t link_count;
};

/* A PoP's egress budget. */
struct copse_egress_record {
  uint64_t egress_bps;
  char by[COPSE_NAME_BYTES];
};

struct copse_member_record {
  char pop[COPSE_NAME_BYTES];
  char account[COPSE_ACCOUNT_BYTES]; /* "": an operator's */
  char address[COPSE_ADDRESS_BYTES];
  uint16_t port, http_port; /* host order */
  uint64_t uplink_bps, downlink_bps;
  bool seed;
  bool direct; /* takes no part in trees */
  uint8_t key[COPSE_KEY_BYTES];
  uint32_t label;
};

struct copse_progress {
  uint64_t have;   /* blocks */
  bool done, busy; /* busy: trees take all of its uplink */
  uint64_t cdn_bytes, direct_bytes, sent_bytes;
  uint64_t loss_ppm;            /* of the symbols that trees should have brought */
  uint64_t cdn_bps, direct_bps; /* over the last moments */
  /* Layer 3, over the same time, as its PoP's dataplane has counted: from it, and to it. */
  uint64_t in_bps, out_bps;
  bool unproven; /* its PoP's dataplane has no proof of its address */
};

struct copse_tree_edge {
  char from[COPSE_NAME_BYTES], to[COPSE_NAME_BYTES];
};

struct copse_planned_tree {
  char id[COPSE_ID_BYTES]; /* "": no tree, `status` says why */
  uint32_t number;         /* ordinal of the root << 8 | version: what peers see as label */
  char root[COPSE_NAME_BYTES];
  enum copse_tree_status status;
  bool clamped;
  double growth; /* C_i */
  uint64_t min_bps, max_bps, rate_bps;
  struct copse_tree_edge *edges; /* parents before children */
  size_t edge_count;
  uint8_t key[COPSE_KEY_BYTES];
  char reason[COPSE_ERROR_TEXT_BYTES];
};

struct copse_plan_record {
  uint64_t epoch;
  struct copse_planned_tree *trees; /* in build order */
  size_t tree_count;
  uint64_t bound_bps; /* when it was made, no plan could give every area a tree of more; 0: there was none to give */
  struct copse_planned_tree *leaving; /* of earlier plans: still installed somewhere, holding their links */
  size_t leaving_count;
  json_t *numbers; /* {"P": number}: the last one each root has used, also of trees that are gone */
};

/* A tree as one PoP has installed it. */
struct copse_label_record {
  uint32_t label; /* COPSE_LABEL_NONE at the root */
  char root[COPSE_NAME_BYTES];
  struct copse_set quiet; /* PoPs: children that are sent nothing; at the root, those that are not charged for */
};

struct copse_area_record {
  uint8_t key[COPSE_KEY_BYTES];
  bool idle; /* its tree carried nothing for so long that it left the plan */
};

#define COPSE_GRANTS_MAX 16
struct copse_grant {
  char account[COPSE_ACCOUNT_BYTES];
  uint64_t bytes; /* not yet charged */
};

/* The ledger and the meter reading of a tree, written by its root. granted = charged + lost + sum of grants. */
struct copse_tree_record {
  char root[COPSE_NAME_BYTES];
  uint64_t instance;      /* of the dataplane `base_bytes` belongs to */
  uint64_t base_bytes;    /* charged and lost before this life of the dataplane */
  uint64_t granted_bytes; /* in all */
  uint64_t charged_bytes; /* in all, as settled with the accounts */
  uint64_t counted_bytes; /* what this life of the dataplane had charged when its PoP last looked */
  uint64_t lost_bytes;    /* in all; granted to lives of the dataplane of which no count is left */
  struct copse_grant grants[COPSE_GRANTS_MAX];
  size_t grant_count;
  uint64_t bps, packets, bytes; /* measured at the root */
  uint64_t red_pps, unpaid_pps; /* dropped at the root above the peak rate, and for lack of allowance */
};

/* "up", "degraded" or "down". */
const char *copse_measured_state(const struct copse_measured_record *measured);
/* Names of enum copse_tree_status as docs/api.md has them. */
const char *copse_tree_status_name(enum copse_tree_status status);

/* Each reader returns false for what is no such record and leaves `out` undefined; each writer returns null when memory
 * is short. What points into memory is freed by the function named. */
bool copse_pop_read(const json_t *json, struct copse_pop_record *out);
json_t *copse_pop_write(const struct copse_pop_record *pop);
bool copse_link_read(const json_t *json, struct copse_link_record *out);
json_t *copse_link_write(const struct copse_link_record *link);
bool copse_measured_read(const json_t *json, struct copse_measured_record *out);
json_t *copse_measured_write(const struct copse_measured_record *measured);
bool copse_stamp_read(const json_t *json, struct copse_stamp_record *out);
json_t *copse_stamp_write(const struct copse_stamp_record *stamp);
bool copse_egress_read(const json_t *json, struct copse_egress_record *out);
json_t *copse_egress_write(const struct copse_egress_record *egress);
bool copse_member_read(const json_t *json, struct copse_member_record *out);
json_t *copse_member_write(const struct copse_member_record *member);
bool copse_progress_read(const json_t *json, struct copse_progress *out);
json_t *copse_progress_write(const struct copse_progress *progress);
bool copse_plan_read(const json_t *json, struct copse_plan_record *out);
json_t *copse_plan_write(const struct copse_plan_record *plan);
void copse_plan_record_free(struct copse_plan_record *plan);
bool copse_label_read(const json_t *json, struct copse_label_record *out);
json_t *copse_label_write(const struct copse_label_record *label);
void copse_label_record_free(struct copse_label_record *label);
bool copse_stats_read(const json_t *json, struct copse_stats_record *out);
json_t *copse_stats_write(const struct copse_stats_record *record);
void copse_stats_record_free(struct copse_stats_record *record);
/* {"name": count} of those that are not 0. */
json_t *copse_packet_drops_json(const struct copse_stats_record *record);
json_t *copse_copy_drops_json(const struct copse_stats_record *record);
bool copse_area_read(const json_t *json, struct copse_area_record *out);
json_t *copse_area_write(const struct copse_area_record *area);
bool copse_tree_record_read(const json_t *json, struct copse_tree_record *out);
json_t *copse_tree_record_write(const struct copse_tree_record *record);
/* Bytes that the tree holds of all accounts. */
uint64_t copse_tree_record_leased(const struct copse_tree_record *record);

/* Copies a text, cut to the room there is. */
void copse_copy(char *out, size_t size, const char *text);

/* Pieces of records, also of requests. */
bool copse_json_number(const json_t *object, const char *name, uint64_t *out); /* whole, integer or float, >= 0 */
uint64_t copse_json_number_or(const json_t *object, const char *name, uint64_t otherwise);
bool copse_json_text(const json_t *object, const char *name, char *out, size_t size);
bool copse_json_hex(const json_t *object, const char *name, void *out, size_t bytes);
void copse_hex(const void *bytes, size_t count, char *out); /* 2 * count digits and a null */

/* Textual IPv4 or IPv6 address and port (host order); false when it is none. */
bool copse_endpoint_parse(const char *address, uint16_t port, struct copse_endpoint *out);
void copse_endpoint_text(const struct copse_endpoint *endpoint, char out[COPSE_ADDRESS_BYTES]);

#endif
