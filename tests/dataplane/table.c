/* SPDX-License-Identifier: Apache-2.0 */
#include "table_fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

TestSuite(table, .init = table_start, .fini = table_stop);

Test(table, dump_rebuilds_the_table) {
  const struct copse_table_config config = test_config(1);
  struct copse_table *other = copse_table_create(&config);
  struct copse_api_result result;
  size_t bytes;

  fill();
  void *body = dump_of(table, &bytes);
  cr_assert(eq(int, copse_table_batch(other, body, bytes, &result), 0), "%s", result.text);
  assert_same_dump(other, body, bytes, "copying");
  /* It may also be applied to itself. */
  cr_assert(eq(int, copse_table_batch(table, body, bytes, &result), 0), "%s", result.text);
  assert_same_dump(table, body, bytes, "repeating");
  cr_assert(eq(u64, result.generation, 2));
  cr_assert(eq(u64, copse_table_shm(table)->generation, 2));
  free(body);
  copse_table_destroy(other);
}

/* ---- what workers see ---- */

static const struct copse_forwarding *
view(void) {
  return copse_table_forwarding(table);
}

Test(table, entries_say_who_may_use_a_label) {
  fill();
  const struct copse_entry *entry = &view()->entries[20];
  cr_assert(eq(uint, entry->state, COPSE_ENTRY_TREE << 8 | 1));
  cr_assert(eq(uint, entry->tree, 5));
  cr_assert(eq(uint, entry->member, COPSE_SLOT_NONE));
  cr_assert(eq(uint, entry->port, htobe16(COPSE_BLOCK_PORT)));
  cr_assert(eq(uint, entry->key[0], 0x45));
  entry = &view()->entries[2];
  cr_assert(eq(uint, entry->state, COPSE_ENTRY_MEMBER << 8 | 7));
  cr_assert(eq(uint, entry->tree, 0));
  cr_assert(eq(uint, entry->member, 2));
  cr_assert(eq(uint, view()->entries[4].tree, COPSE_SLOT_NONE));
  cr_assert(eq(uint, view()->entries[5].state, 0));

  add_slot(&batch, COPSE_API_TREE_REMOVE, 5);
  builder_commit(&batch, table);
  cr_assert(eq(uint, view()->entries[20].state, 0));
  cr_assert(eq(ptr, view()->trees[5].fan_out, NULL));
  cr_assert(eq(u64, view()->tree_states[5].id, 0));
}

Test(table, an_update_in_place_keeps_the_state_of_the_tree) {
  fill();
  struct copse_tree *live = &view()->trees[0];
  const struct copse_fan_out *first = live->fan_out;
  live->next_sequence = 777;
  live->replay.highest = 66;
  live->meter.peak = 55;
  view()->tree_states[0].charged_bytes = 44;
  copse_tree_counters(view()->shm, 1)[0].packets = 33;
  const struct copse_api_hop fewer[] = {hops[1], hops[2]};
  add_tree(&batch, tree(0, 0x99), fewer, 2);
  builder_commit(&batch, table);
  cr_assert(ne(ptr, (void *)live->fan_out, (void *)first));
  cr_assert(eq(uint, live->fan_out->hops, 2));
  cr_assert(eq(uint, live->fan_out->links, 1));
  cr_assert(live->fan_out->hop[0].interest != NULL && live->fan_out->hop[0].interest->word[0] == 0xf0f0,
            "the child's bitmap moved with it");
  cr_assert(eq(u64, live->next_sequence, 777));
  cr_assert(eq(u64, live->replay.highest, 66));
  cr_assert(eq(u64, live->meter.peak, 55));
  cr_assert(eq(u64, view()->tree_states[0].charged_bytes, 44));
  cr_assert(eq(u64, view()->tree_states[0].allowance_bytes, 123456));
  cr_assert(eq(u64, copse_tree_counters(view()->shm, 1)[0].packets, 33));
}

