/* SPDX-License-Identifier: Apache-2.0 */
/* One request and its answer, between exchange.c and stream.c. */
#ifndef COPSE_HTTP_EXCHANGE_H
#define COPSE_HTTP_EXCHANGE_H

#include "daemon.h"

struct exchange {
  TAILQ_ENTRY(exchange) entry; /* of the waiting */
  struct copse_http *http;
  struct MHD_Connection *mhd;
  struct connection *connection;
  struct copse_call call;
  struct event *deadline; /* of a long poll; of a stream, when to say something */
  bool refused;           /* the reply is there already */
  bool waiting;
  uint8_t *body;
  size_t body_length, received;
  uint64_t large; /* of body_length, what counts in http->body_bytes */
  /* of a stream */
  char *text; /* being sent */
  size_t text_length, text_sent;
  bool ending;
};

/* Suspends the connection until the store changes or its time is over. */
enum MHD_Result copse_exchange_wait(struct exchange *exchange);
/* A response that sends events as they come; it ends with the exchange. */
struct MHD_Response *copse_stream_response(struct exchange *exchange);

#endif
