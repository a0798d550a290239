/* SPDX-License-Identifier: Apache-2.0 */
/* The block packet: the only definition in code of what docs/protocol.md draws. */
#ifndef COPSE_WIRE_H
#define COPSE_WIRE_H

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define COPSE_WIRE_VERSION 1
#define COPSE_HEADER_BYTES 32
#define COPSE_KEY_BYTES 16
#define COPSE_TAGGED_BYTES 20
#define COPSE_COOKIE_BYTES 16

/* UDP port of every dataplane unless configured otherwise. */
#define COPSE_BLOCK_PORT 7117

/* A block is one leaf of the content's Merkle tree. */
#define COPSE_BLOCK_BYTES 16384
/* Bytes of a block that one packet carries: 13 symbols make a block, and the largest frame
 * (Ethernet + VLAN + IPv6 + UDP + header) stays below 1400 bytes. */
#define COPSE_SYMBOL_BYTES 1261
#define COPSE_SYMBOLS_PER_BLOCK 13

/* Hop limit given by a sending peer; every dataplane takes one. */
#define COPSE_HOP_LIMIT 16
/* Levels below a tree's root that packets get to. */
#define COPSE_DEPTH_MAX (COPSE_HOP_LIMIT - 1)

/* A label names a slot of the receiver (high 24 bits) and the slot's generation (low 8 bits). */
#define COPSE_LABEL_NONE UINT32_MAX
#define COPSE_LABEL_SLOTS (1U << 24)

enum copse_packet_type {
  COPSE_DATA = 1,      /* one symbol of a block */
  COPSE_PARITY = 2,    /* one repair symbol of a block */
  COPSE_PROBE = 3,     /* path measurement between dataplanes */
  COPSE_HELLO = 4,     /* peer asks for permission to receive at its address */
  COPSE_CHALLENGE = 5, /* dataplane answers with a cookie, never larger than the HELLO */
  COPSE_RESPONSE = 6,  /* peer returns the cookie */
  COPSE_ACCEPT = 7,    /* permission granted, for so many seconds */
};

/* On the wire, network byte order, no padding. */
struct copse_header {
  uint8_t version;
  uint8_t type;
  uint8_t flags; /* zero when sent, ignored when received */
  uint8_t hop_limit;
  uint32_t label; /* swapped at each hop, not under the tag */
  uint32_t block;
  uint16_t symbol;
  uint16_t length; /* bytes after this header */
  uint64_t sequence;
  uint64_t tag;
} __attribute__((packed));

static_assert(sizeof(struct copse_header) == COPSE_HEADER_BYTES, "the header is 32 bytes");
static_assert(offsetof(struct copse_header, block) == 8, "tagged bytes are contiguous after the label");
static_assert(offsetof(struct copse_header, tag) == 24, "the tag is last");
static_assert(COPSE_SYMBOL_BYTES * COPSE_SYMBOLS_PER_BLOCK >= COPSE_BLOCK_BYTES, "symbols cover a block");

/* Payload of COPSE_HELLO is padding of this many zero bytes, so that no answer is larger. */
#define COPSE_HELLO_PAYLOAD_BYTES 32
/* Payload of COPSE_CHALLENGE and COPSE_RESPONSE is the cookie. */
/* Payload of COPSE_ACCEPT: how long the permission lasts, seconds, network order. */
struct copse_accept {
  uint32_t permission_s;
} __attribute__((packed));

static inline uint32_t
copse_label(uint32_t slot, uint8_t generation) {
  return slot << 8 | generation;
}

static inline uint32_t
copse_label_slot(uint32_t label) {
  return label >> 8;
}

static inline uint8_t
copse_label_generation(uint32_t label) {
  return (uint8_t)label;
}

/* Collects the 20 bytes the tag covers: the whole header but label and tag. */
static inline void
copse_tagged_bytes(const struct copse_header *header, uint8_t out[COPSE_TAGGED_BYTES]) {
  memcpy(out, header, 4);
  memcpy(out + 4, (const uint8_t *)header + offsetof(struct copse_header, block), 16);
}

/* Checks what can be checked without any table: size, version, type, length.
 * `bytes` is the size of the UDP payload. Returns 0, -EMSGSIZE (too short for a header),
 * -EPROTONOSUPPORT (version), -EBADMSG (type) or -EINVAL (length field and size disagree). */
static inline int
copse_header_check(const void *packet, size_t bytes) {
  const struct copse_header *header = (const struct copse_header *)packet;

  if (bytes < COPSE_HEADER_BYTES)
    return -EMSGSIZE;
  if (header->version != COPSE_WIRE_VERSION)
    return -EPROTONOSUPPORT;
  if (header->type < COPSE_DATA || header->type > COPSE_ACCEPT)
    return -EBADMSG;
  if (be16toh(header->length) != bytes - COPSE_HEADER_BYTES)
    return -EINVAL;
  return 0;
}

#endif
