/* SPDX-License-Identifier: Apache-2.0 */
/* Every verdict, from records as the store has them. N1 has a seed and the root of a tree over N2; a peer is at N2. */
#include "session/why.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define S "0123456789abcdef0123456789abcdef"
#define TREE "00000000000000aa"
#define SEED "00000000000000b1"
#define PEER "00000000000000b2"
#define NOW 1000U

static struct copse_model model;
static struct copse_why why;

static void __attribute__((format(printf, 2, 3))) put(const char *key, const char *format, ...) {
  static uint64_t revision;
  char *text = NULL;
  va_list arguments;

  va_start(arguments, format);
  cr_assert(vasprintf(&text, format, arguments) > 0);
  va_end(arguments);
  cr_assert(eq(int, copse_model_apply(&model, key, text, ++revision), 0));
  free(text);
}

static void
put_plan(const char *status, const char *reason, const char *edges) {
  put("/sessions/" S "/plan",
      "{\"epoch\":1,\"numbers\":{},\"pops\":[\"N1\",\"N2\"],\"trees\":[{\"id\":\"" TREE
      "\",\"number\":257,\"root\":\"N1\",\"status\":\"%s\","
      "\"reason\":\"%s\",\"clamped\":false,\"growth\":1.5,\"min_bps\":20000000,\"max_bps\":30000000,"
      "\"rate_bps\":30000000,\"key\":\"%032d\",\"edges\":[%s]}],\"leaving\":[]}",
      status, reason, 0, edges);
}

static void
put_tree(unsigned bps, unsigned red_pps, unsigned unpaid_pps) {
  put("/sessions/" S "/trees/" TREE,
      "{\"root\":\"N1\",\"instance\":\"0000000000000001\",\"base_bytes\":0,\"granted_bytes\":9,\"charged_bytes\":0,"
      "\"lost_bytes\":0,"
      "\"grants\":[],\"bps\":%u,\"packets\":1,\"bytes\":1,\"red_pps\":%u,\"unpaid_pps\":%u}",
      bps, red_pps, unpaid_pps);
}

static void
put_member(const char *id, const char *pop, bool seed) {
  char key[80];

  snprintf(key, sizeof(key), "/sessions/" S "/members/%s", id);
  put(key,
      "{\"pop\":\"%s\",\"account\":\"alice\",\"address\":\"198.18.1.9\",\"port\":1,\"http_port\":1,"
      "\"uplink_bps\":20000000,\"downlink_bps\":70000000,\"seed\":%s,\"key\":\"%032d\",\"label\":1}",
      pop, seed ? "true" : "false", 0);
}

static void
put_progress(const char *id, unsigned have, unsigned cdn_bps, unsigned in_bps, unsigned out_bps, bool unproven) {
  char key[80];

  snprintf(key, sizeof(key), "/sessions/" S "/progress/%s", id);
  put(key,
      "{\"have\":%u,\"done\":%s,\"cdn_bytes\":1,\"direct_bytes\":0,\"sent_bytes\":0,\"cdn_bps\":%u,\"direct_bps\":0,"
      "\"in_bps\":%u,\"out_bps\":%u,\"unproven\":%s}",
      have, have == 100 ? "true" : "false", cdn_bps, in_bps, out_bps, unproven ? "true" : "false");
}

static void
put_stats(const char *pop, const char *to, unsigned at_s, unsigned bps, unsigned drops_pps, unsigned sent_pps,
          unsigned received_pps) {
  char key[32];

  snprintf(key, sizeof(key), "/stats/%s", pop);
  put(key,
      "{\"at_s\":%u,\"rx_packets\":1,\"rx_bytes\":1,\"tx_packets\":1,\"tx_bytes\":1,\"rx_bps\":1,\"tx_bps\":1,"
      "\"drops_pps\":0,\"packet_drops\":{},\"copy_drops\":{},\"links\":[{\"to\":\"%s\",\"packets\":1,\"bytes\":1,"
      "\"drops\":1,\"bps\":%u,\"drops_pps\":%u,\"sent_pps\":%u,\"received_pps\":%u,\"seconds\":99}]}",
      at_s, to, bps, drops_pps, sent_pps, received_pps);
}

