/* SPDX-License-Identifier: Apache-2.0 */
/* Requests without sockets: "METHOD PATH\nCALLER\nNAME=VALUE&…\nBODY" through router, bodies and handlers over a store
 * in memory. CALLER o, a, b: the tokens of an operator, alice and bob; anything else is the header itself. A NAME is
 * that of a query argument, or if-match, key, last-event-id, stream for the headers. */
#include "../http/fake_control.h"
#include "http/call.h"
#include <copse/manifest.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RUNS_PER_STORE 512
#define SESSION "0123456789abcdef0123456789abcdef"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct copse_control control;
static struct copse_api api;

static void
must(int holds) {
  if (!holds)
    abort();
}

static void
put(const char *key, const char *value) {
  struct copse_change change = {.kind = COPSE_CHANGE_PUT, .key = key, .value = value};

  must(copse_store_commit(control.store, NULL, 0, &change, 1, NULL, NULL) == 0);
}

static void
put_account(const char *name, const char *token) {
  char key[COPSE_TOKEN_KEY_BYTES], account_key[32], role[64];

  copse_auth_key(token, key);
  snprintf(account_key, sizeof(account_key), "/accounts/%s", name);
  snprintf(role, sizeof(role), "{\"role\":\"account\",\"account\":\"%s\"}", name);
  put(key, role);
  put(account_key, "{\"credit_bytes\":1000,\"leased_bytes\":0}");
}

/* SQLite's name for no file; the store makes one of that name all the same, so this happens aside. */
static struct copse_store *
open_memory(void) {
  char directory[] = "/tmp/copse-fuzz-XXXXXX", before[4096];
  struct copse_store *store;

  must(getcwd(before, sizeof(before)) != NULL && mkdtemp(directory) != NULL && chdir(directory) == 0);
  must(copse_store_open(":memory:", &store, NULL) == 0);
  unlink(":memory:");
  must(chdir(before) == 0 && rmdir(directory) == 0);
  return store;
}

/* A store with two accounts, a topology and a session of alice whose one leaf is "leafleafleafleafleafleafleafleaf". */
static void
begin(void) {
  char root[2 * COPSE_HASH_BYTES + 1], session[256];

  copse_store_close(control.store);
  copse_events_close(api.events);
  control.store = open_memory();
  control.healthy = true;
  api.control = &control;
  crypto_hash_sha256(api.auth.operator_hash, (const uint8_t *)"o", 1);
  put_account("alice", "a");
  put_account("bob", "b");
  put("/pops/N1", "{\"address\":\"192.0.2.1\",\"port\":7117,\"api\":\"https://192.0.2.1:7118\"}");
  put("/links/N1/N2", "{\"bandwidth_bps\":1000000,\"delay_ms\":1.5,\"by\":\"N1\"}");
  put("/reserved/N1", "{\"s\":{\"bps\":1000,\"links\":{\"N2\":1000}}}");
  sodium_bin2hex(root, sizeof(root), (const uint8_t *)"leafleafleafleafleafleafleafleaf", COPSE_HASH_BYTES);
  snprintf(session, sizeof(session),
           "{\"manifest\":{\"name\":\"f\",\"size\":5,\"block_bytes\":16384,\"root\":\"%s\"},\"creator\":\"alice\","
           "\"state\":\"open\"}",
           root);
  put("/sessions/" SESSION, session);
  must(copse_events_open(control.store, NULL, NULL, &api.events, NULL) == 0);
}

/* The text up to the next newline; moves past it. */
static char *
next_line(char **text) {
  char *line = strsep(text, "\n");

  if (*text == NULL)
    *text = line + strlen(line);
  return line;
}

static uint64_t
revision_of(const char *key) {
  struct copse_value value;

  must(copse_store_get(control.store, key, &value) == 0);
  copse_value_free(&value);
  return value.revision;
}

