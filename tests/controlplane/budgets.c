/* SPDX-License-Identifier: Apache-2.0 */
/* Budgets of links hold whatever happens: whole control planes, a process each, share a store; peers join, sync and
 * leave, sessions end and begin again, and processes are killed at random moments, in commits too. The checker looks at
 * every revision from outside. Short by default; COPSE_SOAK_OPERATIONS makes it as long as wanted (scripts/soak). */
#include "budget_checker.h"
#include "cluster.h"
#include "session/state.h"
#include <criterion/criterion.h>
#include <signal.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define POPS 4
#define SESSIONS 120
#define MEMBERS_MAX 48 /* of a process */
#define LINK_BPS 100000000
#define SHORT_OPERATIONS 2500 /* or as many as there is time for, */
#define SHORT_MS 8000
#define ENOUGH_MS 60000 /* but never fewer than what shows something, for which a busy machine has so long */
#define SETTLE_MS 40000
#define NOT_NOW 9 /* exit status of a control plane that could not start, and is started again */
#define NOT_NOW_MAX 50
#define SETTINGS "presence_ms = 1000; silence_ms = 4000; finish_ms = 500; http = { port = 1; };"

/* Between the processes. */
struct shared {
  atomic_uint joins, leaves, syncs, ends; /* that were done */
  atomic_uint refused;
  atomic_bool quiet; /* no operations */
  atomic_bool drain; /* leave everything */
};

struct held {
  unsigned session;
  char *member;
};

struct worker {
  struct cluster *cluster;
  struct shared *shared;
  size_t pop;
  struct held held[MEMBERS_MAX];
  size_t count;
};

static struct cluster cluster;
static struct budget_checker checker;
static struct shared *shared;
static pid_t workers[POPS];
static unsigned not_now;

static void
stop_worker(size_t pop) {
  if (workers[pop] == 0)
    return;
  kill(workers[pop], SIGKILL);
  waitpid(workers[pop], NULL, 0);
  workers[pop] = 0;
}

static void
stop(void) {
  if (cluster.count == 0)
    return;
  for (size_t i = 0; i < POPS; i++)
    stop_worker(i);
  cluster_stop(&cluster);
  budget_checker_end(&checker);
}

TestSuite(budgets, .fini = stop, .timeout = 3600);

static void
session_id(unsigned number, char id[64]) {
  snprintf(id, 64, "%032x", number + 1);
}

static void
count(struct worker *worker, atomic_uint *what, int status) {
  atomic_fetch_add(status >= 200 && status < 300 ? what : &worker->shared->refused, 1);
}

static void
join(struct worker *worker) {
  struct held *held = &worker->held[worker->count];
  char session[64];
  int status = 0;

  held->session = randombytes_uniform(SESSIONS);
  session_id(held->session, session);
  held->member = cluster_join(worker->cluster, worker->pop, session, "alice", 1 + randombytes_uniform(200),
                              randombytes_uniform(2) == 0, &status);
  worker->count += held->member != NULL;
  count(worker, &worker->shared->joins, status);
}

static void
leave(struct worker *worker, size_t index) {
  struct copse_caller caller = {.role = COPSE_ROLE_OPERATOR};
  struct copse_answer answer = {0};
  struct held held = worker->held[index];
  char session[64];

  worker->held[index] = worker->held[--worker->count];
  session_id(held.session, session);
  copse_member_leave(worker->cluster->pops[worker->pop].control, &caller, session, held.member, &answer);
  count(worker, &worker->shared->leaves, answer.status);
  free(held.member);
}

/* A peer that has all, and may so become a seed. */
static void
sync_member(struct worker *worker, size_t index) {
  char session[64];
  int status = 0;

  session_id(worker->held[index].session, session);
  json_decref(cluster_sync(worker->cluster, worker->pop, session, "alice", worker->held[index].member,
                           "{\"have\":1000,\"done\":true,\"want\":true}", &status));
  count(worker, &worker->shared->syncs, status);
}

