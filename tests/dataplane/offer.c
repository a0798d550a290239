/* SPDX-License-Identifier: Apache-2.0 */
#include "offer.h"

#include "daemon/clock.h"

#include <math.h>
#include <pthread.h>
#include <rte_cycles.h>
#include <rte_lcore.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#define SIMULATED_HZ 2600000000ULL
#define CLAIM 8                     /* slots a worker takes at once, at most */
#define SKEW (SIMULATED_HZ / 50000) /* 20 us, by which workers' clocks may differ */
#define IDLE UINT64_MAX

struct runner {
  struct run *run;
  unsigned worker;
  uint64_t random;
  uint64_t at; /* first slot that it may still be working on, or IDLE */
};

/* The order of trees repeats after a cycle, in which each has one slot and the greedy one as many as its load says. */
struct run {
  const struct offer *offer;
  struct orchard orchard;
  struct runner runner[ORCHARD_WORKERS_MAX];
  uint32_t *cycle;
  uint32_t length;
  double slot_ticks; /* TSC cycles */
  uint64_t begin, hz, slots;
  uint64_t next;  /* slot; shared by the workers */
  double seconds; /* that it took */
};

static void
make_cycle(struct run *run) {
  const struct offer *offer = run->offer;
  const uint32_t shares = offer->greedy > 0 ? (uint32_t)lround(offer->greedy / offer->load) : 1;
  uint32_t others = 0;

  run->length = offer->trees - 1 + shares;
  run->cycle = calloc(run->length, sizeof(*run->cycle));
  for (uint32_t i = 0; i < run->length; i++) /* the first tree's slots evenly among the others */
    run->cycle[i] = (uint64_t)(i + 1) * shares / run->length > (uint64_t)i * shares / run->length ? 0 : ++others;
  const double period = offer->layer3_bytes * 8.0 / ((double)offer->bps * offer->load) * (double)run->hz;
  run->slot_ticks = period / run->length;
  run->slots = (uint64_t)(offer->seconds * (double)run->hz / run->slot_ticks);
}

/* In the first quarter of a slot, so that no load is in step with a bucket. */
static uint64_t
time_of(struct runner *runner, uint64_t slot) {
  runner->random ^= runner->random << 13;
  runner->random ^= runner->random >> 7;
  runner->random ^= runner->random << 17;
  const double within = (double)(runner->random >> 11) * 0x1p-53 / 4;
  return runner->run->begin + (uint64_t)(((double)slot + within) * runner->run->slot_ticks);
}

/* The first slot that may not be taken yet. Real time: it has not come. Simulated: workers are real threads, but their
 * clocks do not differ by more than SKEW: none runs away while another stands still. */
static uint64_t
limit_of(const struct run *run) {
  uint64_t limit = run->slots;

  if (run->offer->real)
    return RTE_MIN(limit, (uint64_t)((double)(rte_rdtsc() - run->begin) / run->slot_ticks));
  for (unsigned i = 0; i < run->offer->workers; i++) {
    const uint64_t at = __atomic_load_n(&run->runner[i].at, __ATOMIC_SEQ_CST);
    if (at != IDLE)
      limit = RTE_MIN(limit, at + 1 + (uint64_t)(SKEW / run->slot_ticks));
  }
  return limit;
}