Test(table, a_new_id_in_a_slot_starts_from_nothing) {
  fill();
  struct copse_tree *live = &view()->trees[0];
  live->next_sequence = TEST_SEQUENCE_BASE + 1000;
  live->replay.highest = 66;
  live->meter.peak = 55;
  view()->tree_states[0].charged_bytes = 44;
  copse_tree_counters(view()->shm, 1)[0].packets = 33;
  add_tree(&batch, tree(0, 0x9a), hops, 4);
  builder_commit(&batch, table);
  cr_assert(gt(u64, live->next_sequence, TEST_SEQUENCE_BASE + 1000), "numbers are never given twice");
  cr_assert(eq(u64, live->replay.highest, 0));
  cr_assert(eq(u64, live->meter.peak, 0));
  cr_assert(eq(u64, view()->tree_states[0].id, 0x9a));
  cr_assert(eq(u64, view()->tree_states[0].charged_bytes, 0));
  cr_assert(eq(u64, view()->tree_states[0].allowance_bytes, 0));
  cr_assert(eq(u64, copse_tree_counters(view()->shm, 1)[0].packets, 0));
  cr_assert(eq(ptr, (void *)live->fan_out->hop[1].interest, NULL));
  cr_assert(eq(uint, view()->entries[2].tree, COPSE_SLOT_NONE), "senders of the old tree have none");
}

Test(table, an_allowance_alone_does_not_replace_the_fan_out) {
  fill();
  const struct copse_fan_out *first = view()->trees[0].fan_out;
  add_allowance(&batch, 0, 99);
  builder_commit(&batch, table);
  cr_assert(eq(ptr, (void *)view()->trees[0].fan_out, (void *)first));
  cr_assert(eq(u64, view()->tree_states[0].allowance_bytes, 99));
}

Test(table, permission_survives_the_same_peer_at_the_same_address_only) {
  struct copse_api_member api = member(2, copse_label(2, 7), 0, ipv4(10, 0, 1, 2, 4000));
  uint64_t *permission;

  fill();
  permission = &view()->member_states[2].permission_until;
  *permission = 1000;
  view()->replays[2].highest = 9;
  api.egress_bps = 1000000;
  api.key[3] = 0x77;
  add_member(&batch, &api);
  builder_commit(&batch, table);
  cr_assert(eq(u64, *permission, 1000));
  cr_assert(eq(u64, view()->replays[2].highest, 9));
  cr_assert(eq(uint, view()->entries[2].key[3], 0x77));
  api.address = ipv4(10, 0, 1, 2, 4001);
  add_member(&batch, &api);
  builder_commit(&batch, table);
  cr_assert(eq(u64, *permission, 0), "another address");
  cr_assert(eq(u64, view()->replays[2].highest, 0));
  *permission = 1000;
  api.label = copse_label(2, 8);
  add_member(&batch, &api);
  builder_commit(&batch, table);
  cr_assert(eq(u64, *permission, 0), "another label");
  cr_assert(eq(uint, view()->entries[2].state, COPSE_ENTRY_MEMBER << 8 | 8));
  *permission = 1000;
  api.id++;
  api.id += 0x5000;
  add_member(&batch, &api);
  builder_commit(&batch, table);
  cr_assert(eq(u64, *permission, 0), "another id");
}

Test(table, labels_change_hands_within_one_batch) {
  struct copse_api_member first = member(2, copse_label(3, 9), COPSE_SLOT_NONE, ipv4(10, 0, 1, 2, 4000)),
                          third = member(3, copse_label(2, 9), COPSE_SLOT_NONE, ipv4(10, 0, 1, 3, 4000));
  struct copse_api_result result;

  fill();
  add_member(&batch, &first);
  cr_assert(eq(int, builder_apply(&batch, table, &result), -EEXIST));
  first.label = copse_label(30, 0);
  add_member(&batch, &first);
  add_member(&batch, &third);
  first.label = copse_label(3, 9);
  add_member(&batch, &first);
  builder_commit(&batch, table);
  cr_assert(eq(uint, view()->entries[3].member, 2));
  cr_assert(eq(uint, view()->entries[2].member, 3));
  cr_assert(eq(uint, view()->entries[30].state, 0));
}

Test(table, interest_words_are_replaced_one_range_at_a_time) {
  const uint64_t words[] = {0, 0};
  const struct copse_interest *interest;

  fill();
  interest = view()->destinations[16 + 4].interest;
  cr_assert(copse_interest_wants(interest, 0), "words never sent are wanted");
  cr_assert(copse_interest_wants(interest, 64 + 4));
  cr_assert(not(copse_interest_wants(interest, 64 + 0)));
  cr_assert(copse_interest_wants(interest, 100), "beyond the bitmap");
  add_interest(&batch, (struct copse_api_interest){COPSE_HOP_MEMBER, 4, 0, 100, 0, 1}, words);
  builder_commit(&batch, table);
  interest = view()->destinations[16 + 4].interest;
  cr_assert(not(copse_interest_wants(interest, 4)));
  cr_assert(copse_interest_wants(interest, 64 + 4), "the other word stays");
  add_interest(&batch, (struct copse_api_interest){COPSE_HOP_MEMBER, 4, 0, 200, 0, 1}, words);
  builder_commit(&batch, table);
  cr_assert(copse_interest_wants(view()->destinations[16 + 4].interest, 64), "another size begins anew");
  add_interest(&batch, (struct copse_api_interest){COPSE_HOP_MEMBER, 4, 0, 0, 0, 0}, words);
  builder_commit(&batch, table);
  cr_assert(eq(ptr, (void *)view()->destinations[16 + 4].interest, NULL));
}

