/* SPDX-License-Identifier: Apache-2.0 */
#include <copse/trees.h>
#include <criterion/criterion.h>
#include <math.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

Test(bandwidth, median_is_the_lower_one) {
  const uint64_t one[] = {7}, two[] = {9, 4}, four[] = {8, 2, 6, 4}, five[] = {5, 1, 4, 1, 3};
  const uint64_t extremes[] = {UINT64_MAX, 0, UINT64_MAX};

  cr_expect_eq(copse_median_bps(one, COUNT(one)), 7);
  cr_expect_eq(copse_median_bps(two, COUNT(two)), 4);
  cr_expect_eq(copse_median_bps(four, COUNT(four)), 4);
  cr_expect_eq(copse_median_bps(five, COUNT(five)), 3);
  cr_expect_eq(copse_median_bps(extremes, COUNT(extremes)), UINT64_MAX);
}

Test(bandwidth, mode_is_the_lower_median_of_the_fullest_bin) {
  const uint64_t rates[] = {900, 200, 210, 205, 400, 800, 1000};
  const uint64_t even[] = {200, 210, 205, 208, 1000, 9000};

  cr_expect_eq(copse_mode_bps(rates, COUNT(rates)), 205);
  cr_expect_eq(copse_mode_bps(even, COUNT(even)), 205);
  cr_expect_eq(copse_median_bps(rates, COUNT(rates)), 400, "the median is another");
}

Test(bandwidth, mode_of_a_tie_is_in_the_lower_bin) {
  const uint64_t rates[] = {5000, 5000, 100, 100, 900};

  cr_expect_eq(copse_mode_bps(rates, COUNT(rates)), 100);
}

Test(bandwidth, fewer_than_five_peers_have_their_median_as_mode) {
  const uint64_t rates[] = {800, 800, 100, 200, 800};

  cr_expect_eq(copse_mode_bps(rates, 4), 200);
  cr_expect_eq(copse_mode_bps(rates, 5), 800);
}

/* A rate right below a border of the grid and the one right above fall into different bins: three at the one and two
 * at the other, whose median differs from that of all five together. */
Test(bandwidth, the_grid_is_exact) {
  for (int k = 12; k < 252; k++) {
    uint64_t above = (uint64_t)ceill(exp2l(k / 4.0L)), below = above - 1;
    const uint64_t upper[] = {above, above, above, below, below}, lower[] = {above, above, below, below, below};
    const uint64_t tied[] = {above, above, below, below, 1};
    cr_expect_eq(copse_mode_bps(upper, 5), above, "k = %d", k);
    cr_expect_eq(copse_mode_bps(lower, 5), below, "k = %d", k);
    cr_expect_eq(copse_mode_bps(tied, 5), below, "k = %d", k);
  }
}

Test(bandwidth, bins_are_a_quarter_of_a_power_of_two_wide) {
  /* 2^10 = 1024, 2^10.25 = 1217.7: the first four share a bin, 1218 is in the next. */
  const uint64_t rates[] = {1024, 1100, 1200, 1217, 1218, 1300, 1400};

  cr_expect_eq(copse_mode_bps(rates, COUNT(rates)), 1100);
}

Test(bandwidth, growth_follows_credit) {
  /* 200 kbit/s for 100 s are 2.5 MB. */
  cr_expect_eq(copse_growth(0, 200000, 100, 4), 0);
  cr_expect_float_eq(copse_growth(1, 200000, 100, 4), 1, 1e-6);
  cr_expect_eq(copse_growth(1250000, 200000, 100, 4), 1.5);
  cr_expect_eq(copse_growth(2500000, 200000, 100, 4), 2);
  cr_expect_eq(copse_growth(UINT64_MAX, 200000, 100, 4), 4);
  cr_expect_eq(copse_growth(2500000, 200000, 100, 0.5), 1, "never below 1 while there is credit");
}
