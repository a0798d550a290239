/* SPDX-License-Identifier: Apache-2.0 */
/* What all copies of a packet carry, then copies for each next hop of each run. */
#include "pipeline/pipeline.h"

#define PREFETCH_HOPS 8 /* of the next run; those behind follow a stream the processor sees */

/* ---- headers, with the tags of the whole burst side by side ---- */

/* The root numbers the packets of its tree anew, whoever sent them. Returns the first number. */
static uint64_t
take_sequences(const struct copse_worker *worker, const struct copse_run *run) {
  uint64_t *next = &worker->table->trees[run->packets->tree].next_sequence;

  if (worker->shared)
    return __atomic_fetch_add(next, run->count, __ATOMIC_RELAXED);
  const uint64_t first = __atomic_load_n(next, __ATOMIC_RELAXED);
  __atomic_store_n(next, first + run->count, __ATOMIC_RELAXED);
  return first;
}

/* Makes `out` the header of copies but for label and tag, which is asked for; `in` may be the same. */
static inline void
fill_header(struct copse_siphash_batch *batch, struct copse_header *out, const struct copse_header *in,
            uint64_t sequence, const uint8_t key[COPSE_KEY_BYTES]) {
  const uint8_t first[4] = {in->version, in->type, 0, in->hop_limit - 1};
  uint32_t start;

  memcpy(&start, first, sizeof(start));
  copse_siphash_add_changed(batch, in, start, sequence, key);
  if (out != in)
    *out = *in;
  memcpy(out, &start, sizeof(start));
  out->label = 0;
  out->sequence = sequence;
}

/* Where copies go to one kind of next hop only, the packet's own header becomes that of all copies. */
static void
fill_packet(struct copse_siphash_batch *batch, struct copse_packet *packet, uint64_t sequence) {
  const struct copse_fan_out *fan_out = packet->fan_out;
  const bool both = copse_mixed(fan_out);
  const struct copse_header *in = packet->header;

  packet->out[0] = packet->out[1] = NULL;
  if (fan_out->links < fan_out->hops) {
    packet->out[1] = both ? &packet->scratch[1] : packet->header;
    fill_header(batch, packet->out[1], in, sequence, fan_out->area_key);
  }
  if (fan_out->links > 0) {
    packet->out[0] = both ? &packet->scratch[0] : packet->header;
    fill_header(batch, packet->out[0], in, sequence, fan_out->tree_key);
  }
}

static void
fill_headers(struct copse_worker *worker) {
  struct copse_siphash_batch *batch = &worker->batch;
  unsigned at = 0;

  batch->count = 0;
  for (uint32_t i = 0; i < worker->runs; i++) {
    const struct copse_run *run = &worker->run[i];
    const bool root = run->packets->fan_out->root;
    uint64_t sequence = root ? take_sequences(worker, run) : 0;
    for (uint32_t j = 0; j < run->count; j++)
      fill_packet(batch, &run->packets[j], root ? htobe64(sequence++) : run->packets[j].header->sequence);
  }
  worker->tags(batch);
  for (uint32_t i = 0; i < worker->runs; i++) {
    const struct copse_run *run = &worker->run[i];
    const struct copse_fan_out *fan_out = run->packets->fan_out;
    for (uint32_t j = 0; j < run->count; j++) {
      if (fan_out->links < fan_out->hops)
        run->packets[j].out[1]->tag = batch->tag[at++];
      if (fan_out->links > 0)
        run->packets[j].out[0]->tag = batch->tag[at++];
    }
  }
}

/* ---- runs ---- */

/* Destinations of a run that comes soon. */
static void
prefetch_slots(const struct copse_worker *worker, const struct copse_fan_out *fan_out) {
  const struct copse_forwarding *table = worker->table;
  const uint32_t hops = RTE_MIN(fan_out->hops, (uint32_t)PREFETCH_HOPS);

  for (uint32_t i = 0; i < hops; i++) {
    const uint32_t index = fan_out->hop[i].destination;
    rte_prefetch0(&table->destinations[index]);
    if (worker->shared)
      rte_prefetch0(&worker->hop_portions[index]);
  }
}

static void
prefetch_destinations(const struct copse_worker *worker, const struct copse_fan_out *fan_out) {
  const struct copse_forwarding *table = worker->table;
  const uint32_t hops = RTE_MIN(fan_out->hops, (uint32_t)PREFETCH_HOPS);

  for (uint32_t i = 0; i < hops; i++) {
    const uint32_t index = fan_out->hop[i].destination;
    const struct copse_destination *destination =
      __atomic_load_n(&table->destinations[index].published, __ATOMIC_RELAXED);
    rte_prefetch0(destination);
    rte_prefetch0((const uint8_t *)destination + RTE_CACHE_LINE_SIZE);
  }
}

void
copse_replicate(struct copse_worker *worker, uint64_t now) {
  fill_headers(worker);
  for (uint32_t i = 1; i < worker->runs; i++)
    prefetch_slots(worker, worker->run[i].packets->fan_out);
  for (uint32_t i = 0; i < worker->runs; i++) {
    struct copse_chosen chosen;
    if (i + 1 < worker->runs)
      prefetch_destinations(worker, worker->run[i + 1].packets->fan_out);
    copse_choose(worker, &worker->run[i], now, &chosen);
    copse_make_copies(worker, &worker->run[i], &chosen);
  }
}
