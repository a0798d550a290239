/* SPDX-License-Identifier: Apache-2.0 */
/* Makes the copies of a run: by rewriting the packet itself when there is one left to make, by copying it into one
 * segment, or by new headers in front of what all copies of the packet share. */
#include "pipeline/checksum.h"
#include "pipeline/pipeline.h"

#include <rte_ip.h>
#include <rte_udp.h>

#define DSCP_AF11 (10 << 2) /* green */
#define DSCP_AF12 (12 << 2) /* yellow */

/* Of the block header, what differs between the copies of a packet to one kind of next hop: up to the label. */
#define OWN_BYTES offsetof(struct copse_header, block)

/* What size and colour decide, the same for all copies of a run. */
struct fields {
  bool whole; /* each copy has all of the block header, else OWN_BYTES of it and shares the rest */
  uint8_t dscp;
  uint16_t udp_bytes;  /* network order */
  uint32_t ipv4;       /* first bytes of the header: version, DSCP, length */
  uint32_t ipv4_extra; /* what they add to the sum of a destination's header */
};

static __rte_always_inline void
fill_fields(struct fields *fields, const struct copse_run *run) {
  const uint16_t udp_bytes = (uint16_t)(sizeof(struct rte_udp_hdr) + COPSE_HEADER_BYTES + run->packets->payload_bytes);
  const uint16_t ipv4_bytes = rte_cpu_to_be_16((uint16_t)(sizeof(struct rte_ipv4_hdr) + udp_bytes));

  fields->whole = copse_mixed(run->packets->fan_out);
  fields->dscp = run->yellow ? DSCP_AF12 : DSCP_AF11;
  fields->udp_bytes = rte_cpu_to_be_16(udp_bytes);
  fields->ipv4 = RTE_IPV4_VHL_DEF | (uint32_t)fields->dscp << 8 | (uint32_t)ipv4_bytes << 16;
  fields->ipv4_extra = (uint32_t)ipv4_bytes + rte_cpu_to_be_16(fields->dscp);
}

/* Header and payload, for the checksum of copies over IPv6; before the headers are taken off the packet. */
static void
sum_packet(struct copse_packet *packet) {
  const uint32_t payload =
    packet->summed ? packet->payload_sum : copse_sum(packet->mbuf, packet->payload_offset, packet->payload_bytes);

  for (int i = 0; i < 2; i++)
    if (packet->out[i] != NULL)
      packet->sum[i] = __rte_raw_cksum_reduce(payload + copse_sum_bytes(packet->out[i], sizeof(*packet->out[i])));
}

/* ---- headers of a copy ---- */

static inline uint16_t
ipv4_checksum(const struct copse_copy *copy, const struct fields *fields) {
  return (uint16_t)~__rte_raw_cksum_reduce(copy->destination->checksum + fields->ipv4_extra);
}

static inline void
finish_ipv4(struct rte_ipv4_hdr *ip, const struct fields *fields, uint16_t checksum) {
  memcpy(ip, &fields->ipv4, sizeof(fields->ipv4));
  ip->hdr_checksum = checksum;
  ((struct rte_udp_hdr *)(ip + 1))->dgram_len = fields->udp_bytes;
}

static void
finish_ipv6(struct rte_ipv6_hdr *ip, const struct copse_copy *copy, const struct fields *fields,
            const struct copse_packet *packet) {
  struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip + 1);
  uint16_t checksum;

  ip->vtc_flow = rte_cpu_to_be_32(6U << 28 | (uint32_t)fields->dscp << 20);
  ip->payload_len = fields->udp_bytes;
  udp->dgram_len = fields->udp_bytes;
  checksum =
    (uint16_t)~__rte_raw_cksum_reduce(copy->destination->checksum + 2U * fields->udp_bytes +
                                      packet->sum[copy->to_member] + (copy->label & 0xffff) + (copy->label >> 16));
  udp->dgram_cksum = checksum == 0 ? 0xffff : checksum;
}

/* Everything up to the block header. Moved in whole registers, so that what a short header leaves over must be
 * overwritten by what follows it. */
static inline void
write_addresses(uint8_t *at, const struct copse_copy *copy, const struct fields *fields, uint16_t checksum,
                const struct copse_packet *packet) {
  const struct copse_destination *destination = copy->destination;

  memcpy(at, destination->header, 48);
  if (likely(!destination->ipv6)) {
    finish_ipv4((struct rte_ipv4_hdr *)(at + destination->l3_offset), fields, checksum);
  } else {
    memcpy(at + 48, destination->header + 48, sizeof(destination->header) - 48);
    finish_ipv6((struct rte_ipv6_hdr *)(at + destination->l3_offset), copy, fields, packet);
  }
}

