/* SPDX-License-Identifier: Apache-2.0 */
/* Which next hops get a copy. Buckets are asked last, so that no tokens are spent on copies that are not sent. */
#include "pipeline/pipeline.h"

#include <rte_ip.h>
#include <rte_udp.h>

/* Of a copy at layer 3. */
static uint32_t
copy_bytes(const struct copse_destination *destination, const struct copse_packet *packet) {
  return (destination->ipv6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr)) + sizeof(struct rte_udp_hdr) +
         COPSE_HEADER_BYTES + packet->payload_bytes;
}

static bool
wanted(const struct copse_forwarding *table, const struct copse_hop *hop, bool is_link, uint32_t block) {
  const struct copse_interest *interest =
    is_link ? hop->interest : __atomic_load_n(&table->egress[hop->destination].interest, __ATOMIC_ACQUIRE);

  return copse_interest_wants(interest, block);
}

/* Returns COPSE_COPY_DROP_COUNT if the hop gets a copy, described in `copy`. */
static enum copse_copy_drop
choose(const struct copse_worker *worker, const struct copse_packet *packet, uint32_t number, uint32_t block,
       uint64_t now, struct copse_copy *copy) {
  const struct copse_forwarding *table = worker->table;
  const struct copse_hop *hop = &packet->fan_out->hop[number];
  const bool is_link = number < packet->fan_out->links;
  const uint32_t member = hop->destination - table->limits.links;
  const struct copse_destination *destination;
  struct copse_lane *lane;

  /* Before interest and permission: who finds a new member's destination finds no old member's permission. */
  destination = __atomic_load_n(&table->destinations[hop->destination].published, __ATOMIC_ACQUIRE);
  if (!wanted(table, hop, is_link, block))
    return COPSE_DROP_NOT_WANTED;
  if (!is_link && member == packet->member)
    return COPSE_DROP_OWN_PACKET;
  if (!is_link && now >= __atomic_load_n(&table->member_states[member].permission_until, __ATOMIC_RELAXED))
    return COPSE_DROP_UNPROVEN;
  if (destination == NULL || destination->port == COPSE_PORT_NONE)
    return COPSE_DROP_NO_NEIGHBOUR;
  const uint32_t bytes = copy_bytes(destination, packet);
  if (bytes > destination->mtu)
    return COPSE_DROP_TOO_BIG;
  lane = worker->lane_by_port[destination->port];
  if (lane == NULL || lane->config.tx_queue == COPSE_QUEUE_NONE)
    return COPSE_DROP_TX_FULL;
  /* On congestion of a link yellow goes first: the lower half of its bucket is green's. */
  const uint64_t depth =
    is_link && packet->colour == COPSE_YELLOW ? destination->rate.depth / 2 : destination->rate.depth;
  if (!copse_bucket_take(&table->egress[hop->destination].bucket, &destination->rate, now, bytes, depth,
                         worker->shared))
    return is_link ? COPSE_DROP_LINK_BUDGET : COPSE_DROP_MEMBER_RATE;
  *copy = (struct copse_copy){
    .destination = destination,
    .lane = lane,
    .index = hop->destination,
    .label = hop->label,
    .chain = lane->config.technique.chain && packet->payload_bytes > 0 &&
             destination->l3_offset + bytes > lane->config.technique.copy_below,
  };
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

static uint32_t
choose_all(struct copse_worker *worker, const struct copse_packet *packet, uint64_t now) {
  const uint32_t hops = packet->fan_out->hops, block = be32toh(packet->header->block);
  uint32_t number = worker->rotation != 0 && hops > 0 ? worker->rotation % hops : 0, chosen = 0;

  for (uint32_t i = 0; i < hops; i++, number = number + 1 == hops ? 0 : number + 1) {
    const enum copse_copy_drop drop = choose(worker, packet, number, block, now, &worker->copies[chosen]);
    if (drop == COPSE_COPY_DROP_COUNT)
      chosen++;
    else
      drop_copy(worker, packet, number, drop);
  }
  return chosen;
}

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

void
copse_replicate(struct copse_worker *worker, unsigned count, uint64_t now) {
  for (unsigned i = 0; i < count; i++) {
    struct copse_packet *packet = &worker->packets[i];
    const uint32_t chosen = choose_all(worker, packet, now);
    if (chosen == 0)
      rte_pktmbuf_free(packet->mbuf);
    else
      copse_make_copies(worker, packet, chosen, sequence_of(worker, packet));
  }
}
