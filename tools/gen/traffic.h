/* SPDX-License-Identifier: Apache-2.0 */
/* The packets of a run, and the addresses, labels and keys they follow. Everything is a function of a number, so that
 * the sink knows what to expect without remembering what was sent.
 *
 *   device under test   198.18.0.1, MAC as it may be
 *   parent of all trees 198.18.0.2, 02:00:00:00:00:02
 *   link or member h    198.19.x.y or 198.20.x.y, 02:00:00:01:x:y or 02:00:00:02:x:y, with x.y = h + 1
 *
 * In IPv6 these are the last 32 bits of addresses of 2001:db8::/96. */
#ifndef GEN_TRAFFIC_H
#define GEN_TRAFFIC_H

#include "device.h"
#include <copse/api.h>
#include <rte_ip.h>

#define GEN_PARENT RTE_IPV4(198U, 18, 0, 2)
#define GEN_HOPS_MAX 4096
#define GEN_FRAME_HEADERS (14 + 20 + 8 + COPSE_HEADER_BYTES)
#define GEN_IPV6_MORE 20 /* bytes that its header is longer */
#define GEN_NUMBER 8     /* a payload begins with the packet's own number */
#define GEN_FRAME_MIN (GEN_FRAME_HEADERS + GEN_NUMBER)
#define GEN_ORDER 65536
#define GEN_STAMPS 65536 /* packets of a tree under way, at most */

enum gen_hop_kind { GEN_LINK = COPSE_HOP_LINK, GEN_MEMBER = COPSE_HOP_MEMBER };

uint32_t gen_hop_address(enum gen_hop_kind kind, uint32_t hop); /* IPv4, host order */
void gen_address6(uint32_t address, uint8_t out[16]);           /* what is its counterpart */
void gen_hop_mac(enum gen_hop_kind kind, uint32_t hop, uint8_t mac[6]);
/* The hop that has this address, or UINT32_MAX. */
uint32_t gen_hop_of(enum gen_hop_kind kind, uint32_t address);

uint32_t gen_tree_label(uint32_t tree);
uint32_t gen_hop_label(uint32_t tree, uint32_t hop);
/* What a member puts into its packets: slots above those of `trees` trees. */
uint32_t gen_member_label(uint32_t trees, uint32_t member);
/* Number `number` of one kind of keys. */
void gen_key(char kind, uint32_t number, uint8_t key[COPSE_KEY_BYTES]);
#define GEN_TREE_KEY 't'
#define GEN_AREA_KEY 'a'
#define GEN_MEMBER_KEY 'm'

struct gen_traffic {
  uint32_t frame;   /* bytes without FCS */
  uint32_t headers; /* of them in front of the payload */
  uint32_t trees;
  bool ipv6;
  bool tags;    /* sent with a valid tag; without, bytes are only bytes */
  uint32_t sum; /* of an IPv6 packet's UDP checksum: all that is the same in every packet */
  _Alignas(8) uint8_t content[GEN_FRAME_MAX];
  uint32_t *order;    /* [GEN_ORDER] trees in the order of their packets */
  uint32_t cycle;     /* how many of them are repeated */
  uint32_t position;  /* in them */
  uint64_t *sequence; /* last used, of each tree; goes on from run to run */
  uint64_t *stamps;   /* [GEN_STAMPS] `now` of the packet with this sequence, of a single tree */
  uint64_t now;       /* TSC, set by who sends */
  uint32_t trees_max;
};

int gen_traffic_create(struct gen_traffic *traffic, uint32_t trees_max, bool ipv6);
void gen_traffic_free(struct gen_traffic *traffic);

/* What follows is of frames of this size over so many trees, each as likely, or by Zipf's law (exponent 1). */
void gen_traffic_shape(struct gen_traffic *traffic, uint32_t frame, uint32_t trees, bool zipf, bool tags);

/* Instead: one after the other, the first `greedy` times as often as the others, evenly among them. -ERANGE. */
int gen_traffic_in_turn(struct gen_traffic *traffic, uint32_t greedy);

/* Writes the next frame. */
void gen_traffic_next(struct gen_traffic *traffic, uint8_t *out);

/* The block header in a frame of this traffic. */
static inline struct copse_header *
gen_block_header(const struct gen_traffic *traffic, const uint8_t *frame) {
  return (struct copse_header *)(frame + traffic->headers - COPSE_HEADER_BYTES);
}

/* Ethernet, IPv4 and UDP headers in front of `bytes` of UDP payload, from an address to the device under test. */
void gen_headers(uint8_t *out, const uint8_t mac[6], uint32_t address, uint32_t bytes);
uint64_t gen_tag(const struct copse_header *header, const uint8_t key[COPSE_KEY_BYTES]);

#endif
