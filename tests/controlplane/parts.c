/* SPDX-License-Identifier: Apache-2.0 */
/* The pure parts of a control plane: sets, slots, the shadow of a table, records, the model. */
#include "session/model.h"
#include "session/shadow.h"
#include <copse/log.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#define S "00000000000000000000000000000001"

struct named {
  char name[8];
};

Test(set, is_sorted_and_finds) {
  struct named items[100];
  struct copse_set set = {0};

  for (int i = 0; i < 100; i++) {
    snprintf(items[i].name, sizeof(items[i].name), "%03d", i * 37 % 100);
    cr_assert_eq(copse_set_add(&set, &items[i]), 0);
  }
  cr_expect_eq(copse_set_add(&set, &items[5]), -EEXIST);
  for (size_t i = 1; i < set.count; i++)
    cr_expect_lt(strcmp(set.items[i - 1], set.items[i]), 0);
  cr_expect_eq(copse_set_find(&set, "037"), &items[1]);
  cr_expect_eq(copse_set_remove(&set, "037"), &items[1]);
  cr_expect_null(copse_set_remove(&set, "037"));
  cr_expect_null(copse_set_find(&set, "037"));
  cr_expect_eq(copse_set_find(&set, "074"), &items[2]);
  cr_expect_eq(set.count, 99);
  copse_set_free(&set, NULL);
}

Test(slots, are_taken_again_as_late_as_possible) {
  struct copse_slots slots;

  cr_assert_eq(copse_slots_create(&slots, 130), 0);
  for (uint32_t i = 0; i < 130; i++)
    cr_expect_eq(copse_slots_take(&slots), i);
  cr_expect_eq(copse_slots_take(&slots), COPSE_SLOTS_NONE);
  copse_slots_release(&slots, 3);
  copse_slots_release(&slots, 129);
  cr_expect_eq(copse_slots_take(&slots), 3);
  copse_slots_release(&slots, 3);
  cr_expect_eq(copse_slots_take(&slots), 129, "3 was just given back");
  cr_expect(copse_slots_mark(&slots, 3));
  cr_expect_not(copse_slots_mark(&slots, 3));
  cr_expect_not(copse_slots_mark(&slots, 130));
  cr_expect_eq(copse_slots_take(&slots), COPSE_SLOTS_NONE);
  copse_slots_free(&slots);
}

Test(shadow, labels_move_on) {
  const struct copse_api_limits limits = {.labels = 2, .trees = 2, .members = 2, .links = 2, .fan_out = 4};
  struct copse_shadow shadow;
  uint32_t first, second;

  cr_assert_eq(copse_shadow_create(&shadow, &limits), 0);
  first = copse_shadow_label_take(&shadow);
  second = copse_shadow_label_take(&shadow);
  cr_expect_neq(copse_label_slot(first), copse_label_slot(second));
  cr_expect_eq(copse_shadow_label_take(&shadow), COPSE_LABEL_NONE);
  copse_shadow_label_release(&shadow, first);
  second = copse_shadow_label_take(&shadow);
  cr_expect_eq(copse_label_slot(second), copse_label_slot(first));
  cr_expect_eq(copse_label_generation(second), (uint8_t)(copse_label_generation(first) + 1));
  cr_expect_not(copse_shadow_label_mark(&shadow, second));
  cr_expect_not(copse_shadow_label_mark(&shadow, copse_label(2, 0)), "beyond the table");
  copse_shadow_free(&shadow);
}

static int
take(void *context, uint16_t kind, const void *record, size_t length) {
  (void)length;
  return copse_shadow_apply(context, kind, record);
}

