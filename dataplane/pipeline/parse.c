/* SPDX-License-Identifier: Apache-2.0 */
/* Ethernet, at most one VLAN tag, IPv4 without options or IPv6 without extension headers, UDP to one of our
 * addresses, block header. Everything up to the payload must be in the first segment. */
#include "pipeline/checksum.h"
#include "pipeline/pipeline.h"

#include <netinet/in.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

/* Where the stages inside parsing are. */
struct cursor {
  uint8_t *data;
  uint32_t contiguous; /* bytes of the first segment */
  uint32_t frame;      /* bytes of all segments */
  uint32_t offset;     /* of what comes next */
};

/* The next `bytes` bytes, or null if they are not in the first segment. */
static inline void *
take(struct cursor *cursor, uint32_t bytes) {
  void *at = cursor->data + cursor->offset;

  if (unlikely(cursor->contiguous < cursor->offset + bytes))
    return NULL;
  cursor->offset += bytes;
  return at;
}

/* Sets `type` to the EtherType, host order. */
static enum copse_packet_drop
parse_ethernet(struct cursor *cursor, uint16_t *type) {
  const struct rte_ether_hdr *ethernet = take(cursor, sizeof(*ethernet));
  const struct rte_vlan_hdr *vlan;

  if (ethernet == NULL)
    return COPSE_DROP_TRUNCATED;
  *type = rte_be_to_cpu_16(ethernet->ether_type);
  if (*type == RTE_ETHER_TYPE_VLAN) {
    if ((vlan = take(cursor, sizeof(*vlan))) == NULL)
      return COPSE_DROP_TRUNCATED;
    *type = rte_be_to_cpu_16(vlan->eth_proto);
  }
  return COPSE_PASS;
}

static bool
is_local(const struct copse_endpoint *local, const void *address, size_t bytes) {
  return local->port != 0 && memcmp(local->address + sizeof(local->address) - bytes, address, bytes) == 0;
}

static enum copse_packet_drop
parse_ipv4(const struct copse_worker *worker, struct cursor *cursor, struct copse_packet *packet) {
  const struct rte_ipv4_hdr *ip = take(cursor, sizeof(*ip));
  const uint64_t offload = packet->mbuf->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;

  if (ip == NULL)
    return COPSE_DROP_TRUNCATED;
  if (ip->version_ihl != RTE_IPV4_VHL_DEF || ip->next_proto_id != IPPROTO_UDP)
    return COPSE_DROP_NOT_BLOCK;
  if (ip->fragment_offset & rte_cpu_to_be_16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK))
    return COPSE_DROP_FRAGMENT;
  if (offload == RTE_MBUF_F_RX_IP_CKSUM_BAD ||
      (offload == RTE_MBUF_F_RX_IP_CKSUM_UNKNOWN && copse_sum_bytes(ip, sizeof(*ip)) != 0xffff))
    return COPSE_DROP_BAD_CHECKSUM;
  if (!is_local(&worker->table->local4, &ip->dst_addr, sizeof(ip->dst_addr)))
    return COPSE_DROP_NOT_BLOCK;
  packet->ipv6 = false;
  packet->l3_bytes = rte_be_to_cpu_16(ip->total_length);
  memset(packet->source, 0, 10);
  memset(packet->source + 10, 0xff, 2);
  memcpy(packet->source + 12, &ip->src_addr, 4);
  return packet->l3_bytes < sizeof(*ip) + sizeof(struct rte_udp_hdr) ? COPSE_DROP_TRUNCATED : COPSE_PASS;
}

static enum copse_packet_drop
parse_ipv6(const struct copse_worker *worker, struct cursor *cursor, struct copse_packet *packet) {
  const struct rte_ipv6_hdr *ip = take(cursor, sizeof(*ip));

  if (ip == NULL)
    return COPSE_DROP_TRUNCATED;
  if (ip->proto == IPPROTO_FRAGMENT)
    return COPSE_DROP_FRAGMENT;
  if ((ip->vtc_flow & rte_cpu_to_be_32(0xf0000000)) != rte_cpu_to_be_32(0x60000000) || ip->proto != IPPROTO_UDP ||
      !is_local(&worker->table->local6, ip->dst_addr, sizeof(ip->dst_addr)))
    return COPSE_DROP_NOT_BLOCK;
  const uint32_t bytes = sizeof(*ip) + rte_be_to_cpu_16(ip->payload_len);
  packet->ipv6 = true;
  packet->l3_bytes = (uint16_t)bytes;
  memcpy(packet->source, ip->src_addr, sizeof(packet->source));
  return bytes < sizeof(*ip) + sizeof(struct rte_udp_hdr) || bytes > UINT16_MAX ? COPSE_DROP_TRUNCATED : COPSE_PASS;
}

