/* SPDX-License-Identifier: Apache-2.0 */
/* The store's records in memory, kept by watching. What is decided is decided by comparing this with the dataplane;
 * nothing in here is missed after a crash but what struct copse_member_local says. */
#ifndef COPSE_MODEL_H
#define COPSE_MODEL_H

#include "records.h"
#include "set.h"
#include "store/store.h"
#include <copse/manifest.h>

struct copse_pop {
  char name[COPSE_NAME_BYTES];
  uint64_t revision;
  struct copse_pop_record record;
};

struct copse_account {
  char name[COPSE_ACCOUNT_BYTES];
  uint64_t revision;
  struct copse_account_record record;
};

struct copse_egress {
  char name[COPSE_NAME_BYTES];
  uint64_t revision;
  struct copse_egress_record record;
};

struct copse_link {
  char name[2 * COPSE_NAME_BYTES]; /* "U/V", as in the key */
  char from[COPSE_NAME_BYTES], to[COPSE_NAME_BYTES];
  uint64_t revision; /* 0: not in the topology (any more) */
  struct copse_link_record record;
  uint64_t measured_revision; /* 0: nobody measures it */
  struct copse_measured_record measured;
  uint64_t stamp_revision; /* 0: there is no key */
  struct copse_stamp_record stamp;
  uint64_t reserved_bps; /* by all sessions */
};

/* What is the same for all links from a PoP: they are sold together. */
struct copse_pop_links {
  char pop[COPSE_NAME_BYTES];
  uint64_t reserved_revision; /* 0: nothing is reserved */
  json_t *reserved;           /* {"S":{"bps","links":{"V":bps}}} or null */
  uint64_t reserved_bps;      /* of the PoP's egress, by all sessions */
  uint64_t budgets_revision;  /* when a budget of a link from there, or its egress, changed last; 0: never */
};

struct copse_pop_stats {
  char name[COPSE_NAME_BYTES];
  uint64_t revision;
  struct copse_stats_record record;
};

/* What a member's PoP knows of it and no store holds: after a restart the next sync brings it again. */
struct copse_member_local {
  uint64_t seen_ms;    /* last sync */
  uint64_t written_ms; /* progress in the store */
  uint64_t touched_ms; /* its orders were kept alive in the store */
  uint64_t rated_ms;   /* start of the interval rates are measured over */
  uint64_t rated_cdn, rated_direct, rated_in, rated_out;
  uint64_t *wanted; /* bitmap of blocks it misses, null: unknown */
  uint32_t wanted_blocks;
  uint32_t dirty_first, dirty_end; /* words the dataplane has not been told; equal: none */
  uint64_t told_ms;                /* when it was last told */
};

struct copse_member {
  char id[COPSE_ID_BYTES];
  uint64_t number; /* the id */
  uint64_t revision;
  struct copse_member_record record;
  struct copse_endpoint endpoint;
  uint64_t progress_revision;
  struct copse_progress progress;
  struct copse_member_local local;
};

/* "T/P": tree T is installed at PoP P. */
struct copse_installed {
  char name[COPSE_ID_BYTES + COPSE_NAME_BYTES];
  char tree[COPSE_ID_BYTES];
  char pop[COPSE_NAME_BYTES];
  uint64_t revision;
  struct copse_label_record record;
};

struct copse_area_state {
  char pop[COPSE_NAME_BYTES];
  uint64_t revision;
  struct copse_area_record record;
};

struct copse_tree_ledger {
  char id[COPSE_ID_BYTES];
  uint64_t revision;
  struct copse_tree_record record;
};

struct copse_scheduler;

/* What an owner knows of its planning: of one term, nothing of an earlier one holds. See owner.c. */
struct copse_planning {
  bool stale;      /* what the plan was made of may have changed */
  bool unsettled;  /* what is reserved for it may be more than its plan needs */
  uint64_t due_ms; /* 0: not due */
  uint64_t improve_due_ms;
  uint64_t tries;
  uint8_t digest[32];     /* of what the plan was made of */
  uint64_t done_since_ms; /* all members have been done since; 0: they are not */
};

