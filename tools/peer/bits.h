/* SPDX-License-Identifier: Apache-2.0 */
/* Bitmaps of blocks as docs/api.md has them: bit 0 of byte 0 is block 0. */
#ifndef PEER_BITS_H
#define PEER_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline size_t
bits_bytes(uint32_t bits) {
  return ((size_t)bits + 7) / 8;
}

static inline bool
bits_get(const uint8_t *bits, uint32_t index) {
  return bits[index / 8] >> (index % 8) & 1;
}

static inline void
bits_set(uint8_t *bits, uint32_t index) {
  bits[index / 8] |= (uint8_t)(1U << (index % 8));
}

static inline void
bits_clear(uint8_t *bits, uint32_t index) {
  bits[index / 8] &= (uint8_t) ~(1U << (index % 8));
}

/* Sets `count` bits from `first`. */
static inline void
bits_set_range(uint8_t *bits, uint32_t first, uint32_t count) {
  for (uint32_t i = first; i < first + count; i++)
    bits_set(bits, i);
}

static inline uint32_t
bits_count(const uint8_t *bits, uint32_t count) {
  uint32_t set = 0;

  for (size_t i = 0; i < bits_bytes(count); i++)
    set += (uint32_t)__builtin_popcount(bits[i]);
  return set;
}

#endif
