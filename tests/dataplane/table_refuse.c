/* SPDX-License-Identifier: Apache-2.0 */
/* Every kind of bad input, with what is said about it; none changes anything. */
#include "table_fixture.h"

#include <errno.h>
#include <stdlib.h>

TestSuite(table_refuse, .init = table_start, .fini = table_stop);

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
add_target_like(uint32_t slot, struct copse_endpoint remote, uint32_t interval_us, const char *name) {
  struct copse_api_target api = target(slot, remote);

  api.interval_us = interval_us;
  snprintf(api.name, sizeof(api.name), "%s", name);
  add_target(&batch, &api);
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
  add_raw(COPSE_API_TARGET_REMOVE + 1, zeros, 8);
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

REFUSAL(target_slot) {
  add_target_like(16, ipv4(10, 3, 3, 3, 862), 0, "far");
}
REFUSAL(target_address) {
  add_target_like(6, ipv4(224, 0, 0, 1, 862), 0, "many");
}
REFUSAL(target_port) {
  add_target_like(6, ipv4(10, 3, 3, 3, 0), 0, "no-port");
}
REFUSAL(target_used) {
  add_target_like(6, ipv4(10, 0, 0, 2, 863), 0, "twin");
}
REFUSAL(target_often) {
  add_target_like(6, ipv4(10, 3, 3, 3, 862), 1999, "often");
}
REFUSAL(target_in_doubt_often) {
  struct copse_api_target api = target(6, ipv4(10, 3, 3, 3, 862));

  api.doubt_us = 1999;
  add_target(&batch, &api);
}
REFUSAL(target_seldom) {
  add_target_like(6, ipv4(10, 3, 3, 3, 862), 10000001, "seldom");
}
REFUSAL(target_name) {
  add_target_like(6, ipv4(10, 3, 3, 3, 862), 0, "two words");
}
REFUSAL(target_absent) {
  add_slot(&batch, COPSE_API_TARGET_REMOVE, 6);
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
  {"target slot", target_slot, -ERANGE, "limit of 16"},
  {"target address", target_address, -EINVAL, "unicast"},
  {"target port", target_port, -EINVAL, "port"},
  {"target address in use", target_used, -EEXIST, "slot 4"},
  {"target tested too often", target_often, -EINVAL, "1999 us"},
  {"target tested too often in doubt", target_in_doubt_often, -EINVAL, "1999 us"},
  {"target tested too seldom", target_seldom, -EINVAL, "10000001 us"},
  {"target name", target_name, -EINVAL, "target's name"},
  {"absent target", target_absent, -ENOENT, "no target"},
};

/* Operations that would be fine, before the one that is not. */
static void
add_good_ones(void) {
  struct copse_api_member api = member(2, copse_label(30, 0), COPSE_SLOT_NONE, ipv4(10, 9, 9, 9, 9));

  add_link(&batch, 0, ipv4(10, 3, 3, 3, 3), 5000);
  add_link(&batch, 9, ipv4(10, 3, 3, 4, 3), 5000);
  add_slot(&batch, COPSE_API_LINK_REMOVE, 9);
  add_member(&batch, &api);
  add_target_like(4, ipv4(10, 3, 3, 5, 862), 0, "moved");
  add_target_like(4, ipv4(10, 0, 0, 2, 862), 20000, "back");
  add_slot(&batch, COPSE_API_TARGET_REMOVE, 1);
  add_allowance(&batch, 0, 1);
  add_interest_like(COPSE_HOP_LINK, 0, 0, 64, 0, 1);
  add_interest_like(COPSE_HOP_LINK, 0, 0, 64, 0, 1);
}

Test(table_refuse, bad_input_changes_nothing) {
  const uint32_t good = 10;
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

Test(table_refuse, truncated_and_overlong_bodies_change_nothing) {
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

Test(table_refuse, a_longer_record_is_accepted_and_its_tail_ignored) {
  uint8_t record[sizeof(struct copse_api_slot) + 16] = {0};

  fill();
  memset(record + sizeof(struct copse_api_slot), 0xee, 16);
  *(uint32_t *)record = 5;
  add_raw(COPSE_API_TREE_REMOVE, record, sizeof(record));
  builder_commit(&batch, table);
}

Test(table_refuse, expected_generation) {
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
