/* SPDX-License-Identifier: Apache-2.0 */
#include "clock.h"

#include <rte_cycles.h>
#include <time.h>

static uint64_t first_cycles, first_ns;
static double hz;

double
gen_clock_hz(void) {
  return hz > 0 ? hz : (double)rte_get_tsc_hz();
}

void
gen_clock_calibrate(void) {
  struct timespec now;

  clock_gettime(CLOCK_MONOTONIC, &now);
  const uint64_t cycles = rte_rdtsc(), ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
  if (first_cycles == 0) {
    first_cycles = cycles;
    first_ns = ns;
  } else if (ns > first_ns) {
    hz = (double)(cycles - first_cycles) * 1e9 / (double)(ns - first_ns);
  }
}

uint64_t
gen_clock_sequence(void) {
  struct timespec now;

  clock_gettime(CLOCK_REALTIME, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}
