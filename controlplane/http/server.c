/* SPDX-License-Identifier: Apache-2.0 */
#include "server.h"
#include "daemon.h"
#include "tls.h"
#include <arpa/inet.h>
#include <copse/log.h>
#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define HEADER_BYTES (32U << 10) /* memory of a connection: headers and a piece of the body */
#define BACKLOG 256
#define HEADROOM 64     /* connections above the limit for a moment, until who is to leave has left */
#define OTHER_FILES 128 /* store, dataplane, sockets */
#define STOP_TURNS 8
#define NS_PER_S 1000000000ULL
#define PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

#define FIELD(name) offsetof(struct copse_http_config, name)

const struct copse_key copse_http_keys[] = {
  {.name = "address",
   .kind = COPSE_KEY_STRING,
   .offset = FIELD(address),
   .string = "0.0.0.0",
   .help = "address to listen on, IPv4 or IPv6; 0.0.0.0: all IPv4, ::: all"},
  {.name = "port",
   .kind = COPSE_KEY_UINT,
   .offset = FIELD(port),
   .maximum = 65535,
   .number = 7118,
   .help = "TCP port; 0: any free one"},
  {.name = "certificate",
   .kind = COPSE_KEY_STRING,
   .offset = FIELD(certificate),
   .help = "PEM file; none: a self-signed one is made on first start"},
  {.name = "key", .kind = COPSE_KEY_STRING, .offset = FIELD(key), .help = "PEM file of the certificate's key"},
  {.name = "operator_token",
   .kind = COPSE_KEY_STRING,
   .offset = FIELD(operator_token),
   .help = "file with the operator's token; none: operator.token beside the store, made on first start"},
  {.name = "connections",
   .kind = COPSE_KEY_UINT,
   .offset = FIELD(connections),
   .minimum = 1,
   .maximum = 65536,
   .number = 1024,
   .help = "connections at once"},
  {.name = "address_connections",
   .kind = COPSE_KEY_UINT,
   .offset = FIELD(address_connections),
   .minimum = 1,
   .maximum = 65536,
   .number = 64,
   .help = "connections at once from one address"},
  {.name = "address_requests_per_s",
   .kind = COPSE_KEY_FLOAT,
   .offset = FIELD(address_requests_per_s),
   .minimum = 1,
   .maximum = 1e6,
   .number = 100,
   .help = "requests per second from one address (IPv6: /64); a connection counts as one"},
  {.name = "address_request_burst",
   .kind = COPSE_KEY_UINT,
   .offset = FIELD(address_request_burst),
   .minimum = 1,
   .maximum = 1e6,
   .number = 200,
   .help = "requests at once from one address"},
  {.name = "idle_s",
   .kind = COPSE_KEY_UINT,
   .offset = FIELD(idle_s),
   .minimum = 1,
   .maximum = 3600,
   .number = 15,
   .help = "seconds of silence, or from connecting or the last answer to the next request's headers"},
  {.name = "request_s",
   .kind = COPSE_KEY_UINT,
   .offset = FIELD(request_s),
   .minimum = 1,
   .maximum = 3600,
   .number = 60,
   .help = "seconds from a request's headers to the end of its answer"},
  {.name = "events_ms",
   .kind = COPSE_KEY_UINT,
   .offset = FIELD(events_ms),
   .minimum = 1,
   .maximum = 25000,
   .number = 25000,
   .help = "milliseconds a long poll waits for a change"},
  {.name = NULL},
};

