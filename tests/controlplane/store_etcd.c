/* SPDX-License-Identifier: Apache-2.0 */
/* What only a store on other machines can suffer: members that die, answers that do not come, strangers. */
#include "folder.h"
#include "store/etcd_internal.h"
#include "store_fixture.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SOON_MS 10000 /* what takes well below a second where nobody takes the processor away */

static struct etcd_cluster *const etcd = &fixture_etcd;
static char certificates[] = "/tmp/copse-tls-XXXXXX";

static void
stop(void) {
  fixture_stop();
  if (strstr(certificates, "XXXXXX") == NULL)
    folder_remove(certificates);
}

TestSuite(store_etcd, .fini = stop, .timeout = 90);

static uint64_t
now(void) {
  return backends[1].pass(0);
}

/* Polls until it is as wanted, at most 15 s; how long it took. */
static uint64_t
poll_until(struct copse_store *store, bool away) {
  uint64_t begin = now();

  while ((copse_store_poll(store, now()) < 0) != away && now() - begin < 15000)
    usleep(10000);
  cr_expect_eq(copse_store_poll(store, now()) < 0, away);
  return now() - begin;
}

/* Commits until one is made. */
static void
put_at_last(struct copse_store *store, const char *key, const char *value) {
  uint64_t begin = now();

  while (put(store, key, value, 0) < 0 && now() - begin < 15000) {
    copse_store_poll(store, now());
    usleep(10000);
  }
  expect(store, key, value);
}

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
  cr_expect_eq(copse_store_poll(store, now()), -EHOSTUNREACH);
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
  begin = now();
  cr_expect_eq(copse_store_commit(store, NULL, 0, &change, 1, NULL, &error), -ETIMEDOUT, "it may have been made");
  cr_expect_leq(now() - begin, 4000, "its own time, not the default of 5 s");
  begin = now();
  for (int i = 0; i < 1000; i++) {
    cr_expect_eq(copse_store_get(store, "/a", &value), -EHOSTUNREACH);
    cr_expect_eq(copse_store_commit(store, NULL, 0, &change, 1, NULL, &error), -EHOSTUNREACH);
    cr_expect_eq(copse_store_lease(store, now(), 5000, &lease, NULL), -EHOSTUNREACH);
    cr_expect_eq(copse_store_poll(store, now()), -EHOSTUNREACH);
  }
  cr_expect_leq(now() - begin, SOON_MS, "4000 calls; with waiting, 20 minutes");
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
  cr_assert_eq(copse_store_lease(cut_off, now(), 1000, &lease, NULL), 0);
  cr_expect_eq(put(cut_off, "/pops/N1", "{}", lease), 0);
  cr_expect_eq(put(cut_off, "/sessions/s", "{}", 0), 0);
  cr_assert_eq(copse_store_watch(cut_off, "/", revision_of(cut_off, "/sessions/s"), see, &seen), 0);
  sleep(4); /* it is not polled, as if its network were down */
  expect(store, "/pops/N1", NULL);
  expect(store, "/sessions/s", "{}");
  poll_until(cut_off, false);
  see_all(cut_off, &seen, 1);
  cr_expect_str_eq(seen.text, "/pops/N1=- ");
  cr_expect_eq(copse_store_renew(cut_off, lease, now()), -ENOENT);
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
  for (uint64_t begin = now(); seen.missed == 0 && now() - begin < 5000;) {
    cr_expect_geq(copse_store_poll(store, now()), 0);
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
  cr_expect_geq(copse_store_poll(store, now()), 0, "it is not away");
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
    cr_expect(strstr(error.text, "too many operations") != NULL && strstr(error.text, "--max-txn-ops=16384") != NULL,
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

/* Counts by compare; what it cannot know it reads. */
static void
count_one(struct copse_store *store, unsigned *count) {
  char text[32];
  struct copse_compare compare = {"/count", revision_of(store, "/count")};
  struct copse_change change = {COPSE_CHANGE_PUT, "/count", text, 0};
  struct copse_value value = {0};
  uint64_t begin = now();
  int result;

  snprintf(text, sizeof(text), "%u", *count + 1);
  result = copse_store_commit(store, &compare, 1, &change, 1, NULL, NULL);
  while (result == -ETIMEDOUT && copse_store_get(store, "/count", &value) < 0 && now() - begin < 15000) {
    copse_store_poll(store, now());
    usleep(5000);
  }
  if (result == 0 || (value.value != NULL && strcmp(value.value, text) == 0))
    (*count)++;
  copse_value_free(&value);
  copse_store_poll(store, now());
}

Test(store_etcd, leader_killed_in_a_cluster_of_three) {
  struct copse_store *store, *watching;
  struct seen seen = {0};
  unsigned count = 0;
  char text[32];

  etcd_cluster_start(etcd, 3, NULL);
  etcd->config.timeout_ms = 1000;
  store = etcd_cluster_open(etcd);
  watching = etcd_cluster_open(etcd);
  cr_assert_eq(copse_store_watch(watching, "/count", 0, see, &seen), 0);
  for (int round = 0; round < 4; round++) {
    size_t leader = etcd_cluster_leader(etcd);
    uint64_t begin = now();
    unsigned target = count + 100;

    for (int i = 0; i < 50; i++)
      count_one(store, &count);
    etcd_server_kill(etcd, leader);
    while (count < target && now() - begin < 20000)
      count_one(store, &count);
    cr_expect_geq(count, target, "it goes on without its leader");
    etcd_server_start(etcd, leader);
    copse_store_poll(watching, now());
  }
  poll_until(watching, false);
  snprintf(text, sizeof(text), "%u", count);
  expect(store, "/count", text);
  for (uint64_t begin = now(); seen.count < count && now() - begin < 10000;) {
    copse_store_poll(watching, now());
    usleep(5000);
  }
  cr_expect_eq(seen.count, count, "each change once, %zu of %u", seen.count, count);
  cr_expect_not(seen.disordered);
  cr_expect_eq(seen.missed, 0);
  copse_store_close(watching);
  copse_store_close(store);
}

Test(store_etcd, a_minority_takes_nothing) {
  struct copse_error error = {""};
  struct copse_change change = {COPSE_CHANGE_PUT, "/a", "2", 0};
  struct copse_store *store;
  int result;

  etcd_cluster_start(etcd, 3, NULL);
  etcd->config.timeout_ms = 500;
  store = etcd_cluster_open(etcd);
  cr_expect_eq(put(store, "/a", "1", 0), 0);
  etcd_server_kill(etcd, 1);
  etcd_server_kill(etcd, 2);
  result = copse_store_commit(store, NULL, 0, &change, 1, NULL, &error);
  cr_expect(result == -ETIMEDOUT || result == -EHOSTUNREACH, "%d %s", result, error.text);
  poll_until(store, true);
  etcd_server_start(etcd, 1);
  poll_until(store, false);
  put_at_last(store, "/a", "3");
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

/* openssl, quietly. */
static void
openssl(const char *format, ...) {
  char *arguments = NULL, *command = NULL;
  va_list values;

  va_start(values, format);
  cr_assert_geq(vasprintf(&arguments, format, values), 0);
  va_end(values);
  cr_assert_geq(asprintf(&command, "cd %s && openssl %s 2>openssl.log", certificates, arguments), 0);
  cr_assert_eq(system(command), 0, "%s", command);
  free(arguments);
  free(command);
}

static void
certify(const char *name, const char *extension) {
  openssl("req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=%s -keyout %s.key -out %s.csr", name,
          name, name);
  openssl("x509 -req -in %s.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out %s.pem -extfile %s", name, name,
          extension);
}

static void
make_certificates(void) {
  char path[64];
  FILE *file;

  cr_assert_not_null(mkdtemp(certificates));
  snprintf(path, sizeof(path), "%s/server.ext", certificates);
  file = fopen(path, "w");
  fputs("subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n", file);
  fclose(file);
  openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test -keyout ca.key -out "
          "ca.pem");
  certify("server", "server.ext");
  certify("client", "server.ext");
  openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=other -keyout other.key -out "
          "other.pem");
}

static char *
certificate(const char *name) {
  char *path = NULL;

  cr_assert_geq(asprintf(&path, "%s/%s", certificates, name), 0);
  return path;
}

Test(store_etcd, tls_with_certificates_of_both) {
  struct copse_error error = {""};
  struct copse_store *store = NULL;
  struct seen seen = {0};

  make_certificates();
  etcd_cluster_start(etcd, 1, certificates);
  etcd->config.ca = certificate("ca.pem");
  etcd->config.certificate = certificate("client.pem");
  etcd->config.key = certificate("client.key");
  for (int i = 0; i < 100 && copse_store_open_etcd(&etcd->config, &store, &error) < 0; i++)
    usleep(50000);
  cr_assert_not_null(store, "%s", error.text);
  cr_assert_eq(copse_store_watch(store, "/", 0, see, &seen), 0);
  cr_expect_eq(put(store, "/a", "1", 0), 0);
  see_all(store, &seen, 1);
  copse_store_close(store);

  free(etcd->config.ca);
  etcd->config.ca = certificate("other.pem");
  cr_expect_lt(copse_store_open_etcd(&etcd->config, &store, &error), 0, "a server that somebody else certified");
  cr_expect(strstr(error.text, "certificate") != NULL, "%s", error.text);
  free(etcd->config.ca);
  etcd->config.ca = certificate("ca.pem");
  free(etcd->config.certificate);
  free(etcd->config.key);
  etcd->config.certificate = etcd->config.key = NULL;
  cr_expect_lt(copse_store_open_etcd(&etcd->config, &store, &error), 0, "etcd wants to know who we are");
  cr_expect_neq(error.text[0], '\0');
  free(etcd->config.ca);
}

Test(store_etcd, user_and_password) {
  struct copse_error error = {""};
  struct copse_store *store;
  struct seen seen = {0};
  char path[80];
  FILE *file;

  etcd_cluster_start(etcd, 1, NULL);
  json_decref(etcd_cluster_ask(etcd, "/v3/auth/user/add", "{\"name\":\"root\",\"password\":\"secret\"}"));
  json_decref(etcd_cluster_ask(etcd, "/v3/auth/role/add", "{\"name\":\"root\"}"));
  json_decref(etcd_cluster_ask(etcd, "/v3/auth/user/grant", "{\"user\":\"root\",\"role\":\"root\"}"));
  json_decref(etcd_cluster_ask(etcd, "/v3/auth/enable", "{}"));
  snprintf(path, sizeof(path), "%s/password", etcd->folder);
  file = fopen(path, "w");
  fputs("secret\n", file);
  fclose(file);
  cr_expect_eq(copse_store_open_etcd(&etcd->config, &store, &error), -EACCES, "%s", error.text);
  etcd->config.user = (char *)"root";
  etcd->config.password_file = path;
  store = etcd_cluster_open(etcd);
  cr_assert_eq(copse_store_watch(store, "/", 0, see, &seen), 0);
  cr_expect_eq(put(store, "/a", "1", 0), 0);
  see_all(store, &seen, 1);
  etcd_server_kill(etcd, 0); /* and with it, all it knew of who is who */
  poll_until(store, true);
  etcd_server_start(etcd, 0);
  poll_until(store, false);
  put_at_last(store, "/a", "2");
  see_all(store, &seen, 2);
  copse_store_close(store);
  file = fopen(path, "w");
  fputs("guessed\n", file);
  fclose(file);
  cr_expect_eq(copse_store_open_etcd(&etcd->config, &store, &error), -EACCES, "%s", error.text);
}

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

Test(store_etcd, events_twice_late_and_disordered) {
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
  etcd_look(store, now());
  for (uint64_t begin = now(); store->probe.running && now() - begin < 15000;)
    etcd_turn(store, 10);
  cr_assert(store->probe.started && !store->probe.running);
}

/* What a watch brings while a probe is under way is newer than the probe's answer, and no sign of another store. */
Test(store_etcd, a_watch_may_be_ahead_of_a_probe) {
  struct etcd_store *store;
  struct seen seen = {0};

  etcd_cluster_start(etcd, 1, NULL);
  etcd->config.prefix = (char *)"";
  store = etcd_of(etcd_cluster_open(etcd));
  cr_assert_eq(copse_store_watch(&store->store, "/", 0, see, &seen), 0);
  poll_until(&store->store, false);
  probe(store);
  cr_expect_eq(tell(&store->watches[0]->events, "9"), 0);
  cr_expect_eq(etcd_look(store, now()), 0);
  cr_expect_str_eq(seen.text, "/k=v ");
  probe(store); /* whose answer does not know what the watch had brought before */
  cr_expect_eq(etcd_look(store, now()), 0);
  cr_expect_str_eq(seen.text, "/k=v ? ");
  copse_store_close(&store->store);
}

Test(store_etcd, what_is_no_answer_is_refused) {
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
