/* SPDX-License-Identifier: Apache-2.0 */
/* Which next hops get a copy. Buckets are asked last, so that no tokens are spent on copies that are not sent. */
#include "pipeline/pipeline.h"

#define PREFETCH_HOPS 8 /* of the next packet; those behind follow a stream the processor sees */

/* ---- what all copies of a packet carry: the tags of the whole burst side by side ---- */

/* The root numbers the packets of its tree anew, whoever sent them. */
static uint64_t
sequence_of(const struct copse_worker *worker, const struct copse_packet *packet) {
  uint64_t *next = &worker->table->trees[packet->tree].next_sequence;

  if (!packet->fan_out->root)
    return be64toh(packet->header->sequence);
  if (worker->shared)
    return __atomic_fetch_add(next, 1, __ATOMIC_RELAXED);
  const uint64_t sequence = __atomic_load_n(next, __ATOMIC_RELAXED);
  __atomic_store_n(next, sequence + 1, __ATOMIC_RELAXED);
  return sequence;
}

/* The header of a copy but for the tag, which is asked for. */
static inline void
fill_header(struct copse_siphash_batch *batch, struct copse_header *out, const struct copse_header *in,
            uint64_t sequence, const uint8_t key[COPSE_KEY_BYTES]) {
  const uint8_t first[4] = {in->version, in->type, 0, in->hop_limit - 1};
  uint32_t start;

  memcpy(&start, first, sizeof(start));
  *out = *in;
  memcpy(out, &start, sizeof(start));
  out->label = 0;
  out->sequence = sequence;
  copse_siphash_add_changed(batch, in, start, sequence, key);
}

static void
fill_headers(struct copse_worker *worker, unsigned count) {
  struct copse_siphash_batch *batch = &worker->batch;

  batch->count = 0;
  for (unsigned i = 0; i < count; i++) {
    struct copse_packet *packet = &worker->packets[i];
    const struct copse_fan_out *fan_out = packet->fan_out;
    if (unlikely(fan_out->hops == 0))
      continue;
    const uint64_t sequence = htobe64(sequence_of(worker, packet));
    if (fan_out->links > 0)
      fill_header(batch, &packet->out[0], packet->header, sequence, fan_out->tree_key);
    if (fan_out->links < fan_out->hops)
      fill_header(batch, &packet->out[1], packet->header, sequence, fan_out->area_key);
  }
  worker->tags(batch);
  for (unsigned i = 0, at = 0; i < count; i++) {
    struct copse_packet *packet = &worker->packets[i];
    if (packet->fan_out->links > 0)
      packet->out[0].tag = batch->tag[at++];
    if (packet->fan_out->links < packet->fan_out->hops)
      packet->out[1].tag = batch->tag[at++];
  }
}

/* ---- choice ---- */

/* Returns COPSE_COPY_DROP_COUNT if the hop gets a copy, described in `copy`. */
static inline enum copse_copy_drop
choose(const struct copse_worker *worker, const struct copse_packet *packet, const struct copse_hop *hop, bool is_link,
       uint64_t now, struct copse_copy *copy) {
  const struct copse_forwarding *table = worker->table;
  const uint32_t member = hop->destination - table->limits.links;
  struct copse_egress *egress = &table->egress[hop->destination];
  const struct copse_interest *interest;
  const struct copse_destination *destination;
  struct copse_lane *lane;

  /* Before interest and permission: who finds a new member's destination finds no old member's permission. */
  destination = __atomic_load_n(&table->destinations[hop->destination].published, __ATOMIC_ACQUIRE);
  interest = is_link ? hop->interest : __atomic_load_n(&egress->interest, __ATOMIC_ACQUIRE);
  if (interest != NULL && !copse_interest_wants(interest, be32toh(packet->header->block)))
    return COPSE_DROP_NOT_WANTED;
  if (!is_link && member == packet->member)
    return COPSE_DROP_OWN_PACKET;
  if (!is_link && now >= __atomic_load_n(&table->member_states[member].permission_until, __ATOMIC_RELAXED))
    return COPSE_DROP_UNPROVEN;
  if (unlikely(destination == NULL || destination->port == COPSE_PORT_NONE))
    return COPSE_DROP_NO_NEIGHBOUR;
  const uint32_t frame_bytes = destination->header_bytes + COPSE_HEADER_BYTES + packet->payload_bytes;
  const uint32_t bytes = frame_bytes - destination->l3_offset;
  if (unlikely(bytes > destination->mtu))
    return COPSE_DROP_TOO_BIG;
  lane = worker->lane_by_port[destination->port];
  if (unlikely(lane == NULL))
    return COPSE_DROP_TX_FULL;
  if (unlikely(frame_bytes > lane->largest))
    return COPSE_DROP_NO_BUFFER;
  /* On congestion of a link yellow goes first: the lower half of its bucket is green's. */
  const enum copse_share share = is_link && packet->colour == COPSE_YELLOW ? COPSE_HALF : COPSE_WHOLE;
  if (!copse_bucket_take(&egress->bucket, &destination->rate, now, bytes, share, worker->shared))
    return is_link ? COPSE_DROP_LINK_BUDGET : COPSE_DROP_MEMBER_RATE;
  copy->destination = destination;
  copy->lane = lane;
  copy->index = hop->destination;
  copy->label = hop->label;
  copy->frame_bytes = frame_bytes;
  copy->chain = frame_bytes > lane->whole;
  copy->to_member = !is_link;
  return COPSE_COPY_DROP_COUNT;
}

