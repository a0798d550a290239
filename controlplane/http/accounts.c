/* SPDX-License-Identifier: Apache-2.0 */
/* Accounts: bytes of credit and tokens. */
#include "handlers.h"
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_BYTES (sizeof "/accounts/" + sizeof(((struct copse_call *)0)->account))

bool
copse_account_name(const char *text, size_t length, char *out) {
  static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

  if (length == 0 || length >= sizeof(((struct copse_call *)0)->account) || strspn(text, allowed) < length)
    return false;
  memcpy(out, text, length);
  out[length] = '\0';
  return true;
}

static void
make_key(const char *account, char key[KEY_BYTES]) {
  snprintf(key, KEY_BYTES, "/accounts/%s", account);
}

/* The record as the API shows it. */
static void
reply_account(struct copse_call *call, const json_t *record) {
  copse_reply_json(call, 200,
                   json_pack("{s:s, s:O*, s:O*}", "account", call->account, "credit_bytes",
                             json_object_get(record, "credit_bytes"), "leased_bytes",
                             json_object_get(record, "leased_bytes")));
}

/* One transaction: the account and its token, neither of which may exist. */
static int
commit_account(struct copse_call *call, uint64_t credit_bytes, const char *token) {
  char key[KEY_BYTES], token_key[COPSE_TOKEN_KEY_BYTES];
  json_t *account = json_pack("{s:I, s:i}", "credit_bytes", (json_int_t)credit_bytes, "leased_bytes", 0);
  json_t *role = json_pack("{s:s, s:s}", "role", "account", "account", call->account);
  char *account_text = json_dumps(account, JSON_COMPACT);
  char *role_text = json_dumps(role, JSON_COMPACT);
  int result = -ENOMEM;

  make_key(call->account, key);
  copse_auth_key(token, token_key);
  if (account_text != NULL && role_text != NULL) {
    struct copse_compare compares[] = {{.key = key}, {.key = token_key}};
    struct copse_change changes[] = {
      {.kind = COPSE_CHANGE_PUT, .key = key, .value = account_text},
      {.kind = COPSE_CHANGE_PUT, .key = token_key, .value = role_text},
    };
    result = copse_record_commit(call, compares, 2, changes, 2);
  } else {
    copse_reply_fail(call, 500, NULL, "no memory");
  }
  json_decref(account);
  json_decref(role);
  free(account_text);
  free(role_text);
  return result;
}

void
copse_handle_account_create(struct copse_call *call) {
  const char *name = json_string_value(json_object_get(call->json, "name"));
  char token[COPSE_TOKEN_CHARS + 1];
  uint64_t credit_bytes;
  int result;

  if (name == NULL || !copse_account_name(name, strlen(name), call->account)) {
    copse_reply_fail(call, 400, "name", "name: must be 1 to %zu of the characters A-Z a-z 0-9 . _ -",
                     sizeof(call->account) - 1);
    return;
  }
  if (!copse_body_number(call, "credit_bytes", 0, &credit_bytes))
    return;
  copse_auth_make(token);
  result = commit_account(call, credit_bytes, token);
  if (result == 0)
    copse_reply_json(call, 201, json_pack("{s:s, s:s}", "account", call->account, "token", token));
  else if (result == -EAGAIN)
    copse_reply_fail(call, 409, "name", "name: there is an account %s already", call->account);
  sodium_memzero(token, sizeof(token));
}

void
copse_handle_account_show(struct copse_call *call) {
  char key[KEY_BYTES];
  uint64_t revision;
  json_t *record;

  if (call->caller.role == COPSE_ROLE_ACCOUNT && strcmp(call->caller.account, call->account) != 0) {
    copse_reply_fail(call, 403, NULL, "not your account");
    return;
  }
  make_key(call->account, key);
  record = copse_record_get(call, key, "account", &revision);
  if (record != NULL) {
    reply_account(call, record);
    json_decref(record);
  }
}

/* Adds to one reading of the record. -EAGAIN: it has changed since; otherwise the reply is set. */
static int
add_credit(struct copse_call *call, const char *key, uint64_t bytes) {
  uint64_t revision;
  json_t *record = copse_record_get(call, key, "account", &revision);
  int64_t credit = json_integer_value(json_object_get(record, "credit_bytes"));
  char *text = NULL;
  int result = 0;

  if (record == NULL)
    return 0;
  if (credit > (int64_t)(COPSE_NUMBER_MAX - bytes)) {
    copse_reply_fail(call, 400, "bytes", "bytes: the account would hold more than %llu", COPSE_NUMBER_MAX);
  } else if (json_object_set_new(record, "credit_bytes", json_integer(credit + (int64_t)bytes)) != 0 ||
             (text = json_dumps(record, JSON_COMPACT)) == NULL) {
    copse_reply_fail(call, 500, NULL, "no memory");
  } else {
    struct copse_compare compare = {.key = key, .revision = revision};
    struct copse_change change = {.kind = COPSE_CHANGE_PUT, .key = key, .value = text};
    result = copse_record_commit(call, &compare, 1, &change, 1);
    if (result == 0)
      reply_account(call, record);
  }
  json_decref(record);
  free(text);
  return result;
}

void
copse_handle_account_credit(struct copse_call *call) {
  char key[KEY_BYTES];
  uint64_t bytes;

  if (!copse_body_number(call, "bytes", 1, &bytes))
    return;
  make_key(call->account, key);
  for (int try = 0; try < COPSE_COMMIT_TRIES; try++)
    if (add_credit(call, key, bytes) != -EAGAIN)
      return;
  copse_reply_store(call, -EAGAIN);
}