static inline void
write_header(uint8_t *at, const struct copse_copy *copy, const struct copse_packet *packet) {
  struct copse_header *header = (struct copse_header *)at;

  memcpy(header, packet->out[copy->to_member], sizeof(*header));
  header->label = copy->label;
}

/* The part of it that is not shared. */
static inline void
write_own(uint8_t *at, const struct copse_copy *copy, const struct copse_packet *packet) {
  struct copse_header *header = (struct copse_header *)at;

  memcpy(header, packet->out[copy->to_member], offsetof(struct copse_header, label));
  header->label = copy->label;
}

/* ---- the three techniques ---- */

/* All that an mbuf fresh from its pool (one reference, one segment) needs to become a frame. */
static inline void
fill_mbuf(struct rte_mbuf *frame, uint32_t data_bytes, uint32_t frame_bytes) {
  frame->data_off = RTE_PKTMBUF_HEADROOM;
  frame->ol_flags = 0;
  frame->data_len = (uint16_t)data_bytes;
  frame->pkt_len = frame_bytes;
}

/* Takes over one reference to the packet, from which everything has been taken off that is not shared. */
static inline void
chain_copy(struct rte_mbuf *frame, const struct copse_copy *copy, const struct fields *fields, uint16_t checksum,
           const struct copse_packet *packet) {
  const uint32_t addresses = copy->destination->header_bytes;

  fill_mbuf(frame, addresses + (fields->whole ? COPSE_HEADER_BYTES : OWN_BYTES), copy->frame_bytes);
  frame->nb_segs = packet->mbuf->nb_segs + 1;
  frame->next = packet->mbuf;
  uint8_t *at = rte_pktmbuf_mtod(frame, uint8_t *);
  write_addresses(at, copy, fields, checksum, packet);
  if (fields->whole)
    write_header(at + addresses, copy, packet);
  else
    write_own(at + addresses, copy, packet);
}

static void
copy_payload(uint8_t *to, const struct copse_packet *packet) {
  const struct rte_mbuf *segment = packet->mbuf;
  uint32_t offset = packet->payload_offset, left = packet->payload_bytes;

  for (; left > 0; segment = segment->next, offset = 0) {
    const uint32_t here = RTE_MIN(left, segment->data_len - offset);
    memcpy(to, rte_pktmbuf_mtod_offset(segment, uint8_t *, offset), here);
    to += here;
    left -= here;
  }
}

static inline void
single_copy(struct rte_mbuf *frame, const struct copse_copy *copy, const struct fields *fields, uint16_t checksum,
            const struct copse_packet *packet) {
  fill_mbuf(frame, copy->frame_bytes, copy->frame_bytes);
  uint8_t *at = rte_pktmbuf_mtod(frame, uint8_t *);
  write_addresses(at, copy, fields, checksum, packet);
  at += copy->destination->header_bytes;
  write_header(at, copy, packet);
  copy_payload(at + COPSE_HEADER_BYTES, packet);
}

static bool
can_rewrite(const struct copse_packet *packet, const struct copse_copy *copy) {
  const struct rte_mbuf *mbuf = packet->mbuf;

  return (mbuf->nb_segs == 1 || copy->lane->config.technique.chain) &&
         rte_pktmbuf_headroom(mbuf) + packet->payload_offset >= copy->destination->header_bytes + COPSE_HEADER_BYTES;
}

static __rte_always_inline void
rewrite(const struct copse_copy *copy, const struct fields *fields, uint16_t checksum,
        const struct copse_packet *packet) {
  struct rte_mbuf *frame = packet->mbuf;
  const uint32_t headers = copy->frame_bytes - packet->payload_bytes;

  frame->data_off = (uint16_t)(frame->data_off + packet->payload_offset - headers);
  frame->data_len = (uint16_t)(frame->data_len - packet->payload_offset + headers);
  frame->pkt_len = copy->frame_bytes;
  frame->ol_flags = 0;
  uint8_t *at = rte_pktmbuf_mtod(frame, uint8_t *);
  const struct copse_header header = *packet->out[copy->to_member];
  write_addresses(at, copy, fields, checksum, packet);
  at += copy->destination->header_bytes;
  memcpy(at, &header, sizeof(header));
  ((struct copse_header *)at)->label = copy->label;
}

/* ---- copies for one lane ---- */

