/* SPDX-License-Identifier: Apache-2.0 */
/* Replay window: a sequence number is accepted once, and not when it is more than 960 below the highest seen.
 *
 * As RFC 6479, a ring of bitmap blocks, but each block carries the number of the 32 sequence numbers it stands for
 * beside their bits, so that one compare-and-swap both claims the block and sets bits: no block needs clearing
 * when the window jumps, several workers may accept packets of one key at the same time, and neighbours are accepted
 * together. 1024 bits hold the window of 960 plus the block being filled. Block numbers are kept modulo 2^32: after a
 * jump of an exact multiple of 2^37 an unused number may be refused, never a used one accepted. */
#ifndef COPSE_REPLAY_H
#define COPSE_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#define COPSE_REPLAY_WINDOW 960
#define COPSE_REPLAY_BLOCKS 32

struct copse_replay {
  uint64_t highest;
  uint64_t block[COPSE_REPLAY_BLOCKS]; /* low half: bits of 32 sequence numbers; high half: which 32 */
};

/* Where `sequence` is remembered. */
static inline const uint64_t *
copse_replay_block(const struct copse_replay *replay, uint64_t sequence) {
  return &replay->block[(sequence >> 5) % COPSE_REPLAY_BLOCKS];
}

/* Of the sequence numbers from `first` on that have bits in `asked`, those that are not below the window. */
static inline uint32_t
copse_replay_recent(uint64_t first, uint32_t asked, uint64_t highest) {
  if (__builtin_expect(first >= highest || highest - first <= COPSE_REPLAY_WINDOW, 1))
    return asked;
  const uint64_t below = highest - first - COPSE_REPLAY_WINDOW;
  return below < 32 ? asked & UINT32_MAX << below : 0;
}

/* Bit n of `asked`, which has one at least, asks for sequence number 32 * number + n. Returns which of them are new,
 * and remembers them. `shared`: other workers use the same window. */
static inline uint32_t
copse_replay_accept(struct copse_replay *replay, uint64_t number, uint32_t asked, bool shared) {
  const uint64_t first = number << 5, last = first + 31 - (unsigned)__builtin_clz(asked);
  uint64_t *const block = &replay->block[number % COPSE_REPLAY_BLOCKS];
  uint64_t highest = __atomic_load_n(&replay->highest, __ATOMIC_RELAXED), word, next;
  uint32_t accepted;

  while (last > highest) {
    if (!shared) {
      __atomic_store_n(&replay->highest, last, __ATOMIC_RELAXED);
      break;
    }
    if (__atomic_compare_exchange_n(&replay->highest, &highest, last, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
      break;
  }
  word = __atomic_load_n(block, __ATOMIC_ACQUIRE);
  do {
    /* Another word is of older numbers, to be taken over; or of newer ones, whose owner raised `highest` before. */
    const uint64_t known = word >> 32 == (uint32_t)number ? word : number << 32;
    highest = __atomic_load_n(&replay->highest, __ATOMIC_RELAXED);
    accepted = copse_replay_recent(first, asked, highest) & ~(uint32_t)known;
    if (accepted == 0)
      return 0;
    next = known | accepted;
    if (!shared) {
      __atomic_store_n(block, next, __ATOMIC_RELAXED);
      return accepted;
    }
  } while (!__atomic_compare_exchange_n(block, &word, next, true, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
  return accepted;
}

#endif