struct copse_session {
  char id[COPSE_SESSION_BYTES];
  uint64_t revision; /* 0: no such session (any more), only remains of it */
  json_t *record;
  struct copse_manifest manifest;
  bool finished;
  char owner[COPSE_NAME_BYTES];
  uint64_t owner_revision;
  struct copse_set members;   /* struct copse_member */
  struct copse_set installed; /* struct copse_installed */
  struct copse_set areas;     /* struct copse_area_state */
  struct copse_set ledgers;   /* struct copse_tree_ledger */
  uint64_t plan_revision;
  struct copse_plan_record plan;
  size_t outlets; /* PoPs on whose links something is reserved for it */
  uint64_t orders_revision;
  char *orders;                      /* text of the scheduler's state */
  struct copse_scheduler *scheduler; /* decoded when asked for, null: not yet */
  json_t *injected;                  /* ranges, made with it */
  uint64_t waiting_since_ms;         /* somebody wants the content; 0: nobody does. See orders.c */
  struct copse_planning planning;
};

struct copse_model {
  struct copse_set pops, links, outlets, egress, accounts, sessions;
  struct copse_set stats;      /* struct copse_pop_stats */
  struct copse_set deleted[2]; /* keys and the revision they went at: the latest, and those before them */
  bool changed;                /* since the user last cleared it, but for stats */
};

/* One change of the store; values that are no records count as absent. Changes older than what is known of a key, also
 * that it is gone, are ignored: own commits may be applied before the watch brings them, and changes may come twice,
 * late, or in another order. -ENOMEM. */
int copse_model_apply(struct copse_model *model, const char *key, const char *value, uint64_t revision);
/* Reads the store into the model, in place of what it held; `revision` is what to watch from. On failure the model
 * stays as it was: what a dataplane holds must not be taken for superfluous because a store is away. */
int copse_model_load(struct copse_model *model, struct copse_store *store, uint64_t *revision);
void copse_model_free(struct copse_model *model);

/* The link's object, null when the store says nothing of it at all. */
struct copse_link *copse_model_link(const struct copse_model *model, const char *from, const char *to);
/* It is in the topology, with some bandwidth for peers. */
bool copse_link_configured(const struct copse_link *link);
/* Layer 3 bit/s of a link that plans may hold: what is configured, lowered by what is measured. */
uint64_t copse_link_capacity(const struct copse_link *link);
/* What sessions other than this one hold on a link, and of a PoP's egress. */
uint64_t copse_link_held_by_others(const struct copse_model *model, const struct copse_link *link,
                                   const struct copse_session *session);
uint64_t copse_egress_held_by_others(const struct copse_model *model, const char *pop,
                                     const struct copse_session *session);
/* Null when there is none; a session whose record is gone is none. */
struct copse_session *copse_model_session(const struct copse_model *model, const char *id);
/* Null when there is none, or only its progress is left. Walks over session->members skip those of revision 0. */
struct copse_member *copse_session_member(const struct copse_session *session, const char *id);
struct copse_planned_tree *copse_session_tree(const struct copse_session *session, const char *id);
/* The record of a tree at a PoP, null when it is not installed there. */
const struct copse_installed *copse_session_label(const struct copse_session *session, const char *tree,
                                                  const char *pop);
/* The tree the plan has for a root, whatever its status; null when there is none. */
struct copse_planned_tree *copse_session_rooted(const struct copse_session *session, const char *root);
/* Its plan holds something of links, or something is reserved for it. */
bool copse_session_holds(const struct copse_session *session);
/* The number of blocks. */
uint32_t copse_session_blocks(const struct copse_session *session);
/* Has the whole content, from the start or by now. */
bool copse_member_complete(const struct copse_member *member);
/* Is in the area of this PoP: trees carry what it sends and bring it what it misses. Who joined as `direct` is not. */
bool copse_member_in_area(const struct copse_member *member, const char *pop);

#endif