static void
lose(struct copse_worker *worker, const struct copse_run *run, const struct copse_copy *copy) {
  copse_drop_copy(worker, run->packets->tree, copy->index, run->yellow, COPSE_DROP_NO_BUFFER,
                  (uint32_t)__builtin_popcount(copy->packets));
  for (uint32_t packets = copy->packets; copy->chain && packets != 0; packets &= packets - 1)
    rte_pktmbuf_free(run->packets[__builtin_ctz(packets)].mbuf);
}

static inline struct copse_tx_note
note_of(const struct copse_run *run, const struct copse_copy *copy, uint32_t frames) {
  return (struct copse_tx_note){.tree = run->packets->tree,
                                .destination = copy->index,
                                .frames = frames,
                                .frame_bytes = copy->frame_bytes,
                                .l3_offset = copy->destination->l3_offset,
                                .yellow = run->yellow};
}

/* Takes `count` mbufs, or else as many as there are; returns how many. */
static uint32_t
take(struct rte_mempool *pool, struct rte_mbuf **mbufs, uint32_t count) {
  uint32_t taken = 0;

  if (likely(rte_mempool_get_bulk(pool, (void **)mbufs, count) == 0))
    return count;
  while (taken < count && rte_mempool_get(pool, (void **)&mbufs[taken]) == 0)
    taken++;
  return taken;
}

/* Makes up to `count` copies for a next hop in `frames`, and forgets their packets; returns how many. */
static __rte_always_inline uint32_t
fill_frames(struct rte_mbuf **frames, uint32_t count, const struct copse_run *run, bool one, struct copse_copy *copy,
            const struct fields *fields) {
  const uint16_t checksum = ipv4_checksum(copy, fields);
  uint32_t packets = one ? 1 : copy->packets, made = 0;

  for (; made < count && packets != 0; made++, packets &= packets - 1) {
    const struct copse_packet *packet = &run->packets[__builtin_ctz(packets)];
    if (copy->chain)
      chain_copy(frames[made], copy, fields, checksum, packet);
    else
      single_copy(frames[made], copy, fields, checksum, packet);
  }
  copy->packets = packets;
  return made;
}

/* Makes copies for the first of `count` next hops, and those after it of the same lane and technique, where the lane
 * keeps them and as far as it has room; `one`: the run is of one packet, `uniform`: they are all of one lane and
 * technique. Returns how many next hops are done with. */
static __rte_always_inline uint32_t
send_copies(struct copse_worker *worker, const struct copse_run *run, bool one, bool uniform, struct copse_copy *copies,
            uint32_t count, const struct fields *fields) {
  struct copse_lane *lane = copies->lane;
  const bool chain = copies->chain;
  uint32_t frames = 0, hops = 0, done = 0;

  if (unlikely(lane->waiting == COPSE_TX_BURST))
    copse_transmit(worker, lane);
  const uint32_t room = COPSE_TX_BURST - lane->waiting;
  if (one && uniform)
    frames = hops = RTE_MIN(count, room);
  for (; hops < count && copies[hops].lane == lane && copies[hops].chain == chain && frames < room; hops++)
    frames += one ? 1 : (uint32_t)__builtin_popcount(copies[hops].packets);
  frames = RTE_MIN(frames, room);
  struct rte_mbuf **frame = &lane->frame[lane->waiting];
  struct copse_tx_note *note = &lane->note[lane->notes];
  const uint32_t taken = take(chain ? lane->config.technique.header : lane->config.technique.copy, frame, frames);
  for (uint32_t made, left = taken; left > 0; frame += made, left -= made) {
    made = fill_frames(frame, left, run, one, &copies[done], fields);
    *note++ = note_of(run, &copies[done], made);
    done += one || copies[done].packets == 0;
  }
  lane->waiting += taken;
  lane->notes = (uint32_t)(note - lane->note);
  if (likely(taken == frames))
    return done;
  copse_rotate(worker);
  for (; done < hops; done++)
    lose(worker, run, &copies[done]);
  return hops;
}

/* ---- all copies of a run ---- */

static void
free_packets(const struct copse_run *run, uint32_t packets) {
  for (; packets != 0; packets &= packets - 1)
    rte_pktmbuf_free(run->packets[__builtin_ctz(packets)].mbuf);
}

/* Takes off the packet what is not shared; what remains has one reference for each of `holders`. */
static void
share_packet(struct copse_packet *packet, const struct fields *fields, uint32_t holders) {
  const uint16_t shared = fields->whole ? 0 : COPSE_HEADER_BYTES - OWN_BYTES;
  struct rte_mbuf *head = packet->mbuf;

  if (unlikely(holders == 0)) {
    rte_pktmbuf_free(head);
    return;
  }
  rte_pktmbuf_adj(head, packet->payload_offset - shared);
  packet->payload_offset = shared;
  if (unlikely(head->data_len == 0 && head->next != NULL)) {
    packet->mbuf = head->next;
    packet->mbuf->nb_segs = head->nb_segs - 1;
    head->next = NULL;
    head->nb_segs = 1;
    rte_pktmbuf_free_seg(head);
  }
  if (holders > 1)
    rte_pktmbuf_refcnt_update(packet->mbuf, (int16_t)(holders - 1));
}

