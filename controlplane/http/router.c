/* SPDX-License-Identifier: Apache-2.0 */
/* Method and path to handler, role and body, in one table. */
#include "handlers.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum body { BODY_NONE, BODY_JSON, BODY_BYTES };

struct copse_route {
  const char *method, *path; /* {…}: one segment, see take_segment */
  int role;                  /* at least */
  enum body body;
  void (*handle)(struct copse_call *call);
};

static const struct copse_route routes[] = {
  {"GET", "/healthz", COPSE_ROLE_NONE, BODY_NONE, copse_handle_health},
  {"GET", "/metrics", COPSE_ROLE_OPERATOR, BODY_NONE, copse_handle_metrics},
  {"POST", "/v1/accounts", COPSE_ROLE_OPERATOR, BODY_JSON, copse_handle_account_create},
  {"GET", "/v1/accounts/{account}", COPSE_ROLE_ACCOUNT, BODY_NONE, copse_handle_account_show},
  {"POST", "/v1/accounts/{account}/credit", COPSE_ROLE_OPERATOR, BODY_JSON, copse_handle_account_credit},
  {"GET", "/v1/accounts/{account}/journal", COPSE_ROLE_ACCOUNT, BODY_NONE, copse_handle_account_journal},
  {"GET", "/v1/topology", COPSE_ROLE_OPERATOR, BODY_NONE, copse_handle_topology},
  {"GET", "/v1/events", COPSE_ROLE_OPERATOR, BODY_NONE, copse_handle_events},
  {"POST", "/v1/sessions", COPSE_ROLE_ACCOUNT, BODY_JSON, copse_handle_session_create},
  {"GET", "/v1/sessions", COPSE_ROLE_OPERATOR, BODY_NONE, copse_handle_session_list},
  {"GET", "/v1/sessions/{session}", COPSE_ROLE_ACCOUNT, BODY_NONE, copse_handle_session_show},
  {"DELETE", "/v1/sessions/{session}", COPSE_ROLE_ACCOUNT, BODY_NONE, copse_handle_session_delete},
  {"GET", "/v1/sessions/{session}/trees", COPSE_ROLE_ACCOUNT, BODY_NONE, copse_handle_session_trees},
  {"GET", "/v1/sessions/{session}/leaves", COPSE_ROLE_ACCOUNT, BODY_NONE, copse_handle_leaves_get},
  {"PUT", "/v1/sessions/{session}/leaves", COPSE_ROLE_ACCOUNT, BODY_BYTES, copse_handle_leaves_put},
  {"POST", "/v1/sessions/{session}/members", COPSE_ROLE_ACCOUNT, BODY_JSON, copse_handle_join},
  {"POST", "/v1/sessions/{session}/members/{member}/sync", COPSE_ROLE_ACCOUNT, BODY_JSON, copse_handle_sync},
  {"DELETE", "/v1/sessions/{session}/members/{member}", COPSE_ROLE_ACCOUNT, BODY_NONE, copse_handle_leave},
};

#define ROUTES (sizeof(routes) / sizeof(routes[0]))

static bool
take_hex(const char *text, size_t length, char *out, size_t chars) {
  if (length != chars || strspn(text, "0123456789abcdef") < chars)
    return false;
  memcpy(out, text, chars);
  out[chars] = '\0';
  return true;
}

/* One segment of a path against one of a pattern. What is taken becomes part of keys of the store. */
static bool
take_segment(struct copse_call *call, const char *pattern, size_t pattern_length, const char *text, size_t length) {
  if (pattern[0] != '{')
    return length == pattern_length && memcmp(pattern, text, length) == 0;
  if (strncmp(pattern, "{session}", pattern_length) == 0)
    return take_hex(text, length, call->session, COPSE_SESSION_CHARS);
  if (strncmp(pattern, "{member}", pattern_length) == 0)
    return take_hex(text, length, call->member, COPSE_MEMBER_CHARS);
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

  for (size_t i = 0; i < ROUTES; i++) {
    if (!match(call, routes[i].path, path))
      continue;
    if (strcmp(routes[i].method, method) == 0)
      return &routes[i];
    size_t used = strlen(allow);
    snprintf(allow + used, sizeof(allow) - used, "%s%s", used > 0 ? ", " : "", routes[i].method);
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
body_max(enum body body) {
  switch (body) {
  case BODY_JSON:
    return COPSE_JSON_BODY_MAX;
  case BODY_BYTES:
    return COPSE_LEAVES_BODY_MAX;
  default:
    return 0;
  }
}

bool
copse_call_admit(struct copse_call *call, struct copse_api *api, const char *method, const char *path,
                 const char *authorization, uint64_t body_length) {
  int result;

  call->api = api;
  call->route = find(call, method, path);
  if (call->route == NULL)
    return false;
  if (call->route->role != COPSE_ROLE_NONE) {
    result = copse_auth_caller(&api->auth, copse_control_store(api->control), authorization, &call->caller);
    if (result == -EACCES) {
      copse_reply_fail(call, 401, NULL, "%s", authorization == NULL ? "a bearer token is needed" : "unknown token");
      return false;
    }
    if (result != 0) {
      copse_reply_store(call, result);
      return false;
    }
  }
  if ((int)call->caller.role < call->route->role) {
    copse_reply_fail(call, 403, NULL, "only for operators");
    return false;
  }
  if (body_length > body_max(call->route->body)) {
    copse_reply_fail(call, 413, NULL, "the body may be at most %zu bytes", body_max(call->route->body));
    return false;
  }
  return true;
}

void
copse_call_run(struct copse_call *call, const void *body, size_t length) {
  call->bytes = body;
  call->length = length;
  if (call->route->body == BODY_JSON && call->json == NULL && !copse_body_parse(call))
    return;
  call->route->handle(call);
}
