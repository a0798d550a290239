/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTPS server of docs/api.md: libmicrohttpd without threads of its own, inside the control plane's libevent loop.
 */
#ifndef COPSE_HTTP_SERVER_H
#define COPSE_HTTP_SERVER_H

#include "control.h"
#include <copse/schema.h>
#include <stdint.h>

/* Strings are owned by whoever fills the struct and are only read by copse_http_start. Every limit is > 0. */
struct copse_http_config {
  const char *state_dir; /* where what is made on first start is kept; set by the program, not a key */

  char *address;                  /* to listen on; "0.0.0.0": all IPv4, "::": all IPv6 and IPv4 */
  uint64_t port;                  /* TCP; 0: any free one */
  char *certificate;              /* PEM; null: state_dir/cert.pem, self-signed, made on first start */
  char *key;                      /* PEM; null: state_dir/key.pem; set both or neither */
  char *operator_token;           /* file; null: state_dir/operator.token; made when missing */
  uint64_t connections;           /* at once */
  uint64_t address_connections;   /* at once from one address */
  double address_requests_per_s;  /* from one address (IPv6: one /64); a new connection counts as a request */
  uint64_t address_request_burst; /* requests at once from one address */
  uint64_t idle_s;                /* silence, and the time for a connection to finish handshake and headers */
  uint64_t request_s;             /* from the headers to the end of the answer */
  uint64_t events_ms;             /* a long poll is answered after this time though nothing changed */
};

/* Configuration keys of the struct with their defaults; ends with a null name. Offsets are into copse_http_config:
 * read it with copse_group_read as a group of its own, or over "" for the defaults. */
extern const struct copse_key copse_http_keys[];

struct copse_http;

/* Listens and answers from the loop of `control` until copse_http_stop. Negative errno with a sentence. */
int copse_http_start(struct copse_control *control, const struct copse_http_config *config, struct copse_http **http,
                     struct copse_error *error);
/* Port it listens on. */
uint16_t copse_http_port(const struct copse_http *http);
/* Ends all connections; long polls are answered first. Null is allowed. */
void copse_http_stop(struct copse_http *http);

#endif
