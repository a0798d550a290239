/* SPDX-License-Identifier: Apache-2.0 */
/* Bearer tokens. The store knows only their SHA-256, the operator's comes from a file. */
#ifndef COPSE_HTTP_AUTH_H
#define COPSE_HTTP_AUTH_H

#include "control.h"
#include <stdint.h>

#define COPSE_TOKEN_CHARS 64 /* 32 random bytes in hex */
#define COPSE_TOKEN_KEY_BYTES (sizeof "/tokens/" + 64)

struct copse_auth {
  uint8_t operator_hash[32];
  json_t *known; /* records of tokens that were used, by key; null: they are read each time */
};

/* Reads the operator token, or makes one when the file is missing. -EACCES when others than its owner may read it. */
int copse_auth_open(struct copse_auth *auth, const char *path, struct copse_error *error);

/* From now on a token is read once, until the store says that it has changed after revision `after`. */
int copse_auth_watch(struct copse_auth *auth, struct copse_store *store, uint64_t after, struct copse_error *error);
void copse_auth_close(struct copse_auth *auth);

/* Who sends this Authorization header (may be null). 0, -EACCES for no token or a wrong one, or an errno of the store.
 */
int copse_auth_caller(const struct copse_auth *auth, struct copse_store *store, const char *authorization,
                      struct copse_caller *caller);

/* A new token. */
void copse_auth_make(char token[COPSE_TOKEN_CHARS + 1]);
/* The store's key of a token. */
void copse_auth_key(const char *token, char key[COPSE_TOKEN_KEY_BYTES]);

#endif
