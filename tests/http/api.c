/* SPDX-License-Identifier: Apache-2.0 */
/* Every endpoint of docs/api.md and what it refuses, through a real server and a real client. */
#include "harness.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#define SESSION "0123456789abcdef0123456789abcdef"
#define MISSING "00000000000000000000000000000000"
#define MEMBER "0123456789abcdef"
#define ROOT "\"root\":\"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d\""
#define MANIFEST "{\"name\":\"f.iso\",\"size\":50000000,\"block_bytes\":16384," ROOT "}"

static struct server server;
static char alice[65], bob[65], operator[65];

static void
set_up(void) {
  server_prepare(&server);
  server_start(&server);
  strcpy(operator, server_token(&server));
}

static void
set_up_accounts(void) {
  set_up();
  make_account(&server, "alice", alice);
  make_account(&server, "bob", bob);
}

static void
tear_down(void) {
  server_end(&server);
}

static const char *
text_at(const struct reply *reply, const char *field) {
  return json_string_value(json_object_get(reply->json, field));
}

static json_int_t
number_at(const json_t *json, const char *field) {
  return json_integer_value(json_object_get(json, field));
}

static void
put(const char *key, const char *value) {
  struct copse_store *store = server_store(&server);
  struct copse_change change = {.kind = COPSE_CHANGE_PUT, .key = key, .value = value};

  cr_assert(eq(int, copse_store_commit(store, NULL, 0, &change, 1, NULL, NULL), 0));
  copse_store_close(store);
}

Test(api, health, .init = set_up, .fini = tear_down) {
  const struct reply *reply = ask(&server, "GET", "/healthz", NULL, NULL);

  cr_expect(eq(long, reply->status, 200));
  cr_expect(eq(str, reply->body, "{\"status\":\"ok\",\"pop\":\"N1\"}"));
  cr_expect(strstr(reply->headers, "application/json") != NULL);
  atomic_store(&server.control.healthy, false);
  expect_problem(ask(&server, "GET", "/healthz", NULL, NULL), 503, NULL, "away");
  tear_down();
}

Test(api, metrics_are_for_operators, .init = set_up_accounts, .fini = tear_down) {
  const struct reply *reply = ask(&server, "GET", "/metrics", operator, NULL);

  cr_expect(eq(long, reply->status, 200));
  cr_expect(eq(str, reply->body, "copse_test_packets_total 7\n"));
  cr_expect(strstr(reply->headers, "text/plain; version=0.0.4") != NULL);
  expect_problem(ask(&server, "GET", "/metrics", alice, NULL), 403, NULL, "operators");
  expect_problem(ask(&server, "GET", "/metrics", NULL, NULL), 401, NULL, "bearer token");
  tear_down();
}

/* Every route but health: no token and a wrong one are refused, and so are accounts where only operators may. */
Test(api, tokens_and_roles, .init = set_up_accounts, .fini = tear_down) {
  static const struct {
    const char *method, *path;
    bool operators;
  } routes[] = {
    {"GET", "/metrics", true},
    {"POST", "/v1/accounts", true},
    {"GET", "/v1/accounts/alice", false},
    {"POST", "/v1/accounts/alice/credit", true},
    {"GET", "/v1/accounts", true},
    {"GET", "/v1/accounts/alice/ledger", false},
    {"GET", "/v1/pops", true},
    {"DELETE", "/v1/pops/N1", true},
    {"GET", "/v1/links", true},
    {"GET", "/v1/links/N1/N2", true},
    {"PUT", "/v1/links/N1/N2/budget", true},
    {"DELETE", "/v1/links/N1/N2/budget", true},
    {"GET", "/v1/drops", true},
    {"GET", "/v1/trees", true},
    {"GET", "/v1/peers", true},
    {"GET", "/v1/why/" MEMBER, true},
    {"GET", "/v1/sessions/" SESSION "/members", false},
    {"GET", "/v1/events", true},
    {"POST", "/v1/sessions", false},
    {"GET", "/v1/sessions", true},
    {"GET", "/v1/sessions/" SESSION, false},
    {"DELETE", "/v1/sessions/" SESSION, false},
    {"GET", "/v1/sessions/" SESSION "/trees", false},
    {"GET", "/v1/sessions/" SESSION "/leaves", false},
    {"PUT", "/v1/sessions/" SESSION "/leaves", false},
    {"POST", "/v1/sessions/" SESSION "/members", false},
    {"POST", "/v1/sessions/" SESSION "/members/" MEMBER "/sync", false},
    {"DELETE", "/v1/sessions/" SESSION "/members/" MEMBER, false},
  };

  for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
    const struct reply *reply = ask(&server, routes[i].method, routes[i].path, NULL, NULL);
    expect_problem(reply, 401, NULL, "bearer token is needed");
    cr_expect(strstr(reply->headers, "WWW-Authenticate: Bearer") != NULL);
    expect_problem(ask(&server, routes[i].method, routes[i].path, "0123456789abcdef", NULL), 401, NULL,
                   "unknown token");
    if (routes[i].operators)
      expect_problem(ask(&server, routes[i].method, routes[i].path, alice, NULL), 403, NULL, "only for operators");
  }
  tear_down();
}

