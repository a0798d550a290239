/* SPDX-License-Identifier: Apache-2.0 */
#include "serve.h"
#include "bits.h"
#include "clock.h"
#include "range.h"
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/tcp.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define CONNECTIONS_MAX 256
#define CONNECTIONS_OF_ONE 64 /* several peers may share an address */
#define CONNECTION_BYTES (16U << 10)
#define IDLE_S 30
#define HEADERS_BYTES 250U      /* of an answer, HTTP and TCP */
#define PIECE_BYTES (32U << 10) /* read and sent at a time */

struct upload {
  struct server *server;
  struct MHD_Connection *connection;
  uint64_t first, length;
  uint64_t again; /* bytes TCP had sent again on the connection, as far as they are paid for */
  bool waiting;   /* suspended until the uplink has room */
};

struct server {
  struct server_config config;
  struct MHD_Daemon *daemon;
  struct event *readable, *timer;
  struct upload *uploads[SERVE_UPLOADS];
  size_t turn; /* upload that goes on next */
  uint64_t sent;
};

/* ---- answers ---- */

static enum MHD_Result
answer_text(struct MHD_Connection *connection, unsigned status, const char *text, const char *header,
            const char *value) {
  struct MHD_Response *response = MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_PERSISTENT);
  enum MHD_Result result;

  if (!response)
    return MHD_NO;
  MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain");
  if (header)
    MHD_add_response_header(response, header, value);
  result = MHD_queue_response(connection, status, response);
  MHD_destroy_response(response);
  return result;
}

static enum MHD_Result
answer_have(struct server *server, struct MHD_Connection *connection) {
  struct MHD_Response *response =
    MHD_create_response_from_buffer(bits_bytes(blocks_total(server->config.blocks)),
                                    (void *)blocks_bitmap(server->config.blocks), MHD_RESPMEM_MUST_COPY);
  enum MHD_Result result;

  if (!response)
    return MHD_NO;
  uplink_charge(server->config.uplink, bits_bytes(blocks_total(server->config.blocks)) + HEADERS_BYTES);
  MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/octet-stream");
  result = MHD_queue_response(connection, MHD_HTTP_OK, response);
  MHD_destroy_response(response);
  return result;
}

/* Bytes that TCP has sent again on a connection, 0 where the kernel does not say. */
static uint64_t
sent_again(struct MHD_Connection *connection) {
  int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
  struct tcp_info info = {0};
  socklen_t bytes = sizeof(info);

  return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &bytes) == 0 ? info.tcpi_bytes_retrans : 0;
}

/* Or else trees and uploads together would be more than the uplink carries, and a queue before it would stay. */
static void
pay_for_repeats(struct upload *upload) {
  uint64_t again = sent_again(upload->connection);

  uplink_charge_again(upload->server->config.uplink, (uint32_t)(again - upload->again));
  upload->again = again;
}

static ssize_t
read_content(void *context, uint64_t position, char *buffer, size_t room) {
  struct upload *upload = context;
  struct server *server = upload->server;
  uint64_t rest = upload->length - position;
  uint32_t wanted = rest < room ? (uint32_t)rest : (uint32_t)room;

  uplink_refill(server->config.uplink, clock_ns());
  pay_for_repeats(upload);
  uint32_t granted = uplink_take_upload(server->config.uplink, wanted);
  if (granted == 0) {
    upload->waiting = true;
    MHD_suspend_connection(upload->connection);
    server->config.waiting(server->config.context);
    return 0;
  }
  if (blocks_read(server->config.blocks, upload->first + position, buffer, granted) < 0)
    return MHD_CONTENT_READER_END_WITH_ERROR;
  server->sent += granted;
  return (ssize_t)granted;
}

static struct upload *
begin_upload(struct server *server, struct MHD_Connection *connection) {
  for (size_t i = 0; i < SERVE_UPLOADS; i++)
    if (!server->uploads[i] && (server->uploads[i] = calloc(1, sizeof(struct upload))) != NULL) {
      *server->uploads[i] =
        (struct upload){.server = server, .connection = connection, .again = sent_again(connection)};
      return server->uploads[i];
    }
  return NULL;
}

static enum MHD_Result
queue_content(struct upload *upload, bool partial) {
  struct MHD_Response *response =
    MHD_create_response_from_callback(upload->length, PIECE_BYTES, read_content, upload, NULL);
  enum MHD_Result result;
  char range[80];

  if (!response)
    return MHD_NO;
  snprintf(range, sizeof(range), "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, upload->first,
           upload->first + upload->length - 1, upload->server->config.content->manifest.size);
  MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/octet-stream");
  if (partial)
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_RANGE, range);
  result = MHD_queue_response(upload->connection, partial ? MHD_HTTP_PARTIAL_CONTENT : MHD_HTTP_OK, response);
  MHD_destroy_response(response);
  return result;
}

static enum MHD_Result
answer_content(struct server *server, struct MHD_Connection *connection, void **state) {
  const char *header = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_RANGE);
  uint64_t size = server->config.content->manifest.size, first, length;
  struct upload *upload;
  char unsatisfied[40];

  if (range_parse(header, size, &first, &length) < 0 || !blocks_cover(server->config.blocks, first, length)) {
    uplink_charge(server->config.uplink, HEADERS_BYTES);
    snprintf(unsatisfied, sizeof(unsatisfied), "bytes */%" PRIu64, size);
    return answer_text(connection, MHD_HTTP_RANGE_NOT_SATISFIABLE, "one range of blocks that are here\n",
                       MHD_HTTP_HEADER_CONTENT_RANGE, unsatisfied);
  }
  upload = begin_upload(server, connection);
  if (!upload) {
    uplink_charge(server->config.uplink, HEADERS_BYTES);
    return answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "five uploads are under way\n",
                       MHD_HTTP_HEADER_RETRY_AFTER, "1");
  }
  upload->first = first;
  upload->length = length;
  *state = upload;
  return queue_content(upload, header != NULL);
}

