/* SPDX-License-Identifier: Apache-2.0 */
/* copse-line: how long a cache line takes from CPU 0 to CPU 1 and back, in ns, the median of many. A host that moves
 * virtual CPUs changes it, and with it every figure of a bench between two of them, though it steals no time. */
#include "alone.h"
#include "quantile.h"

#include <pthread.h>
#include <stdio.h>

#define SAMPLES 200
#define TRIPS 200 /* of each sample */

static _Alignas(64) unsigned line;

static void
wait_for(unsigned value) {
  while (__atomic_load_n(&line, __ATOMIC_ACQUIRE) != value)
    ;
}

/* Answers odd numbers with the even ones that follow. */
static void *
answer(void *unused) {
  (void)unused;
  gen_pin(1);
  for (unsigned trip = 0; trip < SAMPLES * TRIPS; trip++) {
    wait_for(2 * trip + 1);
    __atomic_store_n(&line, 2 * trip + 2, __ATOMIC_RELEASE);
  }
  return NULL;
}

int
main(void) {
  double samples[SAMPLES];
  pthread_t other;

  if (pthread_create(&other, NULL, answer, NULL) != 0)
    return 1;
  gen_pin(0);
  for (unsigned i = 0; i < SAMPLES; i++) {
    const uint64_t start = gen_now_ns();
    for (unsigned trip = i * TRIPS; trip < (i + 1) * TRIPS; trip++) {
      __atomic_store_n(&line, 2 * trip + 1, __ATOMIC_RELEASE);
      wait_for(2 * trip + 2);
    }
    samples[i] = (double)(gen_now_ns() - start) / TRIPS;
  }
  pthread_join(other, NULL);
  gen_sort(samples, SAMPLES);
  printf("%.0f\n", gen_quantile(samples, SAMPLES, 0.5));
  return 0;
}