Test(api, authorization_header_is_exact, .init = set_up_accounts, .fini = tear_down) {
  char header[128];

  snprintf(header, sizeof(header), "Authorization: Basic %s", operator);
  cr_expect(eq(long, ask_raw(&server, "GET", "/metrics", NULL, NULL, 0, header)->status, 401));
  snprintf(header, sizeof(header), "Authorization: Bearer %s0", operator);
  cr_expect(eq(long, ask_raw(&server, "GET", "/metrics", NULL, NULL, 0, header)->status, 401));
  snprintf(header, sizeof(header), "Authorization: bearer %s", operator);
  cr_expect(eq(long, ask_raw(&server, "GET", "/metrics", NULL, NULL, 0, header)->status, 200));
  tear_down();
}

Test(api, unknown_paths_and_methods, .init = set_up, .fini = tear_down) {
  static const char *const unknown[] = {
    "/",
    "/v1",
    "/v1/",
    "/healthz/",
    "//healthz",
    "/v1/sessions/",
    "/v1/sessions/0123",
    "/v1/sessions/" SESSION "0",
    "/v1/sessions/" SESSION "/members/" MEMBER "/sync/",
    "/v1/sessions/0123456789ABCDEF0123456789ABCDEF",
    "/v1/sessions/" SESSION "/members/../../x",
    "/v1/accounts/a%2fb",
    "/v1/accounts/a%20b",
    "/v1/accounts/..%2f..",
    "/v1/accounts/0123456789012345678901234567890123456789012345678901234567890123",
  };
  const struct reply *reply;

  for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
    expect_problem(ask(&server, "GET", unknown[i], operator, NULL), 404, NULL, "no such path");
  reply = ask(&server, "PATCH", "/v1/sessions/" SESSION, operator, NULL);
  expect_problem(reply, 405, NULL, "GET, DELETE");
  cr_expect(strstr(reply->headers, "Allow: GET, DELETE\r\n") != NULL, "%s", reply->headers);
  reply = ask(&server, "PUT", "/v1/accounts", operator, NULL);
  expect_problem(reply, 405, NULL, "GET, POST");
  cr_expect(strstr(reply->headers, "Allow: GET, POST\r\n") != NULL, "%s", reply->headers);
  tear_down();
}

