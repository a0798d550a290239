/* SPDX-License-Identifier: Apache-2.0 */
/* Each tree carries its bound, no more and at most half a percent less, whatever it and others are offered. What there
 * is more of is measured by tests/bench/rates_bench.c. */
#include "offer.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#define PACKETS_MAX 150e3 /* of a cell */
#define BURST_US 4000     /* the control plane's default */
#define PACKET 1400

TestSuite(rates, .init = orchard_start_eal, .timeout = 120);

static struct outcome
run(const struct offer *offer) {
  const struct outcome outcome = offer_run(offer);

  cr_assert(outcome.conserved);
  cr_assert(ge(dbl, outcome.offered, offer->load * 0.999 - outcome.granularity));
  return outcome;
}

static void
run_grid(unsigned workers) {
  static const uint64_t rates[] = {64000, 1000000, 10000000, 100000000};
  static const uint32_t trees[] = {1, 10, 1000};
  static const double loads[] = {0.5, 1, 1.3, 2, 10};

  for (size_t i = 0; i < RTE_DIM(trees); i++)
    for (size_t j = 0; j < RTE_DIM(rates); j++)
      for (size_t k = 0; k < RTE_DIM(loads); k++) {
        const struct offer offer = {.workers = workers,
                                    .trees = trees[i],
                                    .bps = rates[j],
                                    .load = loads[k],
                                    .seconds = 10,
                                    .layer3_bytes = PACKET,
                                    .burst_us = BURST_US};
        if ((double)(rates[j] * trees[i]) * loads[k] * 10 / (8 * PACKET) > PACKETS_MAX)
          continue;
        const struct outcome outcome = run(&offer);
        if (loads[k] < 1)
          cr_assert(eq(u64, outcome.lost, 0), "%u trees of %lu bit/s", trees[i], rates[j]);
        else
          cr_assert(offer_in_bound(&outcome), "%u workers, %u trees of %lu bit/s, load %g: %f to %f", workers, trees[i],
                    rates[j], loads[k], outcome.lowest, outcome.highest);
      }
}

Test(rates, trees_of_one_worker) {
  run_grid(1);
}

Test(rates, trees_that_two_workers_share) {
  run_grid(2);
}

Test(rates, a_hot_tree_of_ten_gigabits) {
  for (unsigned workers = 1; workers <= 2; workers++) {
    const struct offer offer = {.workers = workers,
                                .trees = 1,
                                .bps = 10000000000,
                                .load = 1.3,
                                .seconds = 1,
                                .layer3_bytes = 8900,
                                .burst_us = BURST_US};
    const struct outcome outcome = run(&offer);
    cr_assert(offer_in_bound(&outcome), "%u workers: %f", workers, outcome.lowest);
  }
}

Test(rates, a_greedy_tree_takes_nothing_from_others) {
  for (unsigned workers = 1; workers <= 2; workers++) {
    const struct offer offer = {.workers = workers,
                                .trees = 10,
                                .bps = 1000000,
                                .load = 0.9,
                                .greedy = 100,
                                .seconds = 10,
                                .layer3_bytes = PACKET,
                                .burst_us = BURST_US};
    const struct outcome outcome = run(&offer);
    cr_assert(eq(u64, outcome.lost, 0));
    cr_assert(ge(dbl, outcome.lowest, 0.9 - outcome.granularity));
    cr_assert(le(dbl, outcome.greedy, 1 + outcome.granularity));
    cr_assert(ge(dbl, outcome.greedy, 0.995 - outcome.granularity));
  }
}

/* What 10 ms of depth cost: that the measure can fail. */
Test(rates, a_deep_bucket_is_seen_to_cost_rate) {
  const struct offer offer = {
    .workers = 1, .trees = 1, .bps = 10000000, .load = 2, .seconds = 10, .layer3_bytes = PACKET, .burst_us = 10000};
  const struct outcome outcome = run(&offer);

  cr_assert(not(offer_in_bound(&outcome)));
}