/* An operator ends a session, or begins it again. */
static void
end_session(struct worker *worker) {
  struct copse_store *store = copse_control_store(worker->cluster->pops[worker->pop].control);
  char session[64], key[128], value[512];
  struct copse_change change = {.kind = COPSE_CHANGE_PUT, .key = key, .value = value};

  session_id(randombytes_uniform(SESSIONS), session);
  snprintf(key, sizeof(key), "/sessions/%s", session);
  cluster_session_text(value, sizeof(value), 1000, randombytes_uniform(4) == 0 ? "finished" : "open");
  count(worker, &worker->shared->ends, copse_store_commit(store, NULL, 0, &change, 1, NULL, NULL) == 0 ? 200 : 503);
}

static void
operate(struct worker *worker) {
  unsigned choice = randombytes_uniform(100);

  if (choice < 50 && worker->count < MEMBERS_MAX)
    join(worker);
  else if (choice < 85 && worker->count > 0)
    leave(worker, randombytes_uniform((uint32_t)worker->count));
  else if (choice < 96 && worker->count > 0)
    sync_member(worker, randombytes_uniform((uint32_t)worker->count));
  else if (choice >= 96)
    end_session(worker);
}

static _Noreturn void
work(size_t pop) {
  struct worker worker = {.cluster = &cluster, .shared = shared, .pop = pop};

  prctl(PR_SET_PDEATHSIG, SIGKILL);
  randombytes_stir();
  if (cluster_begin(&cluster, pop) < 0)
    _exit(NOT_NOW); /* its lease was over before it had announced itself, on a busy machine */
  cluster.pops[pop].control->part_outlets = randombytes_uniform(3); /* many plans are carried out in parts */
  for (;;) {
    if (atomic_load(&shared->drain) && worker.count > 0)
      leave(&worker, 0);
    else if (!atomic_load(&shared->quiet))
      operate(&worker);
    cluster_run(&cluster, 1 + randombytes_uniform(8));
  }
}

static void
start_worker(size_t pop) {
  workers[pop] = fork();
  cr_assert_geq(workers[pop], 0);
  if (workers[pop] == 0)
    work(pop);
}

static unsigned
operations(void) {
  return atomic_load(&shared->joins) + atomic_load(&shared->leaves) + atomic_load(&shared->syncs) +
         atomic_load(&shared->ends);
}

static void
look(void) {
  cr_assert_geq(copse_store_poll(cluster.store, copse_control_now()), 0);
  budget_checker_look(&checker);
  for (size_t i = 0; i < POPS; i++) {
    int status;

    if (workers[i] == 0 || waitpid(workers[i], &status, WNOHANG) != workers[i])
      continue;
    workers[i] = 0;
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == NOT_NOW && not_now++ < NOT_NOW_MAX,
              "N%zu has ended by itself: %d", i + 1, status);
    start_worker(i);
  }
  usleep(1000);
}

static void
tell(const char *store, uint64_t begin, unsigned kills) {
  printf("%s: %3llu s, %u operations (%u joins, %u leaves, %u syncs, %u ends, %u refused), %u revisions, %u of them of "
         "reservations, %u kills, fullest link %.0f %%, %u violations\n",
         store, (unsigned long long)(copse_control_now() - begin) / 1000, operations(), atomic_load(&shared->joins),
         atomic_load(&shared->leaves), atomic_load(&shared->syncs), atomic_load(&shared->ends),
         atomic_load(&shared->refused), checker.revisions, checker.reservations, kills, checker.fullest * 100,
         checker.violations);
  fflush(stdout);
}

/* Control planes died, plans were made, and links were wanted. */
static bool
is_enough(unsigned kills) {
  return kills >= 3 && checker.reservations >= 20 && checker.fullest >= 0.5;
}

