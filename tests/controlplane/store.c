/* SPDX-License-Identifier: Apache-2.0 */
/* What every store must do. Each test runs on every backend of the table below. */
#include "store/store.h"
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

/* Opens one more handle on the store of this test; the first call of a test makes the store. */
struct backend {
  const char *name;
  struct copse_store *(*open)(void);
};

static char folder[] = "/tmp/copse-store-XXXXXX";

static struct copse_store *
open_sqlite(void) {
  struct copse_store *store = NULL;
  struct copse_error error;
  char path[64];

  if (strstr(folder, "XXXXXX") != NULL)
    cr_assert_not_null(mkdtemp(folder));
  snprintf(path, sizeof(path), "%s/store.db", folder);
  cr_assert_eq(copse_store_open(path, &store, &error), 0, "%s", error.text);
  return store;
}

static void
remove_folder(void) {
  static const char *const names[] = {"store.db", "store.db-wal", "store.db-shm"};
  char path[64];

  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
    unlink(path);
  }
  rmdir(folder);
}

TestSuite(store, .fini = remove_folder, .timeout = 30);

static const struct backend backends[] = {{"sqlite", open_sqlite}};
static unsigned backend_numbers[] = {0}; /* tests run in a process of their own, where pointers differ */

#define STORE_TEST(name)                                                                                               \
  static void check_##name(const struct backend *backend);                                                             \
  ParameterizedTestParameters(store, name) {                                                                           \
    return cr_make_param_array(unsigned, backend_numbers, sizeof(backend_numbers) / sizeof(backend_numbers[0]));       \
  }                                                                                                                    \
  ParameterizedTest(const unsigned *number, store, name) {                                                             \
    check_##name(&backends[*number]);                                                                                  \
  }                                                                                                                    \
  static void check_##name(const struct backend *backend)

static int
put(struct copse_store *store, const char *key, const char *value, uint64_t lease) {
  struct copse_change change = {COPSE_CHANGE_PUT, key, value, lease};

  return copse_store_commit(store, NULL, 0, &change, 1, NULL, NULL);
}

static int delete (struct copse_store *store, const char *key) {
  struct copse_change change = {COPSE_CHANGE_DELETE, key, NULL, 0};

  return copse_store_commit(store, NULL, 0, &change, 1, NULL, NULL);
}

static void
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

static uint64_t
revision_of(struct copse_store *store, const char *key) {
  struct copse_value found;
  uint64_t revision;

  if (copse_store_get(store, key, &found) < 0)
    return 0;
  revision = found.revision;
  copse_value_free(&found);
  return revision;
}

STORE_TEST(put_get_delete) {
  struct copse_store *store = backend->open();
  struct copse_store *other = backend->open();

  expect(store, "/a", NULL);
  cr_expect_eq(put(store, "/a", "1", 0), 0);
  expect(other, "/a", "1");
  cr_expect_eq(put(other, "/a", "{\"x\":\"\xc3\xa9\"}", 0), 0);
  expect(store, "/a", "{\"x\":\"\xc3\xa9\"}");
  cr_expect_eq(delete (store, "/a"), 0);
  expect(other, "/a", NULL);
  cr_expect_eq(delete (store, "/a"), 0, "deleting what is not there changes nothing");
  copse_store_close(other);
  copse_store_close(store);
}

STORE_TEST(revisions_grow_with_every_commit) {
  struct copse_store *store = backend->open();
  struct copse_change both[] = {{COPSE_CHANGE_PUT, "/a", "1", 0}, {COPSE_CHANGE_PUT, "/b", "1", 0}};
  uint64_t first, second;
  struct copse_values all;

  cr_expect_eq(copse_store_commit(store, NULL, 0, both, 2, &first, NULL), 0);
  cr_expect_eq(revision_of(store, "/a"), first);
  cr_expect_eq(revision_of(store, "/b"), first, "one transaction is one revision");
  cr_expect_eq(copse_store_commit(store, NULL, 0, both, 1, &second, NULL), 0);
  cr_expect_gt(second, first);
  cr_expect_eq(revision_of(store, "/a"), second);
  cr_expect_eq(revision_of(store, "/b"), first);
  cr_expect_eq(copse_store_list(store, "", &all), 0);
  cr_expect_eq(all.revision, second);
  copse_values_free(&all);
  copse_store_close(store);
}

