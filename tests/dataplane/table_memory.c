/* SPDX-License-Identifier: Apache-2.0 */
/* A batch that runs out of memory anywhere changes nothing. Linked with malloc and its kin wrapped. */
#include "builder.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <stdlib.h>

/* Allocations until one fails; negative: none does. */
static int countdown = -1;

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t elements, size_t bytes);
void *__real_realloc(void *old, size_t bytes);
int __real_posix_memalign(void **out, size_t alignment, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t elements, size_t bytes);
void *__wrap_realloc(void *old, size_t bytes);
int __wrap_posix_memalign(void **out, size_t alignment, size_t bytes);

static bool
fails(void) {
  if (countdown < 0 || countdown-- > 0)
    return false;
  errno = ENOMEM;
  return true;
}

void *
__wrap_malloc(size_t bytes) {
  return fails() ? NULL : __real_malloc(bytes);
}

void *
__wrap_calloc(size_t elements, size_t bytes) {
  return fails() ? NULL : __real_calloc(elements, bytes);
}

void *
__wrap_realloc(void *old, size_t bytes) {
  return fails() ? NULL : __real_realloc(old, bytes);
}

int
__wrap_posix_memalign(void **out, size_t alignment, size_t bytes) {
  return fails() ? ENOMEM : __real_posix_memalign(out, alignment, bytes);
}

/* Every kind of operation, on fresh and on existing slots; more than 64 slots, so that the journal grows. */
static void
add_everything(struct builder *batch, uint32_t round) {
  const struct copse_api_hop hops[] = {{COPSE_HOP_LINK, 0, 1, 0}, {COPSE_HOP_MEMBER, 1, 2, 0}};
  const uint64_t words[] = {1, 2};

  for (uint32_t i = 0; i < 16; i++)
    add_link(batch, i, ipv4(10, 1, (uint8_t)round, (uint8_t)i + 1, 7), 1000);
  for (uint32_t i = 0; i < 16; i++) {
    const struct copse_api_target api = target(i, ipv4(10, 3, (uint8_t)round, (uint8_t)i + 1, 862));
    add_target(batch, &api);
  }
  for (uint32_t i = 0; i < 32; i++) {
    const struct copse_api_member api = member(i, copse_label(i, 0), 0, ipv4(10, 2, (uint8_t)round, (uint8_t)i + 1, 7));
    add_member(batch, &api);
  }
  for (uint32_t i = 0; i < 8; i++)
    add_tree(batch, tree(i, 0x100 * (round + 1) + i), hops, 2);
  add_interest(batch, (struct copse_api_interest){COPSE_HOP_LINK, 2, 0, 128, 0, 2}, words);
  add_interest(batch, (struct copse_api_interest){COPSE_HOP_MEMBER, 2, 0, 128, 0, 2}, words);
  add_allowance(batch, 2, 1);
  add_slot(batch, COPSE_API_TREE_REMOVE, 7);
}

Test(table_memory, a_batch_that_runs_out_changes_nothing) {
  const struct copse_table_config config = test_config(1);
  struct builder batch = builder_new();
  struct copse_api_result result;
  int failures = 0;

  for (uint32_t round = 0; round < 2; round++) {
    struct copse_table *table = copse_table_create(&config);
    if (round == 1) {
      add_everything(&batch, 0);
      builder_commit(&batch, table);
    }
    size_t before_bytes, after_bytes;
    void *before = dump_of(table, &before_bytes);
    add_everything(&batch, 1);
    for (int n = 0;; n++) {
      countdown = n;
      const int status = copse_table_batch(table, batch.bytes, batch.length, &result);
      countdown = -1;
      if (status == 0)
        break;
      cr_assert(eq(int, status, -ENOMEM));
      cr_assert(result.text[0] != '\0');
      void *after = dump_of(table, &after_bytes);
      cr_assert(before_bytes == after_bytes && memcmp(before, after, after_bytes) == 0, "allocation %d", n);
      free(after);
      failures++;
    }
    free(before);
    builder_free(&batch);
    batch = builder_new();
    copse_table_destroy(table);
  }
  cr_assert(gt(int, failures, 100));
  builder_free(&batch);
}

Test(table_memory, a_table_that_runs_out_is_not_created) {
  const struct copse_table_config config = test_config(1);

  for (int n = 0;; n++) {
    countdown = n;
    struct copse_table *table = copse_table_create(&config);
    countdown = -1;
    if (table != NULL) {
      copse_table_destroy(table);
      cr_assert(gt(int, n, 10));
      return;
    }
    cr_assert(eq(int, errno, ENOMEM));
  }
}
