/* SPDX-License-Identifier: Apache-2.0 */
/* The table changes beside a worker that is never idle: nothing is lost. Over the socket: scripts/lab/bench_table.py.
 */
#include "orchard.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <pthread.h>
#include <rte_cycles.h>
#include <rte_lcore.h>
#include <time.h>

#define COMMITS 1000
#define FAN_OUT 8
#define PACKET 1400

TestSuite(commits, .init = orchard_start_eal, .timeout = 60);

static struct orchard orchard;
static bool stop; /* atomic */
static uint64_t offered, sent;

static void *
never_idle(void *unused) {
  (void)unused;
  rte_thread_register();
  while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
    for (unsigned i = 0; i < COPSE_BURST; i++)
      orchard_load(&orchard, 0, 0, PACKET);
    offered += COPSE_BURST;
    sent += orchard_turn(&orchard, 0, rte_rdtsc());
  }
  rte_thread_unregister();
  return NULL;
}

/* Other trees come, change and go; the tree with the load gets another next hop and loses it. */
static void
add_change(struct builder *batch, uint32_t number) {
  const uint32_t spare = orchard.trees + number / 4 % ORCHARD_SPARE;

  if (number % 4 == 0)
    orchard_tree(batch, spare, FAN_OUT, 0, 1000);
  else if (number % 4 == 1)
    orchard_tree(batch, spare, FAN_OUT / 2, 8000000, 1000);
  else if (number % 4 == 2)
    add_slot(batch, COPSE_API_TREE_REMOVE, spare);
  else
    orchard_tree(batch, 0, FAN_OUT + number / 4 % 2, 0, 1000);
}

static void
change_all(void) {
  struct builder batch = builder_new();
  struct timespec next;

  clock_gettime(CLOCK_MONOTONIC, &next);
  for (uint32_t number = 0; number < COMMITS; number++) {
    add_change(&batch, number);
    builder_commit(&batch, orchard.table);
    copse_table_maintain(orchard.table, rte_rdtsc());
    next.tv_nsec += 1000000;
    next.tv_sec += next.tv_nsec / 1000000000;
    next.tv_nsec %= 1000000000;
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
  }
  builder_free(&batch);
}

Test(commits, a_thousand_a_second_beside_a_full_worker_lose_nothing) {
  pthread_t thread;

  orchard_open(&orchard, 1, 4, PACKET, rte_get_tsc_hz());
  orchard_plant(&orchard, FAN_OUT, 0, 1000);
  cr_assert(eq(int, pthread_create(&thread, NULL, never_idle, NULL), 0));
  change_all();
  __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
  pthread_join(thread, NULL);
  orchard_turn(&orchard, 0, rte_rdtsc());

  const struct copse_worker_counters counted = orchard_counters(&orchard);
  const struct copse_link_counters *links = copse_link_counters(copse_table_shm(orchard.table), 0);
  cr_assert(gt(u64, offered, COMMITS));
  cr_assert(eq(u64, counted.admitted, offered));
  cr_assert(eq(u64, counted.copies_sent, sent));
  cr_assert(eq(u64, counted.copies_due, counted.copies_sent));
  for (uint32_t i = 0; i < FAN_OUT; i++)
    cr_assert(eq(u64, links[i].packets, offered), "link %u", i);
  cr_assert(gt(u64, links[FAN_OUT].packets, 0));
  cr_assert(lt(u64, links[FAN_OUT].packets, offered));
  cr_assert(eq(u64, counted.applied_generation, copse_table_shm(orchard.table)->generation));
  cr_assert(orchard_close(&orchard));
}
