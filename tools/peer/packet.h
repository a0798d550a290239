/* SPDX-License-Identifier: Apache-2.0 */
/* Block packets as a peer makes and checks them (docs/protocol.md). */
#ifndef PEER_PACKET_H
#define PEER_PACKET_H

#include <copse/wire.h>
#include <stdbool.h>

/* The largest packet a peer sends or accepts, UDP payload. */
#define PACKET_BYTES (COPSE_HEADER_BYTES + COPSE_SYMBOL_BYTES)

/* Symbols of a block of `block_bytes` (at most COPSE_BLOCK_BYTES). */
static inline uint32_t
symbol_count(uint32_t block_bytes) {
  return (block_bytes + COPSE_SYMBOL_BYTES - 1) / COPSE_SYMBOL_BYTES;
}

/* Bytes of one symbol of such a block; 0 when the block has no such symbol. */
static inline uint32_t
symbol_length(uint32_t block_bytes, uint32_t symbol) {
  uint32_t start = symbol * COPSE_SYMBOL_BYTES;

  if (symbol >= symbol_count(block_bytes))
    return 0;
  return block_bytes - start < COPSE_SYMBOL_BYTES ? block_bytes - start : COPSE_SYMBOL_BYTES;
}

/* Writes the header, in network order, with its tag. `payload` says how many bytes follow. */
struct packet_fields {
  enum copse_packet_type type;
  uint32_t label, block;
  uint16_t symbol, payload;
  uint64_t sequence;
};
void packet_header(struct copse_header *header, const struct packet_fields *fields, const uint8_t key[COPSE_KEY_BYTES]);

/* True when the tag was made with the key. */
bool packet_authentic(const struct copse_header *header, const uint8_t key[COPSE_KEY_BYTES]);

#endif
