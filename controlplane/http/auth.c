/* SPDX-License-Identifier: Apache-2.0 */
#include "auth.h"
#include "secret.h"
#include <ctype.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES_MAX 4096
#define TOKEN_CHARS_MIN 16

_Static_assert(sizeof(((struct copse_auth *)0)->operator_hash) == crypto_hash_sha256_BYTES, "SHA-256");

static void
hash_text(const char *text, uint8_t hash[crypto_hash_sha256_BYTES]) {
  crypto_hash_sha256(hash, (const uint8_t *)text, strlen(text));
}

void
copse_auth_make(char token[COPSE_TOKEN_CHARS + 1]) {
  uint8_t random[COPSE_TOKEN_CHARS / 2];

  randombytes_buf(random, sizeof(random));
  sodium_bin2hex(token, COPSE_TOKEN_CHARS + 1, random, sizeof(random));
  sodium_memzero(random, sizeof(random));
}

void
copse_auth_key(const char *token, char key[COPSE_TOKEN_KEY_BYTES]) {
  uint8_t hash[crypto_hash_sha256_BYTES];

  hash_text(token, hash);
  snprintf(key, COPSE_TOKEN_KEY_BYTES, "/tokens/");
  sodium_bin2hex(key + strlen("/tokens/"), 2 * sizeof(hash) + 1, hash, sizeof(hash));
}

/* The token in a file's text: one word. */
static int
take_word(struct copse_auth *auth, const char *path, char *text, struct copse_error *error) {
  size_t length = strlen(text);

  while (length > 0 && isspace((unsigned char)text[length - 1]))
    text[--length] = '\0';
  if (length < TOKEN_CHARS_MIN || strcspn(text, " \t\r\n") != length)
    return copse_fail(error, -EINVAL, "%s: must hold one token of at least %d characters", path, TOKEN_CHARS_MIN);
  hash_text(text, auth->operator_hash);
  return 0;
}

/* Several control planes may share the file and start at once: one of them makes it. */
static int
make_file(const char *path, struct copse_error *error) {
  char token[COPSE_TOKEN_CHARS + 2];
  int result;

  copse_auth_make(token);
  token[COPSE_TOKEN_CHARS] = '\n';
  token[COPSE_TOKEN_CHARS + 1] = '\0';
  result = copse_secret_create(path, token, error);
  sodium_memzero(token, sizeof(token));
  return result == -EEXIST ? 0 : result;
}

int
copse_auth_open(struct copse_auth *auth, const char *path, struct copse_error *error) {
  char *text;
  int result = copse_secret_read(path, FILE_BYTES_MAX, &text, error);

  if (result == -ENOENT && (result = make_file(path, error)) == 0)
    result = copse_secret_read(path, FILE_BYTES_MAX, &text, error);
  if (result != 0)
    return result;
  result = take_word(auth, path, text, error);
  copse_secret_free(text);
  return result;
}

static void
forget(void *context, const char *key, const char *value, uint64_t revision) {
  struct copse_auth *auth = context;

  (void)value, (void)revision;
  if (key == NULL)
    json_object_clear(auth->known);
  else
    json_object_del(auth->known, key);
}

int
copse_auth_watch(struct copse_auth *auth, struct copse_store *store, uint64_t after, struct copse_error *error) {
  int result;

  auth->known = json_object();
  result = auth->known == NULL ? -ENOMEM : copse_store_watch(store, "/tokens/", after, forget, auth);
  return result == 0 ? 0 : copse_fail(error, result, "tokens cannot be watched: %s", strerror(-result));
}

void
copse_auth_close(struct copse_auth *auth) {
  json_decref(auth->known);
  auth->known = NULL;
}

/* The record of a token, owned by the caller; null with an errno in `*result`, -EACCES when there is none. */
static json_t *
find_record(const struct copse_auth *auth, struct copse_store *store, const char *key, int *result) {
  json_t *record = json_incref(json_object_get(auth->known, key));
  struct copse_value value;

  *result = 0;
  if (record != NULL)
    return record;
  *result = copse_store_get(store, key, &value);
  if (*result == -ENOENT)
    *result = -EACCES;
  if (*result != 0)
    return NULL;
  record = json_loads(value.value, 0, NULL);
  copse_value_free(&value);
  if (record == NULL)
    *result = -EACCES;
  else if (auth->known != NULL)
    json_object_set(auth->known, key, record);
  return record;
}

/* What a token's record says about its owner. */
static int
read_record(const json_t *record, struct copse_caller *caller) {
  const char *role = json_string_value(json_object_get(record, "role"));
  const char *account = json_string_value(json_object_get(record, "account"));

  if (role != NULL && strcmp(role, "operator") == 0) {
    caller->role = COPSE_ROLE_OPERATOR;
    return 0;
  }
  if (role == NULL || strcmp(role, "account") != 0 || account == NULL || account[0] == '\0' ||
      strlen(account) >= sizeof(caller->account))
    return -EACCES;
  caller->role = COPSE_ROLE_ACCOUNT;
  memcpy(caller->account, account, strlen(account) + 1);
  return 0;
}

int
copse_auth_caller(const struct copse_auth *auth, struct copse_store *store, const char *authorization,
                  struct copse_caller *caller) {
  static const char scheme[] = "Bearer ";
  char key[COPSE_TOKEN_KEY_BYTES];
  uint8_t hash[crypto_hash_sha256_BYTES];
  json_t *record;
  int result;

  memset(caller, 0, sizeof(*caller));
  if (authorization == NULL || strncasecmp(authorization, scheme, strlen(scheme)) != 0)
    return -EACCES;
  authorization += strlen(scheme);
  hash_text(authorization, hash);
  if (sodium_memcmp(hash, auth->operator_hash, sizeof(hash)) == 0) {
    caller->role = COPSE_ROLE_OPERATOR;
    return 0;
  }
  copse_auth_key(authorization, key);
  record = find_record(auth, store, key, &result);
  if (record != NULL)
    result = read_record(record, caller);
  json_decref(record);
  return result;
}
