/* SPDX-License-Identifier: Apache-2.0 */
/* The one clock of this program, read at its edges only: logic gets `now` as an argument. */
#ifndef PEER_CLOCK_H
#define PEER_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Monotonic nanoseconds. */
static inline uint64_t
clock_ns(void) {
  struct timespec now;

  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

#endif
