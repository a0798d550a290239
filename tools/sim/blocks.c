/* SPDX-License-Identifier: Apache-2.0 */
/* tools/peer/blocks.h without a disk: which blocks a simulated peer has. What arrives is right: nothing is hashed. */
#include "blocks.h"

#include "bits.h"
#include "packet.h"
#include "simulated.h"

struct blocks {
  uint64_t size;
  uint32_t total, have;
  uint8_t *bitmap;
};

struct blocks *
sim_blocks_create(uint64_t size, bool complete) {
  struct blocks *blocks = sim_allocate(1, sizeof(*blocks));

  blocks->size = size;
  blocks->total = (uint32_t)((size + COPSE_BLOCK_BYTES - 1) / COPSE_BLOCK_BYTES);
  blocks->bitmap = sim_allocate(bits_bytes(blocks->total), 1);
  for (uint32_t block = 0; complete && block < blocks->total; block++)
    bits_set(blocks->bitmap, block);
  blocks->have = complete ? blocks->total : 0;
  return blocks;
}

void
sim_blocks_free(struct blocks *blocks) {
  free(blocks->bitmap);
  free(blocks);
}

uint32_t
sim_block_bytes(const struct blocks *blocks, uint32_t block) {
  const uint64_t rest = blocks->size - (uint64_t)block * COPSE_BLOCK_BYTES;

  return rest < COPSE_BLOCK_BYTES ? (uint32_t)rest : COPSE_BLOCK_BYTES;
}

uint32_t
sim_symbol_bytes(const struct blocks *blocks, uint32_t block, uint32_t place) {
  return place < COPSE_SYMBOLS_PER_BLOCK ? symbol_length(sim_block_bytes(blocks, block), place) : COPSE_SYMBOL_BYTES;
}

uint32_t
blocks_total(const struct blocks *blocks) {
  return blocks->total;
}

uint32_t
blocks_have(const struct blocks *blocks) {
  return blocks->have;
}

bool
blocks_has(const struct blocks *blocks, uint32_t block) {
  return bits_get(blocks->bitmap, block);
}

const uint8_t *
blocks_bitmap(const struct blocks *blocks) {
  return blocks->bitmap;
}

bool
blocks_cover(const struct blocks *blocks, uint64_t first, uint64_t length) {
  if (length == 0 || first + length > blocks->size)
    return false;
  for (uint64_t block = first / COPSE_BLOCK_BYTES; block <= (first + length - 1) / COPSE_BLOCK_BYTES; block++)
    if (!bits_get(blocks->bitmap, (uint32_t)block))
      return false;
  return true;
}

enum put
blocks_put(struct blocks *blocks, uint32_t block, const uint8_t *bytes) {
  (void)bytes;
  if (bits_get(blocks->bitmap, block))
    return PUT_KNOWN;
  bits_set(blocks->bitmap, block);
  blocks->have++;
  return PUT_STORED;
}
