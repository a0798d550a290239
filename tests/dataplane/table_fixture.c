/* SPDX-License-Identifier: Apache-2.0 */
#include "table_fixture.h"

#include <stdlib.h>

struct copse_table *table;
struct builder batch;

void
table_start(void) {
  const struct copse_table_config config = test_config(2);

  table = copse_table_create(&config);
  cr_assert(ne(ptr, table, NULL));
  batch = builder_new();
}

void
table_stop(void) {
  builder_free(&batch);
  copse_table_destroy(table);
}

const struct copse_api_hop hops[4] = {{COPSE_HOP_LINK, 1, 0x101, 0},
                                      {COPSE_HOP_LINK, 0, 0x202, 0},
                                      {COPSE_HOP_MEMBER, 3, 0x303, 0},
                                      {COPSE_HOP_MEMBER, 2, 0x404, 0}};

void
fill(void) {
  const uint64_t words[] = {0xf0f0, 0x1};
  struct copse_api_member api;
  struct copse_api_tree child = tree(5, 0x55);
  const struct copse_api_target targets[] = {target(1, ipv6(1, 9, 862)), target(4, ipv4(10, 0, 0, 2, 862))};

  add_link(&batch, 0, ipv4(10, 0, 0, 2, COPSE_BLOCK_PORT), 1000000);
  add_link(&batch, 1, ipv6(1, 9, COPSE_BLOCK_PORT), 0);
  for (uint32_t i = 2; i < 5; i++) {
    api = member(i, copse_label(i, 7), i == 2 ? 0 : COPSE_SLOT_NONE, ipv4(10, 0, 1, (uint8_t)i, 4000));
    add_member(&batch, &api);
  }
  add_target(&batch, &targets[0]);
  add_target(&batch, &targets[1]);
  add_tree(&batch, tree(0, 0x99), hops, 4);
  child.label = copse_label(20, 1);
  child.upstream = ipv4(10, 0, 0, 2, COPSE_BLOCK_PORT);
  child.committed_bps = 1000000;
  child.peak_bps = 2000000;
  add_tree(&batch, child, hops + 2, 2);
  add_allowance(&batch, 0, 123456);
  add_interest(&batch, (struct copse_api_interest){COPSE_HOP_LINK, 0, 1, 128, 0, 2}, words);
  add_interest(&batch, (struct copse_api_interest){COPSE_HOP_MEMBER, 4, 0, 100, 1, 1}, words);
  builder_commit(&batch, table);
}

void
assert_same_dump(const struct copse_table *a, const void *body, size_t bytes, const char *what) {
  size_t now_bytes;
  void *now = dump_of(a, &now_bytes);

  cr_assert(now_bytes == bytes && memcmp(now, body, bytes) == 0, "%s changed the table", what);
  free(now);
}
