/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COPSE_CLOCK_H
#define COPSE_CLOCK_H

#include <stdint.h>

/* TSC cycles in a second, measured against CLOCK_MONOTONIC_RAW for 50 ms, good to some 10 ppm. DPDK's own figure is
 * rounded to 10 MHz: by it a rate may be 0.2 % too high. */
uint64_t copse_clock_tsc_hz(void);

#endif
