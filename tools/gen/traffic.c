/* SPDX-License-Identifier: Apache-2.0 */
#include "traffic.h"

#include "clock.h"
#include <math.h>
#include <rte_ether.h>
#include <rte_udp.h>
#include <sodium.h>
#include <stdlib.h>

#define LOCAL RTE_IPV4(198U, 18, 0, 1)

static uint32_t
base_of(enum gen_hop_kind kind) {
  return kind == GEN_LINK ? RTE_IPV4(198U, 19, 0, 1) : RTE_IPV4(198U, 20, 0, 1);
}

uint32_t
gen_hop_address(enum gen_hop_kind kind, uint32_t hop) {
  return base_of(kind) + hop;
}

void
gen_address6(uint32_t address, uint8_t out[16]) {
  static const uint8_t prefix[12] = {0x20, 0x01, 0x0d, 0xb8};

  address = htobe32(address);
  memcpy(out, prefix, sizeof(prefix));
  memcpy(out + sizeof(prefix), &address, sizeof(address));
}

void
gen_hop_mac(enum gen_hop_kind kind, uint32_t hop, uint8_t mac[6]) {
  const uint32_t number = hop + 1;
  const uint8_t bytes[6] = {2, 0, 0, (uint8_t)kind, (uint8_t)(number >> 8), (uint8_t)number};

  memcpy(mac, bytes, sizeof(bytes));
}

uint32_t
gen_hop_of(enum gen_hop_kind kind, uint32_t address) {
  const uint32_t hop = address - base_of(kind);

  return hop < GEN_HOPS_MAX ? hop : UINT32_MAX;
}

uint32_t
gen_tree_label(uint32_t tree) {
  return copse_label(tree, 1);
}

uint32_t
gen_hop_label(uint32_t tree, uint32_t hop) {
  return tree * GEN_HOPS_MAX + hop;
}

uint32_t
gen_member_label(uint32_t trees, uint32_t member) {
  return copse_label(trees + member, 1);
}

void
gen_key(char kind, uint32_t number, uint8_t key[COPSE_KEY_BYTES]) {
  memset(key, kind, COPSE_KEY_BYTES);
  memcpy(key, &number, sizeof(number));
}

uint64_t
gen_tag(const struct copse_header *header, const uint8_t key[COPSE_KEY_BYTES]) {
  uint8_t covered[COPSE_TAGGED_BYTES];
  uint64_t tag;

  copse_tagged_bytes(header, covered);
  crypto_shorthash_siphash24((uint8_t *)&tag, covered, sizeof(covered), key);
  return tag;
}

int
gen_traffic_create(struct gen_traffic *traffic, uint32_t trees_max, bool ipv6) {
  *traffic = (struct gen_traffic){
    .trees_max = trees_max, .ipv6 = ipv6, .headers = (uint32_t)GEN_FRAME_HEADERS + (ipv6 ? GEN_IPV6_MORE : 0)};
  traffic->order = calloc(GEN_ORDER, sizeof(*traffic->order));
  traffic->sequence = calloc(trees_max, sizeof(*traffic->sequence));
  traffic->stamps = calloc(GEN_STAMPS, sizeof(*traffic->stamps));
  if (traffic->order == NULL || traffic->sequence == NULL || traffic->stamps == NULL) {
    gen_traffic_free(traffic);
    return -ENOMEM;
  }
  for (uint32_t i = 0; i < trees_max; i++)
    traffic->sequence[i] = gen_clock_sequence();
  for (uint32_t i = 0; i < GEN_FRAME_MAX; i++)
    traffic->content[i] = (uint8_t)(i * 151 + (i >> 3));
  return 0;
}

void
gen_traffic_free(struct gen_traffic *traffic) {
  free(traffic->order);
  free(traffic->sequence);
  free(traffic->stamps);
  traffic->order = NULL;
  traffic->stamps = NULL;
  traffic->sequence = NULL;
}

void
gen_headers(uint8_t *out, const uint8_t mac[6], uint32_t address, uint32_t bytes) {
  struct rte_ether_hdr *ethernet = (struct rte_ether_hdr *)out;
  struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(ethernet + 1);
  struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip + 1);
  const uint16_t length = (uint16_t)(sizeof(*udp) + bytes);

  *ethernet = (struct rte_ether_hdr){.dst_addr = {{2, 0, 0, 0, 0, 1}}, .ether_type = htobe16(RTE_ETHER_TYPE_IPV4)};
  memcpy(&ethernet->src_addr, mac, sizeof(ethernet->src_addr));
  *ip = (struct rte_ipv4_hdr){.version_ihl = RTE_IPV4_VHL_DEF,
                              .total_length = htobe16((uint16_t)(sizeof(*ip) + length)),
                              .fragment_offset = htobe16(RTE_IPV4_HDR_DF_FLAG),
                              .time_to_live = 64,
                              .next_proto_id = IPPROTO_UDP,
                              .src_addr = htobe32(address),
                              .dst_addr = htobe32(LOCAL)};
  ip->hdr_checksum = rte_ipv4_cksum(ip);
  *udp = (struct rte_udp_hdr){
    .src_port = htobe16(COPSE_BLOCK_PORT), .dst_port = htobe16(COPSE_BLOCK_PORT), .dgram_len = htobe16(length)};
}

