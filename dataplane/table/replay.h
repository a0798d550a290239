/* SPDX-License-Identifier: Apache-2.0 */
/* Replay window: a sequence number is accepted once, and not when it is more than 960 below the highest seen.
 *
 * As RFC 6479, a ring of bitmap blocks, but each block carries the number of the 32 sequence numbers it stands for
 * beside their bits, so that one compare-and-swap both claims the block and sets the bit: no block needs clearing
 * when the window jumps, and several workers may accept packets of one key at the same time. 1024 bits hold the
 * window of 960 plus the block being filled. Block numbers are kept modulo 2^32: after a jump of an exact
 * multiple of 2^37 an unused number may be refused, never a used one accepted. */
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

/* Whether `sequence` is new; remembers it if so. `shared`: other workers use the same window. */
static inline bool
copse_replay_accept(struct copse_replay *replay, uint64_t sequence, bool shared) {
  const uint64_t number = sequence >> 5, tag = number << 32, bit = 1ULL << (sequence & 31);
  uint64_t *const block = &replay->block[number % COPSE_REPLAY_BLOCKS];
  uint64_t highest = __atomic_load_n(&replay->highest, __ATOMIC_RELAXED), word, next;

  if (sequence < highest && highest - sequence > COPSE_REPLAY_WINDOW)
    return false;
  while (sequence > highest) {
    if (!shared) {
      __atomic_store_n(&replay->highest, sequence, __ATOMIC_RELAXED);
      break;
    }
    if (__atomic_compare_exchange_n(&replay->highest, &highest, sequence, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
      break;
  }
  word = __atomic_load_n(block, __ATOMIC_ACQUIRE);
  do {
    if (word >> 32 == tag >> 32) {
      if (word & bit)
        return false;
      next = word | bit;
    } else {
      /* An older block, to be taken over; or a newer one, whose owner raised `highest` before. */
      highest = __atomic_load_n(&replay->highest, __ATOMIC_RELAXED);
      if (sequence < highest && highest - sequence > COPSE_REPLAY_WINDOW)
        return false;
      next = tag | bit;
    }
    if (!shared) {
      __atomic_store_n(block, next, __ATOMIC_RELAXED);
      return true;
    }
  } while (!__atomic_compare_exchange_n(block, &word, next, true, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
  return true;
}

#endif