Test(api, bodies_that_are_not_json, .init = set_up, .fini = tear_down) {
  static const struct {
    const char *body, *text;
  } cases[] = {
    {"", "line 1, column 0"},
    {"{", "not JSON: line 1"},
    {"nonsense", "not JSON"},
    {"[]", "must be a JSON object"},
    {"\"text\"", "not JSON"},
    {"{\"name\":\"x\",\"name\":\"y\"}", "duplicate object key"},
    {"{\"name\":\"x\"} {}", "end of file expected"},
    {"{\"name\":\"\xff\xfe\"}", "unable to decode byte"},
    {"{\"name\":\"a\\u0000b\"}", "NUL"},
    {"{\"a\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}", "deeper than 16"},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
    expect_problem(ask(&server, "POST", "/v1/accounts", operator, cases[i].body), 400, NULL, cases[i].text);
  /* Brackets in strings are no depth. */
  expect_problem(ask(&server, "POST", "/v1/accounts", operator, "{\"name\":\"\\\"[[[[[[[[[[[[[[[[[[[[[[[[\"}"), 400,
                 "name", "characters");
  /* A refused body does not cost the connection. */
  cr_expect(eq(long, ask(&server, "POST", "/v1/accounts", NULL, "{}")->status, 401));
  cr_expect(eq(long, ask(&server, "GET", "/healthz", NULL, NULL)->connects, 0));
  tear_down();
}

/* An account of which nothing has been leased. */
#define BOOKS(granted, earned, credit, entries)                                                                        \
  "{\"account\":\"alice\",\"granted_bytes\":" granted ",\"earned_bytes\":" earned ",\"credit_bytes\":" credit          \
  ",\"leased_bytes\":0,\"charged_bytes\":0,\"lost_bytes\":0,\"entries\":" entries "}"

Test(api, account_life, .init = set_up, .fini = tear_down) {
  const struct reply *reply =
    ask(&server, "POST", "/v1/accounts", operator, "{\"name\":\"alice\",\"credit_bytes\":9e9}");

  cr_assert(eq(long, reply->status, 201));
  cr_expect(eq(str, (char *)text_at(reply, "account"), "alice"));
  cr_assert(eq(sz, strlen(text_at(reply, "token")), 64));
  strcpy(alice, text_at(reply, "token"));
  expect_problem(ask(&server, "POST", "/v1/accounts", operator, "{\"name\":\"alice\",\"credit_bytes\":1}"), 409, "name",
                 "already");
  /* The refused duplicate has changed neither credit nor token. */
  reply = ask(&server, "GET", "/v1/accounts/alice", alice, NULL);
  cr_expect(eq(str, reply->body, BOOKS("9000000000", "0", "9000000000", "1")));
  reply = ask(&server, "POST", "/v1/accounts/alice/credit", operator, "{\"bytes\":1e9}");
  cr_expect(eq(long, reply->status, 200));
  cr_expect(eq(str, reply->body, BOOKS("10000000000", "0", "10000000000", "2")));
  cr_expect(eq(str, ask(&server, "GET", "/v1/accounts/alice", operator, NULL)->body,
               BOOKS("10000000000", "0", "10000000000", "2")));
  expect_problem(ask(&server, "GET", "/v1/accounts/nobody", operator, NULL), 404, NULL, "no such account");
  expect_problem(ask(&server, "POST", "/v1/accounts/nobody/credit", operator, "{\"bytes\":1}"), 404, NULL,
                 "no such account");
  tear_down();
}

Test(api, a_contribution_counts_once, .init = set_up_accounts, .fini = tear_down) {
  static const char upload[] = "{\"bytes\":500,\"key\":\"chunk-1\",\"source\":\"earned\",\"note\":\"for bob\"}";
  const struct reply *reply;

  for (int i = 0; i < 3; i++) {
    reply = ask(&server, "POST", "/v1/accounts/alice/credit", operator, upload);
    cr_expect(eq(long, reply->status, 200));
    cr_expect(eq(str, reply->body, BOOKS("9000000000", "500", "9000000500", "2")));
  }
  expect_problem(ask(&server, "POST", "/v1/accounts/alice/credit", operator, "{\"bytes\":501,\"key\":\"chunk-1\"}"),
                 409, "key", "another");
  expect_problem(ask(&server, "POST", "/v1/accounts/alice/credit", operator, "{\"bytes\":1,\"key\":\"a/b\"}"), 400,
                 "key", "key: must be");
  expect_problem(ask(&server, "POST", "/v1/accounts/alice/credit", operator, "{\"bytes\":1,\"source\":\"stolen\"}"),
                 400, "source", "granted or earned");
  expect_problem(ask(&server, "POST", "/v1/accounts/alice/credit", operator, "{\"bytes\":1,\"note\":7}"), 400, "note",
                 "must be text");
  expect_problem(ask(&server, "GET", "/v1/accounts/alice/journal", bob, NULL), 403, NULL, "not your account");
  expect_problem(ask(&server, "GET", "/v1/accounts/nobody/journal", operator, NULL), 404, NULL, "no such account");
  reply = ask(&server, "GET", "/v1/accounts/alice/journal", alice, NULL);
  cr_expect(eq(long, reply->status, 200));
  cr_expect(strstr(reply->body, "\"moves\":[{\"from\":\"earned\",\"to\":\"credit\",\"bytes\":500}],"
                                "\"contribution\":\"chunk-1\"}]}") != NULL);
  tear_down();
}

Test(api, accounts_are_private, .init = set_up_accounts, .fini = tear_down) {
  expect_problem(ask(&server, "GET", "/v1/accounts/alice", bob, NULL), 403, NULL, "not your account");
  expect_problem(ask(&server, "GET", "/v1/accounts/nobody", bob, NULL), 403, NULL, "not your account");
  cr_expect(eq(long, ask(&server, "GET", "/v1/accounts/bob", bob, NULL)->status, 200));
  tear_down();
}

Test(api, account_fields, .init = set_up_accounts, .fini = tear_down) {
  static const char *const names[] = {"{\"credit_bytes\":1}", "{\"name\":7,\"credit_bytes\":1}",
                                      "{\"name\":\"\",\"credit_bytes\":1}", "{\"name\":\"a/b\",\"credit_bytes\":1}",
                                      "{\"name\":\"\xc3\xa9\",\"credit_bytes\":1}"};
  static const char *const credits[] = {"{\"name\":\"x\"}",
                                        "{\"name\":\"x\",\"credit_bytes\":-1}",
                                        "{\"name\":\"x\",\"credit_bytes\":1.5}",
                                        "{\"name\":\"x\",\"credit_bytes\":\"1\"}",
                                        "{\"name\":\"x\",\"credit_bytes\":true}",
                                        "{\"name\":\"x\",\"credit_bytes\":9007199254740992}",
                                        "{\"name\":\"x\",\"credit_bytes\":1e300}"};
  static const char *const bytes[] = {"{}", "{\"bytes\":0}", "{\"bytes\":-5}", "{\"bytes\":0.5}"};

  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
    expect_problem(ask(&server, "POST", "/v1/accounts", operator, names[i]), 400, "name", "name: must be");
  for (size_t i = 0; i < sizeof(credits) / sizeof(credits[0]); i++)
    expect_problem(ask(&server, "POST", "/v1/accounts", operator, credits[i]), 400, "credit_bytes",
                   "credit_bytes: must be");
  for (size_t i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++)
    expect_problem(ask(&server, "POST", "/v1/accounts/alice/credit", operator, bytes[i]), 400, "bytes",
                   "bytes: must be");
  /* 9e9 + (2^53 - 1) is more than JSON numbers hold exactly. */
  expect_problem(ask(&server, "POST", "/v1/accounts/alice/credit", operator, "{\"bytes\":9007199254740991}"), 400,
                 "bytes", "would hold more");
  cr_expect(strstr(ask(&server, "GET", "/v1/accounts/alice", alice, NULL)->body, ":9000000000,") != NULL);
  tear_down();
}

/* Lists and views are answered by the control plane, which is told which, from where, how many. */
Test(api, views, .init = set_up_accounts, .fini = tear_down) {
  static const struct {
    const char *path, *view, *name;
  } views[] = {
    {"/v1/pops", "pops", ""},
    {"/v1/links", "links", ""},
    {"/v1/links/N1/N2", "link", "N1/N2"},
    {"/v1/drops", "drops", ""},
    {"/v1/trees", "trees", ""},
    {"/v1/peers", "peers", ""},
    {"/v1/why/" MEMBER, "why", MEMBER},
    {"/v1/accounts", "accounts", ""},
    {"/v1/accounts/alice/ledger", "ledger", "alice"},
    {"/v1/sessions", "sessions", ""},
    {"/v1/sessions/" SESSION, "session", SESSION},
    {"/v1/sessions/" SESSION "/trees", "session_trees", SESSION},
    {"/v1/sessions/" SESSION "/members", "session_members", SESSION},
  };

  for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++) {
    const struct reply *reply = ask(&server, "GET", views[i].path, operator, NULL);

    cr_assert(eq(long, reply->status, 200), "%s: %s", views[i].path, reply->body);
    cr_expect(eq(str, (char *)text_at(reply, "call"), (char *)views[i].view));
    cr_expect(eq(str, (char *)text_at(reply, "session"), (char *)views[i].name));
    cr_expect(strstr(reply->headers, "ETag: \"7\"\r\n") != NULL, "%s", reply->headers);
  }
  expect_problem(ask(&server, "GET", "/v1/accounts/alice/ledger", bob, NULL), 403, NULL, "not your account");
  expect_problem(ask(&server, "GET", "/v1/links/N1/", operator, NULL), 404, NULL, "no such path");
  expect_problem(ask(&server, "GET", "/v1/links/N1/12345678901234567890123456789012", operator, NULL), 404, NULL,
                 "no such path");
  tear_down();
}

