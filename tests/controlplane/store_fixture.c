/* SPDX-License-Identifier: Apache-2.0 */
#include "store_fixture.h"
#include "folder.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 5000

/* Criterion loses a few bytes of its own when tests that run side by side end together. */
const char *__lsan_default_suppressions(void);
const char *
__lsan_default_suppressions(void) {
  return "leak:libcriterion.so";
}

char fixture_folder[] = "/tmp/copse-store-XXXXXX";
struct etcd_cluster fixture_etcd;

static struct copse_store *
open_sqlite(void) {
  struct copse_store *store = NULL;
  struct copse_error error = {""};
  char path[64];

  if (strstr(fixture_folder, "XXXXXX") != NULL)
    cr_assert_not_null(mkdtemp(fixture_folder));
  snprintf(path, sizeof(path), "%s/store.db", fixture_folder);
  cr_assert_eq(copse_store_open(path, &store, &error), 0, "%s", error.text);
  return store;
}

static uint64_t
pass_at_once(uint64_t ms) {
  static uint64_t now_ms = 1000;

  return now_ms += ms;
}

static struct copse_store *
open_etcd(void) {
  if (fixture_etcd.count == 0)
    etcd_cluster_start(&fixture_etcd, 1, NULL);
  return etcd_cluster_open(&fixture_etcd);
}

static uint64_t
pass_really(uint64_t ms) {
  struct timespec now;

  usleep((useconds_t)(ms * 1000));
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

const struct backend backends[2] = {{"sqlite", open_sqlite, pass_at_once, 1000},
                                    {"etcd", open_etcd, pass_really, 2000}};

void
fixture_stop(void) {
  etcd_cluster_stop(&fixture_etcd);
  if (strstr(fixture_folder, "XXXXXX") == NULL)
    folder_remove(fixture_folder);
}

int
put(struct copse_store *store, const char *key, const char *value, uint64_t lease) {
  struct copse_change change = {COPSE_CHANGE_PUT, key, value, lease};

  return copse_store_commit(store, NULL, 0, &change, 1, NULL, NULL);
}

int delete (struct copse_store *store, const char *key) {
  struct copse_change change = {COPSE_CHANGE_DELETE, key, NULL, 0};

  return copse_store_commit(store, NULL, 0, &change, 1, NULL, NULL);
}

void
expect(struct copse_store *store, const char *key, const char *value) {
  struct copse_value found;
  int result = copse_store_get(store, key, &found);

  if (value == NULL) {
    cr_expect_eq(result, -ENOENT, "%s must not exist", key);
    return;
  }
  cr_assert_eq(result, 0, "%s must exist", key);
  cr_expect_str_eq(found.value, value);
  cr_expect_str_eq(found.key, key);
  copse_value_free(&found);
}

uint64_t
revision_of(struct copse_store *store, const char *key) {
  struct copse_value found;
  uint64_t revision;

  if (copse_store_get(store, key, &found) < 0)
    return 0;
  revision = found.revision;
  copse_value_free(&found);
  return revision;
}

void
see(void *context, const char *key, const char *value, uint64_t revision) {
  struct seen *seen = context;
  size_t length = strlen(seen->text);

  if (key == NULL) {
    seen->missed++;
    snprintf(seen->text + length, sizeof(seen->text) - length, "? ");
    return;
  }
  if (revision < seen->last)
    seen->disordered = true;
  seen->last = revision;
  seen->count++;
  snprintf(seen->text + length, sizeof(seen->text) - length, "%s=%s ", key, value == NULL ? "-" : value);
}

void
see_all(struct copse_store *store, struct seen *seen, size_t count) {
  uint64_t begin = pass_really(0), now_ms = begin;

  while (seen->count < count && now_ms - begin < PATIENCE_MS) {
    cr_assert_geq(copse_store_poll(store, 0), 0);
    now_ms = pass_really(seen->count < count ? 1 : 0);
  }
  usleep(20000);
  cr_expect_eq(copse_store_poll(store, 0), 0, "each change once");
  cr_expect_eq(seen->count, count, "%s", seen->text);
}

uint64_t
etcd_now(void) {
  return backends[1].pass(0);
}

uint64_t
poll_until(struct copse_store *store, bool away) {
  uint64_t begin = etcd_now();

  while ((copse_store_poll(store, etcd_now()) < 0) != away && etcd_now() - begin < 15000)
    usleep(10000);
  cr_expect_eq(copse_store_poll(store, etcd_now()) < 0, away);
  return etcd_now() - begin;
}

void
put_at_last(struct copse_store *store, const char *key, const char *value) {
  uint64_t begin = etcd_now();

  while (put(store, key, value, 0) < 0 && etcd_now() - begin < 15000) {
    copse_store_poll(store, etcd_now());
    usleep(10000);
  }
  expect(store, key, value);
}