/* All is well: the tree carries 10 of 30 Mbit/s, the seed sends 10 of 20, nothing is lost. */
static void
set_up(void) {
  copse_model_free(&model);
  put("/sessions/" S,
      "{\"manifest\":{\"name\":\"f\",\"size\":1638400,\"block_bytes\":16384,\"root\":\"%064d\"},"
      "\"creator\":\"\",\"state\":\"open\"}",
      7);
  put("/links/N1/N2", "{\"bandwidth_bps\":100000000,\"delay_ms\":1.0,\"by\":\"N1\"}");
  put_plan("ok", "", "0,1");
  put("/sessions/" S "/labels/" TREE "/N1", "{\"label\":4294967295,\"root\":\"N1\"}");
  put("/sessions/" S "/labels/" TREE "/N2", "{\"label\":7,\"root\":\"N1\"}");
  put_tree(10000000, 0, 0);
  put_member(SEED, "N1", true);
  put_member(PEER, "N2", false);
  put_progress(SEED, 100, 0, 10000000, 0, false);
  put_progress(PEER, 10, 9540000, 0, 10000000, false);
  put_stats("N1", "N2", NOW, 10000000, 0, 1000, 0);
  put_stats("N2", "N1", NOW, 0, 0, 0, 1000);
}

static void
tear_down(void) {
  json_decref(why.numbers);
  why.numbers = NULL;
  copse_model_free(&model);
}

TestSuite(why, .init = set_up, .fini = tear_down);

static const char *
verdict_of_tree(void) {
  const struct copse_session *session = copse_model_session(&model, S);

  json_decref(why.numbers);
  copse_why_tree(&model, session, copse_session_rooted(session, "N1"), NOW, &why);
  return copse_verdict_name(why.verdict);
}

static const char *
verdict_of(const char *id) {
  const struct copse_session *session = copse_model_session(&model, S);

  json_decref(why.numbers);
  copse_why_member(&model, session, copse_session_member(session, id), NOW, &why);
  return copse_verdict_name(why.verdict);
}

#define expect_verdict(verdict_, wanted_, said_)                                                                       \
  do {                                                                                                                 \
    cr_expect_str_eq(verdict_, wanted_, "%s: %s", verdict_, why.text);                                                 \
    cr_expect_not_null(strstr(why.text, said_), "%s", why.text);                                                       \
  } while (0)

static json_int_t
number(const char *name) {
  return json_integer_value(json_object_get(why.numbers, name));
}

Test(why, a_sender_that_sends_less_than_it_could) {
  expect_verdict(verdict_of_tree(), "sender", "the sender at N1 sends 10.000 Mbit/s, less than its uplink (20.000)");
  cr_expect(eq(long, (long)number("rate_bps"), 30000000));
  cr_expect(eq(long, (long)number("senders_uplink_bps"), 20000000));
  expect_verdict(verdict_of(PEER), "sender", "at N1");
  cr_expect(eq(str, (char *)why.tree, TREE));
  expect_verdict(verdict_of(SEED), "sender", "at N1");
  put_member("00000000000000aa", "N1", true);
  expect_verdict(verdict_of_tree(), "sender",
                 "the 2 senders at N1 send 10.000 Mbit/s, less than their uplinks (40.000)");
}

Test(why, the_senders_uplink) {
  put_tree(19400000, 0, 0);
  put_progress(SEED, 100, 0, 19400000, 0, false);
  expect_verdict(verdict_of_tree(), "uplink", "the sender at N1 sends 19.400 of the 20.000 Mbit/s of its uplink");
  expect_verdict(verdict_of(PEER), "uplink", "the tree could carry 30.000");
}

Test(why, nothing_is_sent) {
  put_tree(0, 0, 0);
  put_progress(SEED, 100, 0, 0, 0, false);
  expect_verdict(verdict_of_tree(), "idle", "the sender at N1 has no order");
  put("/sessions/" S "/members/" SEED, "null");
  expect_verdict(verdict_of_tree(), "idle", "no peer at N1 has the whole content");
}

Test(why, the_trees_rate) {
  put_tree(28000000, 0, 0);
  expect_verdict(verdict_of_tree(), "tree_rate", "28.000 of its 30.000 Mbit/s; more needs more credit");
  put_tree(20000000, 3, 0);
  expect_verdict(verdict_of_tree(), "tree_rate", "20.000");
  cr_expect(eq(long, (long)number("red_pps"), 3));
  expect_verdict(verdict_of(PEER), "tree_rate", "20.000");
}

