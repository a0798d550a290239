/* SPDX-License-Identifier: Apache-2.0 */
/* Client of the dataplane's API socket, inside a libevent loop: connects, connects again, never blocks. */
#ifndef COPSE_DATAPLANE_CLIENT_H
#define COPSE_DATAPLANE_CLIENT_H

#include "counters.h"
#include "operations.h"
#include <event2/event.h>

struct copse_dataplane;

struct copse_dataplane_hooks {
  void *context;
  /* HELLO was answered and the counters are mapped. What its table holds is to be asked (dump). */
  void (*up)(void *context);
  /* The connection is gone; all requests under way have been answered with -ECONNRESET before. */
  void (*down)(void *context);
};

/* What came of a batch; a lost connection is status -ECONNRESET, and then the batch may have been applied or not. */
typedef void copse_batch_callback(void *context, const struct copse_api_result *result);
/* `status` 0 and the body of the reply (struct copse_api_batch first), or a negative errno and null. */
typedef void copse_dump_callback(void *context, int status, const void *body, size_t bytes);

/* Starts connecting to `path` and keeps trying until it is freed. -ENOMEM, -ENAMETOOLONG. */
int copse_dataplane_create(struct event_base *base, const char *path, const struct copse_dataplane_hooks *hooks,
                           struct copse_dataplane **out, struct copse_error *error);
/* Requests under way are not answered any more. Null is allowed. */
void copse_dataplane_free(struct copse_dataplane *dataplane);

/* Between `up` and `down`. */
bool copse_dataplane_connected(const struct copse_dataplane *dataplane);
/* What HELLO said; valid while connected. */
const struct copse_api_hello *copse_dataplane_hello(const struct copse_dataplane *dataplane);
/* Valid until `down`; null when not connected. */
const struct copse_counters *copse_dataplane_counters(const struct copse_dataplane *dataplane);

/* Within `up`: the counters of the life we were connected to before, when it was another. That one has ended, since a
 * dataplane answers only after the one before it has stopped its workers: they are final. Null otherwise. */
const struct copse_counters *copse_dataplane_former(const struct copse_dataplane *dataplane, uint64_t *instance);

/* Sends the operations as one batch. Callbacks come later, never from within the call, in order of the requests.
 * -ENOTCONN, -ENOMEM (also when the operations are incomplete), -EMSGSIZE. */
int copse_dataplane_batch(struct copse_dataplane *dataplane, uint64_t expected_generation,
                          const struct copse_operations *operations, copse_batch_callback *callback, void *context);
int copse_dataplane_dump(struct copse_dataplane *dataplane, copse_dump_callback *callback, void *context);

#endif
