/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the etcd store share. */
#ifndef COPSE_STORE_ETCD_INTERNAL_H
#define COPSE_STORE_ETCD_INTERNAL_H

#include "backend.h"
#include "etcd.h"
#include "etcd_json.h"
#include <curl/curl.h>

#define ETCD_ANSWER_MAX (256U << 20) /* bytes of an answer, or of a watch's that nobody reads */
#define ETCD_RECENT 64               /* revisions a watch remembers to tell a repeated one from a late one */

struct etcd_store;

/* One request and the answer that has come so far. */
struct etcd_transfer {
  CURL *easy;
  char *text;
  size_t length, capacity;
  bool running, started, too_long;
  CURLcode code; /* once it is over */
  char detail[CURL_ERROR_SIZE];
};

/* What a watch has been told; needs no connection, see etcd_events.c. */
struct etcd_events {
  copse_watch_callback *callback;
  void *context;
  size_t prefix_bytes; /* of the store's prefix, in front of every key */
  uint64_t revision;   /* last delivered */
  uint64_t recent[ETCD_RECENT];
  size_t recent_count;
  int delivered; /* changes, ever */
};

struct etcd_watch {
  struct etcd_transfer transfer;
  struct etcd_events events;
  char *prefix;
  size_t taken;     /* bytes of the answer */
  uint64_t awaited; /* revision the next poll should have */
  uint64_t marked;  /* revision it had when the probe was sent */
};

struct etcd_store {
  struct copse_store store; /* first: what store.h hands out */
  CURLM *multi;
  struct curl_slist *headers;
  char **endpoints;
  size_t endpoint_count, endpoint; /* the one in use */
  char *prefix, *ca, *certificate, *key, *user, *password;
  char *token; /* of the user, null: none yet */
  uint64_t timeout_ms;
  struct etcd_transfer call, probe;
  bool connected;     /* this endpoint has answered a call */
  bool reconnected;   /* the last call was sent on a new connection although there had been one: perhaps twice */
  bool away;          /* no endpoint is known to answer */
  size_t failed;      /* endpoints in a row */
  uint64_t probed_ms; /* the last probe */
  uint64_t probe_ms;  /* the next one, not before */
  struct etcd_watch **watches;
  size_t watch_count;
};

static inline struct etcd_store *
etcd_of(struct copse_store *base) {
  return (struct etcd_store *)base;
}

/* etcd_transfer.c: an easy handle that lives as long as the store. */
int etcd_transfer_init(struct etcd_store *store, struct etcd_transfer *transfer);
void etcd_transfer_free(struct etcd_store *store, struct etcd_transfer *transfer);
/* Sends a request to PATH of the endpoint in use; `whole_ms` 0: the answer has no end. */
int etcd_transfer_start(struct etcd_store *store, struct etcd_transfer *transfer, const char *path,
                        const json_t *request, uint64_t whole_ms);
void etcd_transfer_stop(struct etcd_store *store, struct etcd_transfer *transfer);
/* Sends and receives what can be, after waiting at most `wait_ms` for something. */
void etcd_turn(struct etcd_store *store, int wait_ms);
/* The answer as JSON: 0; else a negative errno with a sentence. -EHOSTUNREACH: another endpoint should be asked. */
int etcd_transfer_result(const struct etcd_store *store, const struct etcd_transfer *transfer, json_t **answer,
                         struct copse_error *error);

/* etcd_call.c: sends a request (consumed; null: no memory) and waits for the answer. One that may be repeated without
 * harm is sent to another endpoint when one fails. -ETIMEDOUT: it may have been carried out. */
int etcd_call(struct etcd_store *store, const char *path, json_t *request, bool repeatable, json_t **answer,
              struct copse_error *error);
/* One request to the endpoint in use, as it stands. */
int etcd_post(struct etcd_store *store, const char *path, const json_t *request, json_t **answer,
              struct copse_error *error);
/* Looks for an endpoint that answers, and whether the one in use still does; never waits. -EHOSTUNREACH. */
int etcd_look(struct etcd_store *store, uint64_t now_ms);
/* The endpoint in use does not answer (any more). */
void etcd_lose(struct etcd_store *store);

/* etcd_user.c: who we are to etcd, where a user is configured. 0 at once when we are known. */
int etcd_log_in(struct etcd_store *store, struct copse_error *error);
/* Logs in again with the next request. */
void etcd_log_out(struct etcd_store *store);

/* etcd_watch.c: the next poll is to deliver what a key's watches are known to miss. */
void etcd_await(struct etcd_store *store, const char *key, uint64_t revision);
void etcd_watches_stop(struct etcd_store *store);
void etcd_watches_free(struct etcd_store *store);
/* A probe is sent: its answer will know at least what watches have seen by now. */
void etcd_watches_mark(struct etcd_store *store);
/* The probe's answer, the store's revision as a quorum knows it: a watch that was beyond it saw another store's. */
void etcd_watches_check(struct etcd_store *store, uint64_t revision);
int etcd_watch(struct copse_store *base, const char *prefix, uint64_t after, copse_watch_callback *callback,
               void *context);
int etcd_poll(struct copse_store *base, uint64_t now_ms);

/* etcd_events.c: one line of a watch's answer. Calls back for what is in it; -ECONNRESET when the watch has ended and
 * must be asked for again after events->revision, -EBADMSG. */
int etcd_events_take(struct etcd_events *events, const char *line, size_t length);
/* Tells that changes up to `revision` were missed, and goes on from there. */
void etcd_events_skip(struct etcd_events *events, uint64_t revision);

/* etcd_commit.c */
int etcd_commit(struct copse_store *base, const struct copse_compare *compares, size_t compare_count,
                const struct copse_change *changes, size_t change_count, uint64_t *revision, struct copse_error *error);

/* etcd_lease.c */
int etcd_lease(struct copse_store *base, uint64_t now_ms, uint64_t ttl_ms, uint64_t *lease, struct copse_error *error);
int etcd_renew(struct copse_store *base, uint64_t lease, uint64_t now_ms);
int etcd_revoke(struct copse_store *base, uint64_t lease);

#endif
