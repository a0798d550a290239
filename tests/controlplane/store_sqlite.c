/* SPDX-License-Identifier: Apache-2.0 */
/* What only a store in a file can suffer. */
#include "store_fixture.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

TestSuite(store_sqlite, .fini = fixture_stop, .timeout = 30);

static struct copse_store *
open_store(void) {
  return backends[0].open();
}

Test(store_sqlite, watch_too_far_back_is_told) {
  struct copse_store *store = open_store();
  struct copse_store *slow = open_store();
  struct seen seen = {0};

  cr_assert_eq(copse_store_watch(slow, "/", 0, see, &seen), 0);
  for (int i = 0; i < COPSE_STORE_HISTORY + 1024; i++)
    cr_assert_eq(put(store, "/a", "1", 0), 0);
  cr_expect_eq(copse_store_watch(store, "/", 1, see, &seen), -ESTALE);
  cr_expect_eq(copse_store_watch(store, "/", revision_of(store, "/a") - 1000, see, &seen), 0);
  cr_expect_eq(copse_store_poll(slow, 0), 0);
  cr_expect_eq(seen.missed, 1);
  cr_expect_eq(seen.count, 0);
  cr_expect_eq(put(store, "/a", "2", 0), 0);
  cr_expect_eq(copse_store_poll(slow, 0), 1, "after that it goes on");
  cr_expect_str_eq(seen.text, "? /a=2 ");
  copse_store_close(slow);
  copse_store_close(store);
}

Test(store_sqlite, leases_of_an_earlier_boot_are_over) {
  struct copse_store *store = open_store();
  uint64_t lease;

  cr_assert_eq(copse_store_lease(store, 50000000, 10000, &lease, NULL), 0);
  cr_expect_eq(put(store, "/l", "1", lease), 0);
  cr_expect_eq(copse_store_poll(store, 49999999), 0, "a little later or earlier is only a race");
  expect(store, "/l", "1");
  cr_expect_geq(copse_store_poll(store, 1000), 0);
  expect(store, "/l", "1");
  copse_store_close(store);
  store = open_store();
  cr_expect_geq(copse_store_poll(store, 1000), 0);
  expect(store, "/l", NULL);
  copse_store_close(store);
}

/* A file system of the test's own, 1 MiB, in a mount namespace nobody else sees. */
static void
mount_small(void) {
  copse_store_close(open_store()); /* makes the folder */
  if (geteuid() != 0)
    cr_skip_test("needs root for a mount namespace");
  cr_assert_eq(unshare(CLONE_NEWNS), 0);
  cr_assert_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
  cr_assert_eq(mount("copse-store", fixture_folder, "tmpfs", 0, "size=1m"), 0);
}

Test(store_sqlite, full_disk_is_reported_and_recovers) {
  struct copse_error error = {""};
  struct copse_store *store;
  char ballast[64], value[4097];
  int fd, result = 0;

  mount_small();
  store = open_store();
  snprintf(ballast, sizeof(ballast), "%s/ballast", fixture_folder);
  fd = open(ballast, O_WRONLY | O_CREAT, 0600);
  cr_assert_geq(fd, 0);
  cr_assert_eq(posix_fallocate(fd, 0, 400000), 0);
  memset(value, 'v', sizeof(value) - 1);
  value[sizeof(value) - 1] = '\0';
  cr_expect_eq(put(store, "/before", "1", 0), 0);
  for (int i = 0; i < 1000 && result == 0; i++) {
    struct copse_change change = {COPSE_CHANGE_PUT, "/big", value, 0};

    result = copse_store_commit(store, NULL, 0, &change, 1, NULL, &error);
  }
  cr_expect_eq(result, -ENOSPC, "%d %s", result, error.text);
  cr_expect(strstr(error.text, "full") != NULL, "%s", error.text);
  expect(store, "/before", "1");
  cr_assert_eq(ftruncate(fd, 0), 0);
  close(fd);
  cr_expect_eq(put(store, "/after", "1", 0), 0);
  expect(store, "/after", "1");
  copse_store_close(store);
  umount(fixture_folder);
}

Test(store_sqlite, read_only_file_system_is_reported) {
  struct copse_error error = {""};
  struct copse_store *store;
  char path[64];

  mount_small();
  copse_store_close(open_store());
  cr_assert_eq(mount(NULL, fixture_folder, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
  snprintf(path, sizeof(path), "%s/store.db", fixture_folder);
  cr_expect_eq(copse_store_open(path, &store, &error), -EROFS, "%s", error.text);
  cr_expect(strstr(error.text, path) != NULL, "%s", error.text);
  umount(fixture_folder);
}

Test(store_sqlite, what_is_no_store_is_refused) {
  struct copse_error error = {""};
  struct copse_store *store;
  char path[64];
  int fd;

  copse_store_close(open_store());
  snprintf(path, sizeof(path), "%s/store.db", fixture_folder);
  fd = open(path, O_WRONLY | O_TRUNC);
  cr_assert_eq(write(fd, "this is not a database, and it never was one", 44), 44);
  close(fd);
  cr_expect_lt(copse_store_open(path, &store, &error), 0);
  cr_expect_neq(error.text[0], '\0');
  cr_expect_eq(copse_store_open("/nowhere/at/all/store.db", &store, &error), -ENOENT);
}
