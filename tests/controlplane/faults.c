/* SPDX-License-Identifier: Apache-2.0 */
#include "faults.h"
#include "store/store.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct faults faults[FAULTS_HANDLES];
int64_t faults_monotonic_ms, faults_calendar_ms;

struct event {
  char *key, *value;
  uint64_t revision;
};

/* What is put between a watch and its callback. */
struct tap {
  size_t handle;
  copse_watch_callback *callback;
  void *context;
  struct event *late; /* events that come with a later poll */
  size_t late_count;
};

static struct copse_store *handles[FAULTS_HANDLES];
static struct tap *taps[FAULTS_HANDLES];
static size_t opened;

void
faults_clear(void) {
  memset(faults, 0, sizeof(faults));
  memset(handles, 0, sizeof(handles));
  opened = 0;
  faults_monotonic_ms = faults_calendar_ms = 0;
}

static size_t
number_of(const struct copse_store *store) {
  size_t number = 0;

  while (number < FAULTS_HANDLES && handles[number] != store)
    number++;
  cr_assert_lt(number, FAULTS_HANDLES);
  return number;
}

static struct faults *
of(const struct copse_store *store) {
  return &faults[number_of(store)];
}

/* ---- the store ---- */

int __real_copse_store_open(const char *path, struct copse_store **store, struct copse_error *error);
int __wrap_copse_store_open(const char *path, struct copse_store **store, struct copse_error *error);
void __real_copse_store_close(struct copse_store *store);
void __wrap_copse_store_close(struct copse_store *store);
int __real_copse_store_get(struct copse_store *store, const char *key, struct copse_value *out);
int __wrap_copse_store_get(struct copse_store *store, const char *key, struct copse_value *out);
int __real_copse_store_list(struct copse_store *store, const char *prefix, struct copse_values *out);
int __wrap_copse_store_list(struct copse_store *store, const char *prefix, struct copse_values *out);
int __real_copse_store_commit(struct copse_store *store, const struct copse_compare *compares, size_t compare_count,
                              const struct copse_change *changes, size_t change_count, uint64_t *revision,
                              struct copse_error *error);
int __wrap_copse_store_commit(struct copse_store *store, const struct copse_compare *compares, size_t compare_count,
                              const struct copse_change *changes, size_t change_count, uint64_t *revision,
                              struct copse_error *error);
int __real_copse_store_lease(struct copse_store *store, uint64_t now_ms, uint64_t ttl_ms, uint64_t *lease,
                             struct copse_error *error);
int __wrap_copse_store_lease(struct copse_store *store, uint64_t now_ms, uint64_t ttl_ms, uint64_t *lease,
                             struct copse_error *error);
int __real_copse_store_renew(struct copse_store *store, uint64_t lease, uint64_t now_ms);
int __wrap_copse_store_renew(struct copse_store *store, uint64_t lease, uint64_t now_ms);
int __real_copse_store_revoke(struct copse_store *store, uint64_t lease);
int __wrap_copse_store_revoke(struct copse_store *store, uint64_t lease);
int __real_copse_store_watch(struct copse_store *store, const char *prefix, uint64_t after,
                             copse_watch_callback *callback, void *context);
int __wrap_copse_store_watch(struct copse_store *store, const char *prefix, uint64_t after,
                             copse_watch_callback *callback, void *context);
int __real_copse_store_poll(struct copse_store *store, uint64_t now_ms);
int __wrap_copse_store_poll(struct copse_store *store, uint64_t now_ms);

/* A PoP that is started again takes the number of a handle that was closed. */
int
__wrap_copse_store_open(const char *path, struct copse_store **store, struct copse_error *error) {
  size_t number = 0;
  int result;

  while (number < opened && handles[number] != NULL)
    number++;
  cr_assert_lt(number, FAULTS_HANDLES);
  if (faults[number].away < 0)
    return copse_fail(error, faults[number].away, "the store is away");
  result = __real_copse_store_open(path, store, error);
  if (result == 0)
    handles[number] = *store;
  opened = number < opened ? opened : number + 1;
  return result;
}

static void
drop_event(struct event *event) {
  free(event->key);
  free(event->value);
}

void
__wrap_copse_store_close(struct copse_store *store) {
  size_t number = store == NULL ? FAULTS_HANDLES : number_of(store);

  if (number < FAULTS_HANDLES) {
    struct tap *tap = taps[number];

    for (size_t i = 0; tap != NULL && i < tap->late_count; i++)
      drop_event(&tap->late[i]);
    if (tap != NULL)
      free(tap->late);
    free(tap);
    taps[number] = NULL;
    handles[number] = NULL;
  }
  __real_copse_store_close(store);
}

int
__wrap_copse_store_get(struct copse_store *store, const char *key, struct copse_value *out) {
  return of(store)->away < 0 ? of(store)->away : __real_copse_store_get(store, key, out);
}

