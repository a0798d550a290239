/* SPDX-License-Identifier: Apache-2.0 */
/* One control plane from the inside, shared by the files of session/.
 *
 * Everything is decided by comparing: the model (what the store says) with the shadow (what the dataplane holds) and
 * with the configuration. A walk does what is missing and can be repeated at any time, so a crash anywhere loses
 * nothing. */
#ifndef COPSE_STATE_H
#define COPSE_STATE_H

#include "config.h"
#include "control.h"
#include "dataplane/client.h"
#include "measure/measure.h"
#include "model.h"
#include "shadow.h"
#include "store/transaction.h"

enum copse_nodes_state {
  COPSE_NODES_AWAY,    /* no dataplane */
  COPSE_NODES_READING, /* its DUMP has been asked for */
  COPSE_NODES_READY,
  COPSE_NODES_SENDING, /* a batch is under way */
};

#define COPSE_REFUSED_MAX 16
/* An object the dataplane refused is left alone for a while. */
struct copse_refused {
  char id[COPSE_NAME_BYTES]; /* of a member or tree; name of a link or target, a PoP whose address is not taken */
  uint64_t until_ms;
};

/* What a life of the dataplane that has ended had charged a tree rooted here. */
struct copse_final {
  char id[COPSE_ID_BYTES]; /* of the tree */
  uint64_t instance, charged_bytes;
};

struct copse_nodes {
  enum copse_nodes_state state;
  struct copse_shadow shadow;
  struct copse_set finals;            /* struct copse_final */
  struct copse_operations operations; /* of the batch being made or under way */
  uint64_t sent, confirmed;           /* batches */
  bool broken;                        /* an operation could not be applied to the shadow: read it again */
  struct copse_refused refused[COPSE_REFUSED_MAX];
  size_t next_refused;
  uint64_t resume_ms; /* no batch before: the last one was refused, and nobody knows for whom */
};

/* Our dataplane's counters as they were told last, see stats.c. */
struct copse_sampler {
  uint64_t at_s; /* 0: never */
  bool known;    /* what they were at the beginning of that second */
  struct copse_worker_counters workers;
  bool idle; /* nothing has moved since */
};

struct copse_control {
  const struct copse_control_config *config;
  struct event_base *base;
  struct event *tick; /* polls the store */
  struct event *soon; /* a walk has something to do */
  struct copse_store *store;
  int store_status;                      /* of the last poll, negative errno */
  uint64_t unwritten, unwritten_told_ms; /* transactions that failed since one was written, and when the log said so */
  bool fell_behind;                      /* the model misses changes */
  size_t part_outlets; /* PoPs whose reservations change in one transaction; 0: as many as it has room for */
  uint64_t lease;      /* of our presence and of what we own; 0: none */
  uint64_t renewed_ms;
  uint64_t walked_ms; /* last time the slow things were looked at */
  uint64_t retired_ms;
  uint64_t swept_ms;
  struct copse_sampler sampler;
  char api[COPSE_URL_BYTES];
  struct copse_endpoint endpoint; /* of our dataplane */
  struct copse_dataplane *dataplane;
  void (*taken)(void *context); /* told when the dataplane has taken a batch, may be null */
  void *taken_context;
  struct copse_model model;
  struct copse_nodes nodes;
  struct copse_measure measure;
};

/* Milliseconds of the monotonic clock, and of the calendar's: the only places where clocks are read. */
uint64_t copse_control_now(void);
uint64_t copse_control_wall(void);
/* Commits and, when it worked, applies the changes to the model at once. -EAGAIN: read again. Errors are logged, but
 * for -EAGAIN. */
int copse_control_commit(struct copse_control *control, const struct copse_compare *compares, size_t compare_count,
                         const struct copse_change *changes, size_t change_count);
/* The same with a transaction, which is freed. */
int copse_control_transact(struct copse_control *control, struct copse_transaction *transaction);
/* Delivers what others have changed, now. What was found in the model may be gone afterwards: find it again. */
void copse_control_refresh(struct copse_control *control);
/* Finds a session, also one that somebody has only just made; else null, and the answer says 404, or 503 when the store
 * cannot be asked. Refreshes the model when it must ask the store. */
struct copse_session *copse_control_session(struct copse_control *control, const char *id, struct copse_answer *answer);
/* Walks again as soon as the loop is free. */
void copse_control_soon(struct copse_control *control);
/* JSON text of a record that was just written, which is consumed; null when memory is short. */
char *copse_json_take(json_t *json);

/* presence.c */
int copse_presence_start(struct copse_control *control, struct copse_error *error);
void copse_presence_walk(struct copse_control *control, uint64_t now_ms);
void copse_presence_stop(struct copse_control *control);