/* Whatever the request, the reply is well formed. */
static void
check_reply(const struct copse_call *call) {
  const char *content_type;
  size_t length;
  char *text = copse_call_text(call, &content_type, &length);
  int status = call->reply.answer.status;
  json_t *json = text != NULL ? json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL) : NULL;

  must(status >= 200 && status <= 503 && (status < 300 || status >= 400));
  must((json != NULL) == (status != 204 && call->reply.bytes == NULL && !call->reply.stream));
  if (status >= 400) {
    must(strcmp(content_type, "application/problem+json") == 0);
    must(json_integer_value(json_object_get(json, "status")) == status);
    must(json_string_length(json_object_get(json, "detail")) > 0);
  }
  must((status == 405) == (call->reply.allow[0] != '\0'));
  json_decref(json);
  free(text);
}

static void
take_word(const char *name, const char *value, struct copse_request *request) {
  const char **headers[] = {&request->if_match, &request->idempotency_key, &request->last_event_id};
  static const char *const names[] = {"if-match", "key", "last-event-id"};

  for (size_t i = 0; i < COPSE_ARGUMENT_COUNT; i++) {
    if (strcmp(name, copse_argument_names[i]) == 0) {
      request->arguments[i] = value;
      return;
    }
  }
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    if (strcmp(name, names[i]) == 0) {
      *headers[i] = value;
      return;
    }
  }
  if (strcmp(name, "stream") == 0)
    request->stream = true;
  else if (name[0] != '\0')
    request->unknown = name;
}

/* NAME=VALUE&NAME=VALUE… */
static void
take_words(char *words, struct copse_request *request) {
  char *word, *name;

  while ((word = strsep(&words, "&")) != NULL) {
    name = strsep(&word, "=");
    take_word(name, word != NULL ? word : "", request);
  }
}

/* No header can be broken out of. */
static void
check_header(void *context, const char *name, const char *value) {
  (void)context;
  must(strcmp(name, "Link") != 0 || strpbrk(value, "\r\n") == NULL);
}

static void
run(const char *method, const char *path, const char *caller, char *words, const char *body, size_t length) {
  uint64_t alice = revision_of("/accounts/alice"), session = revision_of("/sessions/" SESSION);
  struct copse_request request = {.method = method, .path = path, .body_length = length};
  struct copse_call call = {.waited = false};
  bool known = strlen(caller) == 1 && strchr("oab", caller[0]) != NULL;
  char authorization[] = "Bearer x";

  authorization[sizeof(authorization) - 2] = caller[0];
  request.authorization = known ? authorization : caller;
  take_words(words, &request);
  if (copse_call_admit(&call, &api, &request)) {
    copse_call_run(&call, body, length);
    call.waited = true;
    if (call.reply.answer.status == 0)
      copse_call_run(&call, body, length);
  } else {
    must(call.reply.answer.status >= 400);
  }
  check_reply(&call);
  copse_call_headers(&call, check_header, NULL);
  /* Nobody is let in without a token, nobody but operators touches accounts, and bob touches nothing of alice's. */
  must(known || call.reply.answer.status >= 400 || strcmp(path, "/healthz") == 0 ||
       strncasecmp(caller, "bearer ", 7) == 0);
  must(caller[0] != 'b' || !known || revision_of("/sessions/" SESSION) == session);
  must((known && caller[0] == 'o') || strcasecmp(caller, "bearer o") == 0 || revision_of("/accounts/alice") == alice);
  copse_call_free(&call);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static unsigned runs;
  char *text = malloc(size + 1), *at = text, *method, *path, *caller, *words;

  must(text != NULL && sodium_init() >= 0);
  if (runs++ % RUNS_PER_STORE == 0)
    begin();
  memcpy(text, data, size);
  text[size] = '\0';
  path = next_line(&at);
  caller = next_line(&at);
  words = next_line(&at);
  method = strsep(&path, " ");
  run(method, path != NULL ? path : "", caller, words, at, size - (size_t)(at - text));
  must(copse_store_poll(control.store, runs) >= 0);
  free(text);
  return 0;
}
