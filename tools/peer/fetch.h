/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks from other peers by range requests: repair of what trees lost, or everything when there is no tree. */
#ifndef PEER_FETCH_H
#define PEER_FETCH_H

#include "receive.h"
#include "swarm.h"
#include "transfer.h"
#include "uplink.h"

#define FETCH_DOWNLOADS 5
#define FETCH_TICK_NS 20000000ULL

struct fetch;

struct fetch_config {
  struct transfers *transfers;
  const char *session;
  const struct content *content;
  struct blocks *blocks;
  struct receiver *receiver; /* its partial blocks are completed */
  struct uplink *uplink;     /* pays for what asking costs */
  /* A request has ended: fetch_run has something to do. */
  void (*wake)(void *context);
  /* A block more is here. */
  void (*stored)(void *context);
  /* The disk refused, errno says why. Nothing more is fetched. */
  void (*failed)(void *context);
  void *context;
};

/* Idle until it knows of peers. `seed` is of its chance, `now` monotonic ns. Null when memory is short. */
struct fetch *fetch_create(const struct fetch_config *config, uint64_t seed, uint64_t now);
void fetch_free(struct fetch *fetch);
/* Does what is due: to be called every FETCH_TICK_NS and when woken. */
void fetch_run(struct fetch *fetch, uint64_t now);
/* What a sync said: injected blocks, mode, peers. */
void fetch_update(struct fetch *fetch, const struct synced *synced, const char *own_member);
/* Bytes of content that came from peers. */
uint64_t fetch_bytes(const struct fetch *fetch);

#endif
