/* SPDX-License-Identifier: Apache-2.0 */
/* Discrete events: timers in a heap, fired in order of time, equal times in the order they were set. Deterministic. */
#ifndef SIM_ENGINE_H
#define SIM_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#define SIM_SECOND 1000000000ULL
#define SIM_NEVER UINT64_MAX

/* Embedded in what it wakes, and zeroed with it; its owner outlives the time it is set. */
struct sim_timer {
  void (*fire)(struct sim_timer *timer, uint64_t now);
  uint32_t place; /* in the heap, from 1; 0: not set */
};

struct sim_entry {
  uint64_t at, order;
  struct sim_timer *timer;
};

struct sim_engine {
  uint64_t now;   /* ns */
  uint64_t order; /* of the next timer that is set */
  uint64_t fired;
  struct sim_entry *heap; /* from index 1 */
  uint32_t count, capacity;
};

/* Memory that is zeroed. A simulation that is out of memory has nothing left to do: the program says so and ends. */
void *sim_allocate(size_t count, size_t bytes);
/* The same for an array that grows; what is new is not zeroed. */
void *sim_enlarge(void *array, size_t count, size_t bytes);

void sim_engine_free(struct sim_engine *engine);
/* Sets a timer, anew if it is set already. Times that are past are now. */
void sim_set(struct sim_engine *engine, struct sim_timer *timer, uint64_t at);
void sim_cancel(struct sim_engine *engine, struct sim_timer *timer);
/* Fires what is due up to `until` (ns) or until nothing is set or `*stop`; the time is that of the last event, or
 * `until`. */
void sim_run(struct sim_engine *engine, uint64_t until, const int *stop);

#endif
