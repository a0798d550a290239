/* SPDX-License-Identifier: Apache-2.0 */
/* Measures the table's targets with STAMP (RFC 8762) and answers their test packets, on the main thread's event loop.
 * It goes on as it was last told, whoever told it. */
#ifndef COPSE_STAMP_H
#define COPSE_STAMP_H

#include "table/table.h"

#include <copse/error.h>
#include <event2/event.h>

#define COPSE_STAMP_PORT 862

/* Descriptors, or -1: of the Session-Reflector and of the Session-Sender, each for IPv4 and IPv6. */
struct copse_stamp_sockets {
  int reflector[2], sender[2];
};

/* Opens the sockets of the address families there are (an address of zeros: none). Needs the right to bind low ports.
 * `port` in host order; 0: no sockets. Negative errno with a sentence, and nothing open. */
int copse_stamp_sockets_open(struct copse_stamp_sockets *sockets, const struct copse_endpoint *local4,
                             const struct copse_endpoint *local6, uint16_t port, struct copse_error *error);
void copse_stamp_sockets_close(struct copse_stamp_sockets *sockets);

struct copse_stamp;

/* `base`, `table` and the sockets outlive it. Null with a sentence. */
struct copse_stamp *copse_stamp_create(struct event_base *base, const struct copse_table *table,
                                       const struct copse_stamp_sockets *sockets, struct copse_error *error);
/* Null is allowed. */
void copse_stamp_destroy(struct copse_stamp *stamp);

/* Takes over what batches have changed of the targets. */
void copse_stamp_update(struct copse_stamp *stamp);

#endif
