/* SPDX-License-Identifier: Apache-2.0 */
/* The bound of the token bucket as a property: over any interval of at least one second, never above the rate. */
#include "meter/portion.h"

#include <copse/api.h>
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#define TSC_HZ 2600000000ULL
#define LONGEST_PACKET 9000
#define BURST_US 900
#define WORKERS_MAX 5

/* xorshift64*: the same sequence on every machine. */
static uint64_t
random_next(uint64_t *state) {
  *state ^= *state >> 12;
  *state ^= *state << 25;
  *state ^= *state >> 27;
  return *state * 2685821657736338717ULL;
}

/* Excess of what passed over rate * T, in bytes, over every interval of at least one second: the largest
 * S(j) - S(i) - r (t(j) - t(i)) with t(j) - t(i) >= 1 s, in one pass with a queue of the last second. */
struct window {
  double rate; /* bytes/s */
  double *time, *level;
  size_t first, count, room;
  double lowest; /* of S - r t over everything at least 1 s old; S before that packet */
  double passed, excess;
};

static void
window_add(struct window *window, double seconds, uint32_t bytes) {
  while (window->count > 0 && seconds - window->time[window->first] >= 1) {
    window->lowest = fmin(window->lowest, window->level[window->first]);
    window->first = (window->first + 1) % window->room;
    window->count--;
  }
  cr_assert(lt(sz, window->count, window->room));
  const size_t last = (window->first + window->count++) % window->room;
  window->time[last] = seconds;
  window->level[last] = window->passed - window->rate * seconds;
  window->passed += bytes;
  window->excess = fmax(window->excess, window->passed - window->rate * seconds - window->lowest);
}

static uint32_t
longest_of(uint64_t bits_per_second) {
  return bits_per_second > 1000000000 ? LONGEST_PACKET : 1400;
}

/* Packets by which a rate may be exceeded: two where the bucket is shallower than one. */
static unsigned
granularity(uint64_t bits_per_second) {
  return (double)bits_per_second / 8 * BURST_US / 1e6 < longest_of(bits_per_second) ? 2 : 1;
}

enum pattern { STEADY, OVERLOAD, ON_OFF, SATURATED };

/* A bucket of one worker, or of several that hold portions of it. */
struct taker {
  uint64_t bucket;
  struct copse_portions portions[WORKERS_MAX];
  unsigned workers;
};

static bool
take(struct taker *taker, const struct copse_rate *rate, uint64_t now, uint32_t bytes, uint64_t random,
     enum copse_share share) {
  if (taker->workers == 1)
    return copse_bucket_take(&taker->bucket, rate, now, bytes, 1, share, false);
  return copse_portion_take(&taker->portions[random % taker->workers].held[share], copse_portion_shift(taker->workers),
                            &taker->bucket, rate, now, bytes, 1, share);
}

/* Runs one rate under one arrival pattern for `seconds` of simulated time; returns bytes passed by the window. */
static struct window
run(uint64_t bits_per_second, enum pattern pattern, double seconds, uint64_t start, uint64_t seed, unsigned workers) {
  const double rate = (double)bits_per_second / 8;
  struct window window = {.rate = rate, .room = 1 << 22, .lowest = INFINITY, .excess = -INFINITY};
  struct copse_rate config;
  struct taker taker = {.workers = workers};
  uint64_t random = seed | 1, now = start;
  double elapsed = 0;

  window.time = calloc(window.room, sizeof(double));
  window.level = calloc(window.room, sizeof(double));
  cr_assert(eq(int, copse_rate_set(&config, bits_per_second, BURST_US, TSC_HZ), 0));
  while (elapsed < seconds) {
    const uint32_t longest = longest_of(bits_per_second);
    const uint32_t bytes = 60 + (uint32_t)(random_next(&random) % (longest - 59));
    double load = pattern == STEADY ? 0.9 : 2.5, gap;
    if (pattern == ON_OFF && random_next(&random) % 64 == 0)
      load = 0.01;
    gap = bytes / (rate * load) * (double)(random_next(&random) % 2000) / 1000;
    if (pattern == SATURATED) /* a packet waits whenever the bucket would take one; one in portions is shallower */
      gap = fmin(gap, BURST_US / 1e6 * 7 / 8);
    now += (uint64_t)(gap * TSC_HZ);
    elapsed = (double)(now - start) / TSC_HZ;
    const enum copse_share share = pattern == OVERLOAD && random_next(&random) % 3 == 0 ? COPSE_HALF : COPSE_WHOLE;
    if (take(&taker, &config, now, bytes, random_next(&random), share))
      window_add(&window, elapsed, bytes);
  }
  free(window.time);
  free(window.level);
  return window;
}