/* ---- libmicrohttpd's calls ---- */

static char first_call; /* marks a request whose headers only have come */

static enum MHD_Result
on_request(void *context, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
           const char *body, size_t *body_bytes, void **state) {
  struct server *server = context;
  size_t length = strlen(server->config.session);

  (void)version;
  (void)body;
  if (*state == NULL) {
    *state = &first_call;
    return MHD_YES;
  }
  if (*body_bytes) {
    *body_bytes = 0;
    return MHD_YES;
  }
  *state = NULL;
  if (strcmp(method, MHD_HTTP_METHOD_GET) != 0)
    return answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET only\n", MHD_HTTP_HEADER_ALLOW, "GET");
  if (url[0] != '/' || strncmp(url + 1, server->config.session, length) != 0)
    return answer_text(connection, MHD_HTTP_NOT_FOUND, "no such session here\n", NULL, NULL);
  if (!strcmp(url + 1 + length, "/have"))
    return answer_have(server, connection);
  if (url[1 + length])
    return answer_text(connection, MHD_HTTP_NOT_FOUND, "no such thing here\n", NULL, NULL);
  return answer_content(server, connection, state);
}

static void
on_completed(void *context, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode code) {
  struct server *server = context;

  (void)connection;
  (void)code;
  for (size_t i = 0; i < SERVE_UPLOADS; i++)
    if (server->uploads[i] && server->uploads[i] == *state) {
      free(server->uploads[i]);
      server->uploads[i] = NULL;
    }
}

static void
run_daemon(struct server *server) {
  MHD_UNSIGNED_LONG_LONG ms;

  MHD_run(server->daemon);
  if (MHD_get_timeout(server->daemon, &ms) == MHD_YES) {
    struct timeval delay = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
    evtimer_add(server->timer, &delay);
  } else {
    evtimer_del(server->timer);
  }
}

static void
on_event(evutil_socket_t fd, short what, void *context) {
  (void)fd;
  (void)what;
  run_daemon(context);
}

/* ---- */

bool
server_waiting(const struct server *server) {
  for (size_t i = 0; i < SERVE_UPLOADS; i++)
    if (server->uploads[i] && server->uploads[i]->waiting)
      return true;
  return false;
}

static void
resume(struct upload *upload) {
  upload->waiting = false;
  MHD_resume_connection(upload->connection);
}

void
server_run(struct server *server, uint64_t now) {
  uplink_refill(server->config.uplink, now);
  for (size_t i = 0; i < SERVE_UPLOADS && uplink_upload_due(server->config.uplink); i++) {
    struct upload *upload = server->uploads[server->turn];
    server->turn = (server->turn + 1) % SERVE_UPLOADS;
    if (!upload || !upload->waiting)
      continue;
    resume(upload);
    run_daemon(server);
  }
}

uint64_t
server_sent(const struct server *server) {
  return server->sent;
}

uint16_t
server_port(const struct server *server) {
  return MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}

static int
start_daemon(struct server *server, struct copse_error *error) {
  const struct server_config *config = &server->config;
  struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(config->port)};
  struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(config->port)};
  bool is_four = inet_pton(AF_INET, config->address, &four.sin_addr) == 1;
  unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | (is_four ? 0 : MHD_USE_IPv6);

  if (!is_four && inet_pton(AF_INET6, config->address, &six.sin6_addr) != 1)
    return copse_fail(error, -EINVAL, "%s is not an IP address", config->address);
  errno = 0;
  server->daemon = MHD_start_daemon(
    flags, config->port, NULL, NULL, on_request, server, MHD_OPTION_SOCK_ADDR,
    is_four ? (struct sockaddr *)&four : (struct sockaddr *)&six, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
    MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, MHD_OPTION_PER_IP_CONNECTION_LIMIT, CONNECTIONS_OF_ONE,
    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S,
    MHD_OPTION_LISTENING_ADDRESS_REUSE, 1U, MHD_OPTION_END);
  if (!server->daemon)
    return copse_fail(error, errno ? -errno : -EIO, "cannot serve HTTP at %s port %u: %s", config->address,
                      config->port, errno ? strerror(errno) : "no memory");
  return 0;
}

int
server_start(const struct server_config *config, struct server **out, struct copse_error *error) {
  struct server *server = calloc(1, sizeof(*server));

  *out = NULL;
  if (!server)
    return copse_fail(error, -ENOMEM, "no memory");
  server->config = *config;
  int status = start_daemon(server, error);
  if (status < 0) {
    free(server);
    return status;
  }
  int fd = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
  server->readable = event_new(config->base, fd, EV_READ | EV_PERSIST, on_event, server);
  server->timer = evtimer_new(config->base, on_event, server);
  if (!server->readable || !server->timer || event_add(server->readable, NULL) < 0) {
    server_stop(server);
    return copse_fail(error, -ENOMEM, "no memory");
  }
  *out = server;
  return 0;
}

void
server_stop(struct server *server) {
  if (!server)
    return;
  for (size_t i = 0; i < SERVE_UPLOADS; i++)
    if (server->uploads[i] && server->uploads[i]->waiting)
      resume(server->uploads[i]);
  MHD_stop_daemon(server->daemon);
  if (server->readable)
    event_free(server->readable);
  if (server->timer)
    event_free(server->timer);
  free(server);
}