STORE_TEST(list_is_ordered_and_exact) {
  struct copse_store *store = backend->open();
  const char *keys[] = {"/b/2", "/b/10", "/a", "/b/1", "/b0", "/c", "/b/\xc3\xbf"};
  const char *expected[] = {"/b/1", "/b/10", "/b/2", "/b/\xc3\xbf"};
  struct copse_values found;

  for (size_t i = 0; i < 7; i++)
    cr_expect_eq(put(store, keys[i], keys[i], 0), 0);
  cr_assert_eq(copse_store_list(store, "/b/", &found), 0);
  cr_assert_eq(found.count, 4);
  for (size_t i = 0; i < 4; i++)
    cr_expect_str_eq(found.items[i].key, expected[i]);
  copse_values_free(&found);
  cr_assert_eq(copse_store_list(store, "", &found), 0);
  cr_expect_eq(found.count, 7);
  copse_values_free(&found);
  cr_assert_eq(copse_store_list(store, "/d", &found), 0);
  cr_expect_eq(found.count, 0);
  copse_values_free(&found);
  copse_store_close(store);
}

STORE_TEST(failed_compare_changes_nothing) {
  struct copse_store *store = backend->open();
  struct copse_compare compares[] = {{"/a", 0}, {"/missing", 0}};
  struct copse_change changes[] = {{COPSE_CHANGE_PUT, "/a", "2", 0}, {COPSE_CHANGE_PUT, "/b", "2", 0}};
  struct copse_error error = {""};

  cr_expect_eq(put(store, "/a", "1", 0), 0);
  cr_expect_eq(copse_store_commit(store, compares, 2, changes, 2, NULL, &error), -EAGAIN, "exists");
  cr_expect(strstr(error.text, "/a") != NULL, "the sentence names the key: %s", error.text);
  compares[0].revision = revision_of(store, "/a") + 1;
  cr_expect_eq(copse_store_commit(store, compares, 2, changes, 2, NULL, NULL), -EAGAIN, "other revision");
  compares[0].revision--;
  compares[1].revision = 1;
  cr_expect_eq(copse_store_commit(store, compares, 2, changes, 2, NULL, NULL), -EAGAIN, "does not exist");
  expect(store, "/a", "1");
  expect(store, "/b", NULL);
  compares[1].revision = 0;
  cr_expect_eq(copse_store_commit(store, compares, 2, changes, 2, NULL, NULL), 0);
  expect(store, "/a", "2");
  expect(store, "/b", "2");
  copse_store_close(store);
}

STORE_TEST(limits_are_refused) {
  struct copse_store *store = backend->open();
  char *key = malloc(COPSE_STORE_KEY_MAX + 2);
  char *value = malloc(COPSE_STORE_VALUE_MAX + 2);
  struct copse_change *many = calloc(COPSE_STORE_CHANGES_MAX + 1, sizeof(*many));

  memset(key, 'k', COPSE_STORE_KEY_MAX + 1);
  key[COPSE_STORE_KEY_MAX + 1] = '\0';
  memset(value, 'v', COPSE_STORE_VALUE_MAX + 1);
  value[COPSE_STORE_VALUE_MAX + 1] = '\0';
  cr_expect_eq(put(store, key, "1", 0), -E2BIG);
  cr_expect_eq(put(store, "", "1", 0), -E2BIG);
  cr_expect_eq(put(store, "/a", value, 0), -E2BIG);
  cr_expect_eq(put(store, key + 1, value + 1, 0), 0, "the largest that fit");
  expect(store, key + 1, value + 1);
  for (size_t i = 0; i <= COPSE_STORE_CHANGES_MAX; i++)
    many[i] = (struct copse_change){COPSE_CHANGE_PUT, "/many", "1", 0};
  cr_expect_eq(copse_store_commit(store, NULL, 0, many, COPSE_STORE_CHANGES_MAX + 1, NULL, NULL), -E2BIG);
  expect(store, "/many", NULL);
  cr_expect_eq(copse_store_commit(store, NULL, 0, many, COPSE_STORE_CHANGES_MAX, NULL, NULL), 0);
  free(many);
  free(value);
  free(key);
  copse_store_close(store);
}

