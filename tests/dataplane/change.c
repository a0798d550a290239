/* SPDX-License-Identifier: Apache-2.0 */
/* The table changes under traffic, and workers come in numbers. */
#include "harness.h"

#include <pthread.h>
#include <unistd.h>

TestSuite(change, .init = harness_start, .fini = harness_stop);

Test(change, a_thousand_swaps_lose_nothing) {
  static struct frame frame;
  const struct copse_api_hop hops[] = {
    {COPSE_HOP_LINK, 0, 0x10001, 0}, {COPSE_HOP_LINK, 2, 0x30001, 0}, {COPSE_HOP_MEMBER, 2, 0xa002, 0}};
  uint64_t sequence = 0;

  plant_narrow(0, 0, 0, 0);
  add_usual_link(2, 0);
  add_proven_member(2, COPSE_SLOT_NONE);
  for (uint32_t swap = 0; swap < 1000; swap++) {
    /* Another number of hops each time, and another tree comes and goes in the same batch. */
    add_tree(&batch, tree(0, 0xabc), hops + swap % 2, 2);
    add_tree(&batch, tree(1, 0x10000 + swap), hops, 3);
    if (swap > 0)
      add_slot(&batch, COPSE_API_TREE_REMOVE, 2 + (swap - 1) % 2);
    add_tree(&batch, tree(2 + swap % 2, 0x20000 + swap), hops, 1);
    commit();
    for (int i = 0; i < 3; i++) {
      const struct frame_spec in = from_member(1, ++sequence);
      frame_build(&frame, &in);
      inject(0, &frame, 0);
    }
    run_once();
    cr_assert(eq(u64, counters()->applied_generation, copse_table_shm(table)->generation));
    copse_table_maintain(table, now);
    drain();
  }
  cr_assert(eq(u64, counters()->admitted, 3000));
  cr_assert(eq(u64, counters()->copies_due, 6000));
  cr_assert(eq(u64, counters()->copies_sent, 6000));
}

static void *
run_worker(void *argument) {
  copse_worker_run(argument);
  return NULL;
}

/* Takes everything sent; returns how many copies that were. */
static uint64_t
collect_all(void) {
  static struct frame frame;
  uint64_t copies = 0;

  for (uint32_t port = 0; port < PORTS; port++)
    while (collect(port, &frame))
      copies++;
  return copies;
}

/* Waits until the worker has admitted so many packets, taking what it sends so that no ring fills. */
static uint64_t
await_admitted(uint64_t packets) {
  uint64_t copies = collect_all();

  for (int wait = 0; wait < 50000 && __atomic_load_n(&counters()->admitted, __ATOMIC_RELAXED) < packets; wait++) {
    usleep(100);
    copies += collect_all();
  }
  return copies;
}

/* A real second thread: what is read while it is replaced must stay whole. */
Test(change, swaps_beside_a_running_worker) {
  const struct copse_api_hop hops[] = {
    {COPSE_HOP_LINK, 0, 0x10001, 0}, {COPSE_HOP_LINK, 2, 0x30001, 0}, {COPSE_HOP_MEMBER, 2, 0xa002, 0}};
  struct copse_api_member churn = usual_member(9, COPSE_SLOT_NONE);
  static struct frame frame;
  const uint64_t packets = 3000;
  uint64_t sent = 0, copies = 0;
  pthread_t thread;

  plant_narrow(0, 0, 0, 0);
  add_usual_link(2, 0);
  add_proven_member(2, COPSE_SLOT_NONE);
  grant(1, UINT64_MAX);
  grant(2, UINT64_MAX);
  add_tree(&batch, tree(0, 0xabc), hops, 3);
  commit();
  cr_assert(eq(int, pthread_create(&thread, NULL, run_worker, worker), 0));
  for (uint32_t swap = 0; sent < packets; swap++) {
    for (int i = 0; i < 4; i++) {
      const struct frame_spec in = from_member(1, ++sent);
      frame_build(&frame, &in);
      inject(0, &frame, 0);
    }
    add_tree(&batch, tree(0, 0xabc), hops + swap % 2, 2 + (swap % 2 ? 0 : 1));
    churn.id = 0x9000 + swap % 3;
    add_member(&batch, &churn);
    commit();
    copse_table_maintain(table, now);
    copies += await_admitted(sent > 256 ? sent - 256 : 0);
  }
  copies += await_admitted(packets);
  copse_worker_stop(worker);
  pthread_join(thread, NULL);
  copies += collect_all();
  cr_assert(eq(u64, counters()->admitted, packets));
  cr_assert(eq(u64, counters()->copies_sent, counters()->copies_due));
  cr_assert(eq(u64, copies, counters()->copies_sent));
}

/* ---- several workers ---- */

static void
start_shared(void) {
  harness_workers = 2;
  harness_start();
}

TestSuite(shared, .init = start_shared, .fini = harness_stop);

Test(shared, the_same_bounds_with_compare_and_swap) {
  plant_narrow(4000000, 8000000, 2, 6000000);
  add_allowance(&batch, 0, 2 * COPY_BYTES * 6000);
  commit();
  load(20000, 10);
  cr_assert(eq(u64, copse_table_forwarding(table)->tree_states[0].charged_bytes,
               2 * COPY_BYTES * (tree_counters(0)->green + tree_counters(0)->yellow)));
  cr_assert(le(u64, tree_counters(0)->green + tree_counters(0)->yellow, 6000));
  cr_assert(gt(u64, copy_drops(COPSE_DROP_NO_ALLOWANCE), 1));
  cr_assert(gt(u64, copy_drops(COPSE_DROP_RED), 1));
  cr_assert(gt(u64, copy_drops(COPSE_DROP_LINK_BUDGET), 1));
}

Test(change, bad_worker_configurations_are_refused) {
  struct copse_worker_config config = {.table = table, .receive = pools.receive, .permission_s = 60, .worker = 1};

  cr_assert(eq(ptr, copse_worker_create(&config), NULL), "a worker beyond the limit");
  config.worker = 0;
  config.permission_s = 0;
  cr_assert(eq(ptr, copse_worker_create(&config), NULL), "no permission time");
  config.permission_s = 1;
  config.ports = 2;
  config.port[0].technique.copy = config.port[1].technique.copy = pools.copy;
  cr_assert(eq(ptr, copse_worker_create(&config), NULL), "one port twice");
  config.ports = 1;
  config.idle = COPSE_IDLE_ADAPTIVE;
  cr_assert(eq(ptr, copse_worker_create(&config), NULL), "no sleep time");
}

Test(change, an_idle_worker_sleeps) {
  struct copse_worker_config config = {.table = table, .receive = pools.receive, .permission_s = 60};
  struct copse_worker *idle;
  pthread_t thread;

  config.idle = COPSE_IDLE_ADAPTIVE;
  config.idle_polls = 10;
  config.idle_sleep_us = 1000;
  copse_worker_destroy(worker);
  idle = copse_worker_create(&config);
  cr_assert(eq(int, pthread_create(&thread, NULL, run_worker, idle), 0));
  for (int wait = 0; wait < 5000 && __atomic_load_n(&counters()->sleeps, __ATOMIC_RELAXED) < 20; wait++)
    usleep(1000);
  plant_narrow(0, 0, 0, 0); /* the table changes without waiting for it */
  copse_worker_stop(idle);
  pthread_join(thread, NULL);
  cr_assert(ge(u64, counters()->sleeps, 20));
  cr_assert(le(u64, counters()->polls, counters()->sleeps + 12));
  worker = idle;
}