static double
simulated(uint64_t bits_per_second) {
  /* About 300 000 packets, at least 3 s: hours at the lowest rates. */
  return fmax(3, fmin(7200, 300000.0 * 700 * 8 / (double)bits_per_second));
}

static const uint64_t bandwidths[] = {64000,       250000,       1000000,    2000000,    7777777,
                                      20000000,    100000000,    1000000000, 1901000000, 10000000000,
                                      40000000000, 100000000000, 99999999977};

/* Rates of very many packets are tested with one. */
static unsigned
most_workers(uint64_t bits_per_second) {
  return bits_per_second > 2000000000 ? 1 : WORKERS_MAX;
}

Test(token_bucket, never_above_the_rate_in_any_second) {
  for (size_t i = 0; i < sizeof(bandwidths) / sizeof(*bandwidths); i++)
    for (enum pattern pattern = STEADY; pattern <= SATURATED; pattern++)
      for (unsigned workers = 1; workers <= most_workers(bandwidths[i]); workers += 2) {
        const struct window window = run(bandwidths[i], pattern, simulated(bandwidths[i]), 1000, 7 + i, workers);
        cr_assert(le(dbl, window.excess, granularity(bandwidths[i]) * longest_of(bandwidths[i])),
                  "rate %lu pattern %d, %u workers: %.0f bytes above", bandwidths[i], pattern, workers, window.excess);
      }
}

static void
stays_within(uint64_t bandwidth, unsigned workers, uint64_t seed) {
  const double seconds = simulated(bandwidth), bound = (double)bandwidth / 8 * seconds;
  const struct window window = run(bandwidth, SATURATED, seconds, UINT64_MAX - TSC_HZ, seed, workers);

  cr_assert(ge(dbl, window.passed, bound * 0.999 - 2.5 * LONGEST_PACKET), "rate %lu, %u workers: %f", bandwidth,
            workers, window.passed / bound);
  cr_assert(le(dbl, window.passed, bound + granularity(bandwidth) * longest_of(bandwidth)), "rate %lu, %u workers: %f",
            bandwidth, workers, window.passed / bound);
}

Test(token_bucket, within_a_thousandth_below_when_packets_always_wait) {
  for (size_t i = 0; i < sizeof(bandwidths) / sizeof(*bandwidths); i++)
    for (unsigned workers = 1; workers <= most_workers(bandwidths[i]); workers += 2)
      stays_within(bandwidths[i], workers, 99 + i);
}

Test(portion, the_shared_word_moves_once_per_portion) {
  const unsigned shift = copse_portion_shift(2);
  struct copse_rate rate;
  uint64_t bucket = 0, before = 0, held[2] = {0}, now = 1, moves = 0;

  cr_assert(eq(int, copse_rate_set(&rate, 10000000000, 4000, TSC_HZ), 0)); /* portions of 156 kB */
  for (int i = 0; i < 100000; i++, now += TSC_HZ / 1000000) {              /* 1000 bytes a microsecond: 8 Gbit/s */
    cr_assert(eq(u32, copse_portion_take(&held[i % 2], shift, &bucket, &rate, now, 1000, 1, COPSE_WHOLE), 1));
    moves += bucket != before;
    before = bucket;
  }
  cr_assert(ge(u64, moves, 100000 * 1000 / 157000));
  cr_assert(le(u64, moves, 100000 * 1000 / 155000 + 2));
}

