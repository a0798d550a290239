/* SPDX-License-Identifier: Apache-2.0 */
/* Control planes of several PoPs in one event loop on one store, each with a dataplane that forwards nothing. */
#ifndef CLUSTER_H
#define CLUSTER_H

#include "config.h"
#include "control.h"
#include "etcd_server.h"
#include "fake_dataplane.h"
#include "session/model.h"

#define CLUSTER_MAX 4

struct cluster_pop {
  char name[8];
  struct copse_control_config config;
  struct copse_control *control; /* null: not running */
  struct fake_dataplane *dataplane;
};

struct cluster {
  char folder[64];
  struct etcd_cluster etcd; /* count 0: the store is a file in the folder */
  struct event_base *base;
  struct copse_store *store; /* a handle of the test's own */
  struct copse_model model;  /* what the test reads */
  struct cluster_pop pops[CLUSTER_MAX];
  size_t count;
};

/* The configurations of PoPs N1 … with links of `link_bps` between all, and their store; `more` is put into each. */
void cluster_make(struct cluster *cluster, size_t count, uint64_t link_bps, const char *more, bool etcd);
/* Starts one of them with its dataplane; negative errno when it cannot start now. */
int cluster_begin(struct cluster *cluster, size_t pop);
/* PoPs N1 … with links of `link_bps` between all; `more` is put into each configuration. Runs until all are healthy. On
 * etcd where COPSE_TEST_STORE says so. */
void cluster_start(struct cluster *cluster, size_t count, uint64_t link_bps, const char *more);
void cluster_stop(struct cluster *cluster);
void cluster_pop_stop(struct cluster *cluster, size_t pop);
void cluster_pop_start(struct cluster *cluster, size_t pop);

/* Turns the loop for a while. */
void cluster_run(struct cluster *cluster, unsigned ms);
/* Turns the loop until it holds; false after `ms`. */
bool cluster_until(struct cluster *cluster, bool (*holds)(struct cluster *cluster, const char *argument),
                   const char *argument, unsigned ms);
/* Reads the store anew and returns the session, null when there is none. */
struct copse_session *cluster_session(struct cluster *cluster, const char *session);

void cluster_account(struct cluster *cluster, const char *account, uint64_t credit_bytes);
void cluster_put(struct cluster *cluster, const char *key, const char *value);
/* The record of a session. */
void cluster_session_text(char *text, size_t bytes, uint32_t blocks, const char *state);
/* Makes a session of so many blocks; `id` is 32 hex digits. */
void cluster_make_session(struct cluster *cluster, const char *id, uint32_t blocks);
/* Joins; returns the member's id, allocated, or null and the status in `*status`. */
char *cluster_join(struct cluster *cluster, size_t pop, const char *session, const char *account, unsigned number,
                   bool seed, int *status);
/* The same from an address of the caller's choice: who joins again from there is the same peer. */
char *cluster_join_from(struct cluster *cluster, size_t pop, const char *address, const char *session,
                        const char *account, bool seed, int *status);
/* The answer to a sync, owned by the caller; null unless it is 200. `body` is JSON text. */
json_t *cluster_sync(struct cluster *cluster, size_t pop, const char *session, const char *account, const char *member,
                     const char *body, int *status);

/* The books of every account add up to zero, and what accounts have leased is what trees have been granted. Reads the
 * store anew. */
bool cluster_ledger_is_balanced(struct cluster *cluster);
/* No link's reservations exceed its budget, and they are exactly what plans hold. */
bool cluster_is_not_oversold(struct cluster *cluster);

#endif
