/* SPDX-License-Identifier: Apache-2.0 */
/* Permission to receive: the received mbuf is turned around, so a reply needs no memory and is never larger than
 * its request. Nothing is remembered between HELLO and RESPONSE: the cookie is a keyed hash of what it proves. */
#include "pipeline/pipeline.h"
#include "pipeline/tag.h"

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#define COOKIE_PERIOD_S 16
#define HOPS_IN_IP 64

static_assert(crypto_shorthash_siphashx24_BYTES == COPSE_COOKIE_BYTES, "the cookie is a SipHash of 128 bits");
static_assert(COPSE_COOKIE_BYTES <= COPSE_HELLO_PAYLOAD_BYTES, "a CHALLENGE is not larger than its HELLO");
static_assert(sizeof(struct copse_accept) <= COPSE_COOKIE_BYTES, "an ACCEPT is not larger than its RESPONSE");

static void
make_cookie(const struct copse_forwarding *table, const struct copse_packet *packet, uint64_t period,
            uint8_t cookie[COPSE_COOKIE_BYTES]) {
  struct {
    uint64_t period;
    uint32_t label;
    uint16_t port;
    uint8_t address[16];
  } __attribute__((packed)) proven = {period, packet->header->label, packet->source_port, {0}};

  memcpy(proven.address, packet->source, sizeof(proven.address));
  crypto_shorthash_siphashx24(cookie, (const uint8_t *)&proven, sizeof(proven), table->cookie_secret);
}

/* Of this period of the clock or the one before. */
static bool
is_our_cookie(const struct copse_forwarding *table, const struct copse_packet *packet, uint64_t period) {
  uint8_t given[COPSE_COOKIE_BYTES], ours[COPSE_COOKIE_BYTES], before[COPSE_COOKIE_BYTES];
  const uint8_t *at = rte_pktmbuf_read(packet->mbuf, packet->payload_offset, sizeof(given), given);

  make_cookie(table, packet, period, ours);
  make_cookie(table, packet, period - 1, before);
  return sodium_memcmp(at, ours, sizeof(ours)) == 0 || sodium_memcmp(at, before, sizeof(before)) == 0;
}

static void
turn_ip_around(struct copse_packet *packet, struct rte_udp_hdr *udp, uint16_t udp_bytes) {
  void *l3 = rte_pktmbuf_mtod_offset(packet->mbuf, void *, packet->l3_offset);

  udp->dst_port = packet->source_port;
  udp->dgram_len = rte_cpu_to_be_16(udp_bytes);
  udp->dgram_cksum = 0;
  if (packet->ipv6) {
    struct rte_ipv6_hdr *ip = l3;
    memcpy(ip->src_addr, ip->dst_addr, sizeof(ip->src_addr));
    memcpy(ip->dst_addr, packet->source, sizeof(ip->dst_addr));
    ip->vtc_flow = rte_cpu_to_be_32(6U << 28);
    ip->payload_len = udp->dgram_len;
    ip->hop_limits = HOPS_IN_IP;
    udp->dgram_cksum = rte_ipv6_udptcp_cksum(ip, udp);
  } else {
    struct rte_ipv4_hdr *ip = l3;
    ip->src_addr = ip->dst_addr;
    memcpy(&ip->dst_addr, packet->source + 12, sizeof(ip->dst_addr));
    ip->type_of_service = 0;
    ip->total_length = rte_cpu_to_be_16((uint16_t)(sizeof(*ip) + udp_bytes));
    ip->packet_id = 0;
    ip->fragment_offset = rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG);
    ip->time_to_live = HOPS_IN_IP;
    ip->hdr_checksum = 0;
    ip->hdr_checksum = rte_ipv4_cksum(ip);
  }
}

/* Cuts the frame after `bytes` of its first segment, which must have room for them. */
static bool
cut(struct rte_mbuf *mbuf, uint16_t bytes) {
  if (mbuf->data_off + bytes > mbuf->buf_len)
    return false;
  rte_pktmbuf_free(mbuf->next);
  mbuf->next = NULL;
  mbuf->nb_segs = 1;
  mbuf->data_len = bytes;
  mbuf->pkt_len = bytes;
  mbuf->ol_flags = 0;
  return true;
}

/* Writes the reply over the request and queues it. */
static enum copse_packet_drop
reply(struct copse_worker *worker, struct copse_lane *lane, struct copse_packet *packet, uint8_t type,
      const void *payload, uint16_t payload_bytes) {
  const uint16_t bytes = packet->payload_offset + payload_bytes;
  struct rte_ether_hdr *ethernet;
  struct rte_ether_addr us;

  if (lane->config.tx_queue == COPSE_QUEUE_NONE || !copse_own(worker, packet) || !cut(packet->mbuf, bytes))
    return COPSE_DROP_REPLY_FAILED;
  memcpy(packet->header + 1, payload, payload_bytes);
  packet->header->type = type;
  packet->header->flags = 0;
  packet->header->hop_limit = COPSE_HOP_LIMIT;
  packet->header->length = htobe16(payload_bytes);
  packet->header->tag = copse_tag(packet->header, packet->entry->key);

  ethernet = rte_pktmbuf_mtod(packet->mbuf, struct rte_ether_hdr *);
  us = ethernet->dst_addr;
  ethernet->dst_addr = ethernet->src_addr;
  ethernet->src_addr = us;
  struct rte_udp_hdr *udp = (struct rte_udp_hdr *)packet->header - 1;
  udp->src_port = udp->dst_port;
  turn_ip_around(packet, udp, (uint16_t)(sizeof(*udp) + COPSE_HEADER_BYTES + payload_bytes));
  copse_queue(worker, lane, packet->mbuf,
              (struct copse_tx_note){.tree = COPSE_SLOT_NONE, .frames = 1, .frame_bytes = bytes});
  return COPSE_PASS;
}

enum copse_packet_drop
copse_handshake(struct copse_worker *worker, struct copse_lane *lane, struct copse_packet *packet, uint64_t now) {
  const struct copse_forwarding *table = worker->table;
  const uint64_t period = now / (COOKIE_PERIOD_S * table->tsc_hz);

  if (packet->header->type == COPSE_HELLO) {
    uint8_t cookie[COPSE_COOKIE_BYTES];
    if (packet->payload_bytes != COPSE_HELLO_PAYLOAD_BYTES)
      return COPSE_DROP_BAD_LENGTH;
    make_cookie(table, packet, period, cookie);
    return reply(worker, lane, packet, COPSE_CHALLENGE, cookie, sizeof(cookie));
  }
  const struct copse_accept accept = {htobe32(worker->config.permission_s)};
  if (packet->payload_bytes != COPSE_COOKIE_BYTES)
    return COPSE_DROP_BAD_LENGTH;
  if (!is_our_cookie(table, packet, period))
    return COPSE_DROP_BAD_COOKIE;
  __atomic_store_n(&table->member_states[packet->member].permission_until, now + worker->permission, __ATOMIC_RELAXED);
  return reply(worker, lane, packet, COPSE_ACCEPT, &accept, sizeof(accept));
}
