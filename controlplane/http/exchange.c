/* SPDX-License-Identifier: Apache-2.0 */
/* One request and its answer: bounds first, then the body, then the call, then the response. */
#include "exchange.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What is refused with a shorter body than this keeps its connection: the body is read and thrown away. */
#define BODIES_MAX (128ULL << 20) /* of all large ones that are being received: they leave room for small ones */
#define DISCARD_MAX ((size_t)64 << 10)

/* Length announced by the client; SIZE_MAX when it announces none. Malformed ones have been refused by the library. */
static uint64_t
announced_length(struct MHD_Connection *mhd) {
  const char *length = MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

  if (MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL)
    return UINT64_MAX;
  return length != NULL ? strtoull(length, NULL, 10) : 0;
}

static enum MHD_Result
take_argument(void *context, enum MHD_ValueKind kind, const char *name, const char *value) {
  struct copse_request *request = context;

  (void)kind;
  for (size_t i = 0; i < COPSE_ARGUMENT_COUNT; i++) {
    if (strcmp(name, copse_argument_names[i]) == 0) {
      request->arguments[i] = value != NULL ? value : "";
      return MHD_YES;
    }
  }
  request->unknown = name;
  return MHD_YES;
}

static const char *
header(struct MHD_Connection *mhd, const char *name) {
  return MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, name);
}

static void
read_request(struct MHD_Connection *mhd, const char *method, const char *path, uint64_t body_length,
             struct copse_request *request) {
  const char *accept = header(mhd, MHD_HTTP_HEADER_ACCEPT);

  *request = (struct copse_request){.method = method,
                                    .path = path,
                                    .authorization = header(mhd, MHD_HTTP_HEADER_AUTHORIZATION),
                                    .if_match = header(mhd, MHD_HTTP_HEADER_IF_MATCH),
                                    .idempotency_key = header(mhd, "Idempotency-Key"),
                                    .last_event_id = header(mhd, "Last-Event-ID"),
                                    .stream = accept != NULL && strcasestr(accept, "text/event-stream") != NULL,
                                    .body_length = body_length};
  MHD_get_connection_values(mhd, MHD_GET_ARGUMENT_KIND, take_argument, request);
}

