/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP and HTTPS requests on the event loop: one libcurl multi handle. Redirects are not followed. */
#ifndef PEER_TRANSFER_H
#define PEER_TRANSFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct transfers;
struct transfer;

struct transfer_result {
  int status;          /* HTTP; 0 when no whole answer came */
  const char *failure; /* why, when status is 0 */
  const char *body;    /* null terminated, owned by the transfer; empty when the request has a `data` callback */
  size_t bytes;
};

/* `now`: monotonic ns. */
typedef void transfer_done(void *context, const struct transfer_result *result, uint64_t now);
/* A piece of the body of a 2xx answer; false ends the transfer. */
typedef bool transfer_data(void *context, const uint8_t *bytes, size_t count, uint64_t now);

/* Strings and body are copied. */
struct transfer_request {
  const char *method, *url;
  const char *bearer;       /* null: none */
  const char *content_type; /* of the body */
  const char *range;        /* "a-b"; null: none */
  const char *key;          /* Idempotency-Key; null: none */
  const void *body;         /* null: none */
  size_t body_bytes;
  size_t limit;        /* largest answer kept, bytes */
  unsigned connect_ms; /* to connect */
  unsigned stall_s;    /* ends after so long below 64 byte/s; 0: never */
  unsigned total_ms;   /* ends after so long; 0: never */
  transfer_data *data;
  transfer_done *done; /* called once, unless cancelled */
  void *context;
  bool owned; /* the context is freed with the transfer */
};

/* `ca` is a PEM file with the only certificates trusted; null: those of the system. Null when memory is short. */
struct transfers *transfers_create(struct event_base *base, const char *ca);
/* Ends everything under way without calling `done`. */
void transfers_cancel_all(struct transfers *transfers);
/* The same, and more. Null is allowed. */
void transfers_free(struct transfers *transfers);
/* Null when memory is short. */
struct transfer *transfer_start(struct transfers *transfers, const struct transfer_request *request);
/* Ends it without calling `done`. Not from its own `data` callback. */
void transfer_cancel(struct transfer *transfer);

#endif
