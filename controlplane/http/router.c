/* SPDX-License-Identifier: Apache-2.0 */
/* From method and path to the route, its caller, and its answer. */
#include "handlers.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LIMIT_DEFAULT 100
#define LIMIT_MAX 1000

const char *const copse_argument_names[COPSE_ARGUMENT_COUNT] = {"after", "limit", "cursor"};

static bool
take_hex(const char *text, size_t length, char *out, size_t chars) {
  if (length != chars || strspn(text, "0123456789abcdef") < chars)
    return false;
  memcpy(out, text, chars);
  out[chars] = '\0';
  return true;
}

/* One end of a link: {from} or {pop} begins the name, {to} completes it. */
static bool
take_end(char link[COPSE_LINK_CHARS + 1], const char *text, size_t length, bool first) {
  size_t used = first ? 0 : strlen(link);

  if (length == 0 || length > COPSE_LINK_CHARS / 2)
    return false;
  if (!first)
    link[used++] = '/';
  if (used + length > COPSE_LINK_CHARS)
    return false;
  memcpy(link + used, text, length);
  link[used + length] = '\0';
  return true;
}

/* One segment of a path against one of a pattern. What is taken becomes part of keys of the store. */
static bool
take_segment(struct copse_call *call, const char *pattern, size_t pattern_length, const char *text, size_t length) {
  if (pattern[0] != '{')
    return length == pattern_length && memcmp(pattern, text, length) == 0;
  if (strncmp(pattern, "{session}", pattern_length) == 0)
    return take_hex(text, length, call->session, COPSE_SESSION_CHARS);
  if (strncmp(pattern, "{member}", pattern_length) == 0 || strncmp(pattern, "{id}", pattern_length) == 0)
    return take_hex(text, length, call->member, COPSE_MEMBER_CHARS);
  if (strncmp(pattern, "{from}", pattern_length) == 0 || strncmp(pattern, "{pop}", pattern_length) == 0)
    return take_end(call->link, text, length, true);
  if (strncmp(pattern, "{to}", pattern_length) == 0)
    return take_end(call->link, text, length, false);
  return copse_account_name(text, length, call->account);
}

static bool
match(struct copse_call *call, const char *pattern, const char *path) {
  while (*pattern == '/' && *path == '/') {
    size_t pattern_length = strcspn(++pattern, "/");
    size_t length = strcspn(++path, "/");
    if (!take_segment(call, pattern, pattern_length, path, length))
      return false;
    pattern += pattern_length;
    path += length;
  }
  return *pattern == '\0' && *path == '\0';
}

/* Null: the reply is 404, or 405 with the methods there are. */
static const struct copse_route *
find(struct copse_call *call, const char *method, const char *path) {
  char allow[sizeof(call->reply.allow)] = "";

  for (size_t i = 0; i < copse_route_count; i++) {
    const struct copse_route *route = &copse_routes[i];

    if (!match(call, route->path, path))
      continue;
    if (strcmp(route->method, method) == 0)
      return route;
    size_t used = strlen(allow);
    snprintf(allow + used, sizeof(allow) - used, "%s%s", used > 0 ? ", " : "", route->method);
  }
  if (allow[0] != '\0') {
    copse_reply_fail(call, 405, NULL, "this path takes %s", allow);
    memcpy(call->reply.allow, allow, sizeof(allow));
  } else {
    copse_reply_fail(call, 404, NULL, "no such path");
  }
  return NULL;
}

static size_t
body_max(enum copse_body body) {
  switch (body) {
  case COPSE_BODY_JSON:
    return COPSE_JSON_BODY_MAX;
  case COPSE_BODY_BYTES:
    return COPSE_LEAVES_BODY_MAX;
  default:
    return 0;
  }
}

static bool
check_arguments(struct copse_call *call) {
  const struct copse_request *request = &call->request;
  const char *limit = request->arguments[COPSE_ARGUMENT_LIMIT];
  uint64_t number = LIMIT_DEFAULT;

  for (size_t i = 0; i < COPSE_ARGUMENT_COUNT; i++) {
    if (request->arguments[i] != NULL && (call->route->arguments & 1U << i) == 0) {
      copse_reply_fail(call, 400, copse_argument_names[i], "%s: this path takes no such argument",
                       copse_argument_names[i]);
      return false;
    }
  }
  if (request->unknown != NULL) {
    copse_reply_fail(call, 400, request->unknown, "no path takes the argument \"%.64s\"", request->unknown);
    return false;
  }
  if (limit != NULL && (!copse_digits(limit, &number) || number == 0 || number > LIMIT_MAX)) {
    copse_reply_fail(call, 400, "limit", "limit: must be a whole number from 1 to %d", LIMIT_MAX);
    return false;
  }
  call->limit = (size_t)number;
  return true;
}

static bool
find_caller(struct copse_call *call) {
  const char *authorization = call->request.authorization;
  int result =
    copse_auth_caller(&call->api->auth, copse_control_store(call->api->control), authorization, &call->caller);

  if (result == -EACCES)
    copse_reply_fail(call, 401, NULL, "%s", authorization == NULL ? "a bearer token is needed" : "unknown token");
  else if (result != 0)
    copse_reply_store(call, result);
  else if ((int)call->caller.role < call->route->role)
    copse_reply_fail(call, 403, NULL, "only for operators");
  else
    return true;
  return false;
}

bool
copse_call_admit(struct copse_call *call, struct copse_api *api, const struct copse_request *request) {
  call->api = api;
  call->request = *request;
  call->route = find(call, request->method, request->path);
  if (call->route == NULL || (call->route->role != COPSE_ROLE_NONE && !find_caller(call)) || !check_arguments(call))
    return false;
  if (request->body_length > body_max(call->route->body)) {
    copse_reply_fail(call, 413, NULL, "the body may be at most %zu bytes", body_max(call->route->body));
    return false;
  }
  return true;
}

static void
show(struct copse_call *call) {
  const char *cursor = call->request.arguments[COPSE_ARGUMENT_CURSOR];
  const char *names[] = {call->session, call->member, call->account, call->link};
  struct copse_query query = {.name = "", .after = cursor != NULL ? cursor : "", .limit = call->limit};

  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
    if (names[i][0] != '\0')
      query.name = names[i];
  if (call->account[0] != '\0' && call->caller.role == COPSE_ROLE_ACCOUNT &&
      strcmp(call->caller.account, call->account) != 0)
    copse_reply_fail(call, 403, NULL, "not your account");
  else
    call->route->view(call->api->control, &query, &call->reply.answer);
}

void
copse_call_run(struct copse_call *call, const void *body, size_t length) {
  call->bytes = body;
  call->length = length;
  if (call->route->body == COPSE_BODY_JSON && call->json == NULL && !copse_body_parse(call))
    return;
  if (call->route->view != NULL)
    show(call);
  else
    call->route->handle(call);
}