uint64_t
copse_http_now_ns(void) {
  struct timespec now;

  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* What the library says is about single clients. */
static void __attribute__((format(printf, 2, 0))) log_line(void *context, const char *format, va_list arguments) {
  char line[COPSE_ERROR_TEXT_BYTES];

  (void)context;
  vsnprintf(line, sizeof(line), format, arguments);
  line[strcspn(line, "\n")] = '\0';
  copse_log(COPSE_LOG_DEBUG, "http: %s", line);
}

/* Lets the library work, and asks when it wants to be called although nothing arrives. */
static void
turn(int socket, short what, void *context) {
  struct copse_http *http = context;
  MHD_UNSIGNED_LONG_LONG wait_ms;

  (void)socket, (void)what;
  do {
    http->place_free = false;
    MHD_run(http->daemon);
  } while (http->place_free); /* having closed a connection it listens again only when it runs again */
  if (MHD_get_timeout(http->daemon, &wait_ms) == MHD_YES) {
    struct timeval wait = {.tv_sec = (time_t)(wait_ms / 1000), .tv_usec = (suseconds_t)(wait_ms % 1000) * 1000};
    evtimer_add(http->timer, &wait);
  } else {
    evtimer_del(http->timer);
  }
}

static void
sweep(int socket, short what, void *context) {
  (void)socket, (void)what;
  copse_connections_sweep(context, copse_http_now_ns());
}

static void
store_changed(void *context) {
  copse_exchanges_wake(context, false);
}

static void
dataplane_has_taken(void *context) {
  copse_exchanges_wake_joins(context);
}

union name {
  struct sockaddr any;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
};

/* A listening socket, or a negative errno. */
static int
listen_on(const char *address, uint16_t port, struct copse_error *error) {
  union name name = {.v6.sin6_family = AF_UNSPEC};
  int on = 1, off = 0, code;
  int file;

  if (inet_pton(AF_INET, address, &name.v4.sin_addr) == 1) {
    name.v4.sin_family = AF_INET;
    name.v4.sin_port = htons(port);
  } else if (inet_pton(AF_INET6, address, &name.v6.sin6_addr) == 1) {
    name.v6.sin6_family = AF_INET6;
    name.v6.sin6_port = htons(port);
  } else {
    return copse_fail(error, -EINVAL, "address: \"%s\" is neither IPv4 nor IPv6", address);
  }
  file = socket(name.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (file < 0)
    return copse_fail(error, -errno, "a socket for %s: %s", address, strerror(errno));
  setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (name.any.sa_family == AF_INET6)
    setsockopt(file, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
  if (bind(file, &name.any, name.any.sa_family == AF_INET ? sizeof(name.v4) : sizeof(name.v6)) != 0 ||
      listen(file, BACKLOG) != 0) {
    code = errno;
    close(file);
    return copse_fail(error, -code, "listening on %s port %u: %s", address, port, strerror(code));
  }
  return file;
}

static uint16_t
port_of(int file) {
  union name name = {.v6.sin6_family = AF_UNSPEC};
  socklen_t length = sizeof(name);

  if (getsockname(file, &name.any, &length) != 0)
    return 0;
  return ntohs(name.any.sa_family == AF_INET6 ? name.v6.sin6_port : name.v4.sin_port);
}

static int
start_daemon(struct copse_http *http, const struct copse_http_config *config, const struct copse_tls *tls,
             struct copse_error *error) {
  int file = listen_on(config->address, (uint16_t)config->port, error);
  struct MHD_OptionItem options[] = {
    {MHD_OPTION_CONNECTION_LIMIT, (intptr_t)config->connections + HEADROOM, NULL},
    {MHD_OPTION_PER_IP_CONNECTION_LIMIT, (intptr_t)config->address_connections, NULL},
    {MHD_OPTION_CONNECTION_TIMEOUT, (intptr_t)config->idle_s, NULL},
    {MHD_OPTION_CONNECTION_MEMORY_LIMIT, HEADER_BYTES, NULL},
    {MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL},
    {MHD_OPTION_LISTEN_SOCKET, file, NULL},
    {MHD_OPTION_HTTPS_MEM_CERT, 0, tls->certificate},
    {MHD_OPTION_HTTPS_MEM_KEY, 0, tls->key},
    {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)PRIORITIES},
    {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)copse_connection_notify, http},
    {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)copse_exchange_done, http},
    {MHD_OPTION_END, 0, NULL},
  };

  if (file < 0)
    return file;
  http->port = port_of(file);
  http->daemon = MHD_start_daemon(
    MHD_USE_EPOLL | MHD_USE_TLS | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, copse_connection_accept, http,
    copse_exchange_handle, http, MHD_OPTION_EXTERNAL_LOGGER, log_line, NULL, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
  if (http->daemon == NULL) {
    close(file);
    return copse_fail(error, -EIO, "the HTTPS server does not start on %s port %u", config->address, http->port);
  }
  return 0;
}

/* As many files as connections may be open. */
static void
raise_file_limit(uint64_t connections) {
  rlim_t wanted = (rlim_t)connections + HEADROOM + OTHER_FILES;
  struct rlimit limit;

  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
    return;
  limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < wanted)
    copse_log(COPSE_LOG_WARNING, "http: only %llu files may be open, too few for %llu connections",
              (unsigned long long)limit.rlim_cur, (unsigned long long)connections);
}