/* How many copies share packet `number` of a run. */
static uint32_t
chains_of(const struct copse_worker *worker, const struct copse_chosen *chosen, int number) {
  uint32_t chains = 0;

  for (uint32_t i = 0; i < chosen->copies; i++)
    chains += worker->copies[i].chain && worker->copies[i].packets >> number & 1;
  return chains;
}

/* Shares packets of a run between the copies that chain, and us if we `hold` them. */
static void
share_packets(const struct copse_worker *worker, const struct copse_run *run, uint32_t packets,
              const struct copse_chosen *chosen, const struct fields *fields, bool hold) {
  for (; packets != 0; packets &= packets - 1) {
    const int i = __builtin_ctz(packets);
    const uint32_t chains = chosen->partial ? chains_of(worker, chosen, i) : chosen->chains;
    share_packet(&run->packets[i], fields, chains + hold);
  }
}

/* Whether all packets of the copies may become the copies themselves. Some would be out of order. */
static __rte_always_inline bool
can_rewrite_all(const struct copse_run *run, bool one, const struct copse_copy *copy) {
  for (uint32_t packets = one ? 1 : copy->packets; packets != 0; packets &= packets - 1)
    if (!can_rewrite(&run->packets[__builtin_ctz(packets)], copy))
      return false;
  return true;
}

static __rte_always_inline void
send_packets(struct copse_worker *worker, const struct copse_run *run, bool one, const struct copse_copy *copy,
             const struct fields *fields) {
  const uint16_t checksum = ipv4_checksum(copy, fields);
  struct copse_lane *lane = copy->lane;

  for (uint32_t packets = one ? 1 : copy->packets; packets != 0;) {
    if (unlikely(lane->waiting == COPSE_TX_BURST))
      copse_transmit(worker, lane);
    const uint32_t first = lane->waiting;
    uint32_t end = first;
    for (; packets != 0 && end < COPSE_TX_BURST; packets &= packets - 1) {
      const struct copse_packet *packet = &run->packets[__builtin_ctz(packets)];
      rewrite(copy, fields, checksum, packet);
      lane->frame[end++] = packet->mbuf;
    }
    copse_note(lane, note_of(run, copy, end - first));
  }
}

static __rte_always_inline void
make_copies(struct copse_worker *worker, const struct copse_run *run, bool one, const struct copse_chosen *chosen) {
  const struct copse_copy *last = &worker->copies[chosen->copies - 1];
  const uint32_t all = one ? 1 : copse_all(run);
  struct fields fields;

  fill_fields(&fields, run);
  if (unlikely(chosen->ipv6))
    for (uint32_t i = 0; i < run->count; i++)
      sum_packet(&run->packets[i]);
  const bool in_place = (chosen->chains == 0 || chosen->copies == 1) && can_rewrite_all(run, one, last);
  if (chosen->copies == 1 && in_place) {
    send_packets(worker, run, one, last, &fields);
    free_packets(run, one ? 0 : all & ~last->packets);
    return;
  }
  const uint32_t rest = !in_place ? all : one ? 0 : all & ~last->packets;
  const bool uniform = !chosen->several && (chosen->chains == 0 || chosen->chains == chosen->copies);
  /* Copies into one segment read the packet until the end. */
  const bool hold = chosen->chains < chosen->copies;
  if (chosen->chains > 0 && rest != 0)
    share_packets(worker, run, rest, chosen, &fields, hold);
  for (uint32_t i = 0; i < chosen->copies - in_place;)
    i += send_copies(worker, run, one, uniform, &worker->copies[i], chosen->copies - in_place - i, &fields);
  if (in_place)
    send_packets(worker, run, one, last, &fields);
  if (hold)
    free_packets(run, rest);
}

/* Where trees are many, most runs are of one packet: these are compiled apart. */
void
copse_make_copies(struct copse_worker *worker, const struct copse_run *run, const struct copse_chosen *chosen) {
  if (unlikely(chosen->copies == 0))
    free_packets(run, copse_all(run));
  else if (run->count == 1)
    make_copies(worker, run, true, chosen);
  else
    make_copies(worker, run, false, chosen);
}
