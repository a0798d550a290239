/* SPDX-License-Identifier: Apache-2.0 */
/* Targets of measurement in the table. */
#include "table_fixture.h"

#include <stdlib.h>

TestSuite(table_target, .init = table_start, .fini = table_stop);

static struct copse_endpoint
at(uint8_t last) {
  return ipv4(10, 0, 9, last, 862);
}

static void
set(uint32_t slot, struct copse_endpoint remote) {
  const struct copse_api_target api = target(slot, remote);

  add_target(&batch, &api);
}

Test(table_target, is_found_by_slot_and_by_address) {
  set(7, at(1));
  builder_commit(&batch, table);
  cr_assert(ne(ptr, (void *)copse_table_target(table, 7), NULL));
  cr_expect(eq(str, (char *)copse_table_target(table, 7)->name, "target-7"));
  cr_expect(eq(uint, copse_table_target_at(table, at(1).address), 7));
  cr_expect(eq(ptr, (void *)copse_table_target(table, 6), NULL));
  cr_expect(eq(uint, copse_table_target_at(table, at(2).address), COPSE_SLOT_NONE));
}

Test(table_target, moves_and_goes) {
  set(7, at(1));
  builder_commit(&batch, table);
  set(7, at(2));
  builder_commit(&batch, table);
  cr_expect(eq(uint, copse_table_target_at(table, at(1).address), COPSE_SLOT_NONE));
  cr_expect(eq(uint, copse_table_target_at(table, at(2).address), 7));
  add_slot(&batch, COPSE_API_TARGET_REMOVE, 7);
  set(3, at(2)); /* its address is free within the same batch */
  builder_commit(&batch, table);
  cr_expect(eq(ptr, (void *)copse_table_target(table, 7), NULL));
  cr_expect(eq(uint, copse_table_target_at(table, at(2).address), 3));
}

Test(table_target, what_is_refused_is_as_before) {
  struct copse_api_result result;

  set(7, at(1));
  builder_commit(&batch, table);
  add_slot(&batch, COPSE_API_TARGET_REMOVE, 7);
  set(3, at(1));
  add_slot(&batch, COPSE_API_TARGET_REMOVE, 5);
  cr_assert(eq(int, builder_apply(&batch, table, &result), -ENOENT));
  cr_expect(eq(uint, copse_table_target_at(table, at(1).address), 7));
  cr_expect(eq(ptr, (void *)copse_table_target(table, 3), NULL));
}

Test(table_target, is_nothing_to_workers) {
  fill();
  const uint64_t addresses = copse_table_address_generation(table);
  const struct copse_destination *link = copse_table_forwarding(table)->destinations[0].published;
  add_slot(&batch, COPSE_API_TARGET_REMOVE, 1);
  set(0, at(1));
  set(2, at(2));
  builder_commit(&batch, table);
  cr_expect(eq(ptr, (void *)copse_table_forwarding(table)->destinations[0].published, (void *)link));
  cr_expect(eq(ptr, (void *)copse_table_forwarding(table)->destinations[2].published, NULL));
  cr_expect(eq(u64, copse_table_address_generation(table), addresses), "nor does anybody look for their MACs");
}
