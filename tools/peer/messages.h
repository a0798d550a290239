/* SPDX-License-Identifier: Apache-2.0 */
/* JSON of join and sync (docs/api.md). Nothing that comes is trusted: counts are bounded, what is malformed is refused
 * as a whole. */
#ifndef PEER_MESSAGES_H
#define PEER_MESSAGES_H

#include "orders.h"
#include <copse/error.h>
#include <copse/wire.h>
#include <jansson.h>
#include <stdbool.h>
#include <sys/socket.h>

#define MEMBER_CHARS 64
#define URL_CHARS 128
#define MESSAGE_PEERS_MAX 256

struct join {
  const char *address;
  uint16_t port, http_port;
  uint64_t uplink_bps, downlink_bps;
  bool seed, direct;
};

struct joined {
  char member[MEMBER_CHARS];
  uint32_t label;
  uint8_t key[COPSE_KEY_BYTES], area_key[COPSE_KEY_BYTES];
  struct sockaddr_storage block; /* of the PoP's dataplane */
  socklen_t block_bytes;
  uint64_t sync_ms;
};

struct report {
  uint32_t have, blocks;
  const uint8_t *bitmap; /* null: left out */
  bool done, want, busy; /* busy: trees take all of our uplink */
  const struct ranges *sent;
  uint64_t cdn_bytes, direct_bytes, sent_bytes;
  uint32_t loss_ppm; /* of the symbols trees should have brought */
};

struct peer_info {
  char member[MEMBER_CHARS], url[URL_CHARS];
  bool near, done, busy;
  uint32_t have;
};

struct synced {
  bool finished; /* the session is over */
  bool direct;   /* no trees: use peers only */
  bool unproven; /* the dataplane does not know our address (any more) */
  uint64_t rate_bps;
  uint64_t parity;   /* symbols to send with each block */
  uint64_t again_ms; /* there may be orders after so long; 0: not told */
  uint64_t waiting;  /* members that miss something; 0: not told */
  struct ranges orders, injected;
  struct peer_info *peers;
  size_t peer_count;
};

/* Text of a request, allocated; null when memory is short. */
char *message_join(const struct join *join);
char *message_report(const struct report *report);
/* Read an answer. -EPROTO with a sentence. */
int message_joined(const json_t *json, struct joined *joined, struct copse_error *error);
int message_synced(const json_t *json, struct synced *synced, struct copse_error *error);
void synced_free(struct synced *synced);

#endif