/* The same, IPv6; what of the UDP checksum is known from it. */
static uint32_t
headers6(uint8_t *out, const uint8_t mac[6], uint32_t address, uint32_t bytes) {
  struct rte_ether_hdr *ethernet = (struct rte_ether_hdr *)out;
  struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)(ethernet + 1);
  struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip + 1);
  const uint16_t length = htobe16((uint16_t)(sizeof(*udp) + bytes));

  *ethernet = (struct rte_ether_hdr){.dst_addr = {{2, 0, 0, 0, 0, 1}}, .ether_type = htobe16(RTE_ETHER_TYPE_IPV6)};
  memcpy(&ethernet->src_addr, mac, sizeof(ethernet->src_addr));
  *ip =
    (struct rte_ipv6_hdr){.vtc_flow = htobe32(6U << 28), .payload_len = length, .proto = IPPROTO_UDP, .hop_limits = 64};
  gen_address6(address, ip->src_addr);
  gen_address6(LOCAL, ip->dst_addr);
  *udp = (struct rte_udp_hdr){
    .src_port = htobe16(COPSE_BLOCK_PORT), .dst_port = htobe16(COPSE_BLOCK_PORT), .dgram_len = length};
  return (uint32_t)rte_ipv6_phdr_cksum(ip, 0) + rte_raw_cksum(udp, sizeof(*udp));
}

/* The UDP checksum of what is in `out`: what the template knows, and what differs from packet to packet. */
static void
finish6(const struct gen_traffic *traffic, uint8_t *out) {
  struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(out + sizeof(struct rte_ether_hdr) + sizeof(struct rte_ipv6_hdr));
  const uint16_t sum = (uint16_t)~__rte_raw_cksum_reduce(
    traffic->sum + rte_raw_cksum(gen_block_header(traffic, out), COPSE_HEADER_BYTES + GEN_NUMBER));

  udp->dgram_cksum = sum == 0 ? 0xffff : sum;
}

static void
order_uniform(struct gen_traffic *traffic) {
  for (uint32_t i = 0; i < GEN_ORDER; i++)
    traffic->order[i] = traffic->trees == 1 ? 0 : (uint32_t)((uint64_t)randombytes_random() * traffic->trees >> 32);
}

/* By the inverse of the continuous distribution: rank r with probability about 1 / (r ln trees). */
static void
order_zipf(struct gen_traffic *traffic) {
  for (uint32_t i = 0; i < GEN_ORDER; i++) {
    const double uniform = randombytes_random() / 4294967296.0;
    const uint32_t rank = (uint32_t)(pow(traffic->trees + 1.0, uniform)) - 1;
    traffic->order[i] = rank < traffic->trees ? rank : traffic->trees - 1;
  }
}

void
gen_traffic_shape(struct gen_traffic *traffic, uint32_t frame, uint32_t trees, bool zipf, bool tags) {
  static const uint8_t mac[6] = {2, 0, 0, 0, 0, 2};
  const uint32_t payload = frame - traffic->headers, varying = traffic->headers + GEN_NUMBER;

  traffic->frame = frame;
  traffic->tags = tags;
  if (traffic->trees != trees || trees > 1) {
    traffic->trees = trees;
    traffic->cycle = GEN_ORDER;
    traffic->position = 0;
    if (zipf)
      order_zipf(traffic);
    else
      order_uniform(traffic);
  }
  if (traffic->ipv6)
    traffic->sum = headers6(traffic->content, mac, GEN_PARENT, COPSE_HEADER_BYTES + payload) +
                   rte_raw_cksum(traffic->content + varying, frame - varying);
  else
    gen_headers(traffic->content, mac, GEN_PARENT, COPSE_HEADER_BYTES + payload);
  *gen_block_header(traffic, traffic->content) = (struct copse_header){.version = COPSE_WIRE_VERSION,
                                                                       .type = COPSE_DATA,
                                                                       .hop_limit = COPSE_HOP_LIMIT,
                                                                       .length = htobe16((uint16_t)payload)};
}

int
gen_traffic_in_turn(struct gen_traffic *traffic, uint32_t greedy) {
  const uint64_t cycle = traffic->trees - 1ULL + greedy;

  if (cycle > GEN_ORDER)
    return -ERANGE;
  for (uint32_t i = 0, others = 0; i < cycle; i++)
    traffic->order[i] = (i + 1ULL) * greedy / cycle > (uint64_t)i * greedy / cycle ? 0 : ++others;
  traffic->cycle = (uint32_t)cycle;
  traffic->position = 0;
  return 0;
}

void
gen_traffic_next(struct gen_traffic *traffic, uint8_t *out) {
  const uint32_t tree = traffic->order[traffic->position++];
  struct copse_header *template = gen_block_header(traffic, traffic->content);
  const uint64_t number = ++traffic->sequence[tree], sequence = htobe64(number);

  if (traffic->position == traffic->cycle)
    traffic->position = 0;
  traffic->stamps[number % GEN_STAMPS] = traffic->now;
  template->label = htobe32(gen_tree_label(tree));
  template->block = htobe32(tree);
  template->sequence = sequence;
  if (traffic->tags) {
    uint8_t key[COPSE_KEY_BYTES];
    gen_key(GEN_TREE_KEY, tree, key);
    template->tag = gen_tag(template, key);
  }
  memcpy(out, traffic->content, traffic->frame);
  memcpy(out + traffic->headers, &sequence, sizeof(sequence));
  if (traffic->ipv6)
    finish6(traffic, out);
}