/* Over all segments, unless the port did it or IPv4 says there is none. Leaves the payload's sum for the copies. */
static bool
checksum_is_wrong(struct copse_packet *packet, const struct rte_udp_hdr *udp) {
  const uint64_t offload = packet->mbuf->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
  const uint32_t addresses = packet->ipv6 ? 32 : 8; /* of the pseudo header, before UDP; the block header is behind */
  const uint8_t *first = (const uint8_t *)udp - addresses;

  if (udp->dgram_cksum == 0)
    return packet->ipv6;
  if (offload != RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN)
    return offload == RTE_MBUF_F_RX_L4_CKSUM_BAD;
  const uint32_t headers = copse_sum_bytes(first, addresses + (uint32_t)sizeof(*udp) + COPSE_HEADER_BYTES) +
                           (uint32_t)udp->dgram_len + rte_cpu_to_be_16(IPPROTO_UDP);
  packet->payload_sum = copse_sum(packet->mbuf, packet->payload_offset, packet->payload_bytes);
  packet->summed = true;
  return __rte_raw_cksum_reduce(headers + packet->payload_sum) != 0xffff;
}

static enum copse_packet_drop
parse_header(struct cursor *cursor, struct copse_packet *packet, uint32_t bytes) {
  if (bytes >= COPSE_HEADER_BYTES && (packet->header = take(cursor, COPSE_HEADER_BYTES)) == NULL)
    return COPSE_DROP_TRUNCATED;
  switch (copse_header_check(packet->header, bytes)) {
  case 0:
    packet->payload_offset = (uint16_t)cursor->offset;
    packet->payload_bytes = (uint16_t)(bytes - COPSE_HEADER_BYTES);
    return COPSE_PASS;
  case -EPROTONOSUPPORT:
    return COPSE_DROP_BAD_VERSION;
  case -EBADMSG:
    return COPSE_DROP_BAD_TYPE;
  case -EINVAL:
    return COPSE_DROP_BAD_LENGTH;
  default:
    return COPSE_DROP_TRUNCATED;
  }
}

static enum copse_packet_drop
parse_udp(const struct copse_worker *worker, struct cursor *cursor, struct copse_packet *packet) {
  const struct copse_endpoint *local = packet->ipv6 ? &worker->table->local6 : &worker->table->local4;
  const struct rte_udp_hdr *udp = take(cursor, sizeof(*udp));
  enum copse_packet_drop drop;

  if (udp == NULL)
    return COPSE_DROP_TRUNCATED;
  if (udp->dst_port != local->port)
    return COPSE_DROP_NOT_BLOCK;
  const uint32_t end = packet->l3_offset + packet->l3_bytes;
  const uint32_t bytes = rte_be_to_cpu_16(udp->dgram_len);
  if (end > cursor->frame)
    return COPSE_DROP_TRUNCATED;
  if (cursor->offset - sizeof(*udp) + bytes != end || bytes < sizeof(*udp))
    return COPSE_DROP_BAD_LENGTH;
  packet->source_port = udp->src_port;
  packet->summed = false;
  if ((drop = parse_header(cursor, packet, bytes - sizeof(*udp))) != COPSE_PASS)
    return drop;
  if (checksum_is_wrong(packet, udp))
    return COPSE_DROP_BAD_CHECKSUM;
  /* What is behind the IP packet is padding. */
  if (cursor->frame > end && rte_pktmbuf_trim(packet->mbuf, (uint16_t)(cursor->frame - end)) != 0)
    return COPSE_DROP_BAD_LENGTH;
  return COPSE_PASS;
}

/* What most frames are: untagged IPv4, complete in the first segment, without a UDP checksum. */
struct common_frame {
  struct rte_ether_hdr ethernet;
  struct rte_ipv4_hdr ip;
  struct rte_udp_hdr udp;
  struct copse_header header;
} __attribute__((packed, aligned(2)));
static_assert(sizeof(struct common_frame) == 74, "no padding");

