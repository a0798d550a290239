/* SPDX-License-Identifier: Apache-2.0 */
/* One client of the API socket. */
#ifndef COPSE_API_CONNECTION_H
#define COPSE_API_CONNECTION_H

#include "api/server.h"

#include <sys/queue.h>

struct copse_api_buffer {
  uint8_t *bytes;
  size_t size, capacity;
};

struct copse_api_connection {
  LIST_ENTRY(copse_api_connection) link;
  const struct copse_api_server_config *server;
  struct event *event;
  int fd;
  bool greeted;
  bool ending;   /* closed once its last answer is sent */
  int passed_fd; /* goes with the first byte of `out`, or -1 */
  struct copse_api_buffer in, out;
  size_t sent; /* of `out` */
};

LIST_HEAD(copse_api_connections, copse_api_connection);

/* Takes the descriptor over, also on failure. `server` outlives the connection. Null when memory is short. */
struct copse_api_connection *copse_api_connection_open(const struct copse_api_server_config *server, int fd,
                                                       struct copse_api_connections *list);
void copse_api_connection_close(struct copse_api_connection *connection);

/* Handles the one complete frame in `in`: appends the answer to `out`, or sets `ending`. */
void copse_api_handle(struct copse_api_connection *connection);
/* Answers `request` with a sentence in a struct copse_api_result and ends the connection after it. */
void copse_api_refuse(struct copse_api_connection *connection, const struct copse_api_header *request, int status,
                      const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Makes room for `size` bytes in all. False when memory is short. */
bool copse_api_buffer_reserve(struct copse_api_buffer *buffer, size_t size);

#endif
