/* SPDX-License-Identifier: Apache-2.0 */
/* Accounts: their tokens, what fills them, and their journals. */
#include "handlers.h"
#include "ledger/contribution.h"
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

bool
copse_account_name(const char *text, size_t length, char *out) {
  if (length == 0 || length >= sizeof(((struct copse_call *)0)->account) || strspn(text, allowed) < length)
    return false;
  memcpy(out, text, length);
  out[length] = '\0';
  return true;
}

/* Seconds of the calendar. */
static uint64_t
now_s(void) {
  return (uint64_t)time(NULL);
}

/* The account as the API shows it: all its books. */
static void
reply_account(struct copse_call *call, const struct copse_account_record *record) {
  json_t *body = json_pack("{s:s}", "account", call->account);
  json_t *books = copse_account_write(record);

  json_object_update(body, books);
  json_decref(books);
  copse_reply_json(call, 200, body);
}

/* For a negative errno of the ledger. */
static void
reply_ledger(struct copse_call *call, int result) {
  if (result == -ENOENT)
    copse_reply_fail(call, 404, NULL, "no such account");
  else if (result == -EBADMSG)
    copse_reply_fail(call, 500, NULL, "the store's record of this account cannot be read");
  else
    copse_reply_store(call, result);
}

/* One transaction: the account and its token, neither of which may exist. */
static int
commit_account(struct copse_call *call, uint64_t credit_bytes, const char *token) {
  struct copse_transaction transaction = {0};
  struct copse_account_change change;
  char token_key[COPSE_TOKEN_KEY_BYTES];
  json_t *role = json_pack("{s:s, s:s}", "role", "account", "account", call->account);
  json_t *why = json_pack("{s:s}", "contribution", "opening");
  int result;

  copse_auth_key(token, token_key);
  copse_account_begin(&change, call->account, 0, NULL);
  copse_account_move(&change, COPSE_BOOK_GRANTED, COPSE_BOOK_CREDIT, credit_bytes);
  copse_account_finish(&change, why, now_s(), &transaction);
  copse_transaction_compare(&transaction, 0, "%s", token_key);
  copse_transaction_put(&transaction, json_dumps(role, JSON_COMPACT), "%s", token_key);
  json_decref(role);
  json_decref(why);
  result =
    copse_commit_once(call, &transaction, 201, json_pack("{s:s, s:s}", "account", call->account, "token", token));
  copse_transaction_free(&transaction);
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
  if (!copse_body_number(call, "credit_bytes", 0, &credit_bytes) || copse_replay(call))
    return;
  copse_auth_make(token);
  result = commit_account(call, credit_bytes, token);
  if (result == -EAGAIN && !copse_replay(call))
    copse_reply_fail(call, 409, "name", "name: there is an account %s already", call->account);
  sodium_memzero(token, sizeof(token));
}

/* False: the reply is set. */
static bool
is_own(struct copse_call *call) {
  if (call->caller.role == COPSE_ROLE_OPERATOR || strcmp(call->caller.account, call->account) == 0)
    return true;
  copse_reply_fail(call, 403, NULL, "not your account");
  return false;
}

void
copse_handle_account_show(struct copse_call *call) {
  struct copse_account_record record;
  uint64_t revision;
  int result;

  if (!is_own(call))
    return;
  result = copse_account_get(copse_control_store(call->api->control), call->account, &record, &revision);
  if (result == 0) {
    reply_account(call, &record);
    call->reply.answer.revision = revision;
  } else {
    reply_ledger(call, result);
  }
}

void
copse_handle_account_journal(struct copse_call *call) {
  struct copse_account_record record;
  json_t *entries = NULL;
  uint64_t revision;
  int result;

  if (!is_own(call))
    return;
  result = copse_account_get(copse_control_store(call->api->control), call->account, &record, &revision);
  if (result == 0)
    result = copse_account_journal(copse_control_store(call->api->control), call->account, &entries);
  if (result == 0)
    copse_reply_json(call, 200, json_pack("{s:s, s:o}", "account", call->account, "entries", entries));
  else
    reply_ledger(call, result);
}

/* An optional text of the body; absent it stays as it is. False: the reply is set. */
static bool
read_text(struct copse_call *call, const char *field, char *out, size_t size) {
  const json_t *value = json_object_get(call->json, field);

  if (value == NULL)
    return true;
  if (!json_is_string(value) || json_string_length(value) >= size ||
      strlen(json_string_value(value)) != json_string_length(value)) {
    copse_reply_fail(call, 400, field, "%s: must be text of at most %zu bytes", field, size - 1);
    return false;
  }
  snprintf(out, size, "%s", json_string_value(value));
  return true;
}

static bool
read_contribution(struct copse_call *call, struct copse_contribution *contribution) {
  char source[16] = "granted";

  *contribution = (struct copse_contribution){.source = COPSE_BOOK_GRANTED};
  copse_auth_make(contribution->key); /* nobody can repeat it */
  if (!copse_body_number(call, "bytes", 1, &contribution->bytes) ||
      !read_text(call, "key", contribution->key, sizeof(contribution->key)) ||
      !read_text(call, "note", contribution->note, sizeof(contribution->note)) ||
      !read_text(call, "source", source, sizeof(source)))
    return false;
  if (contribution->key[0] == '\0' || contribution->key[strspn(contribution->key, allowed)] != '\0') {
    copse_reply_fail(call, 400, "key", "key: must be 1 to %zu of the characters A-Z a-z 0-9 . _ -",
                     sizeof(contribution->key) - 1);
    return false;
  }
  if (strcmp(source, "earned") == 0)
    contribution->source = COPSE_BOOK_EARNED;
  else if (strcmp(source, "granted") != 0)
    copse_reply_fail(call, 400, "source", "source: must be granted or earned");
  return call->reply.answer.status == 0;
}

void
copse_handle_account_credit(struct copse_call *call) {
  struct copse_contribution contribution;
  struct copse_account_record record;
  int result;

  if (!read_contribution(call, &contribution))
    return;
  result = copse_contribute(copse_control_store(call->api->control), call->account, &contribution, COPSE_NUMBER_MAX,
                            now_s(), &record);
  if (result == 0)
    reply_account(call, &record);
  else if (result == -ERANGE)
    copse_reply_fail(call, 400, "bytes", "bytes: the account would hold more than %llu", COPSE_NUMBER_MAX);
  else if (result == -EEXIST)
    copse_reply_fail(call, 409, "key", "key: another contribution has been recorded under it");
  else
    reply_ledger(call, result);
}
