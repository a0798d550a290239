/* SPDX-License-Identifier: Apache-2.0 */
/* The store's records (docs/store.md) as structs, and their JSON. Reading is strict: a record that does not hold what
 * it must is no record. All texts are null terminated; all rates are layer 3 bit/s. */
#ifndef COPSE_RECORDS_H
#define COPSE_RECORDS_H

#include "ledger/account.h"
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
  uint64_t lease; /* that the record lives under */
};

struct copse_link_record {
  uint64_t bandwidth_bps;
  double delay_ms;
  char by[COPSE_NAME_BYTES]; /* the PoP whose configuration has it */
};

/* What is measured of a link, written by the PoP it leaves. */
struct copse_measured_record {
  uint64_t capacity_percent; /* of its configured bandwidth that can be used: 100 up, 0 down, between degraded */
  double loss;               /* share of packets, 0 to 1 */
  double delay_ms, jitter_ms;
};

/* Key of the STAMP session from one PoP to another. */
struct copse_stamp_record {
  uint8_t key[COPSE_KEY_BYTES]; /* zeros: unauthenticated mode */
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
  uint8_t key[COPSE_KEY_BYTES];
  uint32_t label;
};

struct copse_progress {
  uint64_t have; /* blocks */
  bool done;
  uint64_t cdn_bytes, direct_bytes, sent_bytes;
  uint64_t cdn_bps, direct_bps; /* over the last moments */
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
  struct copse_planned_tree *leaving; /* of earlier plans: still installed somewhere, holding their links */
  size_t leaving_count;
  json_t *numbers; /* {"P": number}: the last one each root has used, also of trees that are gone */
};

/* A tree as one PoP has installed it. */
struct copse_label_record {
  uint32_t label; /* COPSE_LABEL_NONE at the root */
  char root[COPSE_NAME_BYTES];
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
  uint64_t lost_bytes;    /* in all; granted to lives of the dataplane of which no count is left */
  struct copse_grant grants[COPSE_GRANTS_MAX];
  size_t grant_count;
  uint64_t bps, packets, bytes; /* measured at the root */
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
bool copse_area_read(const json_t *json, struct copse_area_record *out);
json_t *copse_area_write(const struct copse_area_record *area);
bool copse_tree_record_read(const json_t *json, struct copse_tree_record *out);
json_t *copse_tree_record_write(const struct copse_tree_record *record);

/* Copies a text, cut to the room there is. */
void copse_copy(char *out, size_t size, const char *text);

/* Pieces of records, also of requests. */
bool copse_json_number(const json_t *object, const char *name, uint64_t *out); /* whole, integer or float, >= 0 */
bool copse_json_text(const json_t *object, const char *name, char *out, size_t size);
bool copse_json_hex(const json_t *object, const char *name, void *out, size_t bytes);
void copse_hex(const void *bytes, size_t count, char *out); /* 2 * count digits and a null */

/* Textual IPv4 or IPv6 address and port (host order); false when it is none. */
bool copse_endpoint_parse(const char *address, uint16_t port, struct copse_endpoint *out);
void copse_endpoint_text(const struct copse_endpoint *endpoint, char out[COPSE_ADDRESS_BYTES]);

#endif
