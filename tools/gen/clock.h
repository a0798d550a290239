/* SPDX-License-Identifier: Apache-2.0 */
/* How fast the TSC runs: rte_get_tsc_hz is rounded to 10 MHz, as much as a quarter of the half percent that rates are
 * held to. */
#ifndef GEN_CLOCK_H
#define GEN_CLOCK_H

/* Cycles a second, as CLOCK_MONOTONIC saw them from the first call of gen_clock_calibrate to the last; before there are
 * two, DPDK's figure. */
double gen_clock_hz(void);

/* The longer since the first call, the more exact: 0.1 s makes it one in a million. */
void gen_clock_calibrate(void);

#endif
