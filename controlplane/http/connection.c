/* SPDX-License-Identifier: Apache-2.0 */
/* Connections: admitted by address, ended when they take too long, or longest idle when others want their place. */
#include "daemon.h"
#include <stdlib.h>
#include <sys/socket.h>

enum MHD_Result
copse_connection_accept(void *context, const struct sockaddr *address, socklen_t length) {
  struct copse_http *http = context;

  (void)length;
  return copse_rate_take(http->rate, address, copse_http_now_ns()) ? MHD_YES : MHD_NO;
}

struct connection *
copse_connection_of(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

  return info != NULL ? info->socket_context : NULL;
}

/* Its time begins anew; the list stays in order of it. */
static void
restart(struct copse_http *http, struct connection *connection) {
  TAILQ_REMOVE(&http->connections, connection, entry);
  TAILQ_INSERT_TAIL(&http->connections, connection, entry);
  connection->since_ns = copse_http_now_ns();
}

void
copse_connection_begin(struct copse_http *http, struct connection *connection) {
  connection->asking = true;
  restart(http, connection);
}

void
copse_connection_end(struct copse_http *http, struct connection *connection) {
  connection->asking = false;
  restart(http, connection);
}

/* Sends home who asks nothing for the longest time. Who waits for an answer stays: when all do, a few more are
 * taken, and then the library takes none until one ends. */
static void
make_room(struct copse_http *http) {
  struct connection *connection;

  TAILQ_FOREACH(connection, &http->connections, entry) {
    if (connection->asking || connection->leaving)
      continue;
    connection->leaving = true;
    http->connection_count--;
    shutdown(connection->socket, SHUT_RDWR); /* libmicrohttpd sees the end of it and closes */
    return;
  }
}

void
copse_connection_notify(void *context, struct MHD_Connection *connection, void **socket_context,
                        enum MHD_ConnectionNotificationCode code) {
  struct copse_http *http = context;
  struct connection *own = *socket_context;

  if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
    if (own != NULL) {
      TAILQ_REMOVE(&http->connections, own, entry);
      http->connection_count -= !own->leaving;
    }
    free(own);
    *socket_context = NULL;
    http->place_free = true;
    return;
  }
  own = calloc(1, sizeof(*own));
  if (own == NULL)
    return; /* its requests are refused */
  own->socket = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
  own->since_ns = copse_http_now_ns();
  if (http->connection_count++ >= http->connection_limit)
    make_room(http);
  TAILQ_INSERT_TAIL(&http->connections, own, entry);
  *socket_context = own;
}

void
copse_connections_sweep(struct copse_http *http, uint64_t now_ns) {
  struct connection *connection;

  TAILQ_FOREACH(connection, &http->connections, entry) {
    uint64_t limit_ns = connection->asking ? http->request_ns : http->idle_ns;
    if (!connection->waiting && now_ns - connection->since_ns > limit_ns)
      shutdown(connection->socket, SHUT_RDWR); /* libmicrohttpd sees the end of it and closes */
  }
}
