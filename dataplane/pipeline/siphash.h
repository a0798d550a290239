/* SPDX-License-Identifier: Apache-2.0 */
/* Tags of a burst side by side: SipHash-2-4 of one message of COPSE_TAGGED_BYTES in each lane of a vector register.
 * See docs/decisions/tags.md. */
#ifndef COPSE_SIPHASH_H
#define COPSE_SIPHASH_H

#include <copse/wire.h>
#include <stdbool.h>

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

/* Adds the message of a header under a key; returns where its tag will be. The batch must have room. */
static inline unsigned
copse_siphash_add(struct copse_siphash_batch *batch, const struct copse_header *header,
                  const uint8_t key[COPSE_KEY_BYTES]) {
  const unsigned at = batch->count++;
  uint32_t part[2];

  memcpy(&batch->key[0][at], key, 8);
  memcpy(&batch->key[1][at], key + 8, 8);
  /* The message is the header without label and tag: bytes 0-3 and 8-23. */
  memcpy(&part[0], header, 4);
  memcpy(&part[1], &header->block, 4);
  batch->word[0][at] = htole64((uint64_t)le32toh(part[1]) << 32 | le32toh(part[0]));
  memcpy(&batch->word[1][at], (const uint8_t *)&header->block + 4, 8);
  memcpy(&part[0], (const uint8_t *)&header->block + 12, 4);
  /* The last word ends with the message's length. */
  batch->word[2][at] = htole64((uint64_t)COPSE_TAGGED_BYTES << 56 | le32toh(part[0]));
  return at;
}

#endif
