/* SPDX-License-Identifier: Apache-2.0 */
/* What our dataplane's table holds: read from its DUMP once, then kept by applying what is sent. When a batch is
 * refused or lost, the shadow is read again. Slots are chosen here. */
#ifndef COPSE_SHADOW_H
#define COPSE_SHADOW_H

#include "dataplane/operations.h"
#include "set.h"
#include "slots.h"

/* A PoP whose edge is charged for again although the tree's label record still lists it. */
struct copse_recharged {
  char pop[COPSE_NAME_BYTES];
  uint64_t since_ms;
};

/* Objects begin with their name, for copse_set: the id in hex, or a link's name. */
struct copse_shadow_tree {
  char id[17];
  struct copse_api_tree set;
  struct copse_api_hop *hops;
  bool *unwanted;             /* by hop: the child has been told that its subtree wants nothing */
  struct copse_set recharged; /* struct copse_recharged, at the root; see labels.c */
  bool label_known;           /* its label record is what we wrote last, and nobody's write of it is under way */
  bool label_noted;           /* it is in the transaction that is being made */
  uint64_t allowance_bytes;
  bool planned;         /* wanted by a plan, seen in the last walk over the sessions */
  bool removing;        /* goes with this batch */
  uint64_t leaving_ms;  /* since when no plan wants it; 0: one does */
  uint64_t rootless_ms; /* since when its root has let it go as well */
  uint64_t packets;     /* at the root: last count seen, and when it last moved */
  uint64_t bytes, active_ms;
  uint64_t published_ms, published_bytes, published_red, published_unpaid;
  uint64_t sampled_packets; /* stats.c */
};

struct copse_shadow_member {
  char id[17];
  struct copse_api_member set;
  uint64_t batch;      /* that first set it; 0: it was there when the table was read */
  bool wanted;         /* as `planned` */
  bool interest_known; /* a whole bitmap has been sent in this life of the dataplane, and we know which */
  bool nothing_wanted; /* it was: no block */
};

struct copse_shadow_link {
  char name[COPSE_NAME_BYTES];
  struct copse_api_link set;
  bool wanted;
  struct copse_link_counters sampled; /* stats.c */
  unsigned seconds;                   /* that were sampled */
  double sent_pps, received_pps;      /* smoothed over them */
};

struct copse_shadow_target {
  char name[COPSE_NAME_BYTES];
  struct copse_api_target set;
  bool wanted;
};

struct copse_shadow {
  struct copse_set trees, members, links, targets;
  struct copse_slots tree_slots, member_slots, link_slots, target_slots, label_slots;
  struct copse_shadow_tree **tree_at;     /* by slot */
  struct copse_shadow_member **member_at; /* by slot */
  struct copse_shadow_link **link_at;     /* by slot */
  struct copse_shadow_target **target_at; /* by slot */
  uint8_t *generations; /* of label slots: the next to give out; random at first, since those before us are unknown */
  struct copse_api_limits limits;
  uint64_t generation; /* of the table */
};

/* An empty shadow for a dataplane with these limits. -ENOMEM. */
int copse_shadow_create(struct copse_shadow *shadow, const struct copse_api_limits *limits);
void copse_shadow_free(struct copse_shadow *shadow);
/* Applies one operation, from a DUMP or of what is sent. -ENOMEM, -EBADMSG when it does not fit what is there. */
int copse_shadow_apply(struct copse_shadow *shadow, uint16_t kind, const void *record);

/* A label slot and its next generation; COPSE_LABEL_NONE when none is free. It stays taken until given back, or until
 * the tree or member that has it is removed. */
uint32_t copse_shadow_label_take(struct copse_shadow *shadow);
void copse_shadow_label_release(struct copse_shadow *shadow, uint32_t label);
/* Gives back every label that no tree and no member in the table has. */
void copse_shadow_label_recount(struct copse_shadow *shadow);
/* Takes a given label: a member's, which must stay what it is. False when its slot is taken or does not exist. */
bool copse_shadow_label_mark(struct copse_shadow *shadow, uint32_t label);

struct copse_shadow_tree *copse_shadow_tree(const struct copse_shadow *shadow, const char *id);
struct copse_shadow_member *copse_shadow_member(const struct copse_shadow *shadow, const char *id);
struct copse_shadow_link *copse_shadow_link(const struct copse_shadow *shadow, const char *name);

#endif
