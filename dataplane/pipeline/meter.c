/* SPDX-License-Identifier: Apache-2.0 */
/* Each packet once per tree, by the bytes of its IP packet: the prepaid allowance, then the pair of rates. From here on
 * neighbours that go the same way are one run. */
#include "pipeline/pipeline.h"

#define PREFETCH_HOPS 16

/* What a run of packets of one tree is charged. */
struct charge {
  struct copse_tree_state *state;
  uint64_t bytes; /* of each packet: of its IP packet on each charged edge */
};

/* Charges the allowance for as many of `count` packets as it lasts; returns how many. */
static uint32_t
charge(const struct copse_worker *worker, const struct charge *charge, uint32_t count) {
  uint64_t *charged = &charge->state->charged_bytes;
  const uint64_t allowance = __atomic_load_n(&charge->state->allowance_bytes, __ATOMIC_RELAXED);
  const uint64_t bytes = count * charge->bytes;
  const uint64_t before =
    worker->shared ? __atomic_fetch_add(charged, bytes, __ATOMIC_RELAXED) : __atomic_load_n(charged, __ATOMIC_RELAXED);
  const uint64_t left = allowance > before ? allowance - before : 0;

  if (unlikely(left < bytes))
    count = (uint32_t)(left / charge->bytes);
  if (!worker->shared)
    __atomic_store_n(charged, before + count * charge->bytes, __ATOMIC_RELAXED);
  else if (unlikely(count * charge->bytes != bytes))
    __atomic_fetch_sub(charged, bytes - count * charge->bytes, __ATOMIC_RELAXED);
  return count;
}

static void
refund(const struct copse_worker *worker, const struct charge *charge, uint32_t count) {
  uint64_t *charged = &charge->state->charged_bytes;

  if (worker->shared)
    __atomic_fetch_sub(charged, count * charge->bytes, __ATOMIC_RELAXED);
  else
    __atomic_store_n(charged, __atomic_load_n(charged, __ATOMIC_RELAXED) - count * charge->bytes, __ATOMIC_RELAXED);
}

static void
count_due(struct copse_worker *worker, const struct copse_packet *packet, uint32_t count) {
  struct copse_tree_counters *tree = &worker->trees[packet->tree];
  const uint64_t due = (uint64_t)count * packet->fan_out->hops;

  copse_count(&tree->packets, count);
  copse_count(&tree->bytes, (uint64_t)count * packet->l3_bytes);
  copse_count(&tree->copies_due, due);
  copse_count(&worker->counters->copies_due, due);
}

/* Counts and frees packets that are not replicated. */
static void
drop(struct copse_worker *worker, const struct copse_packet *packets, uint32_t count, enum copse_copy_drop reason) {
  copse_drop_copies(worker, packets->tree, reason, (uint64_t)count * packets->fan_out->hops);
  for (uint32_t i = 0; i < count; i++)
    rte_pktmbuf_free(packets[i].mbuf);
}

/* The headers of what goes on are written in place. Returns how many packets could be made ours for that. */
static unsigned
own_all(struct copse_worker *worker, unsigned count) {
  unsigned owned = 0;

  for (unsigned i = 0; i < count; i++) {
    struct copse_packet *packet = &worker->packets[i];
    if (unlikely(!copse_own(worker, packet))) {
      count_due(worker, packet, 1);
      drop(worker, packet, 1, COPSE_DROP_NO_BUFFER);
      continue;
    }
    if (i != owned++)
      worker->packets[owned - 1] = *packet;
  }
  return owned;
}

/* How many packets from the first on are of one tree, sender and size. */
static uint32_t
alike(const struct copse_packet *packets, uint32_t count) {
  uint32_t run = 1;

  while (run < count && packets[run].fan_out == packets->fan_out && packets[run].member == packets->member &&
         packets[run].payload_bytes == packets->payload_bytes && packets[run].l3_bytes == packets->l3_bytes)
    run++;
  return run;
}

/* The lines of next hops behind those that came with the rates. */
static void
prefetch_hops(const struct copse_fan_out *fan_out) {
  const uint8_t *end = (const uint8_t *)&fan_out->hop[RTE_MIN(fan_out->hops, (uint32_t)PREFETCH_HOPS)];

  for (const uint8_t *line = (const uint8_t *)fan_out + 2UL * RTE_CACHE_LINE_SIZE; line < end;
       line += RTE_CACHE_LINE_SIZE)
    rte_prefetch0(line);
}

static void
add_run(struct copse_worker *worker, struct copse_packet *packets, uint32_t count, bool yellow) {
  if (count > 0)
    worker->run[worker->runs++] = (struct copse_run){.packets = packets, .count = count, .yellow = yellow};
}

static struct copse_colours
colour(struct copse_worker *worker, const struct copse_packet *packets, uint32_t count, uint64_t now) {
  struct copse_meter *meter = &worker->table->trees[packets->tree].meter;
  const struct copse_meter_rates *rates = &packets->fan_out->rates;

  if (worker->shared)
    return copse_portions_colour(&worker->tree_portions[packets->tree], worker->portion_shift, meter, rates, now,
                                 packets->l3_bytes, count);
  return copse_meter_colour(meter, rates, now, packets->l3_bytes, count);
}

/* Packets alike: the first ones green, the next ones yellow, the rest goes no further. */
static void
meter_alike(struct copse_worker *worker, struct copse_packet *packets, uint32_t count, uint64_t now) {
  const struct copse_fan_out *fan_out = packets->fan_out;
  const struct charge cost = {.state = &worker->table->tree_states[packets->tree],
                              .bytes = (uint64_t)packets->l3_bytes * fan_out->charged_edges};
  struct copse_tree_counters *tree = &worker->trees[packets->tree];
  struct copse_colours colours = {0};

  count_due(worker, packets, count);
  const uint32_t paid = cost.bytes != 0 ? charge(worker, &cost, count) : count;
  if (unlikely(paid < count))
    drop(worker, packets + paid, count - paid, COPSE_DROP_NO_ALLOWANCE);
  if (likely(paid > 0))
    colours = colour(worker, packets, paid, now);
  const uint32_t passed = colours.green + colours.yellow;
  if (unlikely(passed < paid)) {
    if (cost.bytes != 0)
      refund(worker, &cost, paid - passed);
    drop(worker, packets + passed, paid - passed, COPSE_DROP_RED);
  }
  copse_count(&tree->green, colours.green);
  copse_count(&tree->yellow, colours.yellow);
  prefetch_hops(fan_out);
  add_run(worker, packets, colours.green, false);
  add_run(worker, packets + colours.green, colours.yellow, true);
}

void
copse_meter(struct copse_worker *worker, unsigned count, uint64_t now) {
  worker->runs = 0;
  count = own_all(worker, count);
  for (unsigned i = 0, run; i < count; i += run) {
    run = alike(&worker->packets[i], count - i);
    meter_alike(worker, &worker->packets[i], run, now);
  }
}
