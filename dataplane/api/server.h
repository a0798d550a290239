/* SPDX-License-Identifier: Apache-2.0 */
/* The API socket: serves copse/api.h to control planes and readers of counters, on the main thread's event loop.
 * No client can block the loop or another client; one that breaks the protocol, or that neither sends nor takes what
 * it began, is closed. */
#ifndef COPSE_API_SERVER_H
#define COPSE_API_SERVER_H

#include "table/table.h"

#include <copse/error.h>
#include <event2/event.h>

#define COPSE_API_CLIENTS_MAX 32
#define COPSE_API_PATIENCE_MS 10000

/* Takes the lock beside the socket, so that two dataplanes never serve the same path; makes the socket's directory if
 * it is not there. Returns a descriptor that holds the lock until closed, -EADDRINUSE when another process has it, or
 * another negative errno, with a sentence. */
int copse_api_lock(const char *path, struct copse_error *error);
/* Removes the lock's file and releases it. */
void copse_api_unlock(const char *path, int lock);

struct copse_api_server_config {
  struct event_base *base;
  const char *path;
  struct copse_table *table;
  unsigned patience_ms;
  uint32_t permission_s;          /* told in HELLO */
  void (*applied)(void *context); /* called after every batch that changed the table, may be null */
  void *context;
};

struct copse_api_server;

/* Listens on `path` with mode 0600, replacing a socket that a dead process left. The caller holds the lock. What the
 * configuration points to outlives the server. A client that for `patience_ms` does not go on with a frame, or does not
 * take its answer, is closed. Null with a sentence. */
struct copse_api_server *copse_api_server_create(const struct copse_api_server_config *config,
                                                 struct copse_error *error);
/* Closes every client, removes the socket. */
void copse_api_server_destroy(struct copse_api_server *server);

#endif