Test(portion, a_lower_rate_cuts_what_is_held) {
  const unsigned shift = copse_portion_shift(2);
  struct copse_rate deep, shallow;
  uint64_t bucket = 0, held = 0, passed = 0;

  cr_assert(eq(int, copse_rate_set(&deep, 100000000, 100000, TSC_HZ), 0));
  cr_assert(eq(int, copse_rate_set(&shallow, 100000000, 10000, TSC_HZ), 0)); /* 125 000 bytes */
  cr_assert(eq(u32, copse_portion_take(&held, shift, &bucket, &deep, 1, 100, 1, COPSE_WHOLE), 1));
  cr_assert(gt(u64, held, shallow.depth >> shift));
  bucket = 0;
  while (copse_portion_take(&held, shift, &bucket, &shallow, 1, 100, 1, COPSE_WHOLE) > 0)
    passed += 100;
  cr_assert(le(u64, passed, 125000 + 200));
  cr_assert(ge(u64, passed, 125000 * 7 / 8));
}

/* A bucket in which a packet has no room would wait idle for the next one to come: at 64 kb/s and 1.3 times the rate
 * for a third of the time. */
Test(token_bucket, slow_rates_are_used_whatever_is_offered) {
  for (double load = 1; load < 4; load += 0.07)
    for (uint64_t bandwidth = 64000; bandwidth <= 4000000; bandwidth *= 4) {
      struct copse_rate rate;
      uint64_t bucket = 0, random = 7, passed = 0;
      const uint64_t gap = (uint64_t)(1400.0 * 8 * TSC_HZ / ((double)bandwidth * load)), end = 100 * TSC_HZ;
      cr_assert(eq(int, copse_rate_set(&rate, bandwidth, BURST_US, TSC_HZ), 0));
      for (uint64_t now = gap; now < end; now += gap - gap / 8 + random_next(&random) % (gap / 4))
        passed += copse_bucket_take(&bucket, &rate, now, 1400, 1, COPSE_WHOLE, false) ? 1400 : 0;
      const double bound = (double)bandwidth / 8 * 100;
      cr_assert(ge(dbl, (double)passed, bound * 0.985 - 2 * 1400), "%lu bit/s, load %.2f: %f", bandwidth, load,
                (double)passed / bound);
      cr_assert(le(dbl, (double)passed, bound + 2 * 1400), "%lu bit/s, load %.2f", bandwidth, load);
    }
}

Test(token_bucket, light_load_passes_whole) {
  struct copse_rate rate;
  uint64_t bucket = 0, now = 5;

  cr_assert(eq(int, copse_rate_set(&rate, 10000000, 1000, TSC_HZ), 0));
  for (int i = 0; i < 100000; i++) {
    now += TSC_HZ / 1000; /* 1000 packets/s of 1000 bytes: 8 Mbit/s */
    cr_assert(copse_bucket_take(&bucket, &rate, now, 1000, 1, COPSE_WHOLE, false));
  }
}

Test(token_bucket, idle_bucket_passes_any_packet_and_then_waits_for_it) {
  struct copse_rate rate;
  uint64_t bucket = 0, now = 12345;

  cr_assert(eq(int, copse_rate_set(&rate, 8000, 100, TSC_HZ), 0)); /* 1000 bytes/s, depth 0.1 bytes */
  cr_assert(copse_bucket_take(&bucket, &rate, now, 65535, 1, COPSE_WHOLE, false));
  cr_assert(not(copse_bucket_take(&bucket, &rate, now + 65 * TSC_HZ, 1, 1, COPSE_WHOLE, false)));
  cr_assert(copse_bucket_take(&bucket, &rate, now + 66 * TSC_HZ, 1, 1, COPSE_WHOLE, false));
}

