/* SPDX-License-Identifier: Apache-2.0 */
#include "pacer.h"

#define RATE_MAX 100000000000ULL
#define TOKENS_PER_BYTE 8000000000LL

static int64_t
depth(const struct pacer *pacer) {
  int64_t by_time = (int64_t)pacer->rate_bps * PACER_DEPTH_NS, by_size = PACER_DEPTH_BYTES * TOKENS_PER_BYTE;

  return by_time > by_size ? by_time : by_size;
}

void
pacer_set_rate(struct pacer *pacer, uint64_t rate_bps, uint64_t now) {
  pacer_refill(pacer, now);
  pacer->rate_bps = rate_bps < RATE_MAX ? rate_bps : RATE_MAX;
  if (pacer->tokens > depth(pacer))
    pacer->tokens = depth(pacer);
}

void
pacer_refill(struct pacer *pacer, uint64_t now) {
  int64_t limit = depth(pacer), room = limit - pacer->tokens;
  uint64_t elapsed = now > pacer->updated ? now - pacer->updated : 0;

  if (pacer->rate_bps == 0 || pacer->updated == 0)
    elapsed = 0;
  /* Compared by division, because rate times a long absence does not fit. */
  if (elapsed && elapsed >= (uint64_t)room / pacer->rate_bps + 1)
    pacer->tokens = limit;
  else
    pacer->tokens += (int64_t)(elapsed * pacer->rate_bps);
  if (now > pacer->updated)
    pacer->updated = now;
}

bool
pacer_take(struct pacer *pacer, uint32_t bytes) {
  if (pacer->tokens < (int64_t)bytes * TOKENS_PER_BYTE)
    return false;
  pacer->tokens -= (int64_t)bytes * TOKENS_PER_BYTE;
  return true;
}

void
pacer_charge(struct pacer *pacer, uint32_t bytes) {
  pacer->tokens -= (int64_t)bytes * TOKENS_PER_BYTE;
  if (pacer->tokens < -depth(pacer))
    pacer->tokens = -depth(pacer);
}

uint32_t
pacer_available(const struct pacer *pacer) {
  return pacer->tokens > 0 ? (uint32_t)(pacer->tokens / TOKENS_PER_BYTE) : 0;
}
