/* SPDX-License-Identifier: Apache-2.0 */
#include "plan_fixture.h"
#include "account.h"
#include "session/holdings.h"
#include <criterion/criterion.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>

struct copse_model model;
struct copse_control_config config;
uint64_t revision;

void __attribute__((format(printf, 2, 3))) put(const char *key, const char *format, ...) {
  char value[1024];
  va_list arguments;

  va_start(arguments, format);
  vsnprintf(value, sizeof(value), format, arguments);
  va_end(arguments);
  cr_assert_eq(copse_model_apply(&model, key, value, ++revision), 0);
}

void
put_account(const char *name, uint64_t credit, uint64_t leased) {
  char key[64], value[ACCOUNT_TEXT_BYTES];

  snprintf(key, sizeof(key), "/accounts/%s", name);
  put(key, "%s", account_text(value, credit, leased));
}

void
put_link(const char *from, const char *to, uint64_t bps) {
  char key[64];

  snprintf(key, sizeof(key), "/links/%s/%s", from, to);
  put(key, "{\"bandwidth_bps\":%llu,\"delay_ms\":1.0,\"by\":\"N1\"}", (unsigned long long)bps);
}

void
put_member(const char *session, unsigned number, const char *pop, const char *account, uint64_t uplink, bool seed) {
  char key[128];

  snprintf(key, sizeof(key), "/sessions/%s/members/%016x", session, number);
  put(key,
      "{\"pop\":\"%s\",\"account\":\"%s\",\"address\":\"198.18.0.%u\",\"port\":1,\"http_port\":1,\"uplink_bps\":%llu,"
      "\"downlink_bps\":1000000,\"seed\":%s,\"key\":\"%032x\",\"label\":%u}",
      pop, account, number, (unsigned long long)uplink, seed ? "true" : "false", number, number << 8);
}

void
put_session(const char *session) {
  char key[64];

  snprintf(key, sizeof(key), "/sessions/%s", session);
  put(key,
      "{\"manifest\":{\"name\":\"f\",\"size\":1000000,\"block_bytes\":16384,\"root\":\"%064x\"},\"creator\":\"\","
      "\"state\":\"open\"}",
      1U);
  snprintf(key, sizeof(key), "/sessions/%s/owner", session);
  put(key, "\"N1\"");
}

/* N1, N2, N3 in a full mesh of 10 Mbit/s; session 1 has a seed at N1 and a peer at each of the others. */
void
plan_setup(void) {
  static const char *const names[] = {"N1", "N2", "N3"};
  struct copse_error error;

  cr_assert_geq(sodium_init(), 0);
  cr_assert_eq(copse_control_config_read_text(
                 &config, "test", "pop = \"N1\"; block_address = \"198.18.1.1\"; growth_max = 1.0;", &error),
               0, "%s", error.text);
  for (int i = 0; i < 3; i++) {
    char key[32];

    snprintf(key, sizeof(key), "/pops/N%d", i + 1);
    put(key, "{\"address\":\"198.18.%d.1\",\"port\":7117,\"api\":\"\",\"lease\":1}", i + 1);
    for (int j = 0; j < 3; j++)
      if (i != j)
        put_link(names[i], names[j], 10000000);
  }
  put_account("alice", 1000000000, 0);
  put_session(S1);
  put_member(S1, 1, "N1", "alice", 2000000, true);
  put_member(S1, 2, "N2", "alice", 2000000, false);
  put_member(S1, 3, "N3", "alice", 2000000, false);
}

void
plan_teardown(void) {
  copse_model_free(&model);
  copse_control_config_free(&config);
}

struct copse_plan_record
make_with(const char *session, bool improve) {
  struct copse_plan_record plan;
  struct copse_error error = {.text = ""};

  cr_assert_eq(copse_plan_make(&model, copse_model_session(&model, session), &config, improve, &plan, &error), 0, "%s",
               error.text);
  return plan;
}

struct copse_plan_record
make(const char *session) {
  return make_with(session, false);
}

static void
reserve(const char *session, const struct copse_holdings *holdings, size_t from) {
  const char *pop = holdings->names.items[from];
  const struct copse_pop_links *outlet = copse_set_find(&model.outlets, pop);
  json_t *record = outlet == NULL || outlet->reserved == NULL ? json_object() : json_copy(outlet->reserved);
  json_t *links = json_object();
  char key[64], *text;

  for (size_t to = 0; to < holdings->names.count; to++) {
    uint64_t bps = holdings->link_bps[from * holdings->names.count + to];

    if (bps > 0)
      json_object_set_new(links, holdings->names.items[to], json_integer((json_int_t)bps));
  }
  json_object_set_new(record, session,
                      json_pack("{s:I, s:o}", "bps", (json_int_t)holdings->egress_bps[from], "links", links));
  snprintf(key, sizeof(key), "/reserved/%s", pop);
  text = json_dumps(record, 0);
  copse_model_apply(&model, key, text, revision);
  free(text);
  json_decref(record);
}

void
adopt(const char *session, const struct copse_plan_record *plan) {
  json_t *json = copse_plan_write(plan);
  char key[64], *text = json_dumps(json, 0);
  struct copse_holdings holdings;

  cr_assert_eq(copse_holdings_create(&holdings, &model, copse_model_session(&model, session), plan), 0);
  copse_holdings_add_plan(&holdings, plan);
  revision++;
  snprintf(key, sizeof(key), "/sessions/%s/plan", session);
  copse_model_apply(&model, key, text, revision);
  for (size_t from = 0; from < holdings.names.count; from++)
    reserve(session, &holdings, from);
  copse_holdings_free(&holdings);
  free(text);
  json_decref(json);
}

struct copse_planned_tree *
rooted(struct copse_plan_record *plan, const char *root) {
  for (size_t i = 0; i < plan->tree_count; i++)
    if (strcmp(plan->trees[i].root, root) == 0)
      return &plan->trees[i];
  return NULL;
}
