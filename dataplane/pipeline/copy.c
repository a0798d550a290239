/* SPDX-License-Identifier: Apache-2.0 */
/* Makes copies: by rewriting the packet itself when there is one left to make, by copying it into one segment, or by
 * new headers in front of its payload, which all such copies share. */
#include "pipeline/checksum.h"
#include "pipeline/pipeline.h"

#include <rte_ip.h>
#include <rte_udp.h>

#define DSCP_AF11 (10 << 2) /* green */
#define DSCP_AF12 (12 << 2) /* yellow */

/* What the copies of one packet have in common. */
struct content {
  const struct copse_header *header; /* to links, to members */
  struct rte_mbuf *payload;          /* and what follows it */
  uint32_t payload_offset;
  uint32_t payload_bytes;
  uint16_t segments; /* of the shared payload */
  uint8_t dscp;
  uint16_t udp_bytes;  /* network order */
  uint16_t sum[2];     /* of header and payload, for IPv6 */
  uint8_t ipv4[4];     /* first bytes of the header: version, DSCP, length */
  uint32_t ipv4_extra; /* what they add to the sum of a destination's header */
};

static void
fill_content(struct content *content, const struct copse_packet *packet) {
  const uint16_t udp_bytes = (uint16_t)(sizeof(struct rte_udp_hdr) + COPSE_HEADER_BYTES + packet->payload_bytes);
  const uint16_t ipv4_bytes = rte_cpu_to_be_16((uint16_t)(sizeof(struct rte_ipv4_hdr) + udp_bytes));

  content->header = packet->out;
  content->payload = packet->mbuf;
  content->payload_offset = packet->payload_offset;
  content->payload_bytes = packet->payload_bytes;
  content->segments = packet->mbuf->nb_segs;
  content->dscp = packet->colour == COPSE_GREEN ? DSCP_AF11 : DSCP_AF12;
  content->udp_bytes = rte_cpu_to_be_16(udp_bytes);
  content->ipv4[0] = RTE_IPV4_VHL_DEF;
  content->ipv4[1] = content->dscp;
  memcpy(content->ipv4 + 2, &ipv4_bytes, sizeof(ipv4_bytes));
  content->ipv4_extra = (uint32_t)ipv4_bytes + rte_cpu_to_be_16(content->dscp);
}

/* Before the headers are taken off the packet. */
static void
sum_content(struct content *content) {
  const uint32_t payload = copse_sum(content->payload, content->payload_offset, content->payload_bytes);

  for (int i = 0; i < 2; i++)
    content->sum[i] = __rte_raw_cksum_reduce(payload + rte_raw_cksum(&content->header[i], sizeof(content->header[i])));
}

static inline void
finish_ipv4(struct rte_ipv4_hdr *ip, const struct copse_destination *destination, const struct content *content) {
  memcpy(ip, content->ipv4, sizeof(content->ipv4));
  ip->hdr_checksum = (uint16_t)~__rte_raw_cksum_reduce(destination->checksum + content->ipv4_extra);
  ((struct rte_udp_hdr *)(ip + 1))->dgram_len = content->udp_bytes;
}

static void
finish_ipv6(struct rte_ipv6_hdr *ip, const struct copse_copy *copy, const struct content *content) {
  struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip + 1);
  uint16_t checksum;

  ip->vtc_flow = rte_cpu_to_be_32(6U << 28 | (uint32_t)content->dscp << 20);
  ip->payload_len = content->udp_bytes;
  udp->dgram_len = content->udp_bytes;
  checksum =
    (uint16_t)~__rte_raw_cksum_reduce(copy->destination->checksum + 2U * content->udp_bytes +
                                      content->sum[copy->to_member] + (copy->label & 0xffff) + (copy->label >> 16));
  udp->dgram_cksum = checksum == 0 ? 0xffff : checksum;
}

/* Everything up to the payload. Moved in whole registers, so that what a short header leaves over is overwritten by
 * what follows it: first the addresses, then the block header. */
