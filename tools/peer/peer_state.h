/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of peer.h, shared by peer.c (events and their order) and membership.c (what is told and heard). */
#ifndef PEER_PEER_STATE_H
#define PEER_PEER_STATE_H

#include "control.h"
#include "fetch.h"
#include "handshake.h"
#include "peer.h"
#include "send.h"
#include "serve.h"
#include <event2/event.h>

struct peer {
  struct peer_config config;
  struct event_base *base;
  struct control *control;
  struct fetch *fetch;
  struct server *server;
  struct uplink uplink;
  struct handshake handshake;
  struct sender sender;
  struct receiver receiver;
  int udp;
  struct event *readable, *send_timer, *fetch_timer, *slow_timer, *finish_timer, *interrupt, *terminate;
  char member[MEMBER_CHARS];

  bool direct; /* the control plane says: no trees */
  bool leaving;
  enum exit_status result;
  uint64_t heard;         /* last sign of life from the dataplane, ns */
  uint64_t saved;         /* state on disk, ns */
  uint64_t finished;      /* file complete, ns; 0: not yet */
  uint32_t bitmap_have;   /* blocks in the bitmap reported last */
  uint32_t reported_have; /* in the report under way */
  double bitmap_fraction; /* of the blocks, that trees are asked for in the bitmap sent last */
  uint8_t *declined;      /* that bitmap */
  uint64_t bitmap_sent;   /* ns */
  bool bitmap_reported, done_reported;
};

struct status peer_status(const struct peer *peer);
/* Leaves the session; the loop ends when that is done. Only the first reason counts. */
void peer_stop(struct peer *peer, enum exit_status result);
/* Has the send timer run in a moment. */
void peer_wake_sender(struct peer *peer);
/* Sends the handshake packet that is due, if one is. */
void peer_shake(struct peer *peer, uint64_t now);

/* membership.c: callbacks of struct control_config. */
void membership_joined(void *context, const struct joined *joined);
void membership_report(void *context, struct report *report);
void membership_synced(void *context, const struct synced *synced);
bool membership_served(void *context, bool answered);
void membership_refused(void *context, const char *sentence);

#endif