int
__wrap_copse_store_list(struct copse_store *store, const char *prefix, struct copse_values *out) {
  return of(store)->away < 0 ? of(store)->away : __real_copse_store_list(store, prefix, out);
}

static int
cannot_write(const struct copse_store *store) {
  return of(store)->away < 0 ? of(store)->away : of(store)->unwritable;
}

int
__wrap_copse_store_commit(struct copse_store *store, const struct copse_compare *compares, size_t compare_count,
                          const struct copse_change *changes, size_t change_count, uint64_t *revision,
                          struct copse_error *error) {
  int result;

  of(store)->commits++;
  if (cannot_write(store) < 0)
    return copse_fail(error, cannot_write(store), "%s", strerror(-cannot_write(store)));
  result = __real_copse_store_commit(store, compares, compare_count, changes, change_count, revision, error);
  if (of(store)->unanswered > 0 && (unsigned)random() % 100 < of(store)->unanswered)
    return copse_fail(error, -ETIMEDOUT, "%s", strerror(ETIMEDOUT));
  return result;
}

int
__wrap_copse_store_lease(struct copse_store *store, uint64_t now_ms, uint64_t ttl_ms, uint64_t *lease,
                         struct copse_error *error) {
  if (cannot_write(store) < 0)
    return copse_fail(error, cannot_write(store), "%s", strerror(-cannot_write(store)));
  return __real_copse_store_lease(store, now_ms, ttl_ms, lease, error);
}

int
__wrap_copse_store_renew(struct copse_store *store, uint64_t lease, uint64_t now_ms) {
  return cannot_write(store) < 0 ? cannot_write(store) : __real_copse_store_renew(store, lease, now_ms);
}

int
__wrap_copse_store_revoke(struct copse_store *store, uint64_t lease) {
  return cannot_write(store) < 0 ? cannot_write(store) : __real_copse_store_revoke(store, lease);
}

static void
deliver(const struct tap *tap, const struct event *event) {
  unsigned times = (unsigned)random() % 100 < faults[tap->handle].twice ? 2 : 1;

  for (unsigned i = 0; i < times; i++)
    tap->callback(tap->context, event->key, event->value, event->revision);
}

static void
on_event(void *context, const char *key, const char *value, uint64_t revision) {
  struct tap *tap = context;
  struct event event = {(char *)(uintptr_t)key, (char *)(uintptr_t)value, revision};

  if (key == NULL || (unsigned)random() % 100 >= faults[tap->handle].later) {
    deliver(tap, &event);
    return;
  }
  tap->late = reallocarray(tap->late, tap->late_count + 1, sizeof(*tap->late));
  tap->late[tap->late_count++] = (struct event){strdup(key), value == NULL ? NULL : strdup(value), revision};
}

/* One watch per handle, as control planes have. */
int
__wrap_copse_store_watch(struct copse_store *store, const char *prefix, uint64_t after, copse_watch_callback *callback,
                         void *context) {
  struct tap *tap = calloc(1, sizeof(*tap));
  size_t number = number_of(store);

  cr_assert_null(taps[number]);
  *tap = (struct tap){.handle = number, .callback = callback, .context = context};
  taps[number] = tap;
  return __real_copse_store_watch(store, prefix, after, on_event, tap);
}

/* Half of what is late comes now, in any order. */
static int
deliver_late(struct tap *tap) {
  int count = 0;

  for (size_t i = tap == NULL ? 0 : tap->late_count; i-- > 0;) {
    size_t chosen = (size_t)random() % tap->late_count;
    struct event event = tap->late[chosen];

    if (random() % 2 == 0 && faults[tap->handle].later > 0)
      continue;
    tap->late[chosen] = tap->late[--tap->late_count];
    deliver(tap, &event);
    drop_event(&event);
    count++;
  }
  return count;
}

int
__wrap_copse_store_poll(struct copse_store *store, uint64_t now_ms) {
  int result;

  if (of(store)->away < 0)
    return of(store)->away;
  result = __real_copse_store_poll(store, now_ms);
  return result < 0 ? result : result + deliver_late(taps[number_of(store)]);
}

/* ---- clocks ---- */

int __real_clock_gettime(clockid_t clock, struct timespec *out);
int __wrap_clock_gettime(clockid_t clock, struct timespec *out);

int
__wrap_clock_gettime(clockid_t clock, struct timespec *out) {
  int64_t more_ms = clock == CLOCK_MONOTONIC ? faults_monotonic_ms : faults_calendar_ms;
  int result = __real_clock_gettime(clock, out);

  out->tv_sec += more_ms / 1000;
  out->tv_nsec += more_ms % 1000 * 1000000;
  if (out->tv_nsec >= 1000000000 || out->tv_nsec < 0) {
    out->tv_sec += out->tv_nsec < 0 ? -1 : 1;
    out->tv_nsec += out->tv_nsec < 0 ? 1000000000 : -1000000000;
  }
  return result;
}
