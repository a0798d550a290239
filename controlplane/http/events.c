/* SPDX-License-Identifier: Apache-2.0 */
#include "events.h"
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
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

/* What dataplanes carry changes all the time and decides nothing. */
static bool
is_measurement(const char *key) {
  return strncmp(key, "/stats/", strlen("/stats/")) == 0;
}

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
  if (is_measurement(key)) {
    events->revision = revision;
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

static void
write_event(FILE *out, const struct change *change, bool last_of_revision) {
  json_t *data = json_pack("{s:s}", "key", change->key);
  char *text = data != NULL ? json_dumps(data, JSON_COMPACT) : NULL;

  if (last_of_revision)
    fprintf(out, "id: %llu\n", (unsigned long long)change->revision);
  fprintf(out, "event: %s\ndata: %s\n\n", change->put ? "put" : "delete", text != NULL ? text : "{}");
  json_decref(data);
  free(text);
}

char *
copse_events_stream(const struct copse_events *events, uint64_t *revision, bool *stale) {
  uint64_t first = events->count < KEPT ? 0 : events->count - KEPT;
  char *text = NULL;
  size_t length = 0;
  FILE *out;

  *stale = *revision < events->known;
  if (*stale || (out = open_memstream(&text, &length)) == NULL)
    return NULL;
  for (uint64_t number = first; number < events->count; number++) {
    const struct change *change = &events->changes[number % KEPT];
    bool last = number + 1 == events->count || events->changes[(number + 1) % KEPT].revision != change->revision;
    if (change->revision > *revision)
      write_event(out, change, last);
  }
  if (events->revision > *revision)
    *revision = events->revision;
  if (fclose(out) == 0)
    return text;
  free(text);
  return NULL;
}