/* What a watch saw: "key=value@revision " with '-' for a deleted value. */
struct seen {
  char text[4096];
  uint64_t last;
  bool disordered;
  size_t count;
};

static void
see(void *context, const char *key, const char *value, uint64_t revision) {
  struct seen *seen = context;
  size_t length = strlen(seen->text);

  if (revision < seen->last)
    seen->disordered = true;
  seen->last = revision;
  seen->count++;
  snprintf(seen->text + length, sizeof(seen->text) - length, "%s=%s ", key, value == NULL ? "-" : value);
}

STORE_TEST(watch_sees_all_changes_in_order) {
  struct copse_store *store = backend->open();
  struct copse_store *other = backend->open();
  struct copse_change pair[] = {{COPSE_CHANGE_PUT, "/w/y", "3", 0}, {COPSE_CHANGE_PUT, "/w/x", "4", 0}};
  struct seen all = {0}, late = {0};
  uint64_t after;

  cr_expect_eq(put(store, "/w/old", "0", 0), 0);
  after = revision_of(store, "/w/old");
  cr_expect_eq(put(other, "/w/a", "1", 0), 0);
  cr_assert_eq(copse_store_watch(store, "/w/", after, see, &all), 0);
  cr_expect_eq(put(store, "/v", "1", 0), 0);
  cr_expect_eq(put(other, "/w/a", "2", 0), 0);
  cr_expect_eq(put(store, "/w0", "1", 0), 0);
  cr_expect_eq(copse_store_commit(other, NULL, 0, pair, 2, NULL, NULL), 0);
  cr_expect_eq(delete (other, "/w/a"), 0);
  cr_expect_eq(delete (other, "/w/a"), 0);
  cr_expect_eq(copse_store_poll(store, 0), 5);
  cr_expect_str_eq(all.text, "/w/a=1 /w/a=2 /w/y=3 /w/x=4 /w/a=- ");
  cr_expect_not(all.disordered);
  cr_expect_eq(copse_store_poll(store, 0), 0, "each change once");
  cr_assert_eq(copse_store_watch(store, "/w/a", after, see, &late), 0);
  cr_expect_eq(copse_store_poll(store, 0), 3);
  cr_expect_str_eq(late.text, "/w/a=1 /w/a=2 /w/a=- ");
  cr_expect_eq(all.count, 5);
  copse_store_close(other);
  copse_store_close(store);
}

STORE_TEST(watch_catches_up_with_many_changes) {
  struct copse_store *store = backend->open();
  struct copse_store *other = backend->open();
  struct seen seen = {0};

  cr_assert_eq(copse_store_watch(store, "/m/", 0, see, &seen), 0);
  for (int i = 0; i < 1000; i++) {
    struct copse_change changes[] = {{COPSE_CHANGE_PUT, "/m/a", "1", 0}, {COPSE_CHANGE_PUT, "/m/b", "1", 0}};

    cr_assert_eq(copse_store_commit(other, NULL, 0, changes, 2, NULL, NULL), 0);
  }
  while (seen.count < 2000 && copse_store_poll(store, 0) > 0)
    ;
  cr_expect_eq(seen.count, 2000);
  cr_expect_not(seen.disordered);
  copse_store_close(other);
  copse_store_close(store);
}

STORE_TEST(watch_too_far_back_is_told) {
  struct copse_store *store = backend->open();
  struct copse_store *slow = backend->open();
  struct seen seen = {0};

  cr_assert_eq(copse_store_watch(slow, "/", 0, see, &seen), 0);
  for (int i = 0; i < COPSE_STORE_HISTORY + 1024; i++)
    cr_assert_eq(put(store, "/a", "1", 0), 0);
  cr_expect_eq(copse_store_watch(store, "/", 1, see, &seen), -ESTALE);
  cr_expect_eq(copse_store_watch(store, "/", revision_of(store, "/a") - 1000, see, &seen), 0);
  cr_expect_eq(copse_store_poll(slow, 0), -ESTALE);
  cr_expect_eq(seen.count, 0);
  cr_expect_eq(put(store, "/a", "2", 0), 0);
  cr_expect_eq(copse_store_poll(slow, 0), 1, "after that it goes on");
  cr_expect_str_eq(seen.text, "/a=2 ");
  copse_store_close(slow);
  copse_store_close(store);
}