/* Takes the next slots, if there are some. */
static uint64_t
claim(struct runner *runner, uint64_t *first) {
  struct run *run = runner->run;
  uint64_t slot = __atomic_load_n(&run->next, __ATOMIC_SEQ_CST), count;

  __atomic_store_n(&runner->at, slot, __ATOMIC_SEQ_CST); /* others do not run away from a slot that may be taken */
  const uint64_t limit = limit_of(run);
  count = limit > slot ? RTE_MIN(limit - slot, (uint64_t)CLAIM) : 0;
  *first = slot;
  if (count == 0 ||
      !__atomic_compare_exchange_n(&run->next, &slot, slot + count, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
    return 0;
  return count;
}

/* Slow rates are offered packet by packet, fast ones by what has come since the last look. */
static void
forward(struct runner *runner, uint64_t first, uint64_t count) {
  struct run *run = runner->run;
  uint64_t now = 0, looked = 0;

  for (uint64_t slot = first; slot < first + count; slot++) {
    now = time_of(runner, slot);
    if (looked == 0)
      looked = now;
    orchard_load(&run->orchard, runner->worker, run->cycle[slot % run->length], run->offer->layer3_bytes);
    if (run->offer->real || now - looked < run->hz / 100000)
      continue;
    orchard_turn(&run->orchard, runner->worker, now);
    looked = 0;
  }
  orchard_turn(&run->orchard, runner->worker, run->offer->real ? rte_rdtsc() : now);
}

static void
pin(unsigned cpu) {
  cpu_set_t set;

  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

static bool
over(const struct run *run) {
  return run->offer->real && (double)(rte_rdtsc() - run->begin) > run->offer->seconds * (double)run->hz;
}

static void *
run_worker(void *argument) {
  struct runner *runner = argument;
  struct run *run = runner->run;
  uint64_t first, count;

  if (run->offer->real)
    pin(runner->worker);
  rte_thread_register();
  while (__atomic_load_n(&run->next, __ATOMIC_RELAXED) < run->slots && !over(run))
    if ((count = claim(runner, &first)) > 0)
      forward(runner, first, count);
    else if (!run->offer->real)
      sched_yield();
  __atomic_store_n(&runner->at, IDLE, __ATOMIC_SEQ_CST);
  rte_thread_unregister();
  return NULL;
}

static double
seconds_now(void) {
  struct timespec now;

  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void
run_all(struct run *run) {
  pthread_t threads[ORCHARD_WORKERS_MAX];
  const double begin = seconds_now();

  run->begin = run->offer->real ? rte_rdtsc() : run->hz;
  for (unsigned i = 0; i < run->offer->workers; i++)
    run->runner[i] = (struct runner){.run = run, .worker = i, .random = 88172645463325252ULL + i, .at = IDLE};
  for (unsigned i = 0; i < run->offer->workers; i++)
    pthread_create(&threads[i], NULL, run_worker, &run->runner[i]);
  for (unsigned i = 0; i < run->offer->workers; i++)
    pthread_join(threads[i], NULL);
  run->seconds = run->offer->real ? seconds_now() - begin : run->offer->seconds;
}

static bool
conserved(const struct run *run) {
  const struct copse_worker_counters all = orchard_counters(&run->orchard);
  uint64_t packets = all.admitted, copies = all.copies_sent;

  for (int i = 0; i < COPSE_PACKET_DROP_COUNT; i++)
    packets += all.packet_drops[i];
  for (int i = 0; i < COPSE_COPY_DROP_COUNT; i++)
    copies += all.copy_drops[i];
  return all.rx_packets == run->next && packets == all.rx_packets && copies == all.copies_due &&
         all.copies_due == all.admitted;
}

static struct outcome
judge(const struct run *run) {
  const struct offer *offer = run->offer;
  const double bound = (double)offer->bps / 8 * run->seconds, packet = offer->layer3_bytes;
  const bool deep = (double)offer->bps / 8 * offer->burst_us / 1e6 >= packet;
  struct outcome outcome = {.lowest = INFINITY, .granularity = (deep ? 1 : 2) * packet / bound, .packets = run->next};
  uint32_t others = 0;

  for (uint32_t i = 0; i < offer->trees; i++) {
    const struct copse_tree_counters counted = orchard_tree_counters(&run->orchard, i);
    const double passed = (double)(counted.green + counted.yellow) * packet / bound;
    if (i == 0 && offer->greedy > 0) {
      outcome.greedy = passed;
      continue;
    }
    outcome.lowest = fmin(outcome.lowest, passed);
    outcome.highest = fmax(outcome.highest, passed);
    outcome.offered += (double)counted.packets * packet / bound;
    outcome.lost += counted.copy_drops[COPSE_DROP_RED];
    others++;
  }
  outcome.offered /= others;
  outcome.conserved = conserved(run);
  return outcome;
}

struct outcome
offer_run(const struct offer *offer) {
  struct run run = {.offer = offer, .hz = offer->real ? copse_clock_tsc_hz() : SIMULATED_HZ};
  struct outcome outcome;

  make_cycle(&run);
  orchard_open(&run.orchard, offer->workers, offer->trees, offer->layer3_bytes, run.hz);
  orchard_plant(&run.orchard, 1, offer->bps, offer->burst_us);
  run_all(&run);
  outcome = judge(&run);
  outcome.conserved &= orchard_close(&run.orchard);
  free(run.cycle);
  return outcome;
}

bool
offer_in_bound(const struct outcome *outcome) {
  return outcome->lowest >= 0.995 - outcome->granularity && outcome->highest <= 1 + outcome->granularity;
}
