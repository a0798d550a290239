/* SPDX-License-Identifier: Apache-2.0 */
/* Each packet once per tree, by the bytes of its IP packet: the prepaid allowance, then the pair of rates. */
#include "pipeline/pipeline.h"

#define PREFETCH_HOPS 16

/* Charges the allowance; false, and nothing is charged, when it is spent. */
static bool
charge(const struct copse_worker *worker, struct copse_tree_state *state, uint64_t bytes) {
  const uint64_t allowance = __atomic_load_n(&state->allowance_bytes, __ATOMIC_RELAXED);
  uint64_t charged;

  if (worker->shared) {
    charged = __atomic_add_fetch(&state->charged_bytes, bytes, __ATOMIC_RELAXED);
    if (charged <= allowance)
      return true;
    __atomic_fetch_sub(&state->charged_bytes, bytes, __ATOMIC_RELAXED);
    return false;
  }
  charged = __atomic_load_n(&state->charged_bytes, __ATOMIC_RELAXED) + bytes;
  if (charged > allowance)
    return false;
  __atomic_store_n(&state->charged_bytes, charged, __ATOMIC_RELAXED);
  return true;
}

static void
refund(const struct copse_worker *worker, struct copse_tree_state *state, uint64_t bytes) {
  if (worker->shared)
    __atomic_fetch_sub(&state->charged_bytes, bytes, __ATOMIC_RELAXED);
  else
    __atomic_store_n(&state->charged_bytes, __atomic_load_n(&state->charged_bytes, __ATOMIC_RELAXED) - bytes,
                     __ATOMIC_RELAXED);
}

/* Returns COPSE_COPY_DROP_COUNT if the packet goes on. */
static enum copse_copy_drop
meter_packet(const struct copse_worker *worker, struct copse_packet *packet, uint64_t now) {
  const struct copse_fan_out *fan_out = packet->fan_out;
  struct copse_tree_state *state = &worker->table->tree_states[packet->tree];
  const uint64_t bytes = (uint64_t)packet->l3_bytes * fan_out->charged_edges;

  if (bytes != 0 && !charge(worker, state, bytes))
    return COPSE_DROP_NO_ALLOWANCE;
  packet->colour = copse_meter_colour(&worker->table->trees[packet->tree].meter, &fan_out->rates, now, packet->l3_bytes,
                                      worker->shared);
  if (packet->colour != COPSE_RED)
    return COPSE_COPY_DROP_COUNT;
  if (bytes != 0)
    refund(worker, state, bytes);
  return COPSE_DROP_RED;
}

/* The lines of next hops behind those that came with the rates. */
static void
prefetch_hops(const struct copse_fan_out *fan_out) {
  const uint8_t *end = (const uint8_t *)&fan_out->hop[RTE_MIN(fan_out->hops, (uint32_t)PREFETCH_HOPS)];

  for (const uint8_t *line = (const uint8_t *)fan_out + 2UL * RTE_CACHE_LINE_SIZE; line < end;
       line += RTE_CACHE_LINE_SIZE)
    rte_prefetch0(line);
}

unsigned
copse_meter(struct copse_worker *worker, unsigned count, uint64_t now) {
  unsigned passed = 0;
  uint64_t due = 0;

  for (unsigned i = 0; i < count; i++) {
    struct copse_packet *packet = &worker->packets[i];
    struct copse_tree_counters *tree = &worker->trees[packet->tree];
    copse_count(&tree->packets, 1);
    copse_count(&tree->bytes, packet->l3_bytes);
    copse_count(&tree->copies_due, packet->fan_out->hops);
    due += packet->fan_out->hops;
    const enum copse_copy_drop drop = meter_packet(worker, packet, now);
    if (unlikely(drop != COPSE_COPY_DROP_COUNT)) {
      copse_drop_copies(worker, packet->tree, drop, packet->fan_out->hops);
      rte_pktmbuf_free(packet->mbuf);
      continue;
    }
    if (i == 0 || packet->fan_out != packet[-1].fan_out)
      prefetch_hops(packet->fan_out);
    copse_count(packet->colour == COPSE_GREEN ? &tree->green : &tree->yellow, 1);
    if (i != passed++)
      worker->packets[passed - 1] = *packet;
  }
  copse_count(&worker->counters->copies_due, due);
  return passed;
}
