/* SPDX-License-Identifier: Apache-2.0 */
/* Token buckets as virtual scheduling (ITU-T I.371's GCRA): one word per rate, exact in 64 bits.
 *
 * The word is the theoretical arrival time of the next packet in ticks of 2^-10 TSC cycles; a packet conforms
 * while that is at most the bucket's depth ahead of now, and then moves it on by its cost. The cost of a byte is
 * a fixed-point number of ticks, rounded up as each packet's cost is, so that no rounding ever adds rate.
 *
 * Bound: in any T >= 1 s at most rate * T bytes pass, and one packet more. A bucket of depth D admits r * (T + D)
 * bytes, so it runs at r = rate * (1 - D / 1 s). The packet more is the granularity: conformance is asked before the
 * packet is added, so that an idle bucket passes a packet of any size.
 * In the other direction, where packets are never further apart than the depth, no time is lost: r * T pass. So that
 * this holds at low rates too, a bucket is never shallower than the packet at hand: where that is deeper than D, two
 * packets are the granularity.
 *
 * Ticks wrap after 80 days at 2.6 GHz and are compared as signed differences; copse_bucket_catch_up, once a day,
 * keeps idle buckets valid. The word 0 is an idle bucket at any time.
 *
 * `shared` buckets may be taken from by several workers at once, the sum obeys the rate; the others by one worker. */
#ifndef COPSE_TOKEN_BUCKET_H
#define COPSE_TOKEN_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

#define COPSE_TICK_BITS 10 /* ticks in a TSC cycle, log2 */
#define COPSE_COST_BITS 20 /* fraction of a byte's cost, log2 */

struct copse_rate {
  uint64_t cost;  /* of one byte, in 2^-20 ticks; 0: unlimited */
  uint64_t depth; /* ticks */
};

/* Fills `rate`; 0 bit/s is unlimited. Returns 0, or -EINVAL out of api.h's COPSE_RATE and COPSE_BURST bounds. */
int copse_rate_set(struct copse_rate *rate, uint64_t bits_per_second, uint32_t burst_us, uint64_t tsc_hz);

/* Has at least so many bytes pass at once; in any T then at most the rate's share of T passes and they. */
void copse_rate_deepen(struct copse_rate *rate, uint32_t bytes);

/* Makes a bucket that is idle at `now` (TSC) valid for another 2^62 ticks (20 days at 2.6 GHz). Safe beside workers. */
void copse_bucket_catch_up(uint64_t *bucket, uint64_t now);

static inline uint64_t
copse_bucket_cost(const struct copse_rate *rate, uint32_t bytes) {
  const unsigned __int128 cost = (unsigned __int128)rate->cost * bytes;

  return (uint64_t)((cost + (1U << COPSE_COST_BITS) - 1) >> COPSE_COST_BITS);
}

/* How much of its depth traffic may use. */
enum copse_share { COPSE_WHOLE, COPSE_HALF /* leaves room for what may use all */ };

/* Of `count` packets, one or more, of `cost` ticks each, takes at `now` (TSC) as many as conform one after the other
 * while the bucket is at most `depth` ticks ahead. Returns how many. */
static inline uint32_t
copse_bucket_take_ticks(uint64_t *bucket, uint64_t cost, uint64_t depth, uint64_t now, uint32_t count, bool shared) {
  const uint64_t ticks = now << COPSE_TICK_BITS;
  uint64_t arrival = __atomic_load_n(bucket, __ATOMIC_RELAXED), next;
  uint32_t taken;

  do {
    const int64_t ahead = arrival == 0 || (int64_t)(arrival - ticks) < 0 ? 0 : (int64_t)(arrival - ticks);
    if (__builtin_expect(ahead > (int64_t)depth, 0))
      return 0;
    const uint64_t room = depth - (uint64_t)ahead;
    taken = __builtin_expect((count - 1) * cost <= room, 1) ? count : (uint32_t)(room / cost) + 1;
    next = ticks + (uint64_t)ahead + taken * cost;
    if (!shared) {
      __atomic_store_n(bucket, next, __ATOMIC_RELAXED);
      return taken;
    }
  } while (!__atomic_compare_exchange_n(bucket, &arrival, next, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
  return taken;
}

/* The same of packets of `bytes`, by the rate and a share of its depth. */
static inline uint32_t
copse_bucket_take(uint64_t *bucket, const struct copse_rate *rate, uint64_t now, uint32_t bytes, uint32_t count,
                  enum copse_share share, bool shared) {
  if (rate->cost == 0)
    return count;
  const uint64_t cost = copse_bucket_cost(rate, bytes);
  const uint64_t depth = (rate->depth > cost ? rate->depth : cost) >> share;
  return copse_bucket_take_ticks(bucket, cost, depth, now, count, shared);
}

/* The pair of rates of RFC 2698, colour blind. */
struct copse_meter_rates {
  struct copse_rate committed, peak; /* peak unlimited: not metered; committed unlimited: nothing is committed */
};

struct copse_meter {
  uint64_t committed, peak; /* buckets */
};

/* The first packets of some are green, the next ones yellow, the rest red. */
struct copse_colours {
  uint32_t green, yellow;
};

/* Colours `count` packets, one or more, of `bytes` each, by a meter of one worker. */
static inline struct copse_colours
copse_meter_colour(struct copse_meter *meter, const struct copse_meter_rates *rates, uint64_t now, uint32_t bytes,
                   uint32_t count) {
  uint32_t passed, green = 0;

  if (rates->peak.cost == 0)
    return (struct copse_colours){.green = count};
  passed = copse_bucket_take(&meter->peak, &rates->peak, now, bytes, count, COPSE_WHOLE, false);
  if (passed > 0 && rates->committed.cost != 0)
    green = copse_bucket_take(&meter->committed, &rates->committed, now, bytes, passed, COPSE_WHOLE, false);
  return (struct copse_colours){.green = green, .yellow = passed - green};
}

#endif
