/* SPDX-License-Identifier: Apache-2.0 */
/* What each request of the API does. */
#include "api/connection.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Appends one frame that answers `request`. When memory is short the connection ends without an answer. */
static void
answer(struct copse_api_connection *connection, const struct copse_api_header *request, const void *body,
       size_t bytes) {
  const struct copse_api_header header = {
    .length = (uint32_t)(sizeof(header) + bytes),
    .version = COPSE_API_VERSION,
    .type = request->type,
    .request = request->request,
  };
  struct copse_api_buffer *out = &connection->out;

  if (bytes > COPSE_API_FRAME_MAX - sizeof(header) || !copse_api_buffer_reserve(out, out->size + header.length)) {
    connection->ending = true;
    return;
  }
  memcpy(out->bytes + out->size, &header, sizeof(header));
  memcpy(out->bytes + out->size + sizeof(header), body, bytes);
  out->size += header.length;
}

static void
answer_failure(struct copse_api_connection *connection, const struct copse_api_header *request, int status,
               const char *format, va_list arguments) {
  struct copse_api_result result = {
    .status = status,
    .generation = copse_table_shm(connection->server->table)->generation,
  };

  vsnprintf(result.text, sizeof(result.text), format, arguments);
  answer(connection, request, &result, sizeof(result));
}

void
copse_api_refuse(struct copse_api_connection *connection, const struct copse_api_header *request, int status,
                 const char *format, ...) {
  va_list arguments;

  va_start(arguments, format);
  answer_failure(connection, request, status, format, arguments);
  va_end(arguments);
  connection->ending = true;
}

static void
handle_hello(struct copse_api_connection *connection, const struct copse_api_header *request) {
  const struct copse_shm *shm = copse_table_shm(connection->server->table);
  const struct copse_api_hello hello = {
    .instance = shm->instance,
    .generation = shm->generation,
    .shm_bytes = shm->bytes,
    .limits = shm->limits,
    .permission_s = connection->server->permission_s,
  };
  int fd;

  if (connection->greeted) {
    copse_api_refuse(connection, request, -EALREADY, "HELLO comes once, as the first request");
    return;
  }
  fd = copse_table_shm_fd(connection->server->table);
  if (fd < 0) {
    copse_api_refuse(connection, request, fd, "no descriptor of the counters can be had: %s", strerror(-fd));
    return;
  }
  connection->passed_fd = fd;
  connection->greeted = true;
  answer(connection, request, &hello, sizeof(hello));
}

static void
handle_batch(struct copse_api_connection *connection, const struct copse_api_header *request) {
  struct copse_api_result result = {.status = 0};

  if (copse_table_batch(connection->server->table, connection->in.bytes + sizeof(*request),
                        request->length - sizeof(*request), &result) == 0 &&
      connection->server->applied)
    connection->server->applied(connection->server->context);
  answer(connection, request, &result, sizeof(result));
}

static void
handle_dump(struct copse_api_connection *connection, const struct copse_api_header *request) {
  void *body = NULL;
  size_t bytes = 0;
  int status = copse_table_dump(connection->server->table, &body, &bytes);

  if (status == 0 && bytes <= COPSE_API_FRAME_MAX - sizeof(*request))
    answer(connection, request, body, bytes);
  else
    copse_api_refuse(connection, request, status ? status : -EMSGSIZE, "the table cannot be dumped: %s",
                     status ? strerror(-status) : "larger than a frame");
  free(body);
}

static void
answer_unknown(struct copse_api_connection *connection, const struct copse_api_header *request, const char *format,
               ...) {
  va_list arguments;

  va_start(arguments, format);
  answer_failure(connection, request, -EOPNOTSUPP, format, arguments);
  va_end(arguments);
}

void
copse_api_handle(struct copse_api_connection *connection) {
  struct copse_api_header request;

  memcpy(&request, connection->in.bytes, sizeof(request));
  if (request.version != COPSE_API_VERSION)
    copse_api_refuse(connection, &request, -EPROTO, "this dataplane speaks version %d of the API, not %u",
                     COPSE_API_VERSION, request.version);
  else if (request.type == COPSE_API_HELLO)
    handle_hello(connection, &request);
  else if (!connection->greeted)
    copse_api_refuse(connection, &request, -EPROTO, "the first request of a connection is HELLO");
  else if (request.type == COPSE_API_BATCH)
    handle_batch(connection, &request);
  else if (request.type == COPSE_API_DUMP)
    handle_dump(connection, &request);
  else
    answer_unknown(connection, &request, "there is no request of type %u", request.type);
}
