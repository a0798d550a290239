/* SPDX-License-Identifier: Apache-2.0 */
#include "bandwidth.h"
#include <math.h>

#define BINS 256 /* four per power of two, 64 powers */
#define ANY_BIN BINS
#define FEW_PEERS 5 /* fewer have no mode worth the name */

/* k of the bin [2^(k/4), 2^((k+1)/4)) the rate is in, exactly: the rate is shifted until its highest bit is bit 63 and
 * compared with 2^(63 + 1/4), 2^(63 + 2/4) and 2^(63 + 3/4), rounded up. A rate of 0 shares the lowest bin. */
static unsigned
log_bin(uint64_t rate_bps) {
  unsigned zeros = rate_bps ? (unsigned)__builtin_clzll(rate_bps) : 63;
  uint64_t scaled = rate_bps << zeros;

  return 4 * (63 - zeros) + (scaled >= 0x9837f0518db8a970) + (scaled >= 0xb504f333f9de6485) +
         (scaled >= 0xd744fccad69d6af5);
}

static size_t
count_up_to(const uint64_t *rates_bps, size_t count, unsigned bin, uint64_t limit) {
  size_t found = 0;

  for (size_t i = 0; i < count; i++)
    found += rates_bps[i] <= limit && (bin == ANY_BIN || log_bin(rates_bps[i]) == bin);
  return found;
}

/* Lower median of the rates in the bin, found by halving the range of values: no copy, no order. */
static uint64_t
lower_median(const uint64_t *rates_bps, size_t count, unsigned bin) {
  size_t rank = (count_up_to(rates_bps, count, bin, UINT64_MAX) + 1) / 2;
  uint64_t low = 0, high = UINT64_MAX;

  while (low < high) {
    uint64_t middle = low + (high - low) / 2;
    if (count_up_to(rates_bps, count, bin, middle) >= rank)
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

uint64_t
copse_median_bps(const uint64_t *rates_bps, size_t count) {
  return lower_median(rates_bps, count, ANY_BIN);
}

uint64_t
copse_mode_bps(const uint64_t *rates_bps, size_t count) {
  size_t bins[BINS] = {0};
  unsigned fullest = 0;

  if (count < FEW_PEERS)
    return copse_median_bps(rates_bps, count);
  for (size_t i = 0; i < count; i++)
    bins[log_bin(rates_bps[i])]++;
  for (unsigned bin = 1; bin < BINS; bin++)
    if (bins[bin] > bins[fullest])
      fullest = bin;
  return lower_median(rates_bps, count, fullest);
}

double
copse_growth(uint64_t credit_bytes, uint64_t mode_bps, double reference_s, double maximum) {
  double growth = 1 + 8.0 * (double)credit_bytes / ((double)mode_bps * reference_s);

  if (credit_bytes == 0)
    return 0;
  return growth < maximum ? growth : fmax(maximum, 1);
}

struct copse_bounds
copse_area_bounds(const struct copse_area *area) {
  struct copse_bounds bounds = {0};
  uint64_t median_bps;
  double hi;

  if (area->uplink_count == 0)
    return bounds;
  median_bps = copse_median_bps(area->uplinks_bps, area->uplink_count);
  hi = floor(area->growth * (double)copse_mode_bps(area->uplinks_bps, area->uplink_count));
  bounds.hi_bps = hi < (double)INT64_MAX ? (uint64_t)hi : INT64_MAX;
  bounds.clamped = median_bps > bounds.hi_bps && bounds.hi_bps > 0;
  bounds.lo_bps = median_bps < bounds.hi_bps ? median_bps : bounds.hi_bps;
  return bounds;
}