/* Kills and starts again, until so many operations were done or the time is over. */
static unsigned
churn(const char *store, unsigned target, uint64_t most_ms) {
  uint64_t begin = copse_control_now(), told = begin, next_kill = begin + 500, back[POPS] = {0};
  unsigned kills = 0;

  while (checker.violations == 0) {
    uint64_t now;

    look();
    now = copse_control_now();
    if ((operations() >= target || now - begin >= most_ms) && (is_enough(kills) || now - begin >= ENOUGH_MS))
      break;
    if (now >= next_kill) {
      size_t pop = randombytes_uniform(POPS);

      if (workers[pop] != 0) {
        stop_worker(pop);
        kills++;
        back[pop] = now + randombytes_uniform(2500); /* before or after its lease has ended */
      }
      next_kill = now + 100 + randombytes_uniform(800);
    }
    for (size_t i = 0; i < POPS; i++)
      if (workers[i] == 0 && now >= back[i])
        start_worker(i);
    if (now - told >= 5000) {
      tell(store, begin, kills);
      told = now;
    }
  }
  tell(store, begin, kills);
  return kills;
}

static bool
look_until(bool (*holds)(void)) {
  for (uint64_t begin = copse_control_now(); !holds() && copse_control_now() - begin < SETTLE_MS;)
    look();
  return holds();
}

static bool
n4_holds_something(void) {
  return budget_checker_uses(&checker, "N4");
}

static bool
n4_holds_nothing(void) {
  return !n4_holds_something();
}

static bool
only_plans_hold(void) {
  return budget_checker_is_exact(&checker);
}

static bool
nothing_is_held(void) {
  return budget_checker_is_empty(&checker);
}

/* Who holds what, and what it waits for, for whoever looks into a failure. */
static void
tell_what_is_held(void) {
  struct copse_values all;

  cr_assert_eq(copse_store_list(cluster.store, "/", &all), 0);
  for (size_t i = 0; i < all.count; i++)
    if (strncmp(all.items[i].key, "/reserved/", 10) == 0 || strncmp(all.items[i].key, "/pops/", 6) == 0 ||
        strncmp(all.items[i].key, "/sessions/", 10) == 0)
      fprintf(stderr, "%s %s\n", all.items[i].key, all.items[i].value);
  copse_values_free(&all);
}

static void
prepare(bool etcd) {
  struct copse_values all;

  shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  cr_assert_neq(shared, MAP_FAILED);
  budget_checker_begin(&checker);
  cluster_make(&cluster, POPS, LINK_BPS, SETTINGS, etcd);
  cluster_put(&cluster, "/egress/N1", "{\"egress_bps\":150000000,\"by\":\"test\"}");
  cluster_account(&cluster, "alice", 1000000000000000ULL);
  for (unsigned i = 0; i < SESSIONS; i++) {
    char session[64];

    session_id(i, session);
    cluster_make_session(&cluster, session, 1000);
  }
  cr_assert_eq(copse_store_list(cluster.store, "/egress/", &all), 0);
  for (size_t i = 0; i < all.count; i++)
    budget_checker_take(&checker, all.items[i].key, all.items[i].value, all.items[i].revision);
  cr_assert_eq(copse_store_watch(cluster.store, "/", all.revision, budget_checker_take, &checker), 0);
  copse_values_free(&all);
}

static void
run(const char *store, bool etcd) {
  const char *wanted = getenv("COPSE_SOAK_OPERATIONS");
  unsigned target = wanted == NULL ? SHORT_OPERATIONS : (unsigned)strtoul(wanted, NULL, 10), kills;

  prepare(etcd);
  for (size_t i = 0; i < POPS; i++)
    start_worker(i);
  kills = churn(store, target, wanted == NULL ? SHORT_MS : UINT64_MAX);
  cr_expect(is_enough(kills), "%u kills, %u plans, fullest link %.0f %%", kills, checker.reservations,
            checker.fullest * 100);
  for (size_t i = 0; i < POPS; i++)
    if (workers[i] == 0)
      start_worker(i);
  cr_assert(look_until(n4_holds_something));
  atomic_store(&shared->quiet, true);
  cr_expect(look_until(only_plans_hold), "nothing is reserved but for plans");
  stop_worker(3);
  cr_expect(look_until(n4_holds_nothing), "what a dead PoP held is given back");
  atomic_store(&shared->drain, true);
  stop_worker(2);
  if (!look_until(nothing_is_held)) {
    tell_what_is_held();
    cr_expect(false, "nothing is held for nobody");
  }
  cr_expect_eq(checker.violations, 0, "%s", checker.what);
  cr_expect_eq(checker.missed, 0);
}

