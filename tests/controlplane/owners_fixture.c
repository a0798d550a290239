/* SPDX-License-Identifier: Apache-2.0 */
#include "owners_fixture.h"
#include "account.h"
#include <copse/log.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define LEASE_MS 3600000

const struct backend *backend;
struct budget_checker checker;
struct actor actors[POPS];
uint64_t clock_ms = STEP_MS;
bool restless;
unsigned parts, refusals, deaths, compares_max;
static struct copse_store *world; /* what nobody's death concerns */

int __real_copse_store_commit(struct copse_store *store, const struct copse_compare *compares, size_t compare_count,
                              const struct copse_change *changes, size_t change_count, uint64_t *revision,
                              struct copse_error *error);
int __wrap_copse_store_commit(struct copse_store *store, const struct copse_compare *compares, size_t compare_count,
                              const struct copse_change *changes, size_t change_count, uint64_t *revision,
                              struct copse_error *error);

void
put_text(const char *value, const char *format, ...) {
  va_list arguments;
  char key[160];

  va_start(arguments, format);
  vsnprintf(key, sizeof(key), format, arguments);
  va_end(arguments);
  if (value != NULL)
    cr_assert_eq(put(world, key, value, 0), 0);
  else
    cr_assert_eq(delete (world, key), 0);
}

void
put_member(unsigned session, unsigned number, unsigned pop, uint64_t uplink_bps) {
  char value[512];

  snprintf(
    value, sizeof(value),
    "{\"pop\":\"N%u\",\"account\":\"alice\",\"address\":\"198.18.0.1\",\"port\":1,\"http_port\":1,\"uplink_bps\":%llu,"
    "\"downlink_bps\":1000000,\"seed\":true,\"key\":\"%032x\",\"label\":%u}",
    pop, (unsigned long long)uplink_bps, number, number << 8);
  put_text(value, "/sessions/%032x/members/%016x", session, number);
}

void
put_session(unsigned session, const char *state) {
  char value[256];

  snprintf(value, sizeof(value),
           "{\"manifest\":{\"name\":\"f\",\"size\":1000000,\"block_bytes\":16384,\"root\":\"%064x\"},\"creator\":\"\","
           "\"state\":\"%s\"}",
           session, state);
  put_text(value, "/sessions/%032x", session);
}

void
empty_session(unsigned session) {
  for (unsigned number = 1; number <= MEMBERS; number++)
    put_text(NULL, "/sessions/%032x/members/%016x", session, number);
}

/* A poll of etcd waits for what its own handle has written, and with it comes all that others wrote before. */
void
look(void) {
  put_text("0", "/looked");
  cr_assert_geq(copse_store_poll(world, copse_control_now()), 0);
  budget_checker_look(&checker);
  cr_assert_eq(checker.violations, 0, "%s", checker.what);
}

static void
on_change(void *context, const char *key, const char *value, uint64_t revision) {
  struct actor *actor = context;

  cr_assert_not_null(key);
  cr_assert_eq(copse_model_apply(&actor->control.model, key, value, revision), 0);
}

void
actor_start(struct actor *actor) {
  struct copse_error error = {""};
  char text[160], key[32];
  uint64_t revision;

  *actor = (struct actor){.control = {.config = &actor->config, .part_outlets = 1 + (size_t)random() % 3}};
  snprintf(text, sizeof(text), "pop = \"N%zu\"; block_address = \"198.18.1.1\"; growth_max = 1.0; finish_ms = 0;",
           (size_t)(actor - actors) + 1);
  cr_assert_eq(copse_control_config_read_text(&actor->config, "test", text, &error), 0, "%s", error.text);
  actor->control.store = backend->open();
  cr_assert_eq(copse_store_lease(actor->control.store, copse_control_now(), LEASE_MS, &actor->control.lease, &error),
               0);
  snprintf(key, sizeof(key), "/pops/%s", actor->config.pop);
  cr_assert_eq(put(actor->control.store, key, "{\"address\":\"198.18.1.1\",\"port\":7117,\"api\":\"\",\"lease\":1}",
                   actor->control.lease),
               0);
  cr_assert_eq(copse_model_load(&actor->control.model, actor->control.store, &revision), 0);
  cr_assert_eq(copse_store_watch(actor->control.store, "/", revision, on_change, actor), 0);
}

/* Its lease is over. */
void
actor_end(struct actor *actor) {
  if (actor->control.store == NULL)
    return;
  copse_store_close(actor->control.store);
  copse_store_revoke(world, actor->control.lease);
  copse_model_free(&actor->control.model);
  copse_control_config_free(&actor->config);
  actor->control.store = NULL;
}

void
actor_walk(struct actor *actor) {
  if (actor->control.store == NULL || actor->walking || actor->dead)
    return;
  actor->walking = true;
  copse_control_refresh(&actor->control);
  copse_owner_walk(&actor->control, clock_ms);
  actor->walking = false;
}

/* Of the links from a PoP, or of one; as of the revision, 0: nothing is. */
static json_int_t
reserved_of(const char *key, const char *to, uint64_t *revision) {
  struct copse_value value;
  json_t *shares, *share;
  json_int_t sum = 0;
  const char *session;

  *revision = 0;
  if (copse_store_get(world, key, &value) < 0)
    return 0;
  *revision = value.revision;
  shares = json_loads(value.value, 0, NULL);
  copse_value_free(&value);
  json_object_foreach(shares, session, share) {
    sum += json_integer_value(to == NULL ? json_object_get(share, "bps")
                                         : json_object_get(json_object_get(share, "links"), to));
  }
  json_decref(shares);
  return sum;
}

