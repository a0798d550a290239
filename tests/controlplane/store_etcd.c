/* SPDX-License-Identifier: Apache-2.0 */
/* What only a store on another machine can suffer: it is away, full, too small, another. */
#include "folder.h"
#include "store_fixture.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct etcd_cluster *const etcd = &fixture_etcd;

#define SOON_MS 10000 /* what takes well below a second where nobody takes the processor away */

TestSuite(store_etcd, .fini = fixture_stop, .timeout = 90);

Test(store_etcd, watch_goes_on_after_a_restart) {
  struct copse_store *store, *other;
  struct seen seen = {0};

  etcd_cluster_start(etcd, 1, NULL);
  store = etcd_cluster_open(etcd);
  other = etcd_cluster_open(etcd);
  cr_assert_eq(copse_store_watch(store, "/w/", 0, see, &seen), 0);
  cr_expect_eq(put(other, "/w/a", "1", 0), 0);
  see_all(store, &seen, 1);
  etcd_server_kill(etcd, 0);
  poll_until(store, true);
  cr_expect_eq(copse_store_poll(store, etcd_now()), -EHOSTUNREACH);
  etcd_server_start(etcd, 0);
  put_at_last(other, "/w/a", "2");
  cr_expect_eq(delete (other, "/w/a"), 0);
  poll_until(store, false);
  see_all(store, &seen, 3);
  cr_expect_str_eq(seen.text, "/w/a=1 /w/a=2 /w/a=- ");
  cr_expect_eq(seen.missed, 0);
  copse_store_close(other);
  copse_store_close(store);
}

Test(store_etcd, everything_fails_at_once_while_it_is_away) {
  struct copse_error error = {""};
  struct copse_change change = {COPSE_CHANGE_PUT, "/a", "1", 0};
  struct copse_store *store;
  struct copse_value value;
  uint64_t begin, lease;

  etcd_cluster_start(etcd, 1, NULL);
  etcd->config.timeout_ms = 300;
  store = etcd_cluster_open(etcd);
  kill(etcd->servers[0].pid, SIGSTOP); /* it takes connections and says nothing */
  begin = etcd_now();
  cr_expect_eq(copse_store_commit(store, NULL, 0, &change, 1, NULL, &error), -ETIMEDOUT, "it may have been made");
  cr_expect_leq(etcd_now() - begin, 4000, "its own time, not the default of 5 s");
  begin = etcd_now();
  for (int i = 0; i < 1000; i++) {
    cr_expect_eq(copse_store_get(store, "/a", &value), -EHOSTUNREACH);
    cr_expect_eq(copse_store_commit(store, NULL, 0, &change, 1, NULL, &error), -EHOSTUNREACH);
    cr_expect_eq(copse_store_lease(store, etcd_now(), 5000, &lease, NULL), -EHOSTUNREACH);
    cr_expect_eq(copse_store_poll(store, etcd_now()), -EHOSTUNREACH);
  }
  cr_expect_leq(etcd_now() - begin, SOON_MS, "4000 calls; with waiting, 20 minutes");
  cr_expect(strstr(error.text, "away") != NULL, "%s", error.text);
  kill(etcd->servers[0].pid, SIGCONT);
  poll_until(store, false);
  cr_expect_eq(put(store, "/a", "2", 0), 0);
  expect(store, "/a", "2");
  copse_store_close(store);
}

Test(store_etcd, a_silence_is_noticed_without_a_call) {
  struct copse_store *store;

  etcd_cluster_start(etcd, 1, NULL);
  etcd->config.timeout_ms = 300;
  store = etcd_cluster_open(etcd);
  poll_until(store, false);
  kill(etcd->servers[0].pid, SIGSTOP);
  cr_expect_leq(poll_until(store, true), SOON_MS);
  kill(etcd->servers[0].pid, SIGCONT);
  cr_expect_leq(poll_until(store, false), SOON_MS);
  copse_store_close(store);
}

