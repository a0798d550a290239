/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of the store as text/event-stream: sent as they come, with a comment now and then so that both sides notice
 * when the other is gone. */
#include "exchange.h"
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 4096

/* What to send next: events, a comment when the time for one has come, or nothing (""). Null: the stream ends. */
static char *
next_text(struct exchange *exchange) {
  struct copse_call *call = &exchange->call;
  bool stale;
  char *text = copse_events_stream(call->api->events, &call->reply.after, &stale);

  if (stale) { /* the client lists again and begins anew */
    exchange->ending = true;
    return strdup("event: stale\ndata: {}\n\n");
  }
  if (text != NULL && text[0] == '\0' && call->waited) {
    free(text);
    text = strdup(": keep-alive\n\n");
  }
  call->waited = false;
  return text;
}

static ssize_t
read_stream(void *context, uint64_t position, char *out, size_t room) {
  struct exchange *exchange = context;
  size_t left;

  (void)position;
  if (exchange->text_sent == exchange->text_length) {
    free(exchange->text);
    exchange->text = exchange->ending || exchange->http->stopping ? NULL : next_text(exchange);
    exchange->text_sent = 0;
    exchange->text_length = exchange->text != NULL ? strlen(exchange->text) : 0;
    if (exchange->text == NULL)
      return MHD_CONTENT_READER_END_OF_STREAM;
    if (exchange->text_length == 0)
      return copse_exchange_wait(exchange) == MHD_YES ? 0 : MHD_CONTENT_READER_END_WITH_ERROR;
  }
  left = exchange->text_length - exchange->text_sent;
  left = left < room ? left : room;
  memcpy(out, exchange->text + exchange->text_sent, left);
  exchange->text_sent += left;
  exchange->connection->since_ns = copse_http_now_ns(); /* who reads what is sent is not slow */
  return (ssize_t)left;
}

struct MHD_Response *
copse_stream_response(struct exchange *exchange) {
  return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_stream, exchange, NULL);
}
