/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/siphash.h"

/* Registers of 1, 4 and 8 lanes. */
typedef uint64_t lanes1 __attribute__((may_alias));
typedef uint64_t lanes4 __attribute__((vector_size(32), may_alias));
typedef uint64_t lanes8 __attribute__((vector_size(64), may_alias));

static_assert(COPSE_SIPHASH_BATCH % (sizeof(lanes8) / sizeof(uint64_t)) == 0, "a batch fills all lanes");

#define ROTATE(x, bits) ((x) << (bits) | (x) >> (64 - (bits)))

#define ROUND                                                                                                          \
  do {                                                                                                                 \
    v0 += v1;                                                                                                          \
    v2 += v3;                                                                                                          \
    v1 = ROTATE(v1, 13) ^ v0;                                                                                          \
    v3 = ROTATE(v3, 16) ^ v2;                                                                                          \
    v0 = ROTATE(v0, 32);                                                                                               \
    v2 += v1;                                                                                                          \
    v0 += v3;                                                                                                          \
    v1 = ROTATE(v1, 17) ^ v2;                                                                                          \
    v3 = ROTATE(v3, 21) ^ v0;                                                                                          \
    v2 = ROTATE(v2, 32);                                                                                               \
  } while (0)

/* Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012), for messages of three words. The body is the same
 * for every width and instruction set; the processor overlaps its turns. */
#define DEFINE(name, lanes, width, instructions)                                                                       \
  instructions static void name(struct copse_siphash_batch *batch) {                                                   \
    for (unsigned i = 0; i < batch->count; i += (width)) {                                                             \
      const lanes k0 = *(const lanes *)&batch->key[0][i], k1 = *(const lanes *)&batch->key[1][i];                      \
      lanes v0 = k0 ^ 0x736f6d6570736575ULL, v1 = k1 ^ 0x646f72616e646f6dULL;                                          \
      lanes v2 = k0 ^ 0x6c7967656e657261ULL, v3 = k1 ^ 0x7465646279746573ULL;                                          \
      for (int word = 0; word < 3; word++) {                                                                           \
        const lanes m = *(const lanes *)&batch->word[word][i];                                                         \
        v3 ^= m;                                                                                                       \
        ROUND;                                                                                                         \
        ROUND;                                                                                                         \
        v0 ^= m;                                                                                                       \
      }                                                                                                                \
      v2 ^= 0xff;                                                                                                      \
      ROUND;                                                                                                           \
      ROUND;                                                                                                           \
      ROUND;                                                                                                           \
      ROUND;                                                                                                           \
      *(lanes *)&batch->tag[i] = v0 ^ v1 ^ v2 ^ v3;                                                                    \
    }                                                                                                                  \
  }

DEFINE(tags_scalar, lanes1, 1, )
DEFINE(tags_avx2, lanes4, 4, __attribute__((target("avx2"))))
DEFINE(tags_avx512, lanes8, 8, __attribute__((target("avx512f"))))

void
copse_siphash_ways(struct copse_siphash_way ways[COPSE_SIPHASH_WAYS]) {
  __builtin_cpu_init();
  ways[0] = (struct copse_siphash_way){"scalar", tags_scalar, true};
  ways[1] = (struct copse_siphash_way){"avx2", tags_avx2, __builtin_cpu_supports("avx2")};
  ways[2] = (struct copse_siphash_way){"avx512", tags_avx512, __builtin_cpu_supports("avx512f")};
}

copse_siphash *
copse_siphash_choose(void) {
  struct copse_siphash_way ways[COPSE_SIPHASH_WAYS];
  int best = COPSE_SIPHASH_WAYS - 1;

  copse_siphash_ways(ways);
  while (!ways[best].usable)
    best--;
  return ways[best].tags;
}
