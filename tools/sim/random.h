/* SPDX-License-Identifier: Apache-2.0 */
/* xoshiro256** (Blackman and Vigna, 2018): the same numbers from the same seed on every machine. */
#ifndef SIM_RANDOM_H
#define SIM_RANDOM_H

#include <math.h>
#include <stdint.h>

struct sim_random {
  uint64_t state[4];
};

static inline uint64_t
sim_splitmix(uint64_t *seed) {
  uint64_t z = (*seed += 0x9e3779b97f4a7c15ULL);

  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

static inline void
sim_random_seed(struct sim_random *random, uint64_t seed) {
  for (int i = 0; i < 4; i++)
    random->state[i] = sim_splitmix(&seed);
}

static inline uint64_t
sim_random(struct sim_random *random) {
  uint64_t *s = random->state;
  const uint64_t result = ((s[1] * 5) << 7 | (s[1] * 5) >> 57) * 9, t = s[1] << 17;

  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= t;
  s[3] = s[3] << 45 | s[3] >> 19;
  return result;
}

/* In [0, 1). */
static inline double
sim_uniform(struct sim_random *random) {
  return (double)(sim_random(random) >> 11) * 0x1p-53;
}

/* Of an exponential distribution. */
static inline double
sim_exponential(struct sim_random *random, double mean) {
  return -mean * log1p(-sim_uniform(random));
}

#endif
