/* SPDX-License-Identifier: Apache-2.0 */
#include "builder.h"
#include "table/layout.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static struct copse_table *table;
static struct builder batch;

static void
start(void) {
  const struct copse_table_config config = test_config(2);

  table = copse_table_create(&config);
  cr_assert(ne(ptr, table, NULL));
  batch = builder_new();
}

static void
stop(void) {
  builder_free(&batch);
  copse_table_destroy(table);
}

TestSuite(table, .init = start, .fini = stop);

static const struct copse_api_hop hops[] = {{COPSE_HOP_LINK, 1, 0x101, 0},
                                            {COPSE_HOP_LINK, 0, 0x202, 0},
                                            {COPSE_HOP_MEMBER, 3, 0x303, 0},
                                            {COPSE_HOP_MEMBER, 2, 0x404, 0}};

/* Two links, three members, a root, and a tree whose parent is link 0's end. */
static void
fill(void) {
  const uint64_t words[] = {0xf0f0, 0x1};
  struct copse_api_member api;
  struct copse_api_tree child = tree(5, 0x55);

  add_link(&batch, 0, ipv4(10, 0, 0, 2, COPSE_BLOCK_PORT), 1000000);
  add_link(&batch, 1, ipv6(1, 9, COPSE_BLOCK_PORT), 0);
  for (uint32_t i = 2; i < 5; i++) {
    api = member(i, copse_label(i, 7), i == 2 ? 0 : COPSE_SLOT_NONE, ipv4(10, 0, 1, (uint8_t)i, 4000));
    add_member(&batch, &api);
  }
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

static void
assert_same_dump(const struct copse_table *a, const void *body, size_t bytes, const char *what) {
  size_t now_bytes;
  void *now = dump_of(a, &now_bytes);

  cr_assert(now_bytes == bytes && memcmp(now, body, bytes) == 0, "%s changed the table", what);
  free(now);
}

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

/* ---- everything that is refused ---- */

struct refusal {
  const char *what;
  void (*add)(void);
  int status;
  const char *text; /* part of the sentence */
};

#define REFUSAL(name) static void name(void)

static void
add_member_like(uint32_t slot, uint32_t label, uint64_t id, struct copse_endpoint address) {
  struct copse_api_member api = member(slot, label, COPSE_SLOT_NONE, address);

  api.id = id;
  add_member(&batch, &api);
}

static void
add_tree_like(uint64_t id, uint32_t slot, uint32_t label, struct copse_endpoint upstream,
              const struct copse_api_hop *hop, uint32_t count) {
  struct copse_api_tree api = tree(slot, id);

  api.label = label;
  api.upstream = upstream;
  add_tree(&batch, api, hop, count);
}

static void
add_raw(uint16_t kind, const void *record, uint32_t length) {
  builder_add(&batch, kind, record, length, NULL, 0);
}

static const struct copse_endpoint parent = {{[10] = 0xff, 0xff, 10, 0, 0, 2}, 0xcd1b, {0}};
static const struct copse_endpoint nowhere;
static const uint64_t zeros[16];

REFUSAL(kind_zero) {
  add_raw(0, zeros, 8);
}
REFUSAL(kind_unknown) {
  add_raw(9, zeros, 8);
}
REFUSAL(short_record) {
  add_raw(COPSE_API_LINK_SET, zeros, 64);
}
REFUSAL(odd_length) {
  add_raw(COPSE_API_TREE_REMOVE, zeros, 12);
}
REFUSAL(link_slot) {
  add_link(&batch, 16, parent, 0);
}
REFUSAL(link_rate) {
  add_link(&batch, 2, parent, COPSE_RATE_MAX_BPS + 1);
}
REFUSAL(link_address) {
  add_link(&batch, 2, ipv4(224, 0, 0, 1, 1), 0);
}
REFUSAL(link_port) {
  add_link(&batch, 2, ipv4(10, 0, 0, 9, 0), 0);
}
REFUSAL(link_unset) {
  add_link(&batch, 2, nowhere, 0);
}
REFUSAL(link_used) {
  add_slot(&batch, COPSE_API_LINK_REMOVE, 0);
}
REFUSAL(link_absent) {
  add_slot(&batch, COPSE_API_LINK_REMOVE, 9);
}
REFUSAL(member_slot) {
  add_member_like(32, copse_label(40, 0), 77, parent);
}
REFUSAL(member_id_zero) {
  add_member_like(9, copse_label(40, 0), 0, parent);
}
REFUSAL(member_id_used) {
  add_member_like(9, copse_label(40, 0), 0x1002, parent);
}
REFUSAL(member_label_range) {
  add_member_like(9, copse_label(64, 0), 77, parent);
}
REFUSAL(member_label_none) {
  add_member_like(9, COPSE_LABEL_NONE, 77, parent);
}
REFUSAL(member_label_used) {
  add_member_like(9, copse_label(3, 8), 77, parent);
}
REFUSAL(member_label_of_tree) {
  add_member_like(9, copse_label(20, 2), 77, parent);
}
REFUSAL(member_used) {
  add_slot(&batch, COPSE_API_MEMBER_REMOVE, 3);
}
REFUSAL(member_absent) {
  add_slot(&batch, COPSE_API_MEMBER_REMOVE, 31);
}
REFUSAL(tree_slot) {
  add_tree_like(77, 8, COPSE_LABEL_NONE, nowhere, hops, 2);
}
REFUSAL(tree_id_zero) {
  add_tree_like(0, 7, COPSE_LABEL_NONE, nowhere, hops, 2);
}
REFUSAL(tree_id_used) {
  add_tree_like(0x99, 7, COPSE_LABEL_NONE, nowhere, hops, 2);
}
REFUSAL(tree_root_upstream) {
  add_tree_like(77, 7, COPSE_LABEL_NONE, parent, hops, 2);
}
REFUSAL(tree_no_upstream) {
  add_tree_like(77, 7, copse_label(41, 0), nowhere, hops, 2);
}
REFUSAL(tree_label_used) {
  add_tree_like(77, 7, copse_label(4, 0), parent, hops, 2);
}
REFUSAL(tree_live_label) {
  add_tree_like(0x55, 5, copse_label(20, 2), parent, hops, 2);
}
REFUSAL(tree_absent) {
  add_slot(&batch, COPSE_API_TREE_REMOVE, 7);
}

REFUSAL(link_name) {
  struct copse_api_link api = {.slot = 2, .remote = parent};
  memset(api.name, 'x', sizeof(api.name));
  add_raw(COPSE_API_LINK_SET, &api, sizeof(api));
}

REFUSAL(link_burst) {
  struct copse_api_link api = {.slot = 2, .remote = parent, .name = "x", .budget_bps = 1000, .burst_us = 99};
  add_raw(COPSE_API_LINK_SET, &api, sizeof(api));
}

REFUSAL(member_send_tree) {
  struct copse_api_member api = member(9, copse_label(40, 0), 8, parent);
  add_member(&batch, &api);
}

REFUSAL(tree_rates) {
  struct copse_api_tree api = tree(7, 77);
  api.committed_bps = 2000;
  api.peak_bps = 1000;
  add_tree(&batch, api, hops, 2);
}

REFUSAL(tree_live_key) {
  struct copse_api_tree api = tree(0, 0x99);
  api.tree_key[15]++;
  add_tree(&batch, api, hops, 2);
}

REFUSAL(tree_hops_missing) {
  struct copse_api_tree api = tree(7, 77);
  api.hops = 1;
  add_raw(COPSE_API_TREE_SET, &api, sizeof(api));
}

REFUSAL(tree_hops_many) {
  struct copse_api_tree api = tree(7, 77);
  api.hops = UINT32_MAX;
  add_raw(COPSE_API_TREE_SET, &api, sizeof(api));
}

static void
add_hops(struct copse_api_hop first, struct copse_api_hop second) {
  const struct copse_api_hop both[] = {first, second};

  add_tree_like(77, 7, COPSE_LABEL_NONE, nowhere, both, 2);
}

REFUSAL(hop_order) {
  add_hops(hops[2], hops[0]);
}
REFUSAL(hop_kind) {
  add_hops(hops[0], (struct copse_api_hop){3, 0, 1, 0});
}
REFUSAL(hop_twice) {
  add_hops(hops[0], hops[0]);
}
REFUSAL(hop_absent) {
  add_hops(hops[0], (struct copse_api_hop){COPSE_HOP_LINK, 5, 1, 0});
}
REFUSAL(hop_range) {
  add_hops(hops[0], (struct copse_api_hop){COPSE_HOP_MEMBER, 32, 1, 0});
}
REFUSAL(hop_label) {
  add_hops(hops[0], (struct copse_api_hop){COPSE_HOP_LINK, 1, COPSE_LABEL_NONE, 0});
}
REFUSAL(allowance_absent) {
  add_allowance(&batch, 7, 1);
}
REFUSAL(allowance_range) {
  add_allowance(&batch, 8, 1);
}

static void
add_interest_like(uint32_t kind, uint32_t slot, uint32_t hop, uint32_t blocks, uint32_t first, uint32_t words) {
  const struct copse_api_interest api = {kind, slot, hop, blocks, first, words};

  builder_add(&batch, COPSE_API_INTEREST, &api, sizeof(api), zeros, 8);
}

REFUSAL(interest_kind) {
  add_interest_like(3, 0, 0, 64, 0, 1);
}
REFUSAL(interest_tree) {
  add_interest_like(COPSE_HOP_LINK, 7, 0, 64, 0, 1);
}
REFUSAL(interest_hop) {
  add_interest_like(COPSE_HOP_LINK, 0, 2, 64, 0, 1);
}
REFUSAL(interest_member) {
  add_interest_like(COPSE_HOP_MEMBER, 31, 0, 64, 0, 1);
}
REFUSAL(interest_words) {
  add_interest_like(COPSE_HOP_MEMBER, 2, 0, 64, 1, 1);
}
REFUSAL(interest_wraps) {
  add_interest_like(COPSE_HOP_MEMBER, 2, 0, 64, UINT32_MAX, 2);
}
REFUSAL(interest_short) {
  add_interest_like(COPSE_HOP_MEMBER, 2, 0, 640, 0, 2);
}
REFUSAL(interest_large) {
  add_interest_like(COPSE_HOP_MEMBER, 2, 0, UINT32_MAX, 0, 1);
}

static const struct refusal refusals[] = {
  {"kind 0", kind_zero, -EOPNOTSUPP, "unknown operation"},
  {"unknown kind", kind_unknown, -EOPNOTSUPP, "unknown operation"},
  {"short record", short_record, -EINVAL, "fewer than"},
  {"odd length", odd_length, -EINVAL, "length of 12"},
  {"link slot", link_slot, -ERANGE, "limit of 16"},
  {"link rate", link_rate, -EINVAL, "bit/s"},
  {"link burst", link_burst, -EINVAL, "burst"},
  {"link address", link_address, -EINVAL, "unicast"},
  {"link port", link_port, -EINVAL, "port"},
  {"link without address", link_unset, -EINVAL, "address"},
  {"link name", link_name, -EINVAL, "name"},
  {"link in use", link_used, -EBUSY, "next hop of 1"},
  {"absent link", link_absent, -ENOENT, "no link"},
  {"member slot", member_slot, -ERANGE, "limit of 32"},
  {"member id 0", member_id_zero, -EINVAL, "id is 0"},
  {"member id in use", member_id_used, -EEXIST, "slot 2"},
  {"member label range", member_label_range, -ERANGE, "label slot 64"},
  {"member without label", member_label_none, -ERANGE, "label slot"},
  {"member label in use", member_label_used, -EEXIST, "label slot 3"},
  {"member label of a tree", member_label_of_tree, -EEXIST, "label slot 20"},
  {"member send tree", member_send_tree, -ERANGE, "tree slot 8"},
  {"member in use", member_used, -EBUSY, "next hop of 2"},
  {"absent member", member_absent, -ENOENT, "no member"},
  {"tree slot", tree_slot, -ERANGE, "limit of 8"},
  {"tree id 0", tree_id_zero, -EINVAL, "id is 0"},
  {"tree id in use", tree_id_used, -EEXIST, "tree id 99"},
  {"root with upstream", tree_root_upstream, -EINVAL, "root"},
  {"tree without upstream", tree_no_upstream, -EINVAL, "address"},
  {"tree label in use", tree_label_used, -EEXIST, "label slot 4"},
  {"label of live tree", tree_live_label, -EINVAL, "live tree"},
  {"key of live tree", tree_live_key, -EINVAL, "live tree"},
  {"absent tree", tree_absent, -ENOENT, "no tree"},
  {"committed above peak", tree_rates, -EINVAL, "committed"},
  {"missing hops", tree_hops_missing, -EINVAL, "next hops"},
  {"too many hops", tree_hops_many, -ERANGE, "limit of 48"},
  {"members before children", hop_order, -EINVAL, "children come first"},
  {"hop kind", hop_kind, -EINVAL, "kind 3"},
  {"hop twice", hop_twice, -EINVAL, "already"},
  {"absent hop", hop_absent, -ENOENT, "no link"},
  {"hop range", hop_range, -ERANGE, "limit of 32"},
  {"hop label", hop_label, -EINVAL, "no label"},
  {"allowance of absent tree", allowance_absent, -ENOENT, "no tree"},
  {"allowance range", allowance_range, -ERANGE, "tree slot"},
  {"interest kind", interest_kind, -EINVAL, "kind 3"},
  {"interest of absent tree", interest_tree, -ENOENT, "no tree"},
  {"interest of absent child", interest_hop, -ERANGE, "no child 2"},
  {"interest of absent member", interest_member, -ENOENT, "no member"},
  {"interest beyond bitmap", interest_words, -ERANGE, "beyond"},
  {"interest wraps", interest_wraps, -ERANGE, "beyond"},
  {"interest too short", interest_short, -EINVAL, "too few"},
  {"interest too large", interest_large, -ERANGE, "larger"},
};

/* Operations that would be fine, before the one that is not. */
static void
add_good_ones(void) {
  struct copse_api_member api = member(2, copse_label(30, 0), COPSE_SLOT_NONE, ipv4(10, 9, 9, 9, 9));

  add_link(&batch, 0, ipv4(10, 3, 3, 3, 3), 5000);
  add_link(&batch, 9, ipv4(10, 3, 3, 4, 3), 5000);
  add_slot(&batch, COPSE_API_LINK_REMOVE, 9);
  add_member(&batch, &api);
  add_allowance(&batch, 0, 1);
  add_interest_like(COPSE_HOP_LINK, 0, 0, 64, 0, 1);
  add_interest_like(COPSE_HOP_LINK, 0, 0, 64, 0, 1);
}

Test(table, bad_input_changes_nothing) {
  const uint32_t good = 7;
  struct copse_api_result result;
  size_t bytes;

  fill();
  void *before = dump_of(table, &bytes);
  const uint64_t addresses = copse_table_address_generation(table);
  for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
    add_good_ones();
    refusals[i].add();
    cr_assert(eq(int, builder_apply(&batch, table, &result), refusals[i].status), "%s: %s", refusals[i].what,
              result.text);
    cr_assert(strstr(result.text, refusals[i].text) != NULL, "%s: %s", refusals[i].what, result.text);
    cr_assert(eq(uint, result.operation, good), "%s", refusals[i].what);
    cr_assert(eq(u64, result.generation, 1), "%s", refusals[i].what);
    assert_same_dump(table, before, bytes, refusals[i].what);
    cr_assert(eq(u64, copse_table_address_generation(table), addresses));
  }
  /* It still works, and the good ones are good. */
  add_good_ones();
  builder_commit(&batch, table);
  free(before);
}

