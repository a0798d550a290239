/* SPDX-License-Identifier: Apache-2.0 */
/* What every store must do: each test runs on every backend. */
#include "store_fixture.h"
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(store, .fini = fixture_stop, .timeout = 60);

static unsigned backend_numbers[] = {0, 1}; /* tests run in a process of their own, where pointers differ */

#define STORE_TEST(name)                                                                                               \
  static void check_##name(const struct backend *backend);                                                             \
  ParameterizedTestParameters(store, name) {                                                                           \
    return cr_make_param_array(unsigned, backend_numbers, sizeof(backend_numbers) / sizeof(backend_numbers[0]));       \
  }                                                                                                                    \
  ParameterizedTest(const unsigned *number, store, name) {                                                             \
    check_##name(&backends[*number]);                                                                                  \
  }                                                                                                                    \
  static void check_##name(const struct backend *backend)

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

/* All below, and nothing beside it; watches are told of each key. */
STORE_TEST(a_prefix_goes_at_once) {
  struct copse_store *store = backend->open(), *other = backend->open();
  struct copse_change changes[] = {{COPSE_CHANGE_DELETE, "/s/1", NULL, 0},
                                   {COPSE_CHANGE_DELETE_PREFIX, "/s/1/", NULL, 0},
                                   {COPSE_CHANGE_DELETE_PREFIX, "/none/", NULL, 0}};
  struct copse_compare compare = {.key = "/s/1", .revision = 0};
  struct seen seen = {0};
  uint64_t before, made = 0;

  for (int i = 0; i < 4; i++)
    cr_expect_eq(put(store, (const char *[]){"/s/1", "/s/1/a", "/s/1/b/c", "/s/10/a"}[i], "1", 0), 0);
  before = revision_of(store, "/s/10/a");
  cr_assert_eq(copse_store_watch(other, "/s/", before, see, &seen), 0);
  cr_expect_eq(copse_store_commit(store, &compare, 1, changes, 3, NULL, NULL), -EAGAIN);
  expect(store, "/s/1/a", "1");
  cr_expect_eq(copse_store_commit(store, NULL, 0, changes, 3, &made, NULL), 0);
  cr_expect_eq(made, before + 1);
  for (int i = 0; i < 3; i++)
    expect(other, (const char *[]){"/s/1", "/s/1/a", "/s/1/b/c"}[i], NULL);
  expect(other, "/s/10/a", "1");
  see_all(other, &seen, 3);
  cr_expect_eq(seen.last, made);
  changes[0].key = "/s/1/a";
  cr_expect_eq(copse_store_commit(store, NULL, 0, changes, 3, NULL, NULL), -EINVAL, "a key once");
  copse_store_close(other);
  copse_store_close(store);
}

STORE_TEST(limits_are_refused) {
  struct copse_store *store = backend->open();
  char *key = malloc(COPSE_STORE_KEY_MAX + 2);
  char *value = malloc(COPSE_STORE_VALUE_MAX + 2);
  struct copse_change *many = calloc(COPSE_STORE_OPERATIONS_MAX + 1, sizeof(*many));
  struct copse_compare compares[COPSE_STORE_OPERATIONS_MAX + 1];
  struct copse_values all;

  memset(key, 'k', COPSE_STORE_KEY_MAX + 1);
  key[COPSE_STORE_KEY_MAX + 1] = '\0';
  memset(value, 'v', COPSE_STORE_VALUE_MAX + 1);
  value[COPSE_STORE_VALUE_MAX + 1] = '\0';
  cr_expect_eq(put(store, key, "1", 0), -E2BIG);
  cr_expect_eq(put(store, "", "1", 0), -E2BIG);
  cr_expect_eq(put(store, "/a", value, 0), -E2BIG);
  cr_expect_eq(put(store, key + 1, value + 1, 0), 0, "the largest that fit");
  expect(store, key + 1, value + 1);
  for (size_t i = 0; i <= COPSE_STORE_OPERATIONS_MAX; i++) {
    many[i] = (struct copse_change){COPSE_CHANGE_PUT, NULL, "1", 0};
    cr_assert_geq(asprintf((char **)&many[i].key, "/many/%zu", i), 0);
    compares[i] = (struct copse_compare){.key = many[i].key};
  }
  cr_expect_eq(copse_store_commit(store, NULL, 0, many, COPSE_STORE_OPERATIONS_MAX + 1, NULL, NULL), -E2BIG);
  cr_expect_eq(copse_store_commit(store, compares, COPSE_STORE_OPERATIONS_MAX + 1, many, 1, NULL, NULL), -E2BIG);
  expect(store, "/many/0", NULL);
  cr_expect_eq(
    copse_store_commit(store, compares, COPSE_STORE_OPERATIONS_MAX, many, COPSE_STORE_OPERATIONS_MAX, NULL, NULL), 0,
    "etcd with its own options takes as many");
  cr_assert_eq(copse_store_list(store, "/many/", &all), 0);
  cr_expect_eq(all.count, COPSE_STORE_OPERATIONS_MAX);
  cr_expect_eq(all.items[0].revision, all.items[all.count - 1].revision);
  copse_values_free(&all);
  many[1].kind = COPSE_CHANGE_DELETE;
  free((void *)many[1].key);
  many[1].key = strdup("/many/0");
  cr_expect_eq(copse_store_commit(store, NULL, 0, many, 2, NULL, NULL), -EINVAL, "a key once");
  for (size_t i = 0; i <= COPSE_STORE_OPERATIONS_MAX; i++)
    free((void *)many[i].key);
  free(many);
  free(value);
  free(key);
  copse_store_close(store);
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
  see_all(store, &all, 5);
  cr_expect_str_eq(all.text, "/w/a=1 /w/a=2 /w/y=3 /w/x=4 /w/a=- ");
  cr_expect_not(all.disordered);
  cr_assert_eq(copse_store_watch(store, "/w/a", after, see, &late), 0);
  see_all(store, &late, 3);
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
  see_all(store, &seen, 2000);
  cr_expect_not(seen.disordered);
  copse_store_close(other);
  copse_store_close(store);
}

