/* SPDX-License-Identifier: Apache-2.0 */
/* Where a port or a pool is short, next hops are short alike, and nothing is lost for good. */
#include "orchard.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#define PACKET 1400
#define TURNS 4000
#define BUFFERS 40000
#define UNEVEN 0.03 /* from the mean, beside a burst of the first turns */

TestSuite(shortage, .init = orchard_start_eal, .timeout = 120);

static struct orchard orchard;
static struct rte_mbuf *held[BUFFERS];

/* One iteration with a burst of packets; the port then takes `frames` of what waits. */
static void
turn(unsigned packets, unsigned frames) {
  struct rte_mbuf *taken;

  for (unsigned i = 0; i < packets; i++)
    orchard_load(&orchard, 0, 0, PACKET);
  copse_worker_once(orchard.worker[0].worker, 1);
  while (frames-- > 0 && rte_ring_dequeue(orchard.worker[0].tx, (void **)&taken) == 0)
    rte_pktmbuf_free(taken);
}

/* Each hop got as much as any other, and what it did not get is counted for this reason. */
static void
assert_even(uint32_t fan_out, enum copse_copy_drop reason, const char *what, unsigned packets, unsigned frames) {
  const struct copse_link_counters *links = copse_link_counters(copse_table_shm(orchard.table), 0);
  const struct copse_worker_counters counted = orchard_counters(&orchard);
  const double mean = (double)counted.copies_sent / fan_out;

  cr_assert(gt(u64, counted.copy_drops[reason], 0));
  cr_assert(eq(u64, counted.copies_sent + counted.copy_drops[reason], counted.copies_due));
  for (uint32_t i = 0; i < fan_out; i++) {
    cr_assert(lt(dbl, (double)links[i].packets, mean * (1 + UNEVEN) + packets),
              "%s: %u hops, %u packets, %u frames: hop %u has %lu, the mean is %.0f", what, fan_out, packets, frames, i,
              links[i].packets, mean);
    cr_assert(gt(dbl, (double)links[i].packets, mean * (1 - UNEVEN) - packets),
              "%s: %u hops, %u packets, %u frames: hop %u has %lu, the mean is %.0f", what, fan_out, packets, frames, i,
              links[i].packets, mean);
    cr_assert(eq(u64, links[i].packets + links[i].drops, counted.admitted));
  }
}

static const uint32_t fan_outs[] = {3, 8, 9, 15, 16};
static const unsigned bursts[] = {1, 7, 32}, rooms[] = {1, 2, 5, 8, 37, 64, 100};

/* All combinations in which some copies go and some do not. */
static void
each(void (*check)(uint32_t fan_out, unsigned packets, unsigned frames)) {
  for (size_t i = 0; i < RTE_DIM(fan_outs); i++)
    for (size_t j = 0; j < RTE_DIM(bursts); j++)
      for (size_t k = 0; k < RTE_DIM(rooms); k++)
        if (rooms[k] < bursts[j] * fan_outs[i])
          check(fan_outs[i], bursts[j], rooms[k]);
}

static void
full_port(uint32_t fan_out, unsigned packets, unsigned frames) {
  orchard_open(&orchard, 1, 1, PACKET, 1000000000);
  orchard_plant(&orchard, fan_out, 0, 1000);
  for (int i = 0; i < TURNS; i++)
    turn(packets, frames);
  assert_even(fan_out, COPSE_DROP_TX_FULL, "port", packets, frames);
  turn(0, UINT32_MAX);
  cr_assert(orchard_close(&orchard), "buffers are lost");
}

Test(shortage, a_slow_port_is_slow_for_all) {
  each(full_port);
}

static void
empty_pool(uint32_t fan_out, unsigned packets, unsigned left) {
  uint32_t count = 0;

  orchard_open(&orchard, 1, 1, PACKET, 1000000000);
  orchard_plant(&orchard, fan_out, 0, 1000);
  while (rte_mempool_avail_count(orchard.pools.header) > left && count < BUFFERS)
    held[count++] = rte_pktmbuf_alloc(orchard.pools.header);
  for (int i = 0; i < TURNS; i++)
    turn(packets, UINT32_MAX);
  assert_even(fan_out, COPSE_DROP_NO_BUFFER, "pool", packets, left);
  rte_pktmbuf_free_bulk(held, count);
  cr_assert(orchard_close(&orchard), "buffers are lost");
}

Test(shortage, an_empty_pool_is_empty_for_all) {
  each(empty_pool);
}
