/* SPDX-License-Identifier: Apache-2.0 */
/* Which next hops get a copy of which packets of a run. What is the same for all packets is asked once; buckets are
 * asked last, so that no tokens are spent on copies that are not sent. */
#include "pipeline/pipeline.h"

#include <rte_ip.h>

/* A next hop as it is asked: packets drop out of `copy->packets` until only those that get a copy are left. */
struct candidate {
  const struct copse_run *run;
  uint32_t count; /* of the run; a constant where it is 1 */
  const struct copse_hop *hop;
  bool is_link;
  struct copse_copy *copy;
};

/* Packets that do not get a copy. Taken by value, so that in the common case a candidate needs no memory. */
static __rte_noinline void
leave_out(struct copse_worker *worker, const struct candidate candidate, uint32_t packets,
          enum copse_copy_drop reason) {
  const struct copse_packet *first = candidate.run->packets;

  candidate.copy->packets &= ~packets;
  if (reason == COPSE_DROP_NOT_WANTED) /* suppressed, not lost */
    copse_drop_copies(worker, first->tree, reason, (uint32_t)__builtin_popcount(packets));
  else
    copse_drop_copy(worker, first->tree, candidate.hop->destination, candidate.run->yellow, reason,
                    (uint32_t)__builtin_popcount(packets));
}

static uint32_t
unwanted(const struct copse_run *run, const struct copse_interest *interest) {
  uint32_t packets = 0;

  for (uint32_t i = 0; i < run->count; i++)
    packets |= (uint32_t)!copse_interest_wants(interest, be32toh(run->packets[i].header->block)) << i;
  return packets;
}

/* Whether a copy can reach the hop at all, and where; fills the description of the copies. */
static __rte_always_inline enum copse_copy_drop
describe(const struct copse_worker *worker, const struct candidate *candidate,
         const struct copse_destination *destination, uint64_t now) {
  const struct copse_forwarding *table = worker->table;
  const struct copse_packet *first = candidate->run->packets;
  const uint32_t index = candidate->hop->destination, member = index - table->limits.links;
  struct copse_copy *copy = candidate->copy;

  if (!candidate->is_link && member == first->member)
    return COPSE_DROP_OWN_PACKET;
  if (!candidate->is_link && now >= __atomic_load_n(&table->member_states[member].permission_until, __ATOMIC_RELAXED))
    return COPSE_DROP_UNPROVEN;
  if (unlikely(destination == NULL || destination->port == COPSE_PORT_NONE))
    return COPSE_DROP_NO_NEIGHBOUR;
  const uint32_t frame_bytes = destination->header_bytes + COPSE_HEADER_BYTES + first->payload_bytes;
  if (unlikely(frame_bytes - destination->l3_offset > destination->mtu))
    return COPSE_DROP_TOO_BIG;
  struct copse_lane *lane = worker->lane_by_port[destination->port];
  if (unlikely(lane == NULL))
    return COPSE_DROP_TX_FULL;
  if (unlikely(frame_bytes > lane->largest))
    return COPSE_DROP_NO_BUFFER;
  copy->destination = destination;
  copy->lane = lane;
  copy->index = index;
  copy->label = candidate->hop->label;
  copy->frame_bytes = frame_bytes;
  copy->chain = frame_bytes > lane->whole;
  copy->to_member = !candidate->is_link;
  return COPSE_COPY_DROP_COUNT;
}

/* The lowest `count` bits of those set. */
static uint32_t
first_of(uint32_t packets, uint32_t count) {
  uint32_t rest = packets;

  while (count-- > 0)
    rest &= rest - 1;
  return packets & ~rest;
}

/* Takes the copies' bytes from the hop's bucket. */
static __rte_always_inline void
charge(struct copse_worker *worker, const struct candidate *candidate, struct copse_egress *egress, uint64_t now) {
  const struct copse_copy *copy = candidate->copy;
  const struct copse_rate *rate = &copy->destination->rate;
  const uint32_t wanted = candidate->count == 1 ? 1 : (uint32_t)__builtin_popcount(copy->packets);
  /* On congestion of a link yellow goes first: the lower half of its bucket is green's. */
  const enum copse_share share = candidate->is_link && candidate->run->yellow ? COPSE_HALF : COPSE_WHOLE;
  const uint32_t bytes = copy->frame_bytes - copy->destination->l3_offset;
  const uint32_t taken = worker->shared
                           ? copse_portion_take(&worker->hop_portions[copy->index].held[share], worker->portion_shift,
                                                &egress->bucket, rate, now, bytes, wanted, share)
                           : copse_bucket_take(&egress->bucket, rate, now, bytes, wanted, share, false);

  if (unlikely(taken < wanted))
    leave_out(worker, *candidate, copy->packets & ~first_of(copy->packets, taken),
              candidate->is_link ? COPSE_DROP_LINK_BUDGET : COPSE_DROP_MEMBER_RATE);
}