STORE_TEST(what_a_handle_did_its_next_poll_delivers) {
  struct copse_store *store = backend->open();
  struct copse_store *other = backend->open();
  struct copse_compare absent = {"/k", 0};
  struct copse_change change = {COPSE_CHANGE_PUT, "/k", "3", 0};
  struct copse_values listed;
  struct seen seen = {0};

  cr_assert_eq(copse_store_watch(store, "/k", revision_of(store, "/k"), see, &seen), 0);
  cr_expect_eq(put(store, "/k", "1", 0), 0);
  cr_expect_eq(copse_store_poll(store, 0), 1, "what it wrote");
  for (int i = 0; i < 50; i++) {
    cr_expect_eq(put(other, "/k", "2", 0), 0);
    expect(store, "/k", "2");
    cr_expect_eq(copse_store_poll(store, 0), 1, "what it read");
    cr_expect_eq(put(other, "/k", "2", 0), 0);
    cr_expect_eq(copse_store_commit(store, &absent, 1, &change, 1, NULL, NULL), -EAGAIN);
    cr_expect_eq(copse_store_poll(store, 0), 1, "what was in its way");
    cr_expect_eq(put(other, "/k", "2", 0), 0);
    cr_expect_eq(copse_store_list(store, "/", &listed), 0);
    copse_values_free(&listed);
    cr_expect_eq(copse_store_poll(store, 0), 1, "what it listed");
  }
  copse_store_close(other);
  copse_store_close(store);
}

STORE_TEST(leases_expire_renew_and_are_revoked) {
  struct copse_store *store = backend->open();
  struct copse_store *other = backend->open();
  uint64_t now_ms = backend->pass(0), ttl_ms = backend->lease_ms;
  struct seen seen = {0};
  uint64_t short_lease, long_lease;

  cr_assert_eq(copse_store_lease(store, now_ms, ttl_ms, &short_lease, NULL), 0);
  cr_assert_eq(copse_store_lease(store, now_ms, 20 * ttl_ms, &long_lease, NULL), 0);
  cr_expect_neq(short_lease, 0);
  cr_expect_eq(put(store, "/l/a", "1", short_lease), 0);
  cr_expect_eq(put(store, "/l/b", "1", short_lease), 0);
  cr_expect_eq(put(store, "/l/c", "1", long_lease), 0);
  cr_expect_eq(put(store, "/l/d", "1", short_lease), 0);
  cr_expect_eq(put(store, "/l/d", "2", 0), 0, "without its lease now");
  cr_assert_eq(copse_store_watch(other, "/l/", revision_of(store, "/l/d"), see, &seen), 0);
  cr_expect_eq(copse_store_renew(store, short_lease, backend->pass(ttl_ms * 6 / 10)), 0);
  cr_expect_eq(copse_store_poll(other, backend->pass(ttl_ms * 6 / 10)), 0);
  expect(other, "/l/a", "1");
  now_ms = backend->pass(ttl_ms * 5 / 2);
  cr_expect_geq(copse_store_poll(other, now_ms), 0, "whoever looks first removes the keys");
  see_all(other, &seen, 2);
  cr_expect_str_eq(seen.text, "/l/a=- /l/b=- ");
  expect(store, "/l/a", NULL);
  expect(store, "/l/d", "2");
  cr_expect_eq(copse_store_renew(store, short_lease, now_ms), -ENOENT);
  cr_expect_eq(put(store, "/l/a", "3", short_lease), -ENOENT, "nothing may hang on a dead lease");
  expect(store, "/l/c", "1");
  cr_expect_eq(copse_store_revoke(store, long_lease), 0);
  expect(store, "/l/c", NULL);
  cr_expect_eq(copse_store_revoke(store, long_lease), -ENOENT);
  copse_store_close(other);
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