/* members.c: expires the silent. */
void copse_members_walk(struct copse_control *control, uint64_t now_ms);
/* Sets the answer to what is wrong and returns false unless the caller may act for this member here; finds both. */
bool copse_member_find(struct copse_control *control, const struct copse_caller *caller, const char *session,
                       const char *member, struct copse_session **session_out, struct copse_member **member_out,
                       struct copse_answer *answer);
/* Answers with a status and a sentence. */
void copse_answer_fail(struct copse_answer *answer, int status, const char *field, const char *format, ...)
  __attribute__((format(printf, 4, 5)));
/* Reads true or false, false when it is not there; answers 400 and returns false when it is something else. */
bool copse_answer_flag(const json_t *body, const char *name, bool *out, struct copse_answer *answer);

/* owner.c: elections, plans, ends. */
void copse_owner_walk(struct copse_control *control, uint64_t now_ms);

/* retire.c: forgets sessions that ended long ago. */
void copse_retire_walk(struct copse_control *control, uint64_t now_ms);

/* nodes.c: our dataplane. */
int copse_nodes_start(struct copse_control *control, struct copse_error *error);
void copse_nodes_walk(struct copse_control *control, uint64_t now_ms);
void copse_nodes_stop(struct copse_control *control);
/* When no label is left: gives back those of members that went before they came into the table. */
void copse_nodes_labels(struct copse_control *control);
/* Queues an operation and applies it to the shadow. */
void copse_nodes_link(struct copse_nodes *nodes, const struct copse_api_link *link);
void copse_nodes_target(struct copse_nodes *nodes, const struct copse_api_target *target);
void copse_nodes_member(struct copse_nodes *nodes, const struct copse_api_member *member);
void copse_nodes_tree(struct copse_nodes *nodes, const struct copse_api_tree *tree, const struct copse_api_hop *hops);
void copse_nodes_allowance(struct copse_nodes *nodes, uint32_t slot, uint64_t total_bytes);
void copse_nodes_remove(struct copse_nodes *nodes, enum copse_api_operation_kind kind, uint32_t slot);
/* What the subtree of a child wants of so many blocks: all, or none. */
void copse_nodes_branch(struct copse_nodes *nodes, uint32_t slot, uint32_t hop, uint32_t blocks, bool wanted);
bool copse_nodes_refused(const struct copse_nodes *nodes, const char *id, uint64_t now_ms);

/* metrics.c: what precedes the series of a name. */
void copse_metrics_head(FILE *out, const char *name, const char *type, const char *help);

/* desire.c: writes to the store what the dataplane has confirmed, queues what makes the shadow what the model wants. */
void copse_desire_walk(struct copse_control *control, uint64_t now_ms);
/* stats.c: what our dataplane counts, once a second of the calendar. */
void copse_stats_walk(struct copse_control *control, uint64_t wall_ms);

/* credit.c: allowances of trees rooted here. The walk leases and settles in the store, the push queues operations. */
void copse_credit_walk(struct copse_control *control, uint64_t now_ms);
void copse_credit_push(struct copse_control *control);
/* A life of the dataplane has ended, these are its counters and the shadow is of its table: keeps what its trees were
 * charged. */
void copse_credit_note_finals(struct copse_control *control, const struct copse_counters *former, uint64_t instance);
/* Settles with the accounts what a tree that goes has charged; true when nothing is left to settle. */
bool copse_credit_close(struct copse_control *control, struct copse_session *session, struct copse_tree_ledger *ledger,
                        const struct copse_shadow_tree *tree);

/* members.c: whether the tree of our area in a session left the plan for idleness. */
int copse_area_idle(struct copse_control *control, const struct copse_session *session, bool idle);

/* interest.c: which blocks members still want. `bitmap` is base64 of those it has or leaves out; false: it is none. */
bool copse_interest_take(struct copse_member *member, const char *bitmap, uint32_t blocks);
void copse_interest_walk(struct copse_control *control, uint64_t now_ms);

/* orders.c: the block scheduler of a session. */
json_t *copse_orders_injected(struct copse_session *session);
/* Members to whom trees could bring something they miss. */
size_t copse_orders_waiting(const struct copse_control *control, const struct copse_session *session);
/* Takes `sent` of a sync, gives orders when asked; returns the "send" object of the answer. Refreshes the model. */
json_t *copse_orders_sync(struct copse_control *control, struct copse_session *session, struct copse_member *member,
                          const json_t *body, uint64_t now_ms);
/* Gives its orders to others. Refreshes the model. */
void copse_orders_leave(struct copse_control *control, struct copse_session *session, struct copse_member *member,
                        uint64_t now_ms);

#endif
