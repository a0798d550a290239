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

/* Everything up to the payload. Where headers are shorter than what is moved at once, the block header follows. */
static inline void
write_headers(uint8_t *at, const struct copse_copy *copy, const struct content *content) {
  const struct copse_destination *destination = copy->destination;
  struct copse_header *header = (struct copse_header *)(at + destination->header_bytes);

  memcpy(at, destination->header, 48);
  if (unlikely(destination->ipv6))
    memcpy(at + 48, destination->header + 48, sizeof(destination->header) - 48);
  memcpy(header, &content->header[copy->to_member], sizeof(*header));
  header->label = copy->label;
  if (unlikely(destination->ipv6))
    finish_ipv6((struct rte_ipv6_hdr *)(at + destination->l3_offset), copy, content);
  else
    finish_ipv4((struct rte_ipv4_hdr *)(at + destination->l3_offset), destination, content);
}

/* ---- the three techniques; each returns the frame, or null for lack of a buffer ---- */

static struct rte_mbuf *
take(struct copse_stock *stock) {
  if (stock->length == 0) {
    if (rte_pktmbuf_alloc_bulk(stock->pool, stock->mbuf, COPSE_STOCK) != 0)
      return rte_pktmbuf_alloc(stock->pool);
    stock->length = COPSE_STOCK;
  }
  return stock->mbuf[--stock->length];
}

/* Takes over one reference to the payload. */
static struct rte_mbuf *
chain_copy(const struct copse_copy *copy, const struct content *content) {
  const uint16_t bytes = copy->destination->header_bytes + COPSE_HEADER_BYTES;
  struct rte_mbuf *frame = take(&copy->lane->headers);

  if (unlikely(frame == NULL))
    return NULL;
  write_headers(rte_pktmbuf_mtod(frame, uint8_t *), copy, content);
  frame->data_len = bytes;
  frame->pkt_len = bytes + content->payload_bytes;
  frame->nb_segs = content->segments + 1;
  frame->next = content->payload;
  return frame;
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

static struct rte_mbuf *
single_copy(const struct copse_copy *copy, const struct content *content) {
  const uint32_t headers = copy->destination->header_bytes + COPSE_HEADER_BYTES;
  const uint32_t bytes = headers + content->payload_bytes;
  struct rte_mbuf *frame = take(&copy->lane->copies);

  if (unlikely(frame == NULL))
    return NULL;
  if (unlikely(bytes > rte_pktmbuf_tailroom(frame))) {
    rte_pktmbuf_free(frame);
    return NULL;
  }
  write_headers(rte_pktmbuf_mtod(frame, uint8_t *), copy, content);
  copy_payload(rte_pktmbuf_mtod_offset(frame, uint8_t *, headers), content);
  frame->data_len = (uint16_t)bytes;
  frame->pkt_len = bytes;
  return frame;
}

static bool
can_rewrite(const struct copse_packet *packet, const struct copse_copy *copy) {
  const struct rte_mbuf *mbuf = packet->mbuf;

  return (mbuf->nb_segs == 1 || copy->lane->config.technique.chain) &&
         rte_pktmbuf_headroom(mbuf) + packet->payload_offset >= copy->destination->header_bytes + COPSE_HEADER_BYTES;
}

static struct rte_mbuf *
rewrite(struct rte_mbuf *frame, const struct copse_copy *copy, const struct content *content) {
  const uint32_t headers = copy->destination->header_bytes + COPSE_HEADER_BYTES;

  frame->data_off = (uint16_t)(frame->data_off + content->payload_offset - headers);
  frame->data_len = (uint16_t)(frame->data_len - content->payload_offset + headers);
  frame->pkt_len = frame->pkt_len - content->payload_offset + headers;
  frame->ol_flags = 0;
  write_headers(rte_pktmbuf_mtod(frame, uint8_t *), copy, content);
  return frame;
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

/* Queues a frame, or counts the copy that is missing for lack of one; returns how many are missing. */
static inline uint32_t
send_copy(struct copse_worker *worker, const struct copse_packet *packet, const struct copse_copy *copy,
          struct rte_mbuf *frame) {
  const uint32_t bytes = copy->destination->header_bytes + COPSE_HEADER_BYTES + packet->payload_bytes;

  if (unlikely(frame == NULL)) {
    lose(worker, packet, copy);
    return 1;
  }
  copse_queue(worker, copy->lane, frame,
              (struct copse_tx_note){.sent = copy->sent,
                                     .tree = packet->tree,
                                     .destination = copy->index,
                                     .frame_bytes = (uint16_t)bytes,
                                     .l3_bytes = (uint16_t)(bytes - copy->destination->l3_offset),
                                     .yellow = packet->colour == COPSE_YELLOW});
  return 0;
}

void
copse_make_copies(struct copse_worker *worker, struct copse_packet *packet, uint32_t count) {
  struct copse_copy *copies = worker->copies, *last = &copies[count - 1];
  struct content content;
  uint32_t chains = 0, missing = 0;
  bool ipv6 = false;

  if (unlikely(!copse_own(worker, packet))) {
    for (uint32_t i = 0; i < count; i++)
      lose(worker, packet, &copies[i]);
    rte_pktmbuf_free(packet->mbuf);
    return;
  }
  for (uint32_t i = 0; i < count; i++) {
    chains += copies[i].chain;
    ipv6 |= copies[i].destination->ipv6;
  }
  fill_content(&content, packet);
  if (unlikely(ipv6))
    sum_content(&content);
  const bool in_place = (chains == 0 || count == 1) && can_rewrite(packet, last);
  if (in_place)
    chains = 0;
  /* Copies into one segment read the payload too: then it is held until the end. */
  const bool hold = !in_place && chains < count;
  if (chains > 0)
    share_payload(&content, chains + hold);
  for (uint32_t i = 0; i < count - in_place; i++) {
    struct rte_mbuf *frame = copies[i].chain ? chain_copy(&copies[i], &content) : single_copy(&copies[i], &content);
    if (unlikely(frame == NULL) && copies[i].chain)
      rte_pktmbuf_free(content.payload);
    missing += send_copy(worker, packet, &copies[i], frame);
  }
  if (in_place)
    send_copy(worker, packet, last, rewrite(packet->mbuf, last, &content));
  if (hold)
    rte_pktmbuf_free(content.payload);
  if (unlikely(missing > 0))
    worker->rotation++;
}
