/* SPDX-License-Identifier: Apache-2.0 */
#include "alone.h"

#include "quantile.h"
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <x86intrin.h>

#define SLICE_NS 20000000ULL
#define SLICES_MAX 512
#define WARM_UP_SLICES 3

uint64_t
gen_now_ns(void) {
  struct timespec now;

  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void
gen_pin(int cpu) {
  cpu_set_t set;

  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

static bool
sample(const struct gen_alone *alone, const struct gen_alone_order *order, unsigned slices) {
  const uint64_t cycles = __rdtsc(), begin = gen_now_ns();
  double rates[SLICES_MAX];
  uint64_t start;

  if (!alone->begin(alone->context, order))
    return false;
  alone->work(alone->context, order, begin + WARM_UP_SLICES * SLICE_NS);
  start = gen_now_ns();
  for (unsigned i = 0; i < slices; i++) {
    const uint64_t copies = alone->work(alone->context, order, start + SLICE_NS), end = gen_now_ns();
    rates[i] = (double)copies * 1e9 / (double)(end - start);
    start = end;
  }
  const double full = alone->end(alone->context);
  if (full < 0)
    return false;
  gen_sort(rates, slices);
  printf("{\"copies_per_s\":%.0f,\"full\":%.3f,\"tsc_hz\":%.0f}\n", gen_quantile(rates, slices, 0.9), full,
         (double)(__rdtsc() - cycles) * 1e9 / (double)(gen_now_ns() - begin));
  fflush(stdout);
  return true;
}

/* The number behind `name` in a line, or 0. */
static unsigned
number(const char *line, const char *name) {
  const char *at = strstr(line, name);

  return at != NULL ? (unsigned)strtoul(at + strlen(name), NULL, 10) : 0;
}

int
gen_alone_serve(const struct gen_alone *alone) {
  char line[128];

  gen_pin(GEN_ALONE_CPU);
  puts("{\"listening\":true}");
  fflush(stdout);
  while (fgets(line, sizeof(line), stdin) != NULL) {
    const struct gen_alone_order order = {number(line, "frame="), number(line, "fanout=")};
    const unsigned slices = (unsigned)(number(line, "ms=") * 1000000ULL / SLICE_NS);
    if (order.frame < alone->frame_min || order.frame > alone->frame_max || order.fanout < 1 ||
        order.fanout > alone->fanout_max || slices < 1 || slices > SLICES_MAX)
      return 2;
    if (!sample(alone, &order, slices))
      return 1;
  }
  return 0;
}