Test(table, truncated_and_overlong_bodies_change_nothing) {
  struct copse_api_result result;
  size_t bytes;

  fill();
  uint8_t *body = dump_of(table, &bytes);
  for (size_t cut = 0; cut < bytes; cut++) {
    uint8_t *exact = malloc(cut + 1); /* so that ASan sees a read beyond */
    memcpy(exact, body, cut);
    exact = realloc(exact, cut > 0 ? cut : 1);
    cr_assert(lt(int, copse_table_batch(table, exact, cut, &result), 0), "%zu bytes", cut);
    free(exact);
  }
  uint8_t *longer = calloc(1, bytes + 8);
  memcpy(longer, body, bytes);
  cr_assert(eq(int, copse_table_batch(table, longer, bytes + 8, &result), -EINVAL));
  assert_same_dump(table, body, bytes, "truncation");
  free(longer);
  free(body);
}

Test(table, a_longer_record_is_accepted_and_its_tail_ignored) {
  uint8_t record[sizeof(struct copse_api_slot) + 16] = {0};

  fill();
  memset(record + sizeof(struct copse_api_slot), 0xee, 16);
  *(uint32_t *)record = 5;
  add_raw(COPSE_API_TREE_REMOVE, record, sizeof(record));
  builder_commit(&batch, table);
}