static void
drop_copy(struct copse_worker *worker, const struct copse_packet *packet, uint32_t number,
          enum copse_copy_drop reason) {
  const uint32_t destination = packet->fan_out->hop[number].destination;

  if (reason == COPSE_DROP_NOT_WANTED) /* suppressed, not lost */
    copse_drop_copies(worker, packet->tree, reason, 1);
  else
    copse_drop_copy(worker, packet->tree, destination, packet->colour == COPSE_YELLOW, reason);
}

/* Adds hops [from, to), all links or all members. */
static inline void
choose_kind(struct copse_worker *worker, const struct copse_packet *packet, uint32_t from, uint32_t to, bool is_link,
            uint64_t now, struct copse_chosen *chosen) {
  const struct copse_hop *hops = packet->fan_out->hop;
  struct copse_copy *copy = &worker->copies[chosen->copies];

  for (uint32_t number = from; number < to; number++) {
    const enum copse_copy_drop drop = choose(worker, packet, &hops[number], is_link, now, copy);
    if (unlikely(drop != COPSE_COPY_DROP_COUNT)) {
      drop_copy(worker, packet, number, drop);
      continue;
    }
    chosen->chains += copy->chain;
    chosen->ipv6 |= copy->destination->ipv6;
    copy++;
  }
  chosen->copies = (uint32_t)(copy - worker->copies);
}

/* Adds hops [from, to). */
static void
choose_hops(struct copse_worker *worker, const struct copse_packet *packet, uint32_t from, uint32_t to, uint64_t now,
            struct copse_chosen *chosen) {
  const uint32_t links = packet->fan_out->links;

  choose_kind(worker, packet, from, RTE_MIN(to, links), true, now, chosen);
  choose_kind(worker, packet, RTE_MAX(from, links), to, false, now, chosen);
}

/* ---- of the burst ---- */

/* Destinations of a packet that comes soon, but where the packet before it has them already. */
static void
prefetch_slots(const struct copse_worker *worker, const struct copse_packet *packet) {
  const struct copse_forwarding *table = worker->table;
  const uint32_t hops = RTE_MIN(packet->fan_out->hops, (uint32_t)PREFETCH_HOPS);

  for (uint32_t i = 0; i < hops; i++) {
    const uint32_t index = packet->fan_out->hop[i].destination;
    rte_prefetch0(&table->destinations[index]);
    rte_prefetch0(&table->egress[index]);
  }
}

static void
prefetch_destinations(const struct copse_worker *worker, const struct copse_packet *packet) {
  const struct copse_forwarding *table = worker->table;
  const uint32_t hops = RTE_MIN(packet->fan_out->hops, (uint32_t)PREFETCH_HOPS);

  for (uint32_t i = 0; i < hops; i++) {
    const uint32_t index = packet->fan_out->hop[i].destination;
    const struct copse_destination *destination =
      __atomic_load_n(&table->destinations[index].published, __ATOMIC_RELAXED);
    rte_prefetch0(destination);
    rte_prefetch0((const uint8_t *)destination + RTE_CACHE_LINE_SIZE);
  }
}

void
copse_replicate(struct copse_worker *worker, unsigned count, uint64_t now) {
  struct copse_packet *packets = worker->packets;

  fill_headers(worker, count);
  for (unsigned i = 1; i < count; i++)
    if (packets[i].fan_out != packets[i - 1].fan_out)
      prefetch_slots(worker, &packets[i]);
  for (unsigned i = 0; i < count; i++) {
    if (i + 1 < count && packets[i + 1].fan_out != packets[i].fan_out)
      prefetch_destinations(worker, &packets[i + 1]);
    const uint32_t hops = packets[i].fan_out->hops;
    const uint32_t start = worker->rotation != 0 && hops > 0 ? worker->rotation % hops : 0;
    struct copse_chosen chosen = {0};
    choose_hops(worker, &packets[i], start, hops, now, &chosen);
    if (unlikely(start > 0))
      choose_hops(worker, &packets[i], 0, start, now, &chosen);
    if (unlikely(chosen.copies == 0))
      rte_pktmbuf_free(packets[i].mbuf);
    else
      copse_make_copies(worker, &packets[i], &chosen);
  }
}