/* Decides from the headers alone whether the request may go on. */
static bool
admit(struct exchange *exchange, const char *method, const char *path, uint64_t body_length) {
  struct copse_http *http = exchange->http;
  struct copse_request request;
  uint64_t large;
  const struct sockaddr *address =
    MHD_get_connection_info(exchange->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;

  if (!copse_rate_take(http->rate, address, copse_http_now_ns())) {
    copse_reply_fail(&exchange->call, MHD_HTTP_TOO_MANY_REQUESTS, NULL, "too many requests from this address");
    return false;
  }
  if (body_length == UINT64_MAX) {
    copse_reply_fail(&exchange->call, MHD_HTTP_LENGTH_REQUIRED, NULL, "the body needs a Content-Length");
    return false;
  }
  read_request(exchange->mhd, method, path, body_length, &request);
  if (!copse_call_admit(&exchange->call, &http->api, &request))
    return false;
  large = body_length > DISCARD_MAX ? body_length : 0;
  exchange->body = body_length > 0 && http->body_bytes + large <= BODIES_MAX ? malloc(body_length) : NULL;
  if (body_length > 0 && exchange->body == NULL) {
    copse_reply_fail(&exchange->call, MHD_HTTP_SERVICE_UNAVAILABLE, NULL, "no memory for the body");
    return false;
  }
  exchange->body_length = body_length;
  exchange->large = large;
  http->body_bytes += large;
  return true;
}

static void
add_header(void *response, const char *name, const char *value) {
  MHD_add_response_header(response, name, value);
}

static void
add_headers(struct MHD_Response *response, const struct copse_call *call, const char *content_type) {
  if (content_type != NULL)
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
  MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
  copse_call_headers(call, add_header, response);
}

static enum MHD_Result
respond(struct exchange *exchange) {
  struct copse_reply *reply = &exchange->call.reply;
  const char *content_type = reply->content_type;
  struct MHD_Response *response;
  size_t length = reply->length;
  void *bytes = reply->bytes;
  enum MHD_Result result;

  if (bytes == NULL && !reply->stream && reply->answer.status != MHD_HTTP_NO_CONTENT)
    bytes = copse_call_text(&exchange->call, &content_type, &length);
  reply->bytes = NULL;
  response = reply->stream ? copse_stream_response(exchange)
                           : MHD_create_response_from_buffer(length, bytes, MHD_RESPMEM_MUST_FREE);
  if (response == NULL) {
    free(bytes);
    return MHD_NO;
  }
  add_headers(response, &exchange->call, content_type);
  result = MHD_queue_response(exchange->mhd, (unsigned)reply->answer.status, response);
  MHD_destroy_response(response);
  return result;
}

static void
stop_waiting(struct exchange *exchange) {
  exchange->waiting = exchange->connection->waiting = false;
  TAILQ_REMOVE(&exchange->http->waiting, exchange, entry);
  MHD_resume_connection(exchange->mhd);
  event_active(exchange->http->timer, EV_TIMEOUT, 0); /* without threads the library does not wake itself */
}

static void
deadline_passed(int socket, short what, void *context) {
  struct exchange *exchange = context;

  (void)socket, (void)what;
  exchange->call.waited = true;
  if (exchange->waiting)
    stop_waiting(exchange);
}

void
copse_exchanges_wake(struct copse_http *http, bool last) {
  struct exchange *exchange;

  while ((exchange = TAILQ_FIRST(&http->waiting)) != NULL) {
    exchange->call.waited = exchange->call.waited || last;
    stop_waiting(exchange);
  }
}

void
copse_exchanges_wake_joins(struct copse_http *http) {
  struct exchange *exchange = TAILQ_FIRST(&http->waiting), *next;

  for (; exchange != NULL; exchange = next) {
    next = TAILQ_NEXT(exchange, entry);
    if (exchange->call.joined != NULL)
      stop_waiting(exchange);
  }
}

enum MHD_Result
copse_exchange_wait(struct exchange *exchange) {
  struct copse_http *http = exchange->http;
  struct timeval wait = {.tv_sec = (time_t)(http->events_ms / 1000),
                         .tv_usec = (suseconds_t)(http->events_ms % 1000) * 1000};

  bool first = exchange->deadline == NULL;

  if (first)
    exchange->deadline = evtimer_new(copse_control_base(http->api.control), deadline_passed, exchange);
  if (exchange->deadline == NULL)
    return MHD_NO;
  /* The time of a long poll is over once, that of a stream again and again. */
  if ((first || exchange->call.reply.stream) && evtimer_add(exchange->deadline, &wait) != 0)
    return MHD_NO;
  exchange->waiting = exchange->connection->waiting = true;
  TAILQ_INSERT_TAIL(&http->waiting, exchange, entry);
  MHD_suspend_connection(exchange->mhd);
  return MHD_YES;
}

static struct exchange *
begin(struct copse_http *http, struct MHD_Connection *mhd) {
  struct connection *connection = copse_connection_of(mhd);
  struct exchange *exchange = connection != NULL ? calloc(1, sizeof(*exchange)) : NULL;

  if (exchange != NULL) {
    exchange->http = http;
    exchange->mhd = mhd;
    exchange->connection = connection;
    copse_connection_begin(http, connection);
  }
  return exchange;
}

/* Called with the headers, then for every piece of the body, then at its end, and again after a suspension. */
enum MHD_Result
copse_exchange_handle(void *context, struct MHD_Connection *mhd, const char *url, const char *method,
                      const char *version, const char *upload, size_t *upload_length, void **state) {
  struct exchange *exchange = *state;

  (void)version;
  if (exchange == NULL) {
    uint64_t body_length = announced_length(mhd);
    *state = exchange = begin(context, mhd);
    if (exchange == NULL)
      return MHD_NO;
    exchange->refused = !admit(exchange, method, url, body_length);
    return exchange->refused && body_length > DISCARD_MAX ? respond(exchange) : MHD_YES;
  }
  if (*upload_length > 0) {
    size_t room = exchange->body_length - exchange->received;
    size_t take = *upload_length < room ? *upload_length : room;
    if (take > 0)
      memcpy(exchange->body + exchange->received, upload, take);
    exchange->received += take;
    *upload_length = 0;
    return MHD_YES;
  }
  if (!exchange->refused)
    copse_call_run(&exchange->call, exchange->body, exchange->received);
  return exchange->call.reply.answer.status != 0 ? respond(exchange) : copse_exchange_wait(exchange);
}

void
copse_exchange_done(void *context, struct MHD_Connection *mhd, void **state, enum MHD_RequestTerminationCode code) {
  struct exchange *exchange = *state;

  (void)context, (void)mhd, (void)code;
  if (exchange == NULL)
    return;
  copse_connection_end(exchange->http, exchange->connection);
  exchange->http->body_bytes -= exchange->large;
  if (exchange->deadline != NULL)
    event_free(exchange->deadline);
  copse_call_free(&exchange->call);
  free(exchange->body);
  free(exchange->text);
  free(exchange);
  *state = NULL;
}