Test(shadow, is_what_the_operations_make) {
  const struct copse_api_limits limits = {.labels = 8, .trees = 2, .members = 2, .links = 2, .fan_out = 4};
  struct copse_api_link link = {.slot = 1, .name = "N2"};
  struct copse_api_member member = {.id = 0xabc, .slot = 0, .label = copse_label(3, 7), .send_tree = COPSE_SLOT_NONE};
  struct copse_api_tree tree = {.id = 0xdef, .slot = 1, .label = copse_label(4, 1), .hops = 2};
  struct copse_api_hop hops[] = {{COPSE_HOP_LINK, 1, 99, 0}, {COPSE_HOP_MEMBER, 0, 257, 0}};
  struct copse_operations operations = {0};
  struct copse_shadow shadow;

  cr_assert_eq(copse_shadow_create(&shadow, &limits), 0);
  copse_operations_link(&operations, &link);
  copse_operations_member(&operations, &member);
  copse_operations_tree(&operations, &tree, hops);
  copse_operations_allowance(&operations, 1, 1000);
  cr_assert_eq(copse_operations_each(&operations, take, &shadow), 0);
  cr_assert_not_null(copse_shadow_tree(&shadow, "0000000000000def"));
  cr_expect_eq(copse_shadow_tree(&shadow, "0000000000000def")->hops[1].label, 257);
  cr_expect_eq(copse_shadow_tree(&shadow, "0000000000000def")->allowance_bytes, 1000);
  cr_expect(copse_slots_taken(&shadow.label_slots, 3));
  tree.id = 0x123;
  copse_operations_clear(&operations);
  copse_operations_tree(&operations, &tree, hops);
  cr_expect_eq(copse_operations_each(&operations, take, &shadow), -EBADMSG, "another tree in the slot");
  copse_operations_clear(&operations);
  copse_operations_remove(&operations, COPSE_API_TREE_REMOVE, 1);
  copse_operations_remove(&operations, COPSE_API_MEMBER_REMOVE, 0);
  copse_operations_remove(&operations, COPSE_API_LINK_REMOVE, 1);
  cr_expect_eq(copse_operations_each(&operations, take, &shadow), 0);
  cr_expect_eq(shadow.trees.count + shadow.members.count + shadow.links.count, 0);
  cr_expect_eq(shadow.label_slots.count, 0);
  cr_expect_eq(copse_operations_each(&operations, take, &shadow), -EBADMSG, "nothing there");
  copse_operations_free(&operations);
  copse_shadow_free(&shadow);
}

static struct copse_model model;

static void
clear(void) {
  copse_model_free(&model);
}

static int
apply(const char *key, const char *value, uint64_t revision) {
  return copse_model_apply(&model, key, value, revision);
}

Test(model, what_is_no_record_is_absent, .fini = clear) {
  copse_log_set_level(COPSE_LOG_ERROR);
  cr_expect_eq(apply("/pops/N1", "{\"address\":\"198.18.1.1\",\"port\":7117,\"api\":\"x\",\"lease\":3}", 1), 0);
  cr_expect_not_null(copse_set_find(&model.pops, "N1"));
  cr_expect_eq(apply("/pops/N1", "{\"address\":\"nowhere\",\"port\":7117,\"api\":\"x\",\"lease\":3}", 2), 0);
  cr_expect_null(copse_set_find(&model.pops, "N1"));
  cr_expect_eq(apply("/sessions/" S, "{\"state\":\"open\"}", 3), 0);
  cr_expect_null(copse_model_session(&model, S));
  cr_expect_eq(apply("/sessions/short", "{}", 4), 0);
  cr_expect_eq(apply("/sessions/" S "/unknown/thing", "{}", 5), 0);
  cr_expect_eq(apply("/sessions/" S "/plan", "{\"epoch\":1,\"numbers\":{},\"trees\":[{\"id\":7}]}", 6), 0);
  cr_expect_eq(model.sessions.count, 0, "nothing is left of it");
}

Test(model, older_changes_come_too_late, .fini = clear) {
  static const char text[] = "{\"key\":\"00000000000000000000000000000001\",\"idle\":%s}";
  char idle[128], busy[128];
  struct copse_session *session;

  snprintf(idle, sizeof(idle), text, "true");
  snprintf(busy, sizeof(busy), text, "false");
  apply("/sessions/" S "/area/N1", idle, 10);
  apply("/sessions/" S "/area/N1", busy, 9);
  session = copse_set_find(&model.sessions, S);
  cr_assert_not_null(session);
  cr_expect(((struct copse_area_state *)copse_set_find(&session->areas, "N1"))->record.idle);
  apply("/sessions/" S "/area/N1", busy, 11);
  cr_expect_not(((struct copse_area_state *)copse_set_find(&session->areas, "N1"))->record.idle);
}

