/* SPDX-License-Identifier: Apache-2.0 */
/* Tags of a burst side by side: SipHash-2-4 of one message of COPSE_TAGGED_BYTES in each lane of a vector register.
 * See docs/decisions/tags.md. */
#ifndef COPSE_SIPHASH_H
#define COPSE_SIPHASH_H

#include <copse/wire.h>
#include <stdbool.h>

static_assert(__BYTE_ORDER == __LITTLE_ENDIAN, "SipHash words are little endian, loads are not swapped");

#define COPSE_SIPHASH_BATCH 64 /* messages; a multiple of the lanes of every way */

/* Messages word by word, in lanes. What lies behind `count` may be anything that is initialized. */
struct copse_siphash_batch {
  uint64_t key[2][COPSE_SIPHASH_BATCH];
  uint64_t word[3][COPSE_SIPHASH_BATCH];
  uint64_t tag[COPSE_SIPHASH_BATCH]; /* in the header's byte order */
  unsigned count;
} __attribute__((aligned(64)));

/* Computes the tags of all messages. */
typedef void copse_siphash(struct copse_siphash_batch *batch);

/* One way to compute tags. */
struct copse_siphash_way {
  const char *name;
  copse_siphash *tags;
  bool usable; /* on this processor */
};

#define COPSE_SIPHASH_WAYS 3

/* All ways, slowest first; the first is usable anywhere. */
void copse_siphash_ways(struct copse_siphash_way ways[COPSE_SIPHASH_WAYS]);
/* The fastest that this processor has. */
copse_siphash *copse_siphash_choose(void);

/* Adds the message of a header whose first four bytes and sequence are, as in memory, `start` and `sequence` instead;
 * returns where its tag will be. The batch must have room. Takes values, as words that were just written in parts
 * cannot be loaded at once without waiting for the stores. */
static inline unsigned
copse_siphash_add_changed(struct copse_siphash_batch *batch, const struct copse_header *header, uint32_t start,
                          uint64_t sequence, const uint8_t key[COPSE_KEY_BYTES]) {
  const unsigned at = batch->count++;
  uint32_t block, symbol;

  memcpy(&block, &header->block, sizeof(block));
  memcpy(&symbol, &header->symbol, sizeof(symbol)); /* and length */
  memcpy(&batch->key[0][at], key, 8);
  memcpy(&batch->key[1][at], key + 8, 8);
  batch->word[0][at] = (uint64_t)block << 32 | start;
  batch->word[1][at] = sequence << 32 | symbol;
  batch->word[2][at] = (uint64_t)COPSE_TAGGED_BYTES << 56 | sequence >> 32; /* the last ends with the length */
  return at;
}

/* The same for a header as it is. */
static inline unsigned
copse_siphash_add(struct copse_siphash_batch *batch, const struct copse_header *header,
                  const uint8_t key[COPSE_KEY_BYTES]) {
  uint32_t start;

  memcpy(&start, header, sizeof(start));
  return copse_siphash_add_changed(batch, header, start, header->sequence, key);
}

#endif