static inline void
write_headers(uint8_t *at, const struct copse_copy *copy, const struct content *content) {
  const struct copse_destination *destination = copy->destination;
  struct copse_header *header = (struct copse_header *)(at + destination->header_bytes);

  memcpy(at, destination->header, 48);
  if (likely(!destination->ipv6)) {
    finish_ipv4((struct rte_ipv4_hdr *)(at + destination->l3_offset), destination, content);
  } else {
    memcpy(at + 48, destination->header + 48, sizeof(destination->header) - 48);
    finish_ipv6((struct rte_ipv6_hdr *)(at + destination->l3_offset), copy, content);
  }
  memcpy(header, &content->header[copy->to_member], sizeof(*header));
  header->label = copy->label;
}

/* ---- the three techniques ---- */

/* All that an mbuf fresh from its pool (one reference, one segment) needs to become a frame. */
static inline void
fill_mbuf(struct rte_mbuf *frame, uint32_t data_bytes, uint32_t frame_bytes) {
  frame->data_off = RTE_PKTMBUF_HEADROOM;
  frame->data_len = (uint16_t)data_bytes;
  frame->pkt_len = frame_bytes;
  frame->ol_flags = 0;
  frame->tx_offload = 0;
}

/* Takes over one reference to the payload. */
static inline void
chain_copy(struct rte_mbuf *frame, const struct copse_copy *copy, const struct content *content) {
  fill_mbuf(frame, copy->frame_bytes - content->payload_bytes, copy->frame_bytes);
  frame->nb_segs = content->segments + 1;
  frame->next = content->payload;
  write_headers(rte_pktmbuf_mtod(frame, uint8_t *), copy, content);
}

static void
copy_payload(uint8_t *to, const struct content *content) {
  const struct rte_mbuf *segment = content->payload;
  uint32_t offset = content->payload_offset, left = content->payload_bytes;

  for (; left > 0; segment = segment->next, offset = 0) {
    const uint32_t here = RTE_MIN(left, segment->data_len - offset);
    memcpy(to, rte_pktmbuf_mtod_offset(segment, uint8_t *, offset), here);
    to += here;
    left -= here;
  }
}

static inline void
single_copy(struct rte_mbuf *frame, const struct copse_copy *copy, const struct content *content) {
  fill_mbuf(frame, copy->frame_bytes, copy->frame_bytes);
  uint8_t *at = rte_pktmbuf_mtod(frame, uint8_t *);
  write_headers(at, copy, content);
  copy_payload(at + copy->frame_bytes - content->payload_bytes, content);
}

static bool
can_rewrite(const struct copse_packet *packet, const struct copse_copy *copy) {
  const struct rte_mbuf *mbuf = packet->mbuf;

  return (mbuf->nb_segs == 1 || copy->lane->config.technique.chain) &&
         rte_pktmbuf_headroom(mbuf) + packet->payload_offset >= copy->destination->header_bytes + COPSE_HEADER_BYTES;
}

static void
rewrite(struct rte_mbuf *frame, const struct copse_copy *copy, const struct content *content) {
  const uint32_t headers = copy->frame_bytes - content->payload_bytes;

  frame->data_off = (uint16_t)(frame->data_off + content->payload_offset - headers);
  frame->data_len = (uint16_t)(frame->data_len - content->payload_offset + headers);
  frame->pkt_len = copy->frame_bytes;
  frame->ol_flags = 0;
  write_headers(rte_pktmbuf_mtod(frame, uint8_t *), copy, content);
}

/* ---- all copies of a packet ---- */

/* Takes the headers off the packet; what remains has one reference for each of `holders`. */
static void
share_payload(struct content *content, uint32_t holders) {
  struct rte_mbuf *head = content->payload;

  rte_pktmbuf_adj(head, (uint16_t)content->payload_offset);
  content->payload_offset = 0;
  if (head->data_len == 0 && head->next != NULL) {
    content->payload = head->next;
    content->segments--;
    head->next = NULL;
    head->nb_segs = 1;
    rte_pktmbuf_free_seg(head);
  }
  if (holders > 1)
    rte_pktmbuf_refcnt_update(content->payload, (int16_t)(holders - 1));
}

