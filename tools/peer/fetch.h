/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks from other peers by range requests: repair of what trees lost, or everything when there is no tree. */
#ifndef PEER_FETCH_H
#define PEER_FETCH_H

#include "receive.h"
#include "swarm.h"
#include "transfer.h"

#define FETCH_DOWNLOADS 5

struct fetch;

struct fetch_config {
  struct event_base *base;
  struct transfers *transfers;
  const char *session;
  const struct content *content;
  struct blocks *blocks;
  struct receiver *receiver; /* its partial blocks are completed */
  /* A block more is here. */
  void (*stored)(void *context);
  /* The disk refused, errno says why. Nothing more is fetched. */
  void (*failed)(void *context);
  void *context;
};

/* Idle until it knows of peers. Null when memory is short. */
struct fetch *fetch_create(const struct fetch_config *config);
void fetch_free(struct fetch *fetch);
/* What a sync said: injected blocks, mode, peers. */
void fetch_update(struct fetch *fetch, const struct synced *synced, const char *own_member);
/* Bytes of content that came from peers. */
uint64_t fetch_bytes(const struct fetch *fetch);

#endif