/* Whether the first eight bytes of an IPv4 header say: no options, not a fragment. */
static inline bool
is_plain(const struct rte_ipv4_hdr *ip) {
  const uint64_t mask = rte_cpu_to_be_64(0xff00000000003fff), plain = rte_cpu_to_be_64(0x4500000000000000);
  uint64_t start;

  memcpy(&start, ip, sizeof(start));
  return (start & mask) == plain;
}

/* Takes a packet that passes all checks below in one go. Of any other the stages above say what it is. */
static inline bool
parse_common(const struct copse_worker *worker, struct copse_packet *packet) {
  const struct copse_endpoint *local = &worker->table->local4;
  struct rte_mbuf *mbuf = packet->mbuf;
  struct common_frame *frame = rte_pktmbuf_mtod(mbuf, struct common_frame *);
  const uint64_t offload = mbuf->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;
  uint32_t address;

  if (unlikely(mbuf->data_len < sizeof(*frame)))
    return false;
  memcpy(&address, local->address + 12, sizeof(address));
  const uint32_t payload = be16toh(frame->header.length), udp_bytes = payload + 8 + COPSE_HEADER_BYTES;
  if (unlikely(frame->ethernet.ether_type != rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4) || !is_plain(&frame->ip) ||
               frame->ip.next_proto_id != IPPROTO_UDP || frame->ip.dst_addr != address ||
               frame->udp.dst_port != local->port || local->port == 0 || frame->udp.dgram_cksum != 0 ||
               be16toh(frame->udp.dgram_len) != udp_bytes || be16toh(frame->ip.total_length) != udp_bytes + 20 ||
               mbuf->pkt_len != udp_bytes + 34 || frame->header.version != COPSE_WIRE_VERSION ||
               (uint8_t)(frame->header.type - COPSE_DATA) > COPSE_ACCEPT - COPSE_DATA ||
               offload == RTE_MBUF_F_RX_IP_CKSUM_BAD ||
               (offload == RTE_MBUF_F_RX_IP_CKSUM_UNKNOWN && copse_sum_bytes(&frame->ip, sizeof(frame->ip)) != 0xffff)))
    return false;
  packet->header = &frame->header;
  memset(packet->source, 0, 10);
  memset(packet->source + 10, 0xff, 2);
  memcpy(packet->source + 12, &frame->ip.src_addr, 4);
  packet->source_port = frame->udp.src_port;
  packet->l3_offset = sizeof(frame->ethernet);
  packet->l3_bytes = (uint16_t)(udp_bytes + sizeof(frame->ip));
  packet->payload_offset = sizeof(*frame);
  packet->payload_bytes = (uint16_t)payload;
  packet->ipv6 = false;
  packet->summed = false;
  return true;
}

static __rte_noinline enum copse_packet_drop
parse_frame(const struct copse_worker *worker, struct copse_packet *packet) {
  struct cursor cursor = {
    .data = rte_pktmbuf_mtod(packet->mbuf, uint8_t *),
    .contiguous = rte_pktmbuf_data_len(packet->mbuf),
    .frame = rte_pktmbuf_pkt_len(packet->mbuf),
  };
  enum copse_packet_drop drop;
  uint16_t type;

  if ((drop = parse_ethernet(&cursor, &type)) != COPSE_PASS)
    return drop;
  packet->l3_offset = (uint16_t)cursor.offset;
  if (type == RTE_ETHER_TYPE_IPV4)
    drop = parse_ipv4(worker, &cursor, packet);
  else if (type == RTE_ETHER_TYPE_IPV6)
    drop = parse_ipv6(worker, &cursor, packet);
  else
    drop = COPSE_DROP_NOT_BLOCK;
  return drop == COPSE_PASS ? parse_udp(worker, &cursor, packet) : drop;
}

unsigned
copse_parse(struct copse_worker *worker, struct rte_mbuf **frames, unsigned count) {
  unsigned passed = 0;

  for (unsigned i = 0; i < count; i++) {
    struct copse_packet *packet = &worker->packets[passed];
    packet->mbuf = frames[i];
    const enum copse_packet_drop drop = likely(parse_common(worker, packet)) ? COPSE_PASS : parse_frame(worker, packet);
    if (unlikely(drop != COPSE_PASS)) {
      copse_drop_packet(worker, frames[i], drop);
      continue;
    }
    const uint32_t slot = copse_label_slot(be32toh(packet->header->label));
    if (likely(slot < worker->table->limits.labels))
      rte_prefetch0(&worker->table->entries[slot]);
    passed++;
  }
  return passed;
}
