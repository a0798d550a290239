/* SPDX-License-Identifier: Apache-2.0 */
/* Portions: what a worker takes at once from a bucket that it shares, and then spends alone. The bucket's cache line
 * moves between processors once per portion instead of once per packet, and most packets need no atomic operation.
 *
 * Bound: a worker may spend at any time what it holds, so over an interval there may pass, beside what is taken in it,
 * what all workers held at its begin. Of each share that is at most an eighth of the depth over twice the number of
 * workers, together at most an eighth; a bucket that is taken from in portions is that much shallower. */
#ifndef COPSE_PORTION_H
#define COPSE_PORTION_H

#include "meter/token_bucket.h"

#define COPSE_PORTIONS_SHIFT 3 /* of the depth, all that workers may hold; log2 */

/* What a worker holds of two buckets, or of the shares of one: ticks. */
struct copse_portions {
  uint64_t held[2];
};

/* log2 of the portions that are as much as the depth. */
static inline unsigned
copse_portion_shift(uint32_t workers) {
  unsigned shift = COPSE_PORTIONS_SHIFT + 1;

  while (1U << (shift - COPSE_PORTIONS_SHIFT - 1) < workers)
    shift++;
  return shift;
}

/* As copse_bucket_take of a shared bucket: from `held` if that is enough, else from a new portion, else directly. */
static inline uint32_t
copse_portion_take(uint64_t *held, unsigned shift, uint64_t *bucket, const struct copse_rate *rate, uint64_t now,
                   uint32_t bytes, uint32_t count, enum copse_share share) {
  const uint64_t portion = rate->depth >> shift;
  const struct copse_rate shallower = {.cost = rate->cost,
                                       .depth = rate->depth - (rate->depth >> COPSE_PORTIONS_SHIFT)};

  if (rate->cost == 0)
    return count;
  const uint64_t wanted = count * copse_bucket_cost(rate, bytes);
  /* What was taken of a deeper bucket, before the rate changed, is cut. */
  const uint64_t left = *held < portion ? *held : portion;
  if (__builtin_expect(wanted <= left, 1)) {
    *held = left - wanted;
    return count;
  }
  if (wanted <= portion &&
      copse_bucket_take_ticks(bucket, portion, (shallower.depth >> share) - portion, now, 1, true) == 1) {
    *held = left + portion - wanted;
    return count;
  }
  return copse_bucket_take(bucket, &shallower, now, bytes, count, share, true);
}

/* As copse_meter_colour of a shared meter; `portions` are of its committed and its peak rate. */
static inline struct copse_colours
copse_portions_colour(struct copse_portions *portions, unsigned shift, struct copse_meter *meter,
                      const struct copse_meter_rates *rates, uint64_t now, uint32_t bytes, uint32_t count) {
  uint32_t passed, green = 0;

  if (rates->peak.cost == 0)
    return (struct copse_colours){.green = count};
  passed = copse_portion_take(&portions->held[1], shift, &meter->peak, &rates->peak, now, bytes, count, COPSE_WHOLE);
  if (passed > 0 && rates->committed.cost != 0)
    green = copse_portion_take(&portions->held[0], shift, &meter->committed, &rates->committed, now, bytes, passed,
                               COPSE_WHOLE);
  return (struct copse_colours){.green = green, .yellow = passed - green};
}

#endif