/* ---- addresses ---- */

static void
count_address(void *context, const uint8_t address[16]) {
  (void)address;
  ++*(int *)context;
}

Test(table, adjacency_fills_the_headers) {
  const struct copse_adjacency adjacency = {
    true, 3, 42, {2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2},
  };
  const struct copse_destination *destination;
  int addresses = 0;

  fill();
  copse_table_each_address(table, count_address, &addresses);
  cr_assert(eq(int, addresses, 5));
  destination = view()->destinations[0].published;
  cr_assert(eq(uint, destination->port, COPSE_PORT_NONE));
  copse_table_adjacency(table, ipv4(10, 0, 0, 2, 0).address, &adjacency);
  destination = view()->destinations[0].published;
  cr_assert(eq(uint, destination->port, 3));
  cr_assert(eq(uint, destination->room, 1500 - 28 - COPSE_HEADER_BYTES + 1));
  cr_assert(eq(uint, destination->l3_offset, 18));
  cr_assert(eq(uint, destination->header_bytes, 18 + 20 + 8));
  cr_assert(eq(int, memcmp(destination->header, "\2\0\0\0\0\2\2\0\0\0\0\1\x81\0\0\x2a\x08\0\x45", 19), 0));
  cr_assert(eq(uint, destination->rate.cost > 0, 1));
  copse_table_adjacency(table, ipv6(1, 9, 0).address, &adjacency);
  destination = view()->destinations[1].published;
  cr_assert(eq(uint, destination->header_bytes, 18 + 40 + 8));
  cr_assert(destination->ipv6);

  /* Known when the address is used again; forgotten with its last user. */
  add_link(&batch, 7, ipv4(10, 0, 0, 2, 9), 0);
  builder_commit(&batch, table);
  cr_assert(eq(uint, view()->destinations[7].published->port, 3));
  const uint64_t generation = copse_table_address_generation(table);
  add_slot(&batch, COPSE_API_LINK_REMOVE, 7);
  builder_commit(&batch, table);
  cr_assert(eq(u64, copse_table_address_generation(table), generation));
  cr_assert(eq(ptr, (void *)view()->destinations[7].published, NULL));
  add_link(&batch, 0, ipv4(10, 0, 0, 200, 9), 0);
  builder_commit(&batch, table);
  cr_assert(gt(u64, copse_table_address_generation(table), generation));
  cr_assert(eq(uint, view()->destinations[0].published->port, COPSE_PORT_NONE));
  copse_table_adjacency(table, ipv4(99, 9, 9, 9, 0).address, &adjacency); /* nobody's: ignored */
}

Test(table, clients_cannot_write_counters) {
  const int fd = copse_table_shm_fd(table);

  fill();
  cr_assert(ge(int, fd, 0));
  const size_t bytes = copse_table_shm(table)->bytes;
  cr_assert(eq(ptr, mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED));
  const struct copse_shm *shm = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
  cr_assert(ne(ptr, (void *)shm, MAP_FAILED));
  cr_assert(eq(u64, shm->magic, COPSE_SHM_MAGIC));
  cr_assert(eq(u64, shm->generation, 1));
  cr_assert(eq(int, ftruncate(fd, 0), -1));
  munmap((void *)shm, bytes);
  close(fd);
}

Test(table, bad_configuration_is_refused) {
  struct copse_table_config config = test_config(0);

  cr_assert(eq(ptr, copse_table_create(&config), NULL));
  cr_assert(eq(int, errno, EINVAL));
  config = test_config(1);
  config.local4 = config.local6 = (struct copse_endpoint){.port = 1};
  cr_assert(eq(ptr, copse_table_create(&config), NULL));
}

Test(table, a_family_without_local_address_is_refused) {
  struct copse_table_config config = test_config(1);
  struct copse_api_result result;

  config.local6 = (struct copse_endpoint){.port = config.local6.port};
  struct copse_table *other = copse_table_create(&config);
  add_link(&batch, 0, ipv6(1, 9, 1), 0);
  cr_assert(eq(int, builder_apply(&batch, other, &result), -EAFNOSUPPORT));
  copse_table_destroy(other);
}