Test(store_etcd, a_lease_outlived_is_gone_and_nothing_else) {
  struct copse_store *store, *cut_off;
  struct seen seen = {0};
  uint64_t lease;

  etcd_cluster_start(etcd, 1, NULL);
  store = etcd_cluster_open(etcd);
  cut_off = etcd_cluster_open(etcd);
  cr_assert_eq(copse_store_lease(cut_off, etcd_now(), 1000, &lease, NULL), 0);
  cr_expect_eq(put(cut_off, "/pops/N1", "{}", lease), 0);
  cr_expect_eq(put(cut_off, "/sessions/s", "{}", 0), 0);
  cr_assert_eq(copse_store_watch(cut_off, "/", revision_of(cut_off, "/sessions/s"), see, &seen), 0);
  sleep(4); /* it is not polled, as if its network were down */
  expect(store, "/pops/N1", NULL);
  expect(store, "/sessions/s", "{}");
  poll_until(cut_off, false);
  see_all(cut_off, &seen, 1);
  cr_expect_str_eq(seen.text, "/pops/N1=- ");
  cr_expect_eq(copse_store_renew(cut_off, lease, etcd_now()), -ENOENT);
  copse_store_close(cut_off);
  copse_store_close(store);
}

static void
compact(uint64_t revision) {
  char body[64];

  snprintf(body, sizeof(body), "{\"revision\":\"%llu\",\"physical\":true}", (unsigned long long)revision);
  json_decref(etcd_cluster_ask(etcd, "/v3/kv/compaction", body));
}

Test(store_etcd, what_was_compacted_meanwhile_is_told) {
  struct copse_store *store, *other;
  struct seen seen = {0}, late = {0};

  etcd_cluster_start(etcd, 1, NULL);
  store = etcd_cluster_open(etcd);
  cr_assert_eq(copse_store_watch(store, "/", 0, see, &seen), 0);
  cr_expect_eq(put(store, "/a", "1", 0), 0);
  see_all(store, &seen, 1);
  etcd_server_kill(etcd, 0);
  poll_until(store, true);
  etcd_server_start(etcd, 0);
  other = NULL;
  for (int i = 0; i < 200 && copse_store_open_etcd(&etcd->config, &other, NULL) < 0; i++)
    usleep(50000);
  cr_assert_not_null(other);
  cr_expect_eq(put(other, "/a", "2", 0), 0);
  cr_expect_eq(put(other, "/a", "3", 0), 0);
  compact(revision_of(other, "/a"));
  cr_expect_eq(copse_store_watch(other, "/", 1, see, &late), -ESTALE);
  cr_expect_eq(copse_store_watch(other, "/", revision_of(other, "/a"), see, &late), 0);
  poll_until(store, false);
  for (uint64_t begin = etcd_now(); seen.missed == 0 && etcd_now() - begin < 5000;) {
    cr_expect_geq(copse_store_poll(store, etcd_now()), 0);
    usleep(5000);
  }
  cr_expect_eq(put(other, "/a", "4", 0), 0);
  see_all(store, &seen, 3);
  cr_expect_str_eq(seen.text, "/a=1 ? /a=3 /a=4 ", "after the gap it goes on");
  copse_store_close(other);
  copse_store_close(store);
}

/* The member that raised the alarm must be named. */
static void
end_alarm(void) {
  json_t *found = etcd_cluster_ask(etcd, "/v3/maintenance/alarm", "{}");
  const json_t *alarm = json_array_get(json_object_get(found, "alarms"), 0);
  char body[128];

  cr_assert_not_null(alarm);
  snprintf(body, sizeof(body), "{\"action\":\"DEACTIVATE\",\"memberID\":\"%s\",\"alarm\":\"NOSPACE\"}",
           json_string_value(json_object_get(alarm, "memberID")));
  json_decref(etcd_cluster_ask(etcd, "/v3/maintenance/alarm", body));
  json_decref(found);
}