Test(api, pages, .init = set_up, .fini = tear_down) {
  const struct reply *reply = ask(&server, "GET", "/v1/pops?limit=3&cursor=N1%2Fx%20y", operator, NULL);

  cr_expect(eq(long, number_at(reply->json, "limit"), 3));
  cr_expect(eq(str, (char *)text_at(reply, "after"), "N1/x y"));
  cr_expect(strstr(reply->headers, "Link: </v1/pops?limit=3&cursor=a%20b%2F%C3%A9>; rel=\"next\"\r\n") != NULL, "%s",
            reply->headers);
  cr_expect(eq(long, number_at(ask(&server, "GET", "/v1/pops", operator, NULL)->json, "limit"), 100));
  cr_expect(eq(long, number_at(ask(&server, "GET", "/v1/pops?limit=1000", operator, NULL)->json, "limit"), 1000));
  expect_problem(ask(&server, "GET", "/v1/pops?limit=1001", operator, NULL), 400, "limit", "from 1 to 1000");
  expect_problem(ask(&server, "GET", "/v1/pops?limit=0", operator, NULL), 400, "limit", "from 1 to 1000");
  expect_problem(ask(&server, "GET", "/v1/pops?limit=-1", operator, NULL), 400, "limit", "from 1 to 1000");
  expect_problem(ask(&server, "GET", "/v1/pops?limit", operator, NULL), 400, "limit", "from 1 to 1000");
  expect_problem(ask(&server, "GET", "/v1/pops?after=3", operator, NULL), 400, "after", "takes no such argument");
  expect_problem(ask(&server, "GET", "/v1/pops?limti=3", operator, NULL), 400, "limti", "\"limti\"");
  tear_down();
}