Test(model, what_is_gone_stays_gone_whatever_comes_late, .fini = clear) {
  static const char pop[] = "{\"address\":\"198.18.1.1\",\"port\":7117,\"api\":\"x\",\"lease\":3}";
  char key[32];

  apply("/pops/N1", pop, 5);
  apply("/pops/N1", NULL, 8);
  apply("/pops/N1", pop, 7);
  cr_expect_null(copse_set_find(&model.pops, "N1"), "an older one, late");
  apply("/pops/N2", NULL, 9);
  apply("/pops/N2", pop, 4);
  cr_expect_null(copse_set_find(&model.pops, "N2"), "its end came first");
  apply("/pops/N1", NULL, 6);
  apply("/pops/N1", pop, 7);
  cr_expect_null(copse_set_find(&model.pops, "N1"), "an older end, twice");
  apply("/pops/N1", pop, 10);
  cr_expect_not_null(copse_set_find(&model.pops, "N1"), "it is back");
  for (uint64_t i = 0; i < 10000; i++) {
    snprintf(key, sizeof(key), "/pops/P%u", (unsigned)i);
    apply(key, NULL, 100 + i);
  }
  cr_expect_leq(model.deleted[0].count + model.deleted[1].count, 4096, "bounded");
}

Test(model, reservations_outlive_a_link_that_is_taken_away, .fini = clear) {
  apply("/links/N1/N2", "{\"bandwidth_bps\":1000,\"delay_ms\":0,\"by\":\"N1\"}", 1);
  apply("/reserved/N1", "{\"" S "\":{\"bps\":500,\"links\":{\"N2\":500}}}", 2);
  apply("/links/N1/N2", NULL, 3);
  cr_assert_not_null(copse_set_find(&model.links, "N1/N2"));
  cr_expect_eq(((struct copse_link *)copse_set_find(&model.links, "N1/N2"))->record.bandwidth_bps, 0);
  cr_expect_eq(((struct copse_link *)copse_set_find(&model.links, "N1/N2"))->reserved_bps, 500);
  apply("/reserved/N1", NULL, 4);
  cr_expect_null(copse_set_find(&model.links, "N1/N2"));
}

Test(records, plans_survive_the_store) {
  struct copse_tree_edge edges[] = {{"N1", "N2"}, {"N2", "N3"}};
  struct copse_planned_tree trees[] = {{.id = "00000000000000aa",
                                        .number = 257,
                                        .root = "N1",
                                        .growth = 1.5,
                                        .min_bps = 1,
                                        .max_bps = 3,
                                        .rate_bps = 2,
                                        .edges = edges,
                                        .edge_count = 2,
                                        .key = {1, 2, 3}},
                                       {.root = "N2", .status = COPSE_TREE_NO_SENDER, .reason = "no \"credit\""}};
  struct copse_plan_record plan = {
    .epoch = 7, .trees = trees, .tree_count = 2, .numbers = json_pack("{s:i}", "N1", 257)};
  struct copse_plan_record back;
  json_t *json = copse_plan_write(&plan);

  cr_assert(copse_plan_read(json, &back));
  cr_expect_eq(back.epoch, 7);
  cr_expect_eq(back.tree_count, 2);
  cr_expect_str_eq(back.trees[0].edges[1].to, "N3");
  cr_expect_eq(memcmp(back.trees[0].key, trees[0].key, COPSE_KEY_BYTES), 0);
  cr_expect_str_eq(back.trees[1].reason, "no \"credit\"");
  cr_expect_eq(back.trees[1].status, COPSE_TREE_NO_SENDER);
  copse_plan_record_free(&back);
  json_object_del(json_array_get(json_object_get(json, "trees"), 1), "root");
  cr_expect_not(copse_plan_read(json, &back));
  json_decref(json);
  json_decref(plan.numbers);
}

Test(records, numbers_are_whole_and_addresses_of_both_families) {
  json_t *json = json_pack("{s:f, s:f, s:f, s:i, s:s}", "a", 2e9, "b", 1.5, "c", -1.0, "d", -1, "e", "1");
  struct copse_endpoint endpoint;
  char text[COPSE_ADDRESS_BYTES];
  uint64_t number;

  cr_expect(copse_json_number(json, "a", &number) && number == 2000000000);
  for (const char *name = "bcdef"; *name != '\0'; name++)
    cr_expect_not(copse_json_number(json, (char[]){*name, '\0'}, &number));
  cr_expect(copse_endpoint_parse("198.18.0.1", 7117, &endpoint));
  copse_endpoint_text(&endpoint, text);
  cr_expect_str_eq(text, "198.18.0.1");
  cr_expect(copse_endpoint_parse("2001:db8::1", 7117, &endpoint));
  copse_endpoint_text(&endpoint, text);
  cr_expect_str_eq(text, "2001:db8::1");
  cr_expect_not(copse_endpoint_parse("198.18.0.256", 7117, &endpoint));
  json_decref(json);
}