Test(token_bucket, depth_is_time_at_the_rate) {
  struct copse_rate rate;
  uint64_t bucket = 0;
  unsigned passed = 0;

  cr_assert(eq(int, copse_rate_set(&rate, 800000000, 1000, TSC_HZ), 0)); /* 100 MB/s: 100 000 bytes in 1 ms */
  while (copse_bucket_take(&bucket, &rate, 1, 1000, 1, COPSE_WHOLE, false))
    passed++;
  cr_assert(ge(uint, passed, 100));
  cr_assert(le(uint, passed, 101));
  bucket = 0;
  for (passed = 0; copse_bucket_take(&bucket, &rate, 1, 1000, 1, COPSE_HALF, false);)
    passed++;
  cr_assert(ge(uint, passed, 50));
  cr_assert(le(uint, passed, 51));
}

Test(token_bucket, catch_up_keeps_an_idle_bucket_idle_for_years) {
  const uint64_t day = 86400ULL * TSC_HZ;
  struct copse_rate rate;
  uint64_t bucket = 0, now = 1;

  cr_assert(eq(int, copse_rate_set(&rate, 1000000, 100, TSC_HZ), 0));
  for (int i = 0; i < 2000; i++) {
    if (i % 70 == 0)
      cr_assert(copse_bucket_take(&bucket, &rate, now, 1400, 1, COPSE_WHOLE, false), "day %d", i);
    now += day;
    copse_bucket_catch_up(&bucket, now);
  }
  /* A bucket that is ahead stays so. */
  cr_assert(copse_bucket_take(&bucket, &rate, now, 65535, 1, COPSE_WHOLE, false));
  copse_bucket_catch_up(&bucket, now);
  cr_assert(not(copse_bucket_take(&bucket, &rate, now, 1, 1, COPSE_WHOLE, false)));
}

Test(token_bucket, bad_rates_are_refused) {
  struct copse_rate rate;

  cr_assert(eq(int, copse_rate_set(&rate, 7, 1000, TSC_HZ), -EINVAL));
  cr_assert(eq(int, copse_rate_set(&rate, COPSE_RATE_MAX_BPS + 1, 1000, TSC_HZ), -EINVAL));
  cr_assert(eq(int, copse_rate_set(&rate, 1000, COPSE_BURST_MIN_US - 1, TSC_HZ), -EINVAL));
  cr_assert(eq(int, copse_rate_set(&rate, 1000, COPSE_BURST_MAX_US + 1, TSC_HZ), -EINVAL));
  cr_assert(eq(int, copse_rate_set(&rate, 0, 0, TSC_HZ), 0));
  cr_assert(eq(u64, rate.cost, 0));
}

Test(meter, colours_share_out_an_overload) {
  struct copse_meter_rates rates;
  struct copse_meter meter = {0};
  uint64_t green = 0, yellow = 0, now = 1;

  cr_assert(eq(int, copse_rate_set(&rates.committed, 10000000, BURST_US, TSC_HZ), 0));
  cr_assert(eq(int, copse_rate_set(&rates.peak, 15000000, BURST_US, TSC_HZ), 0));
  for (int i = 0; i < 100000; i++, now += TSC_HZ / 10000) { /* 10 s of 10 000 packets/s: 80 Mbit/s */
    const struct copse_colours colours = copse_meter_colour(&meter, &rates, now, 1000, 1);
    green += 1000 * colours.green;
    yellow += 1000 * colours.yellow;
  }
  cr_assert(le(dbl, fabs((double)green / 12500000 - 1), 0.001));
  cr_assert(le(dbl, fabs((double)yellow / 6250000 - 1), 0.003));
  cr_assert(le(u64, green + yellow, 18750000 + 1000));
}

