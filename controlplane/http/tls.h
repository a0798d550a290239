/* SPDX-License-Identifier: Apache-2.0 */
/* The server's certificate and key: given as files, or self-signed on first start and kept. */
#ifndef COPSE_HTTP_TLS_H
#define COPSE_HTTP_TLS_H

#include <copse/error.h>

/* PEM texts. */
struct copse_tls {
  char *certificate, *key;
};

/* Reads the files `certificate` and `key`; when both are null, state_dir/cert.pem and key.pem, which are made when
 * either is missing: ECDSA P-256, for localhost, the PoP's name, and the listening address (all addresses of the
 * machine when it listens on all). -EINVAL when they are no pair; other errnos of files. */
int copse_tls_load(struct copse_tls *tls, const char *certificate, const char *key, const char *state_dir,
                   const char *address, const char *pop, struct copse_error *error);
/* Wipes the key. */
void copse_tls_free(struct copse_tls *tls);

#endif