/* etcd raises an alarm and takes nothing more, whole transactions included; whoever runs it makes room. */
Test(store_etcd, a_full_store_is_told_and_recovers) {
  struct copse_change change = {COPSE_CHANGE_PUT, "/big", NULL, 0};
  struct copse_error error = {""};
  struct copse_store *store;
  char body[64], *value = malloc(100001);
  int result = 0;

  memset(value, 'v', 100000);
  value[100000] = '\0';
  change.value = value;
  etcd_cluster_start(etcd, 1, NULL);
  store = etcd_cluster_open(etcd);
  etcd_server_kill(etcd, 0);
  etcd->quota_bytes = 4 << 20;
  etcd_server_start(etcd, 0);
  put_at_last(store, "/before", "1");
  for (int i = 0; i < 100 && result == 0; i++)
    result = copse_store_commit(store, NULL, 0, &change, 1, NULL, &error);
  cr_expect_eq(result, -ENOSPC, "%d %s", result, error.text);
  cr_expect(strstr(error.text, "database space exceeded") != NULL, "%s", error.text);
  expect(store, "/before", "1");
  cr_expect_geq(copse_store_poll(store, etcd_now()), 0, "it is not away");
  snprintf(body, sizeof(body), "{\"revision\":\"%llu\",\"physical\":true}",
           (unsigned long long)revision_of(store, "/big"));
  json_decref(etcd_cluster_ask(etcd, "/v3/kv/compaction", body));
  json_decref(etcd_cluster_ask(etcd, "/v3/maintenance/defragment", "{}"));
  cr_expect_eq(put(store, "/after", "1", 0), -ENOSPC, "until the alarm is over");
  end_alarm();
  put_at_last(store, "/after", "1");
  copse_store_close(store);
  free(value);
}

/* Of more compares or changes than etcd takes in a transaction nothing is made, and the sentence says what to do. */
Test(store_etcd, a_transaction_that_is_too_large_is_told) {
  enum { MAX = 8 };
  struct copse_compare compares[MAX + 1];
  struct copse_change changes[MAX + 1];
  struct copse_store *store;
  char keys[MAX + 1][8];

  etcd_cluster_start(etcd, 1, NULL);
  store = etcd_cluster_open(etcd);
  etcd_server_kill(etcd, 0);
  etcd->operations_max = MAX;
  etcd_server_start(etcd, 0);
  put_at_last(store, "/before", "1");
  for (int i = 0; i <= MAX; i++) {
    snprintf(keys[i], sizeof(keys[i]), "/k%d", i);
    compares[i] = (struct copse_compare){.key = keys[i], .revision = 0};
    changes[i] = (struct copse_change){COPSE_CHANGE_PUT, keys[i], "1", 0};
  }
  for (int more = 0; more < 2; more++) {
    struct copse_error error = {""};
    int result =
      copse_store_commit(store, compares, more == 0 ? MAX + 1 : 1, changes, more == 1 ? MAX + 1 : 1, NULL, &error);

    cr_expect_eq(result, -E2BIG, "%d", result);
    cr_expect(strstr(error.text, "too many operations") != NULL &&
                strstr(error.text, "--max-txn-ops must be at least its default, 128") != NULL,
              "%s", error.text);
  }
  cr_expect_eq(copse_store_commit(store, compares, MAX, changes, MAX, NULL, NULL), 0, "none had been made");
  expect(store, keys[0], "1");
  copse_store_close(store);
}

Test(store_etcd, another_store_in_its_place_is_told) {
  struct copse_store *store;
  struct seen seen = {0};

  etcd_cluster_start(etcd, 1, NULL);
  store = etcd_cluster_open(etcd);
  cr_assert_eq(copse_store_watch(store, "/", 0, see, &seen), 0);
  for (int i = 0; i < 50; i++)
    cr_expect_eq(put(store, "/a", "1", 0), 0);
  see_all(store, &seen, 50);
  etcd_server_kill(etcd, 0);
  folder_remove(etcd->folder); /* somebody lost the data, and made a new one */
  cr_assert_not_null(mkdtemp(strcpy(etcd->folder, "/tmp/copse-etcd-XXXXXX")));
  poll_until(store, true);
  etcd_server_start(etcd, 0);
  poll_until(store, false);
  cr_expect_eq(seen.missed, 1);
  memset(&seen, 0, sizeof(seen));
  cr_expect_eq(put(store, "/b", "2", 0), 0);
  see_all(store, &seen, 1);
  cr_expect_str_eq(seen.text, "/b=2 ");
  copse_store_close(store);
}

Test(store_etcd, nobody_there_is_said_clearly) {
  static char *nowhere[] = {(char *)"http://127.0.0.1:1", (char *)"http://127.0.0.1:2"};
  struct copse_etcd_config config = {
    .endpoints = nowhere, .endpoint_count = 2, .prefix = (char *)"/copse", .timeout_ms = 200};
  struct copse_error error = {""};
  struct copse_store *store;

  cr_expect_eq(copse_store_open_etcd(&config, &store, &error), -EHOSTUNREACH);
  cr_expect(strstr(error.text, "127.0.0.1") != NULL && strstr(error.text, "connect") != NULL, "%s", error.text);
}