static void
lose(struct copse_worker *worker, const struct copse_packet *packet, const struct copse_copy *copy) {
  copse_drop_copy(worker, packet->tree, copy->index, packet->colour == COPSE_YELLOW, COPSE_DROP_NO_BUFFER);
}

static inline struct copse_tx_note
note_of(const struct copse_packet *packet, const struct copse_copy *copy) {
  return (struct copse_tx_note){.tree = packet->tree,
                                .destination = copy->index,
                                .frame_bytes = copy->frame_bytes,
                                .l3_offset = copy->destination->l3_offset,
                                .yellow = packet->colour == COPSE_YELLOW};
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

/* How many copies from the first on are for one lane and made in one way. */
static uint32_t
run_of(const struct copse_copy *copies, uint32_t count) {
  uint32_t run = 1;

  while (run < count && copies[run].lane == copies->lane && copies[run].chain == copies->chain)
    run++;
  return run;
}

/* Makes copies of a run where its lane keeps them, or counts those that there is no buffer for. Returns how many it
 * has dealt with. */
static uint32_t
send_run(struct copse_worker *worker, const struct copse_packet *packet, const struct copse_copy *copies,
         uint32_t count, const struct content *content) {
  struct copse_lane *lane = copies->lane;
  const bool chain = copies->chain;

  if (unlikely(lane->waiting == COPSE_TX_BURST))
    copse_transmit(worker, lane);
  count = RTE_MIN(count, COPSE_TX_BURST - lane->waiting);
  struct rte_mbuf **frames = &lane->frame[lane->waiting];
  struct copse_tx_note *notes = &lane->note[lane->waiting];
  const uint32_t taken = take(chain ? lane->config.technique.header : lane->config.technique.copy, frames, count);
  for (uint32_t i = 0; i < taken; i++) {
    if (chain)
      chain_copy(frames[i], &copies[i], content);
    else
      single_copy(frames[i], &copies[i], content);
    notes[i] = note_of(packet, &copies[i]);
  }
  lane->waiting += taken;
  if (likely(taken == count))
    return count;
  worker->rotation++;
  for (uint32_t i = taken; i < count; i++) {
    lose(worker, packet, &copies[i]);
    if (chain)
      rte_pktmbuf_free(content->payload);
  }
  return count;
}

void
copse_make_copies(struct copse_worker *worker, struct copse_packet *packet, const struct copse_chosen *chosen) {
  const uint32_t count = chosen->copies;
  struct copse_copy *copies = worker->copies, *last = &copies[count - 1];
  struct content content;

  if (unlikely(!copse_own(worker, packet))) {
    for (uint32_t i = 0; i < count; i++)
      lose(worker, packet, &copies[i]);
    rte_pktmbuf_free(packet->mbuf);
    return;
  }
  fill_content(&content, packet);
  if (unlikely(chosen->ipv6))
    sum_content(&content);
  const bool in_place = (chosen->chains == 0 || count == 1) && can_rewrite(packet, last);
  const uint32_t chains = in_place ? 0 : chosen->chains;
  /* Copies into one segment read the payload too: then it is held until the end. */
  const bool hold = !in_place && chains < count;
  if (chains > 0)
    share_payload(&content, chains + hold);
  for (uint32_t i = 0; i < count - in_place;)
    i += send_run(worker, packet, &copies[i], run_of(&copies[i], count - in_place - i), &content);
  if (in_place) {
    rewrite(packet->mbuf, last, &content);
    copse_queue(worker, last->lane, packet->mbuf, note_of(packet, last));
  }
  if (hold)
    rte_pktmbuf_free(content.payload);
}