Test(why, a_full_link) {
  put_stats("N1", "N2", NOW, 95000000, 0, 9000, 0);
  put_stats("N2", "N1", NOW, 0, 0, 0, 9000);
  expect_verdict(verdict_of_tree(), "link_budget", "N1 to N2 carries 95.000 of the 100.000");
  cr_expect(eq(str, (char *)json_string_value(json_object_get(why.numbers, "link")), "N1/N2"));
  put_stats("N1", "N2", NOW, 5000000, 7, 500, 0);
  expect_verdict(verdict_of(PEER), "link_budget", "drops 7 copies/s");
  put_stats("N1", "N2", NOW - 10, 5000000, 7, 500, 0);
  expect_verdict(verdict_of(PEER), "sender", "at N1"); /* what was long ago is not now */
}

Test(why, no_room_on_links) {
  put_plan("infeasible", "only 1 of 2 PoPs can be reached", "");
  expect_verdict(verdict_of_tree(), "link_budget", "no room for 20.000 Mbit/s: only 1 of 2 PoPs");
}

Test(why, loss_on_a_link) {
  put_stats("N2", "N1", NOW, 0, 0, 0, 950);
  expect_verdict(verdict_of_tree(), "loss", "5.0 % of the packets on the link N1 to N2");
  put_stats("N2", "N1", NOW - 1, 0, 0, 0, 950);
  expect_verdict(verdict_of_tree(), "sender", "at N1"); /* of another second: not comparable */
  put_stats("N2", "N1", NOW, 0, 0, 0, 985);
  expect_verdict(verdict_of_tree(), "sender", "at N1"); /* clocks */
}

Test(why, a_link_that_test_packets_have_found_degraded) {
  put("/measured/N1/N2", "{\"capacity_percent\":50,\"heard\":true,\"loss\":0.1,\"delay_ms\":1.0,\"jitter_ms\":0.1}");
  expect_verdict(verdict_of_tree(), "loss",
                 "10.0 % of the test packets on the link N1 to N2 do not arrive: it is degraded");
  expect_verdict(verdict_of(PEER), "loss", "plans use 50 % of its budget");
  cr_expect(eq(long, (long)number("link_capacity_percent"), 50));
  put("/measured/N1/N2", "{\"capacity_percent\":100,\"heard\":true,\"loss\":0.01,\"delay_ms\":1.0,\"jitter_ms\":0.1}");
  expect_verdict(verdict_of_tree(), "sender", "sends 10.000 Mbit/s");
}

Test(why, loss_at_the_last_hop) {
  put_progress(PEER, 10, 7000000, 0, 10000000, false);
  expect_verdict(verdict_of(PEER), "loss", "27 % of what N2 sends");
  expect_verdict(verdict_of_tree(), "sender", "at N1");
}

Test(why, the_last_hop) {
  put_progress(PEER, 10, 60000000, 0, 66000000, false);
  expect_verdict(verdict_of(PEER), "last_hop", "N2 sends it 66.000 of the 70.000 Mbit/s");
}

Test(why, credit) {
  put_tree(10000000, 0, 12);
  expect_verdict(verdict_of_tree(), "credit", "drops 12 packets/s");
  expect_verdict(verdict_of(SEED), "credit", "allowance is spent");
  put_plan("no_sender", "no credit", "");
  expect_verdict(verdict_of_tree(), "credit", "have no credit");
}

Test(why, no_tree) {
  put_plan("single_area", "peers of one area use direct P2P", "");
  expect_verdict(verdict_of(PEER), "no_tree", "direct P2P");
  put("/sessions/" S "/plan", "{\"epoch\":2,\"numbers\":{},\"trees\":[],\"leaving\":[]}");
  expect_verdict(verdict_of(PEER), "no_tree", "no trees");
}

Test(why, installing) {
  put("/sessions/" S "/labels/" TREE "/N2", "null");
  expect_verdict(verdict_of_tree(), "installing", "N2 has not installed");
}

Test(why, unproven_and_done) {
  put_progress(PEER, 10, 0, 0, 0, true);
  expect_verdict(verdict_of(PEER), "unproven", "no proof of its address");
  put_progress(PEER, 100, 0, 0, 0, false);
  expect_verdict(verdict_of(PEER), "done", "all 100 blocks");
}
