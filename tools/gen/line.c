/* SPDX-License-Identifier: Apache-2.0 */
/* copse-line: how long a cache line takes from CPU 0 to CPU 1 and back, in ns, the median of many. A host that moves
 * virtual CPUs changes it, and with it every figure of a bench between two of them, though it steals no time. */
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SAMPLES 200
#define TRIPS 200 /* of each sample */

static _Alignas(64) unsigned line;

static void
pin(int cpu) {
  cpu_set_t set;

  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

static void
wait_for(unsigned value) {
  while (__atomic_load_n(&line, __ATOMIC_ACQUIRE) != value)
    ;
}

/* Answers odd numbers with the even ones that follow. */
static void *
answer(void *unused) {
  (void)unused;
  pin(1);
  for (unsigned trip = 0; trip < SAMPLES * TRIPS; trip++) {
    wait_for(2 * trip + 1);
    __atomic_store_n(&line, 2 * trip + 2, __ATOMIC_RELEASE);
  }
  return NULL;
}

static double
now_ns(void) {
  struct timespec now;

  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int
compare(const void *a, const void *b) {
  const double left = *(const double *)a, right = *(const double *)b;

  return (left > right) - (left < right);
}

int
main(void) {
  double samples[SAMPLES];
  pthread_t other;

  if (pthread_create(&other, NULL, answer, NULL) != 0)
    return 1;
  pin(0);
  for (unsigned i = 0; i < SAMPLES; i++) {
    const double start = now_ns();
    for (unsigned trip = i * TRIPS; trip < (i + 1) * TRIPS; trip++) {
      __atomic_store_n(&line, 2 * trip + 1, __ATOMIC_RELEASE);
      wait_for(2 * trip + 2);
    }
    samples[i] = (now_ns() - start) / TRIPS;
  }
  pthread_join(other, NULL);
  qsort(samples, SAMPLES, sizeof(*samples), compare);
  printf("%.0f\n", samples[SAMPLES / 2]);
  return 0;
}