Test(budgets, hold_on_sqlite) {
  run("sqlite", false);
}

Test(budgets, hold_on_etcd) {
  run("etcd", true);
}

#define TREE(list, rate) "\"" list "\":[{\"root\":\"A\",\"rate_bps\":" rate ",\"edges\":[0,1]}]"
#define PLAN(rate) "{\"pops\":[\"A\",\"B\"]," TREE("trees", rate) "}"
#define BOTH "{\"pops\":[\"A\",\"B\"]," TREE("trees", "60") "," TREE("leaving", "70") "}"
#define SHARE(session, egress, link) "\"" session "\":{\"bps\":" egress ",\"links\":{\"B\":" link "}}"
#define SHARES(bps) "{" SHARE("s", bps, bps) "}"

/* The checker sees each thing that must not be. */
Test(budgets, the_checker_is_not_blind) {
  static const struct {
    const char *reserved, *plan;
    unsigned violations;
    bool exact;
  } cases[] = {{SHARES("100"), PLAN("100"), 0, true},
               {SHARES("101"), PLAN("101"), 1, true},
               {SHARES("99"), PLAN("100"), 2, false},
               {SHARES("100"), PLAN("99"), 0, false},
               {"{" SHARE("s", "100", "99") "}", PLAN("100"), 1, false},
               {"{" SHARE("s", "99", "100") "}", PLAN("100"), 1, false},
               {"{" SHARE("s", "60", "60") "," SHARE("r", "41", "41") "}", PLAN("60"), 1, false},
               {SHARES("70"), BOTH, 0, true},
               {SHARES("60"), BOTH, 2, false},
               {NULL, PLAN("10"), 2, true},
               {SHARES("10"), NULL, 0, false}};

  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    budget_checker_begin(&checker);
    budget_checker_take(&checker, "/links/A/B", "{\"bandwidth_bps\":100}", 1);
    budget_checker_take(&checker, "/reserved/A", cases[i].reserved, 2);
    cr_expect_eq(checker.violations, 0, "a revision is looked at when it is whole");
    budget_checker_take(&checker, "/sessions/s/plan", cases[i].plan, 2);
    budget_checker_take(&checker, "/egress/A", "{\"egress_bps\":200}", 3);
    cr_expect_eq(checker.violations, cases[i].violations, "case %zu: %s", i, checker.what);
    cr_expect_eq(budget_checker_is_exact(&checker), cases[i].exact, "case %zu", i);
    budget_checker_end(&checker);
  }
  budget_checker_begin(&checker);
  budget_checker_take(&checker, "/links/A/B", "{\"bandwidth_bps\":1000}", 1);
  budget_checker_take(&checker, "/egress/A", "{\"egress_bps\":99}", 1);
  budget_checker_take(&checker, "/reserved/A", SHARES("100"), 2);
  budget_checker_take(&checker, "/sessions/s/plan", PLAN("100"), 2);
  budget_checker_look(&checker);
  cr_expect_eq(checker.violations, 1, "a PoP is sold beyond its egress");
  cr_expect(budget_checker_uses(&checker, "A") && budget_checker_uses(&checker, "B"));
  cr_expect_not(budget_checker_uses(&checker, "C"));
  budget_checker_end(&checker);
}
