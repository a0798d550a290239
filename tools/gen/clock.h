/* SPDX-License-Identifier: Apache-2.0 */
/* How fast the TSC runs: rte_get_tsc_hz is rounded to 10 MHz, as much as a quarter of the half percent that rates are
 * held to. */
#ifndef GEN_CLOCK_H
#define GEN_CLOCK_H

#include <stdint.h>

/* Cycles a second, as CLOCK_MONOTONIC saw them from the first call of gen_clock_calibrate to the last; before there are
 * two, DPDK's figure. */
double gen_clock_hz(void);

/* The longer since the first call, the more exact: 0.1 s makes it one in a million. */
void gen_clock_calibrate(void);

/* Where sequences begin, CLOCK_REALTIME in ns: they grow with every start of a sender, as docs/protocol.md wants it. */
uint64_t gen_clock_sequence(void);

#endif
