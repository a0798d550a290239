/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/siphash.h"

#include "pipeline/tag.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#define ROUNDS 200

static struct copse_siphash_batch batch;
static struct copse_header headers[COPSE_SIPHASH_BATCH];
static uint8_t keys[COPSE_SIPHASH_BATCH][COPSE_KEY_BYTES];

/* `count` random messages under random keys, none of which the batch held before. */
static void
fill(unsigned count) {
  randombytes_buf(headers, sizeof(headers));
  randombytes_buf(keys, sizeof(keys));
  randombytes_buf(&batch, sizeof(batch));
  batch.count = 0;
  for (unsigned i = 0; i < count; i++)
    cr_assert(eq(uint, copse_siphash_add(&batch, &headers[i], keys[i]), i));
}

Test(siphash, every_way_agrees_with_libsodium) {
  struct copse_siphash_way ways[COPSE_SIPHASH_WAYS];

  copse_siphash_ways(ways);
  cr_assert(ways[0].usable);
  for (int way = 0; way < COPSE_SIPHASH_WAYS; way++)
    for (unsigned round = 0; ways[way].usable && round < ROUNDS; round++) {
      const unsigned count = round % (COPSE_SIPHASH_BATCH + 1);
      fill(count);
      ways[way].tags(&batch);
      cr_assert(eq(uint, batch.count, count));
      for (unsigned i = 0; i < count; i++)
        cr_assert(batch.tag[i] == copse_tag(&headers[i], keys[i]), "%s, message %u of %u", ways[way].name, i, count);
    }
}

Test(siphash, a_usable_way_is_chosen) {
  struct copse_siphash_way ways[COPSE_SIPHASH_WAYS];
  copse_siphash *chosen = copse_siphash_choose();
  int last = 0;

  copse_siphash_ways(ways);
  for (int way = 0; way < COPSE_SIPHASH_WAYS; way++)
    if (ways[way].usable)
      last = way;
  cr_assert(chosen == ways[last].tags);
}

Test(siphash, label_and_tag_are_not_covered) {
  fill(1);
  copse_siphash_choose()(&batch);
  const uint64_t before = batch.tag[0];
  headers[0].label ^= 1;
  headers[0].tag ^= 1;
  batch.count = 0;
  copse_siphash_add(&batch, &headers[0], keys[0]);
  copse_siphash_choose()(&batch);
  cr_assert(eq(u64, batch.tag[0], before));
  headers[0].sequence ^= 1;
  batch.count = 0;
  copse_siphash_add(&batch, &headers[0], keys[0]);
  copse_siphash_choose()(&batch);
  cr_assert(ne(u64, batch.tag[0], before));
}
