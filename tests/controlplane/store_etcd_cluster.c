/* SPDX-License-Identifier: Apache-2.0 */
/* A cluster of three of which one dies, or two. */
#include "store_fixture.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct etcd_cluster *const etcd = &fixture_etcd;

TestSuite(store_etcd_cluster, .fini = fixture_stop, .timeout = 90);

/* Counts by compare; what it cannot know it reads. */
static void
count_one(struct copse_store *store, unsigned *count) {
  char text[32];
  struct copse_compare compare = {"/count", revision_of(store, "/count")};
  struct copse_change change = {COPSE_CHANGE_PUT, "/count", text, 0};
  struct copse_value value = {0};
  uint64_t begin = etcd_now();
  int result;

  snprintf(text, sizeof(text), "%u", *count + 1);
  result = copse_store_commit(store, &compare, 1, &change, 1, NULL, NULL);
  while (result == -ETIMEDOUT && copse_store_get(store, "/count", &value) < 0 && etcd_now() - begin < 15000) {
    copse_store_poll(store, etcd_now());
    usleep(5000);
  }
  if (result == 0 || (value.value != NULL && strcmp(value.value, text) == 0))
    (*count)++;
  copse_value_free(&value);
  copse_store_poll(store, etcd_now());
}

Test(store_etcd_cluster, leader_killed_in_a_cluster_of_three) {
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
    uint64_t begin = etcd_now();
    unsigned target = count + 100;

    for (int i = 0; i < 50; i++)
      count_one(store, &count);
    etcd_server_kill(etcd, leader);
    while (count < target && etcd_now() - begin < 20000)
      count_one(store, &count);
    cr_expect_geq(count, target, "it goes on without its leader");
    etcd_server_start(etcd, leader);
    copse_store_poll(watching, etcd_now());
  }
  poll_until(watching, false);
  snprintf(text, sizeof(text), "%u", count);
  expect(store, "/count", text);
  for (uint64_t begin = etcd_now(); seen.count < count && etcd_now() - begin < 10000;) {
    copse_store_poll(watching, etcd_now());
    usleep(5000);
  }
  cr_expect_eq(seen.count, count, "each change once, %zu of %u", seen.count, count);
  cr_expect_not(seen.disordered);
  cr_expect_eq(seen.missed, 0);
  copse_store_close(watching);
  copse_store_close(store);
}

Test(store_etcd_cluster, a_minority_takes_nothing) {
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
