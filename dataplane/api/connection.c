/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of one client in and out, without ever waiting for it. */
#include "api/connection.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES 65536U
#define KEPT_BYTES (1U << 20) /* of an emptied buffer */

bool
copse_api_buffer_reserve(struct copse_api_buffer *buffer, size_t size) {
  size_t capacity = buffer->capacity ? buffer->capacity : READ_BYTES;
  uint8_t *bytes;

  if (size <= buffer->capacity)
    return true;
  while (capacity < size)
    capacity *= 2;
  bytes = realloc(buffer->bytes, capacity);
  if (!bytes)
    return false;
  buffer->bytes = bytes;
  buffer->capacity = capacity;
  return true;
}

static void
empty(struct copse_api_buffer *buffer) {
  buffer->size = 0;
  if (buffer->capacity > KEPT_BYTES) {
    free(buffer->bytes);
    *buffer = (struct copse_api_buffer){.bytes = NULL};
  }
}

void
copse_api_connection_close(struct copse_api_connection *connection) {
  LIST_REMOVE(connection, link);
  event_free(connection->event);
  close(connection->fd);
  if (connection->passed_fd >= 0)
    close(connection->passed_fd);
  free(connection->in.bytes);
  free(connection->out.bytes);
  free(connection);
}

/* Bytes that the frame in `in` is known to need. */
static size_t
wanted(const struct copse_api_connection *connection) {
  struct copse_api_header header;

  if (connection->in.size < sizeof(header))
    return sizeof(header);
  memcpy(&header, connection->in.bytes, sizeof(header));
  return header.length;
}

/* A length no frame can have ends the connection: what follows cannot be told apart any more. */
static void
check_length(struct copse_api_connection *connection) {
  struct copse_api_header header;

  memcpy(&header, connection->in.bytes, sizeof(header));
  if (header.length < sizeof(header) || header.length > COPSE_API_FRAME_MAX)
    copse_api_refuse(connection, &header, -EMSGSIZE, "a frame has between %zu and %u bytes, not %u", sizeof(header),
                     COPSE_API_FRAME_MAX, header.length);
}

/* Memory grows with what has arrived, not with what a header promises. Returns recv's result. */
static ssize_t
receive_some(struct copse_api_connection *connection) {
  struct copse_api_buffer *in = &connection->in;
  size_t missing = wanted(connection) - in->size, room = missing < READ_BYTES ? missing : READ_BYTES;
  ssize_t bytes;

  if (!copse_api_buffer_reserve(in, in->size + room)) {
    errno = ENOMEM;
    return -1;
  }
  bytes = recv(connection->fd, in->bytes + in->size, room, 0);
  if (bytes > 0)
    in->size += (size_t)bytes;
  return bytes;
}

/* Reads until there is one whole frame, handled, or nothing more. Returns false when the client is gone. */
static bool
receive(struct copse_api_connection *connection) {
  while (!connection->ending && !connection->out.size) {
    bool had_header = connection->in.size >= sizeof(struct copse_api_header);
    ssize_t bytes = receive_some(connection);
    if (bytes <= 0)
      return bytes < 0 && (errno == EAGAIN || errno == EINTR);
    if (!had_header && connection->in.size >= sizeof(struct copse_api_header))
      check_length(connection);
    if (!connection->ending && connection->in.size >= sizeof(struct copse_api_header) &&
        connection->in.size == wanted(connection)) {
      copse_api_handle(connection);
      empty(&connection->in);
    }
  }
  return true;
}

static ssize_t
transmit_some(struct copse_api_connection *connection) {
  union {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
  } control = {.bytes = {0}};
  struct iovec vector = {connection->out.bytes + connection->sent, connection->out.size - connection->sent};
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};

  if (connection->passed_fd >= 0) {
    struct cmsghdr *header = &control.align;
    *header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(header), &connection->passed_fd, sizeof(int));
    message.msg_control = &control;
    message.msg_controllen = sizeof(control);
  }
  return sendmsg(connection->fd, &message, MSG_NOSIGNAL);
}

/* Sends what the client takes. Returns false when it is gone, or when it was told all there was to tell. */
static bool
transmit(struct copse_api_connection *connection) {
  while (connection->sent < connection->out.size) {
    ssize_t bytes = transmit_some(connection);
    if (bytes < 0)
      return errno == EAGAIN || errno == EINTR;
    connection->sent += (size_t)bytes;
    if (connection->passed_fd >= 0)
      close(connection->passed_fd);
    connection->passed_fd = -1;
  }
  empty(&connection->out);
  connection->sent = 0;
  return !connection->ending;
}

static void on_event(evutil_socket_t fd, short what, void *argument);

/* Waits for room while there is something to send, else for more to read; with patience only for what has begun. */
static bool
wait_more(struct copse_api_connection *connection) {
  const unsigned patience_ms = connection->server->patience_ms;
  const struct timeval patience = {patience_ms / 1000, (suseconds_t)(patience_ms % 1000) * 1000};
  bool sending = connection->out.size > 0;

  if (event_assign(connection->event, event_get_base(connection->event), connection->fd, sending ? EV_WRITE : EV_READ,
                   on_event, connection) != 0)
    return false;
  return event_add(connection->event, sending || connection->in.size ? &patience : NULL) == 0;
}

static void
on_event(evutil_socket_t fd, short what, void *argument) {
  struct copse_api_connection *connection = argument;
  bool alive = !(what & EV_TIMEOUT);

  (void)fd;
  if (alive && !connection->out.size)
    alive = receive(connection);
  if (alive && connection->out.size)
    alive = transmit(connection);
  else if (connection->ending)
    alive = false;
  if (!alive || !wait_more(connection))
    copse_api_connection_close(connection);
}

struct copse_api_connection *
copse_api_connection_open(const struct copse_api_server_config *server, int fd, struct copse_api_connections *list) {
  struct copse_api_connection *connection = calloc(1, sizeof(*connection));

  if (!connection)
    goto fail;
  *connection = (struct copse_api_connection){.server = server, .fd = fd, .passed_fd = -1};
  connection->event = event_new(server->base, fd, EV_READ, on_event, connection);
  if (!connection->event || event_add(connection->event, NULL) != 0)
    goto fail;
  LIST_INSERT_HEAD(list, connection, link);
  return connection;

fail:
  if (connection && connection->event)
    event_free(connection->event);
  free(connection);
  close(fd);
  return NULL;
}
