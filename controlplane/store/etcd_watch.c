/* SPDX-License-Identifier: Apache-2.0 */
/* Watches of the etcd store: a stream each, begun again after the last revision it has brought. */
#include "etcd_internal.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define AWAIT_TURNS 100 /* of at most so many ms, for what is known to come */
#define AWAIT_MS 5

void
etcd_await(struct etcd_store *store, const char *key, uint64_t revision) {
  for (size_t i = 0; i < store->watch_count; i++) {
    struct etcd_watch *watch = store->watches[i];

    if (strncmp(key, watch->prefix, strlen(watch->prefix)) == 0 && watch->awaited < revision)
      watch->awaited = revision;
  }
}

void
etcd_watches_stop(struct etcd_store *store) {
  for (size_t i = 0; i < store->watch_count; i++) {
    etcd_transfer_stop(store, &store->watches[i]->transfer);
    store->watches[i]->transfer.started = false;
  }
}

void
etcd_watches_mark(struct etcd_store *store) {
  for (size_t i = 0; i < store->watch_count; i++)
    store->watches[i]->marked = store->watches[i]->events.revision;
}

void
etcd_watches_check(struct etcd_store *store, uint64_t revision) {
  for (size_t i = 0; i < store->watch_count; i++)
    if (store->watches[i]->marked > revision)
      etcd_events_skip(&store->watches[i]->events, revision);
}

/* -ESTALE when changes after `revision` may be compacted away, or are of another store than this. */
static int
check_history(struct etcd_store *store, const char *prefix, uint64_t revision) {
  json_t *answer;
  int result = etcd_call(store, "/v3/kv/range",
                         json_pack("{s:o, s:o}", "key", copse_etcd_bytes(store->prefix, prefix), "revision",
                                   copse_etcd_integer(revision == 0 ? 1 : revision)),
                         true, &answer, NULL);

  json_decref(answer);
  return result;
}

static void
watch_free(struct etcd_store *store, struct etcd_watch *watch) {
  etcd_transfer_free(store, &watch->transfer);
  free(watch->prefix);
  free(watch);
}

static int
start(struct etcd_store *store, struct etcd_watch *watch) {
  int result = etcd_log_in(store, NULL);
  json_t *request =
    json_pack("{s:{s:o, s:o, s:o}}", "create_request", "key", copse_etcd_bytes(store->prefix, watch->prefix),
              "range_end", copse_etcd_range_end(store->prefix, watch->prefix), "start_revision",
              copse_etcd_integer(watch->events.revision + 1));

  watch->taken = 0;
  if (result == 0)
    result = request == NULL ? -ENOMEM : etcd_transfer_start(store, &watch->transfer, "/v3/watch", request, 0);
  json_decref(request);
  return result;
}

int
etcd_watch(struct copse_store *base, const char *prefix, uint64_t after, copse_watch_callback *callback,
           void *context) {
  struct etcd_store *store = etcd_of(base);
  int result = check_history(store, prefix, after);
  struct etcd_watch **watches, *watch;

  if (result < 0)
    return result;
  watches = reallocarray(store->watches, store->watch_count + 1, sizeof(struct etcd_watch *));
  if (watches == NULL)
    return -ENOMEM;
  store->watches = watches;
  watch = calloc(1, sizeof(*watch));
  if (watch == NULL)
    return -ENOMEM;
  watch->events = (struct etcd_events){
    .callback = callback, .context = context, .prefix_bytes = strlen(store->prefix), .revision = after};
  watch->prefix = strdup(prefix);
  if (watch->prefix == NULL || etcd_transfer_init(store, &watch->transfer) < 0) {
    watch_free(store, watch);
    return -ENOMEM;
  }
  store->watches[store->watch_count++] = watch;
  start(store, watch); /* or the next poll does */
  for (int turn = 0; turn < AWAIT_TURNS && watch->transfer.running && watch->transfer.length == 0; turn++)
    etcd_turn(store, AWAIT_MS); /* for the first line: then it is there when something happens */
  return 0;
}

void
etcd_watches_free(struct etcd_store *store) {
  for (size_t i = 0; i < store->watch_count; i++)
    watch_free(store, store->watches[i]);
  free(store->watches);
}

/* All whole lines. A callback may make calls, during which more arrives: nothing is remembered across one. */
static int
take_lines(struct etcd_watch *watch) {
  struct etcd_transfer *transfer = &watch->transfer;
  int result = 0;

  while (result == 0 && transfer->length > watch->taken) {
    const char *line = transfer->text + watch->taken;
    const char *end = memchr(line, '\n', transfer->length - watch->taken);

    if (end == NULL)
      break;
    watch->taken += (size_t)(end - line) + 1;
    if (end > line)
      result = etcd_events_take(&watch->events, line, (size_t)(end - line));
  }
  if (watch->taken > 0) {
    transfer->length -= watch->taken;
    memmove(transfer->text, transfer->text + watch->taken, transfer->length);
    watch->taken = 0;
  }
  return result;
}

/* Why a stream ended decides what is to be done: begin again, log in again, or leave the endpoint. */
static void
take_end(struct etcd_store *store, struct etcd_watch *watch) {
  json_t *answer;
  int result = etcd_transfer_result(store, &watch->transfer, &answer, NULL);

  json_decref(answer);
  watch->transfer.started = false;
  if (watch->transfer.too_long)
    return; /* begins again where it is */
  if (result == -EACCES)
    etcd_log_out(store);
  else if (watch->transfer.code != CURLE_OK || result == -EHOSTUNREACH)
    etcd_lose(store);
}

static int
turn_watch(struct etcd_store *store, struct etcd_watch *watch) {
  int result = take_lines(watch);

  if (result == -EBADMSG)
    etcd_lose(store);
  else if (result < 0)
    etcd_transfer_stop(store, &watch->transfer);
  else if (watch->transfer.started && !watch->transfer.running)
    take_end(store, watch);
  if (!store->away && !watch->transfer.running)
    start(store, watch);
  return watch->awaited > watch->events.revision;
}

/* True when something is known to be missing still. */
static bool
turn_watches(struct etcd_store *store) {
  bool missing = false;

  for (size_t i = 0; i < store->watch_count; i++) /* callbacks may add watches */
    missing |= turn_watch(store, store->watches[i]) > 0;
  return missing && !store->away;
}

static int
delivered(const struct etcd_store *store) {
  int count = 0;

  for (size_t i = 0; i < store->watch_count; i++)
    count += store->watches[i]->events.delivered;
  return count;
}

int
etcd_poll(struct copse_store *base, uint64_t now_ms) {
  struct etcd_store *store = etcd_of(base);
  int before = delivered(store), result;

  etcd_turn(store, 0);
  result = etcd_look(store, now_ms);
  if (result < 0)
    return result;
  for (int turn = 0; turn_watches(store) && turn < AWAIT_TURNS; turn++)
    etcd_turn(store, AWAIT_MS);
  for (size_t i = 0; i < store->watch_count; i++)
    store->watches[i]->awaited = 0;
  return delivered(store) - before;
}
