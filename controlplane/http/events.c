/* SPDX-License-Identifier: Apache-2.0 */
#include "events.h"
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define KEPT 4096

struct change {
  char *key;
  uint64_t revision;
  bool put;
};

/* A ring: changes are numbered from 0, number n lies at n % KEPT. */
struct copse_events {
  void (*changed)(void *context);
  void *context;
  uint64_t revision; /* of the last change seen */
  uint64_t known;    /* every change after this revision is kept */
  uint64_t count;    /* changes seen */
  struct change changes[KEPT];
};

static void
remember(void *context, const char *key, const char *value, uint64_t revision) {
  struct copse_events *events = context;
  struct change *place = &events->changes[events->count % KEPT];
  char *copy;

  if (key == NULL) { /* the store no longer has what came before */
    events->known = events->revision = revision;
    if (events->changed != NULL)
      events->changed(events->context);
    return;
  }
  copy = strdup(key);
  if (place->key != NULL) {
    events->known = place->revision;
    free(place->key);
  }
  if (copy == NULL)
    events->known = revision;
  *place = (struct change){.key = copy, .revision = revision, .put = value != NULL};
  events->count++;
  events->revision = revision;
  if (events->changed != NULL)
    events->changed(events->context);
}

int
copse_events_open(struct copse_store *store, void (*changed)(void *context), void *context, struct copse_events **out,
                  struct copse_error *error) {
  struct copse_events *events = calloc(1, sizeof(*events));
  struct copse_values values;
  int result;

  if (events == NULL)
    return copse_fail(error, -ENOMEM, "no memory");
  result = copse_store_list(store, "/pops/", &values);
  if (result == 0) {
    events->revision = events->known = values.revision;
    events->changed = changed;
    events->context = context;
    copse_values_free(&values);
    result = copse_store_watch(store, "/", events->revision, remember, events);
  }
  if (result != 0) {
    copse_events_close(events);
    return copse_fail(error, result, "the store cannot be watched: %s", strerror(-result));
  }
  *out = events;
  return 0;
}

void
copse_events_close(struct copse_events *events) {
  if (events == NULL)
    return;
  for (size_t i = 0; i < KEPT; i++)
    free(events->changes[i].key);
  free(events);
}

uint64_t
copse_events_revision(const struct copse_events *events) {
  return events->revision;
}

json_t *
copse_events_after(const struct copse_events *events, uint64_t revision, bool *stale) {
  uint64_t first = events->count < KEPT ? 0 : events->count - KEPT;
  json_t *list;

  *stale = revision < events->known;
  if (*stale || (list = json_array()) == NULL)
    return NULL;
  for (uint64_t number = first; number < events->count; number++) {
    const struct change *change = &events->changes[number % KEPT];
    if (change->revision > revision && json_array_append_new(list, json_pack("{s:s, s:s}", "key", change->key, "type",
                                                                             change->put ? "put" : "delete")) != 0) {
      json_decref(list);
      return NULL;
    }
  }
  return list;
}
