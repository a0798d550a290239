/* SPDX-License-Identifier: Apache-2.0 */
#include "replay.h"
#include <string.h>

#define RING_BITS 1024

static void
advance(struct replay *replay, uint64_t sequence) {
  if (!replay->any || sequence - replay->highest >= RING_BITS)
    memset(replay->seen, 0, sizeof(replay->seen));
  else
    for (uint64_t i = replay->highest + 1; i <= sequence && i != 0; i++)
      replay->seen[i % RING_BITS / 64] &= ~(1ULL << (i % 64));
  replay->highest = sequence;
  replay->any = true;
}

bool
replay_accept(struct replay *replay, uint64_t sequence) {
  uint64_t *word = &replay->seen[sequence % RING_BITS / 64], bit = 1ULL << (sequence % 64);

  if (!replay->any || sequence > replay->highest)
    advance(replay, sequence);
  else if (replay->highest - sequence >= REPLAY_WINDOW || (*word & bit))
    return false;
  *word |= bit;
  return true;
}
