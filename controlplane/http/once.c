/* SPDX-License-Identifier: Apache-2.0 */
/* Idempotency-Key: a change and its answer are one transaction, so a request that is sent again, after whatever crash,
 * gets the answer of the first and changes nothing. Answers hold tokens: the store has them under a hash of the
 * caller's token and key, and sealed with another, so that it cannot read them itself. */
#include "daemon.h"
#include "handlers.h"
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_MS (24ULL * 3600 * 1000)
#define KEY_CHARS_MAX 128
#define HASH_CHARS (2UL * crypto_generichash_BYTES)
#define STORE_KEY_BYTES (sizeof "/once/" + HASH_CHARS)

struct once {
  char key[STORE_KEY_BYTES];
  uint8_t seal[crypto_secretbox_KEYBYTES];
};

/* A hash of who asks for what under which key; `purpose` tells names from seals. */
static void
hash_request(const struct copse_call *call, const char *purpose, uint8_t hash[crypto_generichash_BYTES]) {
  const char *parts[] = {purpose, call->request.authorization != NULL ? call->request.authorization : "",
                         call->request.method, call->request.path, call->request.idempotency_key};
  crypto_generichash_state state;

  crypto_generichash_init(&state, NULL, 0, crypto_generichash_BYTES);
  for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
    crypto_generichash_update(&state, (const uint8_t *)parts[i], strlen(parts[i]) + 1);
  crypto_generichash_final(&state, hash, crypto_generichash_BYTES);
}

static void
prepare(const struct copse_call *call, struct once *once) {
  uint8_t hash[crypto_generichash_BYTES];

  _Static_assert(crypto_secretbox_KEYBYTES == crypto_generichash_BYTES, "a hash is a key");
  hash_request(call, "seal", once->seal);
  hash_request(call, "name", hash);
  snprintf(once->key, sizeof(once->key), "/once/");
  sodium_bin2hex(once->key + strlen(once->key), 2 * sizeof(hash) + 1, hash, sizeof(hash));
}

static void
digest_body(const struct copse_call *call, char digest[HASH_CHARS + 1]) {
  uint8_t hash[crypto_generichash_BYTES];

  crypto_generichash(hash, sizeof(hash), call->bytes, call->length, NULL, 0);
  sodium_bin2hex(digest, 2 * sizeof(hash) + 1, hash, sizeof(hash));
}

/* JSON text of a string of base64: nonce and sealed text. Null without memory. */
static char *
seal(const struct once *once, const char *text) {
  size_t length = crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES + strlen(text);
  size_t room = sodium_base64_encoded_len(length, sodium_base64_VARIANT_ORIGINAL) + 2;
  uint8_t *sealed = malloc(length);
  char *out = malloc(room);

  if (sealed != NULL && out != NULL) {
    randombytes_buf(sealed, crypto_secretbox_NONCEBYTES);
    crypto_secretbox_easy(sealed + crypto_secretbox_NONCEBYTES, (const uint8_t *)text, strlen(text), sealed,
                          once->seal);
    out[0] = '"';
    sodium_bin2base64(out + 1, room - 1, sealed, length, sodium_base64_VARIANT_ORIGINAL);
    memcpy(out + strlen(out), "\"", 2);
  } else {
    free(out);
    out = NULL;
  }
  free(sealed);
  return out;
}

/* Null when it is not what `seal` has made. */
static json_t *
unseal(const struct once *once, const char *value) {
  json_t *string = json_loads(value, JSON_DECODE_ANY, NULL), *opened = NULL;
  size_t room = json_string_length(string), length = 0;
  uint8_t *sealed = malloc(room + 1), *text = malloc(room + 1);

  if (json_is_string(string) && sealed != NULL && text != NULL &&
      sodium_base642bin(sealed, room, json_string_value(string), room, NULL, &length, NULL,
                        sodium_base64_VARIANT_ORIGINAL) == 0 &&
      length > crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES &&
      crypto_secretbox_open_easy(text, sealed + crypto_secretbox_NONCEBYTES, length - crypto_secretbox_NONCEBYTES,
                                 sealed, once->seal) == 0)
    opened = json_loadb((const char *)text, length - crypto_secretbox_NONCEBYTES - crypto_secretbox_MACBYTES, 0, NULL);
  free(sealed);
  free(text);
  json_decref(string);
  return opened;
}

