/* SPDX-License-Identifier: Apache-2.0 */
#include "table/replay.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <pthread.h>
#include <stdlib.h>

#define NUMBERS 100000

static bool
accept_one(struct copse_replay *replay, uint64_t sequence, bool shared) {
  return copse_replay_accept(replay, sequence / 32, 1U << sequence % 32, shared) != 0;
}

Test(replay, in_order_each_once) {
  struct copse_replay replay = {0};

  for (uint64_t i = 0; i < 10000; i++) {
    cr_assert(accept_one(&replay, i, false), "%lu", i);
    cr_assert(not(accept_one(&replay, i, false)), "%lu", i);
  }
}

Test(replay, window_is_960_below_the_highest) {
  for (int shared = 0; shared < 2; shared++) {
    struct copse_replay replay = {0};
    cr_assert(accept_one(&replay, 100000, shared));
    cr_assert(accept_one(&replay, 100000 - 960, shared));
    cr_assert(not(accept_one(&replay, 100000 - 961, shared)));
    cr_assert(not(accept_one(&replay, 0, shared)));
    for (uint64_t below = 1; below < 960; below++)
      cr_assert(accept_one(&replay, 100000 - below, shared), "%lu", below);
    for (uint64_t below = 0; below <= 960; below++)
      cr_assert(not(accept_one(&replay, 100000 - below, shared)), "%lu", below);
  }
}

Test(replay, jumps_and_the_ends_of_the_numbers) {
  static const uint64_t jumps[] = {
    0, 31, 32, 1023, 1024, 1ULL << 36, 1ULL << 37, (1ULL << 37) + 1, (1ULL << 62) + 64, UINT64_MAX - 1, UINT64_MAX};

  for (int shared = 0; shared < 2; shared++) {
    struct copse_replay replay = {0};
    for (size_t i = 0; i < sizeof(jumps) / sizeof(*jumps); i++) {
      /* The one number that may be refused unused: an exact multiple of 2^37 after a used one of its block. */
      const bool alias = jumps[i] == 1ULL << 37;
      cr_assert(accept_one(&replay, jumps[i], shared) || alias, "%lx", jumps[i]);
      cr_assert(not(accept_one(&replay, jumps[i], shared)), "%lx", jumps[i]);
    }
    cr_assert(accept_one(&replay, UINT64_MAX - 960, shared));
    cr_assert(not(accept_one(&replay, UINT64_MAX - 961, shared)));
  }
}

/* Against a model that remembers everything: random order within and around the window, with duplicates. */
Test(replay, random_order_against_a_model) {
  static bool seen[NUMBERS];
  struct copse_replay replay = {0};
  uint64_t highest = 0;
  unsigned random = 1;

  for (int i = 0; i < 1000000; i++) {
    const int64_t near = (int64_t)(i / 11) + rand_r(&random) % 2200 - 1100;
    const uint64_t sequence = (uint64_t)(near < 0 ? 0 : near >= NUMBERS ? NUMBERS - 1 : near);
    const bool expected = !seen[sequence] && (sequence >= highest || highest - sequence <= COPSE_REPLAY_WINDOW);
    cr_assert(eq(int, accept_one(&replay, sequence, i & 1), expected), "number %lu, highest %lu", sequence, highest);
    seen[sequence] |= expected;
    highest = sequence > highest ? sequence : highest;
  }
}

/* Any numbers of a word at once are accepted as they would be one by one. */
Test(replay, several_at_once_against_one_by_one) {
  struct copse_replay at_once = {0}, one_by_one = {0};
  unsigned random = 2;

  for (int i = 0; i < 200000; i++) {
    const int64_t near = (int64_t)(i / 300) + rand_r(&random) % 40 - 35;
    const uint64_t number = near < 0 ? 0 : (uint64_t)near;
    const uint32_t asked = (uint32_t)rand_r(&random) & (uint32_t)rand_r(&random) << 1;
    uint32_t expected = 0;
    if (asked == 0)
      continue;
    for (int bit = 31; bit >= 0; bit--) /* the highest first, as it moves the window */
      if (asked >> bit & 1 && accept_one(&one_by_one, 32 * number + (unsigned)bit, false))
        expected |= 1U << bit;
    cr_assert(eq(u32, copse_replay_accept(&at_once, number, asked, i & 1), expected), "word %lu", number);
    cr_assert(eq(u64, at_once.highest, one_by_one.highest));
  }
}

static struct copse_replay contended;
static uint32_t accepted[NUMBERS];

static void *
contend(void *argument) {
  for (uint64_t i = 0; i < NUMBERS; i++) {
    /* Both go forward, one in swapped pairs, so that they meet at the same blocks from both sides. */
    const uint64_t sequence = argument ? i ^ 1 : i;
    if (accept_one(&contended, sequence, true))
      __atomic_fetch_add(&accepted[sequence], 1, __ATOMIC_RELAXED);
  }
  return NULL;
}

Test(replay, two_workers_never_accept_twice) {
  pthread_t thread[2];
  uint64_t total = 0;

  for (int i = 0; i < 2; i++)
    cr_assert(eq(int, pthread_create(&thread[i], NULL, contend, (void *)(intptr_t)i), 0));
  for (int i = 0; i < 2; i++)
    pthread_join(thread[i], NULL);
  for (int i = 0; i < NUMBERS; i++) {
    cr_assert(le(uint, accepted[i], 1), "%d", i);
    total += accepted[i];
  }
  cr_assert(ge(u64, total, NUMBERS * 99 / 100)); /* one may run more than a window ahead */
}