/* An operator changes a budget, of the egress where `to` is null, but to no less than is reserved at that moment. */
static void
change_budget(const char *pop, const char *to, json_int_t more) {
  char reserved[32], key[32], changed[32], value[128];
  struct copse_compare compare = {.key = reserved};
  struct copse_change changes[] = {{.kind = COPSE_CHANGE_PUT, .key = key, .value = value},
                                   {.kind = COPSE_CHANGE_PUT, .key = changed, .value = "\"operator\""}};

  snprintf(reserved, sizeof(reserved), "/reserved/%s", pop);
  snprintf(changed, sizeof(changed), "/budgets/%s", pop);
  if (to == NULL)
    snprintf(key, sizeof(key), "/egress/%s", pop);
  else
    snprintf(key, sizeof(key), "/links/%s/%s", pop, to);
  snprintf(value, sizeof(value), "{\"%s\":%lld,\"delay_ms\":1.0,\"by\":\"t\"}",
           to == NULL ? "egress_bps" : "bandwidth_bps",
           (long long)(reserved_of(reserved, to, &compare.revision) + more));
  cr_assert_eq(__real_copse_store_commit(world, &compare, 1, changes, 2, NULL, NULL), 0);
}

static void
change_any_budget(void) {
  char pop[8], to[8];

  snprintf(pop, sizeof(pop), "N%u", (unsigned)random() % POPS + 1);
  snprintf(to, sizeof(to), "N%u", (unsigned)random() % POPS + 1);
  change_budget(pop, strcmp(pop, to) == 0 ? NULL : to, (json_int_t)((unsigned)random() % 4 * 2 * M));
}

/* The session's owner is another from now on, and the former one does not know it yet. */
static void
depose(unsigned session) {
  struct actor *other = &actors[restless ? (size_t)random() % POPS : 1];

  put_text(NULL, "/sessions/%032x/owner", session);
  actor_walk(other); /* is elected, perhaps */
}

static void
disturb(void) {
  static bool disturbing;

  if (!restless || disturbing)
    return;
  disturbing = true;
  if (random() % 4 == 0)
    change_any_budget();
  if (random() % 8 == 0)
    depose((unsigned)random() % SESSIONS + 1);
  if (random() % 4 == 0)
    actor_walk(&actors[(size_t)random() % POPS]);
  disturbing = false;
}

static struct actor *
actor_of(const struct copse_store *store) {
  for (size_t i = 0; i < POPS; i++)
    if (actors[i].control.store == store)
      return &actors[i];
  return NULL;
}

static bool
is_part(const struct copse_change *changes, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (strncmp(changes[i].key, "/reserved/", 10) != 0)
      return false;
  return true;
}

int
__wrap_copse_store_commit(struct copse_store *store, const struct copse_compare *compares, size_t compare_count,
                          const struct copse_change *changes, size_t change_count, uint64_t *revision,
                          struct copse_error *error) {
  struct actor *actor = actor_of(store);
  int result;

  if (actor == NULL || !actor->walking)
    return __real_copse_store_commit(store, compares, compare_count, changes, change_count, revision, error);
  compares_max = compare_count > compares_max ? (unsigned)compare_count : compares_max;
  disturb();
  if (actor->deposed_in > 0 && --actor->deposed_in == 0)
    depose(1);
  if (actor->dies_in > 0 && --actor->dies_in == 0) {
    actor->dead = true;
    deaths++;
    if (!actor->answers)
      return copse_fail(error, -EHOSTUNREACH, "dead");
  } else if (actor->dead) {
    return copse_fail(error, -EHOSTUNREACH, "dead");
  }
  result = __real_copse_store_commit(store, compares, compare_count, changes, change_count, revision, error);
  parts += result == 0 && is_part(changes, change_count);
  refusals += result == -EAGAIN;
  look();
  return actor->dead || (restless && random() % 32 == 0) ? copse_fail(error, -ETIMEDOUT, "unanswered") : result;
}

void
make_world(unsigned pops, uint64_t link_bps) {
  struct copse_values all;
  char value[ACCOUNT_TEXT_BYTES];

  cr_assert_geq(sodium_init(), 0);
  copse_log_set_level(getenv("COPSE_TEST_LOG") != NULL ? COPSE_LOG_DEBUG : COPSE_LOG_ERROR);
  backend = &backends[getenv("COPSE_TEST_STORE") != NULL];
  world = backend->open();
  budget_checker_begin(&checker);
  cr_assert_eq(copse_store_list(world, "/", &all), 0);
  cr_assert_eq(copse_store_watch(world, "/", all.revision, budget_checker_take, &checker), 0);
  copse_values_free(&all);
  put_text(account_text(value, 1000000000000000ULL, 0), "/accounts/alice");
  for (unsigned i = 1; i <= pops; i++) {
    struct copse_transaction links = {0};

    put_text("{\"address\":\"198.18.1.1\",\"port\":7117,\"api\":\"\",\"lease\":1}", "/pops/N%u", i);
    for (unsigned j = 1; j <= pops; j++) {
      if (i == j)
        continue;
      if (links.change_count == COPSE_STORE_OPERATIONS_MAX) {
        cr_assert_eq(copse_transaction_commit(&links, world, NULL, NULL), 0);
        copse_transaction_free(&links);
      }
      snprintf(value, sizeof(value), "{\"bandwidth_bps\":%llu,\"delay_ms\":1.0,\"by\":\"t\"}",
               (unsigned long long)link_bps);
      copse_transaction_put(&links, strdup(value), "/links/N%u/N%u", i, j);
    }
    cr_assert_eq(copse_transaction_commit(&links, world, NULL, NULL), 0);
    copse_transaction_free(&links);
  }
}

void
end(void) {
  for (size_t i = 0; i < POPS; i++)
    actor_end(&actors[i]);
  copse_store_close(world);
  budget_checker_end(&checker);
  fixture_stop();
}