Test(api, manifest_fields, .init = set_up_accounts, .fini = tear_down) {
  static const struct {
    const char *body, *field;
  } cases[] = {
    {"{\"size\":1,\"block_bytes\":16384," ROOT "}", "name"},
    {"{\"name\":\"../x\",\"size\":1,\"block_bytes\":16384," ROOT "}", "name"},
    {"{\"name\":\"x\",\"size\":0,\"block_bytes\":16384," ROOT "}", "size"},
    {"{\"name\":\"x\",\"size\":1,\"block_bytes\":16," ROOT "}", "block_bytes"},
    {"{\"name\":\"x\",\"size\":1,\"block_bytes\":16384,\"root\":\"12\"}", "root"},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
    expect_problem(ask(&server, "POST", "/v1/sessions", alice, cases[i].body), 400, cases[i].field, cases[i].field);
  tear_down();
}

/* The text of a record, valid until the next call. */
static const char *
get(const char *key) {
  static char text[1024];
  struct copse_store *store = server_store(&server);
  struct copse_value value;

  cr_assert(eq(int, copse_store_get(store, key, &value), 0), "%s", key);
  snprintf(text, sizeof(text), "%s", value.value);
  copse_value_free(&value);
  copse_store_close(store);
  return text;
}

Test(api, session_life, .init = set_up_accounts, .fini = tear_down) {
  const struct reply *reply = ask(&server, "POST", "/v1/sessions", alice, MANIFEST);
  char session[33], path[96], key[96];

  cr_assert(eq(long, reply->status, 201));
  cr_assert(eq(sz, strlen(text_at(reply, "session")), 32));
  strcpy(session, text_at(reply, "session"));
  snprintf(key, sizeof(key), "/sessions/%s", session);
  cr_expect(eq(str, (char *)get(key), "{\"manifest\":" MANIFEST ",\"creator\":\"alice\",\"state\":\"open\"}"));
  snprintf(path, sizeof(path), "/v1/sessions/%s", session);
  expect_problem(ask(&server, "DELETE", path, bob, NULL), 403, NULL, "creator");
  reply = ask(&server, "DELETE", path, alice, NULL);
  cr_expect(eq(long, reply->status, 204));
  cr_expect(eq(sz, reply->length, 0));
  cr_expect(eq(long, ask(&server, "DELETE", path, alice, NULL)->status, 204));
  cr_expect(strstr(get(key), "\"state\":\"finished\"") != NULL);
  expect_problem(ask(&server, "DELETE", "/v1/sessions/" MISSING, alice, NULL), 404, NULL, "no such session");
  tear_down();
}

/* What has ended by itself may be opened again by who joins, what was deleted may not. */
Test(api, deleting_a_completed_session, .init = set_up_accounts, .fini = tear_down) {
  put("/sessions/" SESSION,
      "{\"manifest\":" MANIFEST ",\"creator\":\"alice\",\"state\":\"finished\",\"completed\":true,\"ended_s\":5}");
  cr_expect(eq(long, ask(&server, "DELETE", "/v1/sessions/" SESSION, alice, NULL)->status, 204));
  cr_expect(eq(str, (char *)get("/sessions/" SESSION),
               "{\"manifest\":" MANIFEST ",\"creator\":\"alice\",\"state\":\"finished\",\"ended_s\":5}"));
  tear_down();
}

Test(api, operators_may_act_for_creators, .init = set_up_accounts, .fini = tear_down) {
  char session[33], path[96];
  uint8_t leaves[32];

  make_session(&server, alice, 1, leaves, session);
  snprintf(path, sizeof(path), "/v1/sessions/%s/leaves", session);
  cr_expect(eq(long, ask_bytes(&server, "PUT", path, operator, leaves, 32)->status, 204));
  make_session(&server, operator, 1, leaves, session);
  snprintf(path, sizeof(path), "/v1/sessions/%s", session);
  expect_problem(ask(&server, "DELETE", path, alice, NULL), 403, NULL, "creator");
  cr_expect(eq(long, ask(&server, "DELETE", path, operator, NULL)->status, 204));
  tear_down();
}

/* Members and trees are answered by the control plane, which is told who calls, for what, with which body. */
Test(api, members_and_trees, .init = set_up_accounts, .fini = tear_down) {
  const struct reply *reply =
    ask(&server, "POST", "/v1/sessions/" SESSION "/members", alice, "{\"uplink_bps\":20000000}");
  char stranger[65];

  cr_expect(eq(long, reply->status, 201));
  cr_expect(eq(str, reply->body,
               "{\"call\":\"join\",\"session\":\"" SESSION "\",\"member\":null,\"account\":\"alice\",\"role\":1,"
               "\"body\":{\"uplink_bps\":20000000}}"));
  reply = ask(&server, "POST", "/v1/sessions/" SESSION "/members/" MEMBER "/sync", bob, "{\"have\":1}");
  cr_expect(eq(long, reply->status, 200));
  cr_expect(eq(str, reply->body,
               "{\"call\":\"sync\",\"session\":\"" SESSION "\",\"member\":\"" MEMBER
               "\",\"account\":\"bob\",\"role\":1,\"body\":{\"have\":1}}"));
  cr_expect(eq(str, (char *)text_at(ask(&server, "GET", "/v1/sessions/" SESSION, alice, NULL), "call"), "session"));
  cr_expect(eq(long, ask(&server, "DELETE", "/v1/sessions/" SESSION "/members/" MEMBER, alice, NULL)->status, 204));
  expect_problem(ask(&server, "POST", "/v1/sessions/" SESSION "/members", alice, "{\"uplink_bps\":\"x\"}"), 400,
                 "uplink_bps", "uplink_bps: must be a positive number");
  expect_problem(ask(&server, "POST", "/v1/sessions/" MISSING "/members", alice, "{}"), 404, NULL, "no such session");
  make_account(&server, "stranger", stranger);
  expect_problem(ask(&server, "POST", "/v1/sessions/" SESSION "/members/" MEMBER "/sync", stranger, "{}"), 403, NULL,
                 "not your member");
  expect_problem(ask(&server, "DELETE", "/v1/sessions/" SESSION "/members/" MEMBER, stranger, NULL), 403, NULL,
                 "not your member");
  tear_down();
}

Test(api, records_that_cannot_be_read, .init = set_up_accounts, .fini = tear_down) {
  put("/sessions/" SESSION, "{\"manifest\":7,\"state\":\"open\"}");
  expect_problem(ask(&server, "GET", "/v1/sessions/" SESSION "/leaves", alice, NULL), 500, NULL, "cannot be read");
  expect_problem(ask(&server, "DELETE", "/v1/sessions/" SESSION, alice, NULL), 403, NULL, "creator");
  put("/accounts/alice", "nonsense");
  expect_problem(ask(&server, "GET", "/v1/accounts/alice", alice, NULL), 500, NULL, "cannot be read");
  tear_down();
}