/* What is kept: the digest of the request's body, and the answer. */
static char *
make_value(const struct copse_call *call, const struct once *once, int status, json_t *body) {
  char digest[HASH_CHARS + 1];
  json_t *kept;
  char *text, *value;

  digest_body(call, digest);
  kept = json_pack("{s:s, s:i, s:O*}", "digest", digest, "status", status, "body", body);
  text = kept != NULL ? json_dumps(kept, JSON_COMPACT) : NULL;
  value = text != NULL ? seal(once, text) : NULL;
  json_decref(kept);
  free(text);
  return value;
}

static bool
is_key(const char *key) {
  size_t length = strlen(key);

  for (size_t i = 0; i < length; i++)
    if (key[i] <= ' ' || key[i] > '~')
      return false;
  return length > 0 && length <= KEY_CHARS_MAX;
}

static void
reply_again(struct copse_call *call, json_t *kept) {
  char digest[HASH_CHARS + 1];
  const char *before = json_string_value(json_object_get(kept, "digest"));

  digest_body(call, digest);
  if (before == NULL) {
    copse_reply_fail(call, 500, NULL, "the store's answer to this key cannot be read");
  } else if (strcmp(before, digest) != 0) {
    copse_reply_fail(call, 422, "Idempotency-Key", "Idempotency-Key: used before for another body");
  } else {
    json_t *body = json_object_get(kept, "body");
    int status = (int)json_integer_value(json_object_get(kept, "status"));

    call->reply.answer.status = status;
    if (body != NULL)
      copse_reply_json(call, status, json_incref(body));
  }
}

bool
copse_replay(struct copse_call *call) {
  struct copse_value value;
  struct once once;
  json_t *kept;
  int result;

  if (call->request.idempotency_key == NULL)
    return false;
  if (!is_key(call->request.idempotency_key)) {
    copse_reply_fail(call, 400, "Idempotency-Key", "Idempotency-Key: must be 1 to %d visible ASCII characters",
                     KEY_CHARS_MAX);
    return true;
  }
  prepare(call, &once);
  result = copse_store_get(copse_control_store(call->api->control), once.key, &value);
  if (result == -ENOENT)
    return false;
  if (result != 0) {
    copse_reply_store(call, result);
    return true;
  }
  kept = unseal(&once, value.value);
  copse_value_free(&value);
  reply_again(call, kept);
  json_decref(kept);
  return true;
}

/* Adds the sealed answer to the transaction, under a lease of its own. */
static int
add_answer(struct copse_call *call, struct copse_transaction *transaction, int status, json_t *body, uint64_t *lease) {
  struct once once;
  char *value;
  int result;

  prepare(call, &once);
  value = make_value(call, &once, status, body);
  result = value == NULL ? -ENOMEM
                         : copse_store_lease(copse_control_store(call->api->control), copse_http_now_ns() / 1000000,
                                             KEPT_MS, lease, NULL);
  if (result != 0) {
    free(value);
    return result;
  }
  copse_transaction_compare(transaction, 0, "%s", once.key);
  copse_transaction_put(transaction, value, "%s", once.key);
  if (!transaction->failed)
    transaction->changes[transaction->change_count - 1].lease = *lease;
  return 0;
}

int
copse_commit_once(struct copse_call *call, struct copse_transaction *transaction, int status, json_t *body) {
  struct copse_store *store = copse_control_store(call->api->control);
  uint64_t lease = 0;
  int result = body == NULL && status != 204 ? -ENOMEM : 0;

  if (result == 0 && call->request.idempotency_key != NULL)
    result = add_answer(call, transaction, status, body, &lease);
  if (result == 0)
    result = copse_transaction_commit(transaction, store, NULL, NULL);
  if (result != 0 && lease != 0)
    copse_store_revoke(store, lease);
  if (result != 0) {
    json_decref(body);
    if (result != -EAGAIN)
      copse_reply_store(call, result);
    return result;
  }
  call->reply.answer.status = status;
  if (body != NULL)
    copse_reply_json(call, status, body);
  return 0;
}
