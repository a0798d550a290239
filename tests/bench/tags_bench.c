/* SPDX-License-Identifier: Apache-2.0 */
/* tags-bench: prints TSC cycles per tag, gathering included, of each way to compute tags and of libsodium, by the
 * number of messages at once. Medians. */
#include "pipeline/siphash.h"
#include "pipeline/tag.h"

#include <rte_cycles.h>
#include <stdio.h>
#include <stdlib.h>

#define SAMPLES 2001
#define REPEATS 20

static struct copse_siphash_batch batch;
static struct copse_header headers[COPSE_SIPHASH_BATCH];
static uint8_t keys[COPSE_SIPHASH_BATCH][COPSE_KEY_BYTES];

static int
compare(const void *a, const void *b) {
  const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

  return (x > y) - (x < y);
}

static void
compute(copse_siphash *tags, unsigned count) {
  batch.count = 0;
  for (unsigned i = 0; i < count; i++)
    if (tags != NULL)
      copse_siphash_add(&batch, &headers[i], keys[i]);
    else
      batch.tag[i] = copse_tag(&headers[i], keys[i]);
  if (tags != NULL)
    tags(&batch);
}

static void
measure(const char *name, copse_siphash *tags) {
  static const unsigned counts[] = {1, 4, 8, 32, 64};
  static uint64_t cycles[SAMPLES];

  printf("%-10s", name);
  for (size_t n = 0; n < sizeof(counts) / sizeof(*counts); n++) {
    for (int i = 0; i < SAMPLES; i++) {
      const uint64_t begun = rte_rdtsc();
      for (int repeat = 0; repeat < REPEATS; repeat++)
        compute(tags, counts[n]);
      cycles[i] = rte_rdtsc() - begun;
    }
    qsort(cycles, SAMPLES, sizeof(*cycles), compare);
    printf("  %u: %.1f", counts[n], (double)cycles[SAMPLES / 2] / REPEATS / counts[n]);
  }
  printf("\n");
}

int
main(void) {
  struct copse_siphash_way ways[COPSE_SIPHASH_WAYS];

  randombytes_buf(headers, sizeof(headers));
  randombytes_buf(keys, sizeof(keys));
  copse_siphash_ways(ways);
  measure("libsodium", NULL);
  for (int way = 0; way < COPSE_SIPHASH_WAYS; way++)
    if (ways[way].usable)
      measure(ways[way].name, ways[way].tags);
  return 0;
}
