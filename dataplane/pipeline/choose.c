/* SPDX-License-Identifier: Apache-2.0 */
/* Which next hops get a copy of which packets of a run. What is the same for all packets is asked once; buckets are
 * asked last, so that no tokens are spent on copies that are not sent. */
#include "pipeline/pipeline.h"

#include <rte_ip.h>

/* A next hop as it is asked. */
struct candidate {
  const struct copse_run *run;
  uint32_t count; /* of the run; a constant where it is 1 */
  uint32_t links; /* that the table has */
  const struct copse_hop *hop;
  bool is_link;
  struct copse_copy *copy;
};

/* Packets that do not get a copy. Taken by value, so that in the common case a candidate needs no memory. */
static __rte_noinline void
leave_out(struct copse_worker *worker, const struct candidate candidate, uint32_t packets,
          enum copse_copy_drop reason) {
  const struct copse_packet *first = candidate.run->packets;

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
  const struct copse_packet *first = candidate->run->packets;
  const uint32_t index = candidate->hop->destination, member = index - candidate->links;
  struct copse_copy *copy = candidate->copy;

  if (!candidate->is_link && member == first->member)
    return COPSE_DROP_OWN_PACKET;
  if (!candidate->is_link &&
      now >= __atomic_load_n(&worker->table->member_states[member].permission_until, __ATOMIC_RELAXED))
    return COPSE_DROP_UNPROVEN;
  if (unlikely(destination == NULL))
    return COPSE_DROP_NO_NEIGHBOUR;
  if (unlikely(first->payload_bytes >= destination->room))
    return destination->port == COPSE_PORT_NONE ? COPSE_DROP_NO_NEIGHBOUR : COPSE_DROP_TOO_BIG;
  const uint32_t frame_bytes = destination->header_bytes + COPSE_HEADER_BYTES + first->payload_bytes;
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

/* Takes the copies' bytes from the hop's bucket. Returns the packets that do not get a copy for want of them. */
static __rte_always_inline uint32_t
charge(struct copse_worker *worker, const struct candidate *candidate, uint32_t packets,
       struct copse_destination_slot *slot, const struct copse_destination *destination, uint64_t now) {
  const struct copse_rate *rate = &destination->rate;
  const uint32_t wanted = candidate->count == 1 ? 1 : (uint32_t)__builtin_popcount(packets);
  /* On congestion of a link yellow goes first: the lower half of its bucket is green's. */
  const enum copse_share share = candidate->is_link && candidate->run->yellow ? COPSE_HALF : COPSE_WHOLE;
  const uint32_t bytes = candidate->copy->frame_bytes - destination->l3_offset;
  const uint32_t taken = worker->shared
                           ? copse_portion_take(&worker->hop_portions[candidate->hop->destination].held[share],
                                                worker->portion_shift, &slot->bucket, rate, now, bytes, wanted, share)
                           : copse_bucket_take(&slot->bucket, rate, now, bytes, wanted, share, false);

  return likely(taken == wanted) ? 0 : packets & ~first_of(packets, taken);
}

/* Returns which packets get a copy; if any, the copy is described. */
static __rte_always_inline uint32_t
choose(struct copse_worker *worker, const struct candidate *candidate, uint64_t now) {
  struct copse_destination_slot *slot = &worker->table->destinations[candidate->hop->destination];
  uint32_t packets = candidate->count == 1 ? 1 : copse_all(candidate->run), lost;
  /* Before interest and permission: who finds a new member's destination finds no old member's permission. */
  const struct copse_destination *destination = __atomic_load_n(&slot->published, __ATOMIC_ACQUIRE);
  const struct copse_interest *interest =
    candidate->is_link ? candidate->hop->interest : __atomic_load_n(&slot->interest, __ATOMIC_ACQUIRE);

  if (interest != NULL) {
    lost = unwanted(candidate->run, interest);
    leave_out(worker, *candidate, lost, COPSE_DROP_NOT_WANTED);
    if ((packets &= ~lost) == 0)
      return 0;
  }
  const enum copse_copy_drop drop = describe(worker, candidate, destination, now);
  if (unlikely(drop != COPSE_COPY_DROP_COUNT)) {
    leave_out(worker, *candidate, packets, drop);
    return 0;
  }
  if (unlikely((lost = charge(worker, candidate, packets, slot, destination, now)) != 0))
    leave_out(worker, *candidate, lost, candidate->is_link ? COPSE_DROP_LINK_BUDGET : COPSE_DROP_MEMBER_RATE);
  return packets & ~lost;
}

/* Adds hops [from, to), all links or all members. */
static __rte_always_inline void
choose_kind(struct copse_worker *worker, const struct copse_run *run, uint32_t count, uint32_t from, uint32_t to,
            bool is_link, uint64_t now, struct copse_chosen *chosen) {
  const struct copse_hop *hops = run->packets->fan_out->hop;
  struct candidate candidate = {.run = run, .count = count, .links = worker->table->limits.links, .is_link = is_link};

  for (uint32_t number = from; number < to; number++) {
    struct copse_copy *copy = &worker->copies[chosen->copies];
    candidate.hop = &hops[number];
    candidate.copy = copy;
    const uint32_t packets = choose(worker, &candidate, now);
    if (unlikely(packets == 0))
      continue;
    copy->packets = packets;
    chosen->chains += copy->chain;
    chosen->ipv6 |= copy->destination->ipv6;
    chosen->several |= copy->lane != worker->copies->lane;
    chosen->partial |= count != 1 && packets != copse_all(run);
    chosen->copies++;
  }
}

/* Hops from `start` on, and then those before it. */
static __rte_always_inline struct copse_chosen
choose_all(struct copse_worker *worker, const struct copse_run *run, uint32_t count, uint32_t start, uint64_t now) {
  const uint32_t hops = run->packets->fan_out->hops, links = run->packets->fan_out->links;
  struct copse_chosen chosen = {0};

  choose_kind(worker, run, count, start, links, true, now, &chosen);
  choose_kind(worker, run, count, RTE_MAX(start, links), hops, false, now, &chosen);
  if (unlikely(start > 0)) {
    choose_kind(worker, run, count, 0, RTE_MIN(start, links), true, now, &chosen);
    choose_kind(worker, run, count, links, start, false, now, &chosen);
  }
  return chosen;
}

/* Where trees are many, most runs are of one packet: these are compiled apart, and again while no next hop has gone
 * short. */
void
copse_choose(struct copse_worker *worker, const struct copse_run *run, uint64_t now, struct copse_chosen *chosen) {
  const uint32_t start = (uint32_t)((uint64_t)worker->rotation * run->packets->fan_out->hops >> 32);

  if (run->count > 1)
    *chosen = choose_all(worker, run, run->count, start, now);
  else if (start == 0)
    *chosen = choose_all(worker, run, 1, 0, now);
  else
    *chosen = choose_all(worker, run, 1, start, now);
}
