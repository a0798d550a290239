/* SPDX-License-Identifier: Apache-2.0 */
#include "call.h"
#include "handlers.h"
#include <ctype.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void
clear_reply(struct copse_reply *reply) {
  json_decref(reply->answer.body);
  free(reply->bytes);
  memset(reply, 0, sizeof(*reply));
}

void
copse_reply_json(struct copse_call *call, int status, json_t *body) {
  if (body == NULL) {
    copse_reply_fail(call, 500, NULL, "no memory");
    return;
  }
  clear_reply(&call->reply);
  call->reply.answer.status = status;
  call->reply.answer.body = body;
}

void
copse_reply_fail(struct copse_call *call, int status, const char *field, const char *format, ...) {
  struct copse_answer *answer = &call->reply.answer;
  va_list arguments;

  clear_reply(&call->reply);
  answer->status = status;
  answer->field = field;
  va_start(arguments, format);
  vsnprintf(answer->error.text, sizeof(answer->error.text), format, arguments);
  va_end(arguments);
}

void
copse_reply_store(struct copse_call *call, int error) {
  if (error == -EAGAIN)
    copse_reply_fail(call, 503, NULL, "others change the same record: try again");
  else
    copse_reply_fail(call, 503, NULL, "the store cannot do this now: %s", strerror(-error));
}

/* A sentence may have been cut inside a character, which is no JSON string then. */
static json_t *
sentence(const char *text) {
  char plain[COPSE_ERROR_TEXT_BYTES];
  json_t *string = json_string(text);
  size_t length = strnlen(text, sizeof(plain) - 1);

  if (string != NULL)
    return string;
  for (size_t i = 0; i < length; i++)
    plain[i] = isascii((unsigned char)text[i]) ? text[i] : '?';
  return json_stringn(plain, length);
}

static json_t *
problem(const struct copse_answer *answer) {
  json_t *body = json_pack("{s:s, s:i, s:s, s:o*}", "type", "about:blank", "status", answer->status, "title",
                           MHD_get_reason_phrase_for((unsigned)answer->status), "detail",
                           answer->error.text[0] != '\0' ? sentence(answer->error.text) : NULL);

  if (body != NULL && answer->field != NULL)
    json_object_set_new(body, "field", json_string(answer->field));
  return body;
}

char *
copse_call_text(const struct copse_call *call, const char **content_type, size_t *length) {
  const struct copse_answer *answer = &call->reply.answer;
  bool failed = answer->status >= 400 && answer->body == NULL;
  json_t *body = failed ? problem(answer) : json_incref(answer->body);
  char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;

  *content_type = failed ? "application/problem+json" : "application/json";
  *length = text != NULL ? strlen(text) : 0;
  json_decref(body);
  return text;
}

/* Everything but letters, digits and -._~ becomes %XX. */
static void
percent_encode(const char *text, char *out, size_t room) {
  static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  size_t used = 0;

  for (; *text != '\0' && used + 4 <= room; text++)
    used += (size_t)snprintf(out + used, room - used, strchr(plain, *text) != NULL ? "%c" : "%%%02X",
                             strchr(plain, *text) != NULL ? *text : (unsigned char)*text);
  out[used] = '\0';
}

/* Where the next page of a list is (RFC 8288). */
static void
add_link(const struct copse_call *call, const char *next,
         void (*add)(void *context, const char *name, const char *value), void *context) {
  char cursor[3 * COPSE_CURSOR_CHARS + 1], link[sizeof(cursor) + 512];

  percent_encode(next, cursor, sizeof(cursor));
  snprintf(link, sizeof(link), "<%s?limit=%zu&cursor=%s>; rel=\"next\"", call->request.path, call->limit, cursor);
  add(context, MHD_HTTP_HEADER_LINK, link);
}

void
copse_call_headers(const struct copse_call *call, void (*add)(void *context, const char *name, const char *value),
                   void *context) {
  const char *next = json_string_value(json_object_get(call->reply.answer.body, "next"));
  int status = call->reply.answer.status;
  char tag[32];

  if (call->reply.allow[0] != '\0')
    add(context, MHD_HTTP_HEADER_ALLOW, call->reply.allow);
  if (status == MHD_HTTP_UNAUTHORIZED)
    add(context, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
  if (status == MHD_HTTP_TOO_MANY_REQUESTS || status == MHD_HTTP_SERVICE_UNAVAILABLE)
    add(context, MHD_HTTP_HEADER_RETRY_AFTER, "1");
  if (call->reply.answer.revision != 0) {
    snprintf(tag, sizeof(tag), "\"%llu\"", (unsigned long long)call->reply.answer.revision);
    add(context, MHD_HTTP_HEADER_ETAG, tag);
  }
  if (next != NULL)
    add_link(call, next, add, context);
}

void
copse_call_free(struct copse_call *call) {
  clear_reply(&call->reply);
  json_decref(call->json);
  json_decref(call->joined);
  call->json = call->joined = NULL;
}
