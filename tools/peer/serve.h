/* SPDX-License-Identifier: Apache-2.0 */
/* Serves verified blocks to other peers over plain HTTP (docs/api.md, between peers): libmicrohttpd in our loop. */
#ifndef PEER_SERVE_H
#define PEER_SERVE_H

#include "blocks.h"
#include "uplink.h"
#include <event2/event.h>

#define SERVE_UPLOADS 5

struct server;

struct server_config {
  struct event_base *base;
  const char *address; /* to listen on */
  uint16_t port;       /* 0: any */
  const char *session;
  const struct content *content;
  const struct blocks *blocks;
  struct uplink *uplink; /* uploads are paid for */
  /* An upload waits for the uplink: call server_run in a moment. */
  void (*waiting)(void *context);
  void *context;
};

/* Negative errno with a sentence. */
int server_start(const struct server_config *config, struct server **server, struct copse_error *error);
uint16_t server_port(const struct server *server);
/* Lets uploads that wait for the uplink go on, one after the other. */
void server_run(struct server *server, uint64_t now);
/* True while an upload waits for the uplink. */
bool server_waiting(const struct server *server);
/* Bytes of content sent. */
uint64_t server_sent(const struct server *server);
/* Ends all uploads. Null is allowed. */
void server_stop(struct server *server);

#endif
