/* SPDX-License-Identifier: Apache-2.0 */
/* What the store tells: events that come twice, late and in another order, and what is no answer. */
#include "store/etcd_internal.h"
#include "store_fixture.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct etcd_cluster *const etcd = &fixture_etcd;

TestSuite(store_etcd_events, .fini = fixture_stop, .timeout = 90);

/* A line of a watch's stream; the change is a put of "v" when not a delete. */
static int
tell(struct etcd_events *events, const char *text) {
  char line[1024] = "{\"result\":{\"header\":{\"revision\":\"99\"},\"events\":[";

  for (const char *c = text; *c != '\0'; c++) {
    size_t length = strlen(line);

    snprintf(line + length, sizeof(line) - length,
             "%s{%s\"kv\":{\"key\":\"L2s=\",\"mod_revision\":\"%d\",\"value\":\"dg==\"}}", c == text ? "" : ",",
             *c >= 'a' ? "\"type\":\"DELETE\"," : "", *c >= 'a' ? *c - 'a' + 1 : *c - '0');
  }
  strcat(line, "]}}");
  return etcd_events_take(events, line, strlen(line));
}

Test(store_etcd_events, events_twice_late_and_disordered) {
  struct seen seen = {0};
  struct etcd_events events = {.callback = see, .context = &seen};

  cr_expect_eq(tell(&events, "12"), 0);
  cr_expect_eq(tell(&events, "12"), 0, "repeated");
  cr_expect_eq(tell(&events, "55"), 0, "two changes of one revision, after a pause of other keys' revisions");
  cr_expect_eq(tell(&events, "25"), 0, "repeated");
  cr_expect_str_eq(seen.text, "/k=v /k=v /k=v /k=v ");
  cr_expect_eq(tell(&events, "f"), 0);
  cr_expect_eq(tell(&events, "4"), 0, "late: nobody knows what it means now");
  cr_expect_str_eq(seen.text, "/k=v /k=v /k=v /k=v /k=- ? ");
  cr_expect_eq(tell(&events, "98"), 0, "disordered");
  cr_expect_str_eq(seen.text, "/k=v /k=v /k=v /k=v /k=- ? /k=v ? ");
  cr_expect_eq(events.revision, 9);
  cr_expect_not(seen.disordered);
}

/* Asks etcd for its revision and has the answer, but does not look at it yet. */
static void
probe(struct etcd_store *store) {
  store->probe_ms = 0;
  etcd_look(store, etcd_now());
  for (uint64_t begin = etcd_now(); store->probe.running && etcd_now() - begin < 15000;)
    etcd_turn(store, 10);
  cr_assert(store->probe.started && !store->probe.running);
}

/* What a watch brings while a probe is under way is newer than the probe's answer, and no sign of another store. */
Test(store_etcd_events, a_watch_may_be_ahead_of_a_probe) {
  struct etcd_store *store;
  struct seen seen = {0};

  etcd_cluster_start(etcd, 1, NULL);
  etcd->config.prefix = (char *)"";
  store = etcd_of(etcd_cluster_open(etcd));
  cr_assert_eq(copse_store_watch(&store->store, "/", 0, see, &seen), 0);
  poll_until(&store->store, false);
  probe(store);
  cr_expect_eq(tell(&store->watches[0]->events, "9"), 0);
  cr_expect_eq(etcd_look(store, etcd_now()), 0);
  cr_expect_str_eq(seen.text, "/k=v ");
  probe(store); /* whose answer does not know what the watch had brought before */
  cr_expect_eq(etcd_look(store, etcd_now()), 0);
  cr_expect_str_eq(seen.text, "/k=v ? ");
  copse_store_close(&store->store);
}

Test(store_etcd_events, what_is_no_answer_is_refused) {
  static const char *const lines[] = {
    "",
    "{",
    "[]",
    "{}",
    "{\"result\":1}",
    "{\"error\":{\"message\":\"no\"}}",
    "{\"result\":{\"events\":[1]}}",
    "{\"result\":{\"events\":[{\"kv\":{\"key\":\"!\",\"mod_revision\":\"7\"}}]}}",
    "{\"result\":{\"events\":[{\"kv\":{\"key\":\"L2s=\",\"mod_revision\":\"x\"}}]}}",
    "{\"result\":{\"events\":[{\"kv\":{\"key\":\"L2s=\",\"mod_revision\":\"-7\"}}]}}"};
  static const char compacted[] = "{\"result\":{\"canceled\":true,\"compact_revision\":\"40\"}}";
  struct seen seen = {0};
  struct etcd_events events = {.callback = see, .context = &seen};

  for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
    cr_expect_eq(etcd_events_take(&events, lines[i], strlen(lines[i])), -EBADMSG, "%s", lines[i]);
  cr_expect_eq(seen.count, 0);
  cr_expect_eq(etcd_events_take(&events, compacted, strlen(compacted)), -ECONNRESET);
  cr_expect_eq(events.revision, 39);
  cr_expect_eq(seen.missed, 1);
}