Test(meter, unmetered_is_green_and_nothing_committed_is_yellow) {
  struct copse_meter_rates rates = {0};
  struct copse_meter meter = {0};

  struct copse_colours colours = copse_meter_colour(&meter, &rates, 1, 1400, 3);
  cr_assert(eq(u32, colours.green, 3));
  cr_assert(eq(u32, colours.yellow, 0));
  cr_assert(eq(int, copse_rate_set(&rates.peak, 1000000, 100, TSC_HZ), 0));
  colours = copse_meter_colour(&meter, &rates, 1, 1400, 3);
  cr_assert(eq(u32, colours.green, 0));
  cr_assert(eq(u32, colours.yellow, 2), "beside what is in the bucket a packet always fits");
  colours = copse_meter_colour(&meter, &rates, 1, 1400, 1);
  cr_assert(eq(u32, colours.green + colours.yellow, 0));
}

/* Packets taken at once are those that would have been taken one by one. */
Test(meter, a_run_is_as_its_packets) {
  struct copse_meter_rates rates;
  struct copse_meter one = {0}, run = {0};
  uint64_t now = 1, coloured[3] = {0};

  cr_assert(eq(int, copse_rate_set(&rates.committed, 40000000, 400, TSC_HZ), 0));
  cr_assert(eq(int, copse_rate_set(&rates.peak, 60000000, 900, TSC_HZ), 0));
  for (uint32_t i = 0; i < 10000; i++) {
    const uint32_t count = 1 + i * 7 % 32, bytes = 60 + i * 131 % 1400;
    struct copse_colours sum = {0};
    for (uint32_t packet = 0; packet < count; packet++) {
      const struct copse_colours here = copse_meter_colour(&one, &rates, now, bytes, 1);
      sum.green += here.green;
      sum.yellow += here.yellow;
    }
    const struct copse_colours all = copse_meter_colour(&run, &rates, now, bytes, count);
    cr_assert(eq(u32, all.green, sum.green));
    cr_assert(eq(u32, all.yellow, sum.yellow));
    cr_assert(eq(u64, run.committed, one.committed));
    cr_assert(eq(u64, run.peak, one.peak));
    coloured[0] += all.green;
    coloured[1] += all.yellow;
    coloured[2] += count - all.green - all.yellow;
    now += i * 7919 % 5000000;
  }
  cr_assert(gt(u64, coloured[0], 1000));
  cr_assert(gt(u64, coloured[1], 1000));
  cr_assert(gt(u64, coloured[2], 1000));
}

struct contender {
  uint64_t *bucket, *clock, held; /* held: the worker's own */
  const struct copse_rate *rate;
  uint64_t passed;
};

static void *
contend(void *argument) {
  struct contender *self = argument;

  for (int i = 0; i < 300000; i++) {
    const uint64_t now = __atomic_add_fetch(self->clock, TSC_HZ / 100000, __ATOMIC_RELAXED);
    self->passed +=
      copse_portion_take(&self->held, copse_portion_shift(2), self->bucket, self->rate, now, 1000, 1, COPSE_WHOLE)
        ? 1000
        : 0;
  }
  return NULL;
}

Test(token_bucket, two_workers_together_obey_the_rate) {
  struct copse_rate rate;
  uint64_t bucket = 0, clock = 1;
  struct contender contender[2];
  pthread_t thread[2];

  cr_assert(eq(int, copse_rate_set(&rate, 100000000, BURST_US, TSC_HZ), 0)); /* offered: 800 Mbit/s, for 6 s */
  for (int i = 0; i < 2; i++) {
    contender[i] = (struct contender){.bucket = &bucket, .clock = &clock, .rate = &rate};
    cr_assert(eq(int, pthread_create(&thread[i], NULL, contend, &contender[i]), 0));
  }
  for (int i = 0; i < 2; i++)
    pthread_join(thread[i], NULL);
  const double bound = 12500000.0 * 6, passed = (double)(contender[0].passed + contender[1].passed);
  cr_assert(le(dbl, passed, bound + 1000));
  cr_assert(ge(dbl, passed, bound * 0.995));
}