Test(table, expected_generation) {
  struct copse_api_result result;

  fill();
  ((struct copse_api_batch *)batch.bytes)->expected_generation = 0;
  add_allowance(&batch, 0, 1);
  cr_assert(eq(int, builder_apply(&batch, table, &result), -ESTALE));
  cr_assert(eq(u64, result.generation, 1));
  ((struct copse_api_batch *)batch.bytes)->expected_generation = 1;
  add_allowance(&batch, 0, 1);
  builder_commit(&batch, table);
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
  interest = view()->egress[16 + 4].interest;
  cr_assert(copse_interest_wants(interest, 0), "words never sent are wanted");
  cr_assert(copse_interest_wants(interest, 64 + 4));
  cr_assert(not(copse_interest_wants(interest, 64 + 0)));
  cr_assert(copse_interest_wants(interest, 100), "beyond the bitmap");
  add_interest(&batch, (struct copse_api_interest){COPSE_HOP_MEMBER, 4, 0, 100, 0, 1}, words);
  builder_commit(&batch, table);
  interest = view()->egress[16 + 4].interest;
  cr_assert(not(copse_interest_wants(interest, 4)));
  cr_assert(copse_interest_wants(interest, 64 + 4), "the other word stays");
  add_interest(&batch, (struct copse_api_interest){COPSE_HOP_MEMBER, 4, 0, 200, 0, 1}, words);
  builder_commit(&batch, table);
  cr_assert(copse_interest_wants(view()->egress[16 + 4].interest, 64), "another size begins anew");
  add_interest(&batch, (struct copse_api_interest){COPSE_HOP_MEMBER, 4, 0, 0, 0, 0}, words);
  builder_commit(&batch, table);
  cr_assert(eq(ptr, (void *)view()->egress[16 + 4].interest, NULL));
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
  cr_assert(eq(uint, destination->mtu, 1500));
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
