/* SPDX-License-Identifier: Apache-2.0 */
#include "engine.h"

#include <stdio.h>
#include <stdlib.h>

#define CHILDREN 4U /* of a node of the heap: flatter than two, and they share a cache line and a half */

static void *
or_end(void *memory) {
  if (memory == NULL) {
    fputs("copse-sim: out of memory\n", stderr);
    exit(1);
  }
  return memory;
}

void *
sim_allocate(size_t count, size_t bytes) {
  return or_end(calloc(count, bytes));
}

void *
sim_enlarge(void *array, size_t count, size_t bytes) {
  return or_end(reallocarray(array, count, bytes));
}

void
sim_engine_free(struct sim_engine *engine) {
  free(engine->heap);
  *engine = (struct sim_engine){0};
}

static int
before(const struct sim_entry *a, const struct sim_entry *b) {
  return a->at < b->at || (a->at == b->at && a->order < b->order);
}

static void
put(struct sim_engine *engine, uint32_t place, struct sim_entry entry) {
  engine->heap[place] = entry;
  entry.timer->place = place;
}

static uint32_t
parent_of(uint32_t place) {
  return (place - 2) / CHILDREN + 1;
}

/* Puts the entry at `place` or nearer to the root. */
static void
rise(struct sim_engine *engine, uint32_t place, struct sim_entry entry) {
  while (place > 1 && before(&entry, &engine->heap[parent_of(place)])) {
    put(engine, place, engine->heap[parent_of(place)]);
    place = parent_of(place);
  }
  put(engine, place, entry);
}

/* Puts the entry at `place` or farther from the root. */
static void
sink(struct sim_engine *engine, uint32_t place, struct sim_entry entry) {
  for (;;) {
    const uint32_t first = (place - 1) * CHILDREN + 2, end = first + CHILDREN;
    uint32_t least = first;
    if (first > engine->count)
      break;
    for (uint32_t child = first + 1; child < end && child <= engine->count; child++)
      if (before(&engine->heap[child], &engine->heap[least]))
        least = child;
    if (!before(&engine->heap[least], &entry))
      break;
    put(engine, place, engine->heap[least]);
    place = least;
  }
  put(engine, place, entry);
}

static void
settle(struct sim_engine *engine, uint32_t place, struct sim_entry entry) {
  if (place > 1 && before(&entry, &engine->heap[parent_of(place)]))
    rise(engine, place, entry);
  else
    sink(engine, place, entry);
}

void
sim_set(struct sim_engine *engine, struct sim_timer *timer, uint64_t at) {
  const struct sim_entry entry = {at > engine->now ? at : engine->now, engine->order++, timer};

  if (timer->place != 0) {
    settle(engine, timer->place, entry);
    return;
  }
  if (engine->count + 1 >= engine->capacity) {
    engine->capacity = engine->capacity ? 2 * engine->capacity : 256;
    engine->heap = sim_enlarge(engine->heap, engine->capacity, sizeof(*engine->heap));
  }
  rise(engine, ++engine->count, entry);
}

void
sim_cancel(struct sim_engine *engine, struct sim_timer *timer) {
  const uint32_t place = timer->place;

  if (place == 0)
    return;
  timer->place = 0;
  const struct sim_entry last = engine->heap[engine->count--];
  if (place <= engine->count)
    settle(engine, place, last);
}

void
sim_run(struct sim_engine *engine, uint64_t until, const int *stop) {
  while (engine->count > 0 && engine->heap[1].at <= until && !*stop) {
    struct sim_timer *timer = engine->heap[1].timer;
    engine->now = engine->heap[1].at;
    sim_cancel(engine, timer);
    engine->fired++;
    timer->fire(timer, engine->now);
  }
  if (!*stop && until != SIM_NEVER)
    engine->now = until;
}
