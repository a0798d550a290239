/* SPDX-License-Identifier: Apache-2.0 */
#include "api/connection.h"

#include <copse/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 16

struct copse_api_server {
  struct copse_api_server_config config;
  struct event *event;
  struct sockaddr_un address;
  int fd;
  bool bound;
  struct copse_api_connections connections;
};

static unsigned
count(const struct copse_api_server *server) {
  const struct copse_api_connection *connection;
  unsigned clients = 0;

  for (connection = LIST_FIRST(&server->connections); connection; connection = LIST_NEXT(connection, link))
    clients++;
  return clients;
}

static void
on_client(evutil_socket_t unused, short what, void *argument) {
  static const struct timeval pause = {.tv_sec = 1};
  struct copse_api_server *server = argument;
  int fd = accept4(server->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

  (void)unused;
  if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
    /* The client stays in the backlog; without a pause the loop would spin on it. */
    copse_log(COPSE_LOG_WARNING, "API: cannot accept a client: %s", strerror(errno));
    event_assign(server->event, server->config.base, -1, EV_TIMEOUT, on_client, server);
    event_add(server->event, &pause);
    return;
  }
  if (fd >= 0 && count(server) >= COPSE_API_CLIENTS_MAX) {
    copse_log(COPSE_LOG_WARNING, "API: there are %d clients already, one more is refused", COPSE_API_CLIENTS_MAX);
    close(fd);
  } else if (fd >= 0) {
    copse_api_connection_open(&server->config, fd, &server->connections);
  }
  if (what & EV_TIMEOUT) {
    event_assign(server->event, server->config.base, server->fd, EV_READ | EV_PERSIST, on_client, server);
    event_add(server->event, NULL);
  }
}

static int
listen_on(struct copse_api_server *server, struct copse_error *error) {
  const char *path = server->config.path;
  mode_t before;
  int status;

  server->address.sun_family = AF_UNIX;
  if ((size_t)snprintf(server->address.sun_path, sizeof(server->address.sun_path), "%s", path) >=
      sizeof(server->address.sun_path))
    return copse_fail(error, -ENAMETOOLONG, "%s is too long for a socket's path", path);
  server->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (server->fd < 0)
    return copse_fail(error, -errno, "cannot make a socket: %s", strerror(errno));
  unlink(path);
  before = umask(0177);
  status = bind(server->fd, (const struct sockaddr *)&server->address, sizeof(server->address)) ? -errno : 0;
  umask(before);
  if (status)
    return copse_fail(error, status, "cannot make the socket %s: %s", path, strerror(-status));
  server->bound = true;
  if (listen(server->fd, BACKLOG) != 0)
    return copse_fail(error, -errno, "cannot listen on %s: %s", path, strerror(errno));
  return 0;
}

struct copse_api_server *
copse_api_server_create(const struct copse_api_server_config *config, struct copse_error *error) {
  struct copse_api_server *server = calloc(1, sizeof(*server));

  if (!server) {
    copse_fail(error, -ENOMEM, "not enough memory for the API socket");
    return NULL;
  }
  *server = (struct copse_api_server){.config = *config, .fd = -1};
  LIST_INIT(&server->connections);
  if (listen_on(server, error) != 0) {
    copse_api_server_destroy(server);
    return NULL;
  }
  server->event = event_new(config->base, server->fd, EV_READ | EV_PERSIST, on_client, server);
  if (!server->event || event_add(server->event, NULL) != 0) {
    copse_fail(error, -ENOMEM, "not enough memory for the API socket");
    copse_api_server_destroy(server);
    return NULL;
  }
  return server;
}

void
copse_api_server_destroy(struct copse_api_server *server) {
  if (!server)
    return;
  while (!LIST_EMPTY(&server->connections))
    copse_api_connection_close(LIST_FIRST(&server->connections));
  if (server->event)
    event_free(server->event);
  if (server->bound)
    unlink(server->address.sun_path);
  if (server->fd >= 0)
    close(server->fd);
  free(server);
}
