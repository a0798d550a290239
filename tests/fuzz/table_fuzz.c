/* SPDX-License-Identifier: Apache-2.0 */
/* A batch into a table that has something of everything. Refused, it must have changed nothing; accepted, its dump
 * must load into another table and come out the same. */
#include "../dataplane/builder.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
fill(struct copse_table *table) {
  const struct copse_api_hop hops[] = {{COPSE_HOP_LINK, 1, 0x101, 0}, {COPSE_HOP_MEMBER, 3, 0x303, 0}};
  const struct copse_api_member first = member(3, copse_label(3, 7), 0, ipv4(10, 0, 1, 3, 4000));
  struct copse_api_tree child = tree(5, 0x55);
  const struct copse_api_target measured = target(2, ipv4(10, 0, 0, 2, 862));
  struct builder batch = builder_new();
  const uint64_t words[] = {1};

  add_link(&batch, 0, ipv4(10, 0, 0, 2, COPSE_BLOCK_PORT), 1000000);
  add_link(&batch, 1, ipv6(1, 9, COPSE_BLOCK_PORT), 0);
  add_member(&batch, &first);
  add_target(&batch, &measured);
  add_tree(&batch, tree(0, 0x99), hops, 2);
  child.label = copse_label(20, 1);
  child.upstream = ipv4(10, 0, 0, 2, COPSE_BLOCK_PORT);
  add_tree(&batch, child, hops + 1, 1);
  add_allowance(&batch, 0, 1000);
  add_interest(&batch, (struct copse_api_interest){COPSE_HOP_LINK, 0, 0, 64, 0, 1}, words);
  builder_commit(&batch, table);
  builder_free(&batch);
}

static void
assert_same(const void *a, size_t a_bytes, const void *b, size_t b_bytes) {
  if (a_bytes != b_bytes || memcmp(a, b, a_bytes) != 0)
    abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const struct copse_table_config config = test_config(1);
  struct copse_table *table = copse_table_create(&config), *other = copse_table_create(&config);
  size_t before_bytes, after_bytes, other_bytes;
  struct copse_api_result result;
  uint8_t *exact = malloc(size ? size : 1); /* so that a read beyond it is seen */

  if (size > 0)
    memcpy(exact, data, size);
  fill(table);
  void *before = dump_of(table, &before_bytes);
  const int status = copse_table_batch(table, exact, size, &result);
  void *after = dump_of(table, &after_bytes);
  if (status != 0) {
    assert_same(before, before_bytes, after, after_bytes);
    if (result.text[0] == '\0' || memchr(result.text, 0, sizeof(result.text)) == NULL)
      abort();
  } else {
    if (copse_table_batch(other, after, after_bytes, &result) != 0)
      abort();
    void *again = dump_of(other, &other_bytes);
    assert_same(after, after_bytes, again, other_bytes);
    free(again);
  }
  free(before);
  free(after);
  free(exact);
  copse_table_destroy(table);
  copse_table_destroy(other);
  return 0;
}
