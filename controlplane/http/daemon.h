/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the server: connections, and the exchanges of request and answer on them. */
#ifndef COPSE_HTTP_DAEMON_H
#define COPSE_HTTP_DAEMON_H

#include "call.h"
#include "rate.h"
#include "server.h"
#include <microhttpd.h>
#include <sys/queue.h>

struct connection {
  TAILQ_ENTRY(connection) entry; /* in order of since_ns */
  int socket;
  uint64_t since_ns; /* when it was made, when its last request began, or when that was answered */
  bool asking;       /* between headers and the end of the answer */
  bool waiting;      /* suspended: a long poll, or a join until the dataplane has it */
  bool leaving;      /* made to end, its place is another's */
};

struct exchange;

TAILQ_HEAD(connections, connection);
TAILQ_HEAD(exchanges, exchange);

struct copse_http {
  struct copse_api api;
  struct MHD_Daemon *daemon;
  struct event *readable, *timer, *sweep;
  struct copse_rate *rate;
  uint64_t idle_ns, request_ns, events_ms;
  struct connections connections;
  uint64_t connection_count, connection_limit;
  uint64_t body_bytes;      /* held for large bodies that are being received */
  struct exchanges waiting; /* suspended */
  uint16_t port;
  bool stopping;
  bool place_free; /* a connection was closed while the library ran */
};

/* Monotonic. */
uint64_t copse_http_now_ns(void);

/* connection.c: callbacks of libmicrohttpd. */
enum MHD_Result copse_connection_accept(void *context, const struct sockaddr *address, socklen_t length);
void copse_connection_notify(void *context, struct MHD_Connection *connection, void **socket_context,
                             enum MHD_ConnectionNotificationCode code);
struct connection *copse_connection_of(struct MHD_Connection *connection);
/* A request's headers are there; its answer is done. */
void copse_connection_begin(struct copse_http *http, struct connection *connection);
void copse_connection_end(struct copse_http *http, struct connection *connection);
/* Ends connections that take too long. */
void copse_connections_sweep(struct copse_http *http, uint64_t now_ns);

/* exchange.c: callbacks of libmicrohttpd. */
enum MHD_Result copse_exchange_handle(void *context, struct MHD_Connection *connection, const char *url,
                                      const char *method, const char *version, const char *upload,
                                      size_t *upload_length, void **state);
void copse_exchange_done(void *context, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code);
/* Lets all that wait look again; `last`: they answer whatever they find. */
void copse_exchanges_wake(struct copse_http *http, bool last);
/* The same for joins alone. */
void copse_exchanges_wake_joins(struct copse_http *http);

#endif
