/* SPDX-License-Identifier: Apache-2.0 */
/* The whole API in one table; docs/openapi.json says the same in detail. */
#include "handlers.h"

#define OPERATOR COPSE_ROLE_OPERATOR
#define ACCOUNT COPSE_ROLE_ACCOUNT
#define NOBODY COPSE_ROLE_NONE
#define AFTER (1U << COPSE_ARGUMENT_AFTER)
#define PAGE (1U << COPSE_ARGUMENT_LIMIT | 1U << COPSE_ARGUMENT_CURSOR)

#define SHOW(path_, role_, view_)                                                                                      \
  { .method = "GET", .path = (path_), .role = (role_), .view = (view_) }
#define LIST(path_, role_, view_)                                                                                      \
  { .method = "GET", .path = (path_), .role = (role_), .arguments = PAGE, .view = (view_) }
#define DO(method_, path_, role_, body_, handle_)                                                                      \
  { .method = (method_), .path = (path_), .role = (role_), .body = COPSE_BODY_##body_, .handle = (handle_) }

const struct copse_route copse_routes[] = {
  DO("GET", "/healthz", NOBODY, NONE, copse_handle_health),
  DO("GET", "/metrics", OPERATOR, NONE, copse_handle_metrics),
  DO("GET", "/v1/openapi.json", NOBODY, NONE, copse_handle_openapi),
  {.method = "GET", .path = "/v1/events", .role = OPERATOR, .arguments = AFTER, .handle = copse_handle_events},

  LIST("/v1/pops", OPERATOR, copse_view_pops),
  DO("DELETE", "/v1/pops/{pop}", OPERATOR, NONE, copse_handle_pop_remove),
  LIST("/v1/links", OPERATOR, copse_view_links),
  SHOW("/v1/links/{from}/{to}", OPERATOR, copse_view_link),
  DO("PUT", "/v1/links/{from}/{to}/budget", OPERATOR, JSON, copse_handle_link_put),
  DO("DELETE", "/v1/links/{from}/{to}/budget", OPERATOR, NONE, copse_handle_link_reset),
  LIST("/v1/drops", OPERATOR, copse_view_drops),
  LIST("/v1/trees", OPERATOR, copse_view_trees),
  LIST("/v1/peers", OPERATOR, copse_view_peers),
  SHOW("/v1/why/{id}", OPERATOR, copse_view_why),

  LIST("/v1/accounts", OPERATOR, copse_view_accounts),
  DO("POST", "/v1/accounts", OPERATOR, JSON, copse_handle_account_create),
  DO("GET", "/v1/accounts/{account}", ACCOUNT, NONE, copse_handle_account_show),
  DO("POST", "/v1/accounts/{account}/credit", OPERATOR, JSON, copse_handle_account_credit),
  DO("GET", "/v1/accounts/{account}/journal", ACCOUNT, NONE, copse_handle_account_journal),
  LIST("/v1/accounts/{account}/ledger", ACCOUNT, copse_view_ledger),

  LIST("/v1/sessions", OPERATOR, copse_view_sessions),
  DO("POST", "/v1/sessions", ACCOUNT, JSON, copse_handle_session_create),
  SHOW("/v1/sessions/{session}", ACCOUNT, copse_view_session),
  DO("DELETE", "/v1/sessions/{session}", ACCOUNT, NONE, copse_handle_session_delete),
  LIST("/v1/sessions/{session}/trees", ACCOUNT, copse_view_session_trees),
  DO("GET", "/v1/sessions/{session}/leaves", ACCOUNT, NONE, copse_handle_leaves_get),
  DO("PUT", "/v1/sessions/{session}/leaves", ACCOUNT, BYTES, copse_handle_leaves_put),
  LIST("/v1/sessions/{session}/members", ACCOUNT, copse_view_session_members),
  DO("POST", "/v1/sessions/{session}/members", ACCOUNT, JSON, copse_handle_join),
  DO("POST", "/v1/sessions/{session}/members/{member}/sync", ACCOUNT, JSON, copse_handle_sync),
  DO("DELETE", "/v1/sessions/{session}/members/{member}", ACCOUNT, NONE, copse_handle_leave),
};

const size_t copse_route_count = sizeof(copse_routes) / sizeof(copse_routes[0]);
