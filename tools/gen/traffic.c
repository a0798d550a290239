/* SPDX-License-Identifier: Apache-2.0 */
#include "traffic.h"

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
gen_traffic_create(struct gen_traffic *traffic, uint32_t trees_max) {
  *traffic = (struct gen_traffic){.trees_max = trees_max};
  traffic->order = calloc(GEN_ORDER, sizeof(*traffic->order));
  traffic->sequence = calloc(trees_max, sizeof(*traffic->sequence));
  if (traffic->order == NULL || traffic->sequence == NULL) {
    gen_traffic_free(traffic);
    return -ENOMEM;
  }
  for (uint32_t i = 0; i < GEN_FRAME_MAX; i++)
    traffic->content[i] = (uint8_t)(i * 151 + (i >> 3));
  return 0;
}

void
gen_traffic_free(struct gen_traffic *traffic) {
  free(traffic->order);
  free(traffic->sequence);
  traffic->order = NULL;
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
  uint32_t payload = frame - GEN_FRAME_HEADERS;

  traffic->frame = frame;
  traffic->tags = tags;
  if (traffic->trees != trees || trees > 1) {
    traffic->trees = trees;
    if (zipf)
      order_zipf(traffic);
    else
      order_uniform(traffic);
  }
  gen_headers(traffic->content, mac, GEN_PARENT, COPSE_HEADER_BYTES + payload);
  *(struct copse_header *)(traffic->content + GEN_FRAME_HEADERS - COPSE_HEADER_BYTES) =
    (struct copse_header){.version = COPSE_WIRE_VERSION,
                          .type = COPSE_DATA,
                          .hop_limit = COPSE_HOP_LIMIT,
                          .length = htobe16((uint16_t)payload)};
}

void
gen_traffic_next(struct gen_traffic *traffic, uint8_t *out) {
  const uint32_t tree = traffic->order[traffic->position++ % GEN_ORDER];
  struct copse_header *header = (struct copse_header *)(out + GEN_FRAME_HEADERS - COPSE_HEADER_BYTES);
  struct copse_header *template = (struct copse_header *)(traffic->content + GEN_FRAME_HEADERS - COPSE_HEADER_BYTES);
  uint64_t sequence = htobe64(++traffic->sequence[tree]);

  template->label = htobe32(gen_tree_label(tree));
  template->block = htobe32(tree);
  template->sequence = sequence;
  if (traffic->tags) {
    uint8_t key[COPSE_KEY_BYTES];
    gen_key(GEN_TREE_KEY, tree, key);
    template->tag = gen_tag(template, key);
  }
  memcpy(out, traffic->content, traffic->frame);
  memcpy(header + 1, &sequence, sizeof(sequence));
}