/* Returns whether any packet gets a copy; then the copy is described. */
static __rte_always_inline bool
choose(struct copse_worker *worker, const struct candidate *candidate, uint64_t now) {
  const struct copse_forwarding *table = worker->table;
  const uint32_t index = candidate->hop->destination;
  struct copse_egress *egress = &table->egress[index];
  struct copse_copy *copy = candidate->copy;

  copy->packets = candidate->count == 1 ? 1 : copse_all(candidate->run);
  /* Before interest and permission: who finds a new member's destination finds no old member's permission. */
  const struct copse_destination *destination =
    __atomic_load_n(&table->destinations[index].published, __ATOMIC_ACQUIRE);
  const struct copse_interest *interest =
    candidate->is_link ? candidate->hop->interest : __atomic_load_n(&egress->interest, __ATOMIC_ACQUIRE);
  if (interest != NULL) {
    leave_out(worker, *candidate, unwanted(candidate->run, interest), COPSE_DROP_NOT_WANTED);
    if (copy->packets == 0)
      return false;
  }
  const enum copse_copy_drop drop = describe(worker, candidate, destination, now);
  if (unlikely(drop != COPSE_COPY_DROP_COUNT))
    leave_out(worker, *candidate, copy->packets, drop);
  else
    charge(worker, candidate, egress, now);
  return copy->packets != 0;
}

/* Adds hops [from, to), all links or all members. */
static __rte_always_inline void
choose_kind(struct copse_worker *worker, const struct copse_run *run, uint32_t count, uint32_t from, uint32_t to,
            bool is_link, uint64_t now, struct copse_chosen *chosen) {
  const struct copse_hop *hops = run->packets->fan_out->hop;
  struct copse_copy *copy = &worker->copies[chosen->copies];
  uint32_t chains = 0;
  bool ipv6 = false, partial = false;

  for (uint32_t number = from; number < to; number++) {
    const struct candidate candidate = {
      .run = run, .count = count, .hop = &hops[number], .is_link = is_link, .copy = copy};
    if (unlikely(!choose(worker, &candidate, now)))
      continue;
    chains += copy->chain;
    ipv6 |= copy->destination->ipv6;
    partial |= count != 1 && copy->packets != copse_all(run);
    copy++;
  }
  chosen->copies = (uint32_t)(copy - worker->copies);
  chosen->chains += chains;
  chosen->ipv6 |= ipv6;
  chosen->partial |= partial;
}

/* Adds hops [from, to). Where trees are many, most runs are of one packet: these are compiled apart. */
static void
choose_hops(struct copse_worker *worker, const struct copse_run *run, uint32_t from, uint32_t to, uint64_t now,
            struct copse_chosen *chosen) {
  const uint32_t links = run->packets->fan_out->links;

  if (run->count == 1) {
    choose_kind(worker, run, 1, from, RTE_MIN(to, links), true, now, chosen);
    choose_kind(worker, run, 1, RTE_MAX(from, links), to, false, now, chosen);
    return;
  }
  choose_kind(worker, run, run->count, from, RTE_MIN(to, links), true, now, chosen);
  choose_kind(worker, run, run->count, RTE_MAX(from, links), to, false, now, chosen);
}

void
copse_choose(struct copse_worker *worker, const struct copse_run *run, uint64_t now, struct copse_chosen *chosen) {
  const uint32_t hops = run->packets->fan_out->hops;
  const uint32_t start = (uint32_t)((uint64_t)worker->rotation * hops >> 32);

  *chosen = (struct copse_chosen){0};
  choose_hops(worker, run, start, hops, now, chosen);
  if (unlikely(start > 0))
    choose_hops(worker, run, 0, start, now, chosen);
}