static int
join_loop(struct copse_http *http, struct copse_error *error) {
  static const struct timeval second = {.tv_sec = 1};
  struct event_base *base = copse_control_base(http->api.control);
  int epoll = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;

  http->readable = event_new(base, epoll, EV_READ | EV_PERSIST, turn, http);
  http->timer = evtimer_new(base, turn, http);
  http->sweep = event_new(base, -1, EV_PERSIST, sweep, http);
  if (http->readable == NULL || http->timer == NULL || http->sweep == NULL || event_add(http->readable, NULL) != 0 ||
      event_add(http->sweep, &second) != 0)
    return copse_fail(error, -ENOMEM, "no memory");
  return 0;
}

static int
open_parts(struct copse_http *http, const struct copse_http_config *config, struct copse_tls *tls,
           struct copse_error *error) {
  char token[PATH_MAX];
  int result;

  snprintf(token, sizeof(token), "%s/operator.token", config->state_dir);
  result = copse_auth_open(&http->api.auth, config->operator_token != NULL ? config->operator_token : token, error);
  if (result == 0)
    result = copse_tls_load(tls, config->certificate, config->key, config->state_dir, config->address,
                            copse_control_pop(http->api.control), error);
  if (result == 0)
    result = copse_events_open(copse_control_store(http->api.control), store_changed, http, &http->api.events, error);
  if (result == 0)
    result = copse_auth_watch(&http->api.auth, copse_control_store(http->api.control),
                              copse_events_revision(http->api.events), error);
  if (result == 0)
    result = start_daemon(http, config, tls, error);
  return result == 0 ? join_loop(http, error) : result;
}

int
copse_http_start(struct copse_control *control, const struct copse_http_config *config, struct copse_http **out,
                 struct copse_error *error) {
  struct copse_http *http = calloc(1, sizeof(*http));
  struct copse_tls tls = {.key = NULL};
  int result;

  if (sodium_init() < 0 || http == NULL) {
    free(http);
    return copse_fail(error, -ENOMEM, "no memory or no randomness");
  }
  http->api.control = control;
  http->idle_ns = config->idle_s * NS_PER_S;
  http->request_ns = config->request_s * NS_PER_S;
  http->events_ms = config->events_ms;
  http->connection_limit = config->connections;
  raise_file_limit(config->connections);
  http->rate = copse_rate_create(config->address_requests_per_s, config->address_request_burst);
  TAILQ_INIT(&http->connections);
  TAILQ_INIT(&http->waiting);
  result = http->rate != NULL ? open_parts(http, config, &tls, error) : copse_fail(error, -ENOMEM, "no memory");
  copse_tls_free(&tls);
  if (result != 0) {
    copse_http_stop(http);
    return result;
  }
  copse_control_on_taken(control, dataplane_has_taken, http);
  *out = http;
  return 0;
}

uint16_t
copse_http_port(const struct copse_http *http) {
  return http->port;
}

static void
free_event(struct event *event) {
  if (event != NULL)
    event_free(event);
}

void
copse_http_stop(struct copse_http *http) {
  if (http == NULL)
    return;
  copse_control_on_taken(http->api.control, NULL, NULL);
  if (http->daemon != NULL) {
    http->stopping = true;
    copse_exchanges_wake(http, true);
    for (int i = 0; i < STOP_TURNS; i++)
      MHD_run(http->daemon);
    MHD_stop_daemon(http->daemon);
  }
  free_event(http->readable);
  free_event(http->timer);
  free_event(http->sweep);
  copse_events_close(http->api.events);
  copse_auth_close(&http->api.auth);
  copse_rate_free(http->rate);
  free(http);
}
