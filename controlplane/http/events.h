/* SPDX-License-Identifier: Apache-2.0 */
/* The last changes of the store, kept for long polls. */
#ifndef COPSE_HTTP_EVENTS_H
#define COPSE_HTTP_EVENTS_H

#include "store/store.h"
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct copse_events;

/* Watches the store from now on. `changed` (may be null) is called for every change. The store must not be polled after
 * copse_events_close. */
int copse_events_open(struct copse_store *store, void (*changed)(void *context), void *context,
                      struct copse_events **events, struct copse_error *error);
void copse_events_close(struct copse_events *events);
/* Revision of the last change seen. */
uint64_t copse_events_revision(const struct copse_events *events);
/* Changes after a revision as [{"key","type"}], empty when there are none. Null: that far back is no longer known, or
 * memory is short (`*stale` tells). */
json_t *copse_events_after(const struct copse_events *events, uint64_t revision, bool *stale);

/* The same as text/event-stream, allocated, "" when there are none; `*revision` becomes that of the last of them. An
 * id comes with the last event of its revision: who resumes after it misses nothing. */
char *copse_events_stream(const struct copse_events *events, uint64_t *revision, bool *stale);

#endif
