/* SPDX-License-Identifier: Apache-2.0 */
#include "meter/token_bucket.h"

#include <copse/api.h>
#include <errno.h>

#define MICROSECONDS 1000000ULL

int
copse_rate_set(struct copse_rate *rate, uint64_t bits_per_second, uint32_t burst_us, uint64_t tsc_hz) {
  unsigned __int128 cost_of_second, sustained;

  *rate = (struct copse_rate){0};
  if (bits_per_second == 0)
    return 0;
  if (bits_per_second < COPSE_RATE_MIN_BPS || bits_per_second > COPSE_RATE_MAX_BPS || burst_us < COPSE_BURST_MIN_US ||
      burst_us > COPSE_BURST_MAX_US)
    return -EINVAL;
  /* Both scaled by a million, so that the burst is taken off the rate without rounding. */
  cost_of_second = (unsigned __int128)tsc_hz * 8 * MICROSECONDS << (COPSE_TICK_BITS + COPSE_COST_BITS);
  sustained = (unsigned __int128)bits_per_second * (MICROSECONDS - burst_us);
  rate->cost = (uint64_t)((cost_of_second + sustained - 1) / sustained);
  rate->depth = (uint64_t)(((unsigned __int128)tsc_hz * burst_us << COPSE_TICK_BITS) / MICROSECONDS);
  return 0;
}

void
copse_rate_deepen(struct copse_rate *rate, uint32_t bytes) {
  const uint64_t depth = copse_bucket_cost(rate, bytes);

  if (rate->depth < depth)
    rate->depth = depth;
}

void
copse_bucket_catch_up(uint64_t *bucket, uint64_t now) {
  uint64_t arrival = __atomic_load_n(bucket, __ATOMIC_RELAXED);

  /* A worker that takes from the bucket meanwhile has made it valid itself. */
  if (arrival != 0 && (int64_t)(arrival - (now << COPSE_TICK_BITS)) <= 0)
    __atomic_compare_exchange_n(bucket, &arrival, 0, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}