STORE_TEST(leases_expire_renew_and_are_revoked) {
  struct copse_store *store = backend->open();
  struct copse_store *other = backend->open();
  struct seen seen = {0};
  uint64_t short_lease, long_lease;

  cr_assert_eq(copse_store_lease(store, 1000, 100, &short_lease, NULL), 0);
  cr_assert_eq(copse_store_lease(store, 1000, 1000, &long_lease, NULL), 0);
  cr_expect_neq(short_lease, 0);
  cr_expect_eq(put(store, "/l/a", "1", short_lease), 0);
  cr_expect_eq(put(store, "/l/b", "1", short_lease), 0);
  cr_expect_eq(put(store, "/l/c", "1", long_lease), 0);
  cr_expect_eq(put(store, "/l/d", "1", short_lease), 0);
  cr_expect_eq(put(store, "/l/d", "2", 0), 0, "without its lease now");
  cr_assert_eq(copse_store_watch(other, "/l/", revision_of(store, "/l/d"), see, &seen), 0);
  cr_expect_eq(copse_store_poll(other, 1099), 0);
  cr_expect_eq(copse_store_renew(store, short_lease, 1090), 0);
  cr_expect_eq(copse_store_poll(other, 1189), 0);
  expect(other, "/l/a", "1");
  cr_expect_eq(copse_store_poll(other, 1190), 2, "whoever looks first removes the keys");
  cr_expect_str_eq(seen.text, "/l/a=- /l/b=- ");
  expect(store, "/l/a", NULL);
  expect(store, "/l/d", "2");
  cr_expect_eq(copse_store_renew(store, short_lease, 1200), -ENOENT);
  cr_expect_eq(put(store, "/l/a", "3", short_lease), -ENOENT, "nothing may hang on a dead lease");
  expect(store, "/l/c", "1");
  cr_expect_eq(copse_store_revoke(store, long_lease), 0);
  expect(store, "/l/c", NULL);
  cr_expect_eq(copse_store_revoke(store, long_lease), -ENOENT);
  copse_store_close(other);
  copse_store_close(store);
}

STORE_TEST(leases_of_an_earlier_boot_are_over) {
  struct copse_store *store = backend->open();
  uint64_t lease;

  cr_assert_eq(copse_store_lease(store, 50000000, 10000, &lease, NULL), 0);
  cr_expect_eq(put(store, "/l", "1", lease), 0);
  cr_expect_eq(copse_store_poll(store, 49999999), 0, "a little later or earlier is only a race");
  expect(store, "/l", "1");
  cr_expect_geq(copse_store_poll(store, 1000), 0);
  expect(store, "/l", "1");
  copse_store_close(store);
  store = backend->open();
  cr_expect_geq(copse_store_poll(store, 1000), 0);
  expect(store, "/l", NULL);
  copse_store_close(store);
}

static int
increment(struct copse_store *store, const char *key) {
  struct copse_value found;
  struct copse_compare compare = {key, 0};
  char text[32] = "1";
  struct copse_change change = {COPSE_CHANGE_PUT, key, text, 0};

  if (copse_store_get(store, key, &found) == 0) {
    compare.revision = found.revision;
    snprintf(text, sizeof(text), "%d", atoi(found.value) + 1);
    copse_value_free(&found);
  }
  return copse_store_commit(store, &compare, 1, &change, 1, NULL, NULL);
}

/* Exits 0 when `times` increments were made. */
static _Noreturn void
increment_many(const struct backend *backend, int times) {
  struct copse_store *store = backend->open();

  for (int done = 0; done < times;) {
    int result = increment(store, "/counter");

    if (result == 0)
      done++;
    else if (result != -EAGAIN)
      _exit(1);
  }
  copse_store_close(store);
  _exit(0);
}

