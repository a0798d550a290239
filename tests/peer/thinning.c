/* SPDX-License-Identifier: Apache-2.0 */
/* Which blocks a receiver asks trees for: all where nothing or little is lost, about what its way carries elsewhere. */
#include "thinning.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>

#define BLOCKS 6000U
#define SYMBOLS 13
#define BLOCK_NS 300000000ULL

/* What a way loses: each symbol by chance, and of more than it carries the rest. */
struct way {
  double carries; /* of what trees bring */
  double random;
};

static double
lost_of(const struct way *way, double fraction) {
  const double through = fraction > way->carries ? way->carries / fraction : 1;
  int lost = 0;

  for (int symbol = 0; symbol < SYMBOLS; symbol++)
    lost += rand() >= RAND_MAX * through * (1 - way->random);
  return (double)lost / SYMBOLS;
}

static double
mean_from(struct thinning *thinning, const struct way *way, uint32_t from) {
  double sum = 0;

  for (uint32_t block = 0; block < BLOCKS; block++) {
    const uint64_t now = block * BLOCK_NS;
    if (thinning_counts(thinning, block, now))
      thinning_measured(thinning, lost_of(way, thinning->fraction), now);
    sum += block < from ? 0 : thinning->fraction;
  }
  return sum / (BLOCKS - from);
}

Test(thinning, nothing_is_left_out_where_nothing_or_little_is_lost) {
  static const double random[] = {0, 0.02, 0.1, 0.19};

  for (size_t i = 0; i < sizeof(random) / sizeof(random[0]); i++) {
    struct thinning thinning;
    thinning_init(&thinning);
    cr_expect(epsilon_eq(dbl, mean_from(&thinning, &(struct way){1, random[i]}, 0), 1, 0.002), "%g lost", random[i]);
  }
}

Test(thinning, it_finds_what_the_way_carries) {
  static const struct way ways[] = {{0.6, 0}, {0.3, 0}, {0.1, 0}, {0.3, 0.1}, {0.04, 0}};

  for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
    struct thinning thinning;
    thinning_init(&thinning);
    const double mean = mean_from(&thinning, &ways[i], BLOCKS / 3) / ways[i].carries;
    cr_expect(gt(dbl, mean, 0.7), "%g carried, %g lost: %g", ways[i].carries, ways[i].random, mean);
    cr_expect(lt(dbl, mean, 1.1), "%g carried, %g lost: %g", ways[i].carries, ways[i].random, mean);
  }
}

Test(thinning, it_comes_back_when_the_way_is_free_again) {
  struct thinning thinning;

  thinning_init(&thinning);
  mean_from(&thinning, &(struct way){0.1, 0}, 0);
  cr_assert(lt(dbl, thinning.fraction, 0.2));
  thinning.settled_ns = 0;
  mean_from(&thinning, &(struct way){1, 0}, 0);
  cr_expect(eq(dbl, thinning.fraction, 1));
}

Test(thinning, blocks_from_before_say_nothing) {
  struct thinning thinning;
  bool less = false;

  thinning_init(&thinning);
  cr_expect(thinning_counts(&thinning, 5, 0));
  for (int block = 0; block < 16 && !less; block++)
    less = thinning_measured(&thinning, 0.8, 1000);
  cr_assert(less);
  for (uint32_t block = 0; block < BLOCKS; block++)
    cr_assert(not(thinning_counts(&thinning, block, 1000)));
}

Test(thinning, what_is_taken_is_taken_evenly_and_with_more_what_was_before) {
  struct thinning some = {.number = 7, .fraction = 0.1}, more = {.number = 7, .fraction = 0.25};
  uint32_t last = 0, count = 0;

  for (uint32_t block = 0; block < BLOCKS; block++) {
    if (!thinning_takes(&some, block))
      continue;
    cr_assert(thinning_takes(&more, block));
    cr_assert(le(u32, block - last, 21), "steps of the golden ratio come in Fibonacci numbers");
    last = block;
    count++;
  }
  cr_expect(epsilon_eq(dbl, count, BLOCKS * 0.1, 3));
}

/* By chance 1 / e would be missing. */
Test(thinning, neighbours_take_what_the_others_leave_out) {
  for (uint32_t neighbours = 2; neighbours <= 40; neighbours++) {
    uint32_t missing = 0;
    for (uint32_t block = 0; block < BLOCKS; block++) {
      bool taken = false;
      for (uint32_t number = 0; number < neighbours; number++)
        taken |= thinning_takes(&(struct thinning){.number = number, .fraction = 1.0 / neighbours}, block);
      missing += !taken;
    }
    cr_expect(lt(u32, missing, BLOCKS / 4), "%u of %u missing at %u", missing, BLOCKS, neighbours);
  }
}