STORE_TEST(no_update_is_lost_between_processes) {
  struct copse_store *store;
  pid_t children[2];

  copse_store_close(backend->open()); /* makes the store before the race */
  for (int i = 0; i < 2; i++) {
    children[i] = fork();
    cr_assert_geq(children[i], 0);
    if (children[i] == 0)
      increment_many(backend, 1000);
  }
  for (int i = 0; i < 2; i++) {
    int status;

    cr_assert_eq(waitpid(children[i], &status, 0), children[i]);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  store = backend->open();
  expect(store, "/counter", "2000");
  copse_store_close(store);
}

/* Writes pairs that must always be equal, and says through the pipe that it has begun. */
static _Noreturn void
write_pairs(const struct backend *backend, int ready) {
  struct copse_store *store = backend->open();

  for (unsigned i = 0;; i++) {
    char text[32];
    struct copse_change pair[] = {{COPSE_CHANGE_PUT, "/pair/a", text, 0}, {COPSE_CHANGE_PUT, "/pair/b", text, 0}};

    snprintf(text, sizeof(text), "%u", i);
    if (copse_store_commit(store, NULL, 0, pair, 2, NULL, NULL) < 0 || (i == 20 && write(ready, "", 1) != 1))
      _exit(1);
  }
}

STORE_TEST(killed_writer_leaves_whole_transactions) {
  copse_store_close(backend->open());
  for (int round = 0; round < 10; round++) {
    struct copse_store *store;
    struct copse_value a, b;
    char byte;
    int ready[2];
    pid_t child;

    cr_assert_eq(pipe(ready), 0);
    child = fork();
    cr_assert_geq(child, 0);
    if (child == 0)
      write_pairs(backend, ready[1]);
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    usleep((useconds_t)(round * 777));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    close(ready[0]);
    close(ready[1]);
    store = backend->open();
    cr_assert_eq(copse_store_get(store, "/pair/a", &a), 0);
    cr_assert_eq(copse_store_get(store, "/pair/b", &b), 0);
    cr_expect_str_eq(a.value, b.value);
    cr_expect_eq(a.revision, b.revision);
    copse_value_free(&a);
    copse_value_free(&b);
    cr_expect_eq(put(store, "/after", "1", 0), 0);
    copse_store_close(store);
  }
}

/* SQLite only: a file system of the test's own, 1 MiB, in a mount namespace nobody else sees. */
static void
mount_small(void) {
  copse_store_close(open_sqlite()); /* makes the folder */
  if (geteuid() != 0)
    cr_skip_test("needs root for a mount namespace");
  cr_assert_eq(unshare(CLONE_NEWNS), 0);
  cr_assert_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
  cr_assert_eq(mount("copse-store", folder, "tmpfs", 0, "size=1m"), 0);
}

Test(store, full_disk_is_reported_and_recovers) {
  struct copse_error error = {""};
  struct copse_store *store;
  char ballast[64], value[4097];
  int fd, result = 0;

  mount_small();
  store = open_sqlite();
  snprintf(ballast, sizeof(ballast), "%s/ballast", folder);
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
  umount(folder);
}

Test(store, read_only_file_system_is_reported) {
  struct copse_error error = {""};
  struct copse_store *store;
  char path[64];

  mount_small();
  copse_store_close(open_sqlite());
  cr_assert_eq(mount(NULL, folder, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
  snprintf(path, sizeof(path), "%s/store.db", folder);
  cr_expect_eq(copse_store_open(path, &store, &error), -EROFS, "%s", error.text);
  cr_expect(strstr(error.text, path) != NULL, "%s", error.text);
  umount(folder);
}

Test(store, what_is_no_store_is_refused) {
  struct copse_error error = {""};
  struct copse_store *store;
  char path[64];
  int fd;

  copse_store_close(open_sqlite());
  snprintf(path, sizeof(path), "%s/store.db", folder);
  fd = open(path, O_WRONLY | O_TRUNC);
  cr_assert_eq(write(fd, "this is not a database, and it never was one", 44), 44);
  close(fd);
  cr_expect_lt(copse_store_open(path, &store, &error), 0);
  cr_expect_neq(error.text[0], '\0');
  cr_expect_eq(copse_store_open("/nowhere/at/all/store.db", &store, &error), -ENOENT);
}
