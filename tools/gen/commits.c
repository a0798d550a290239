/* SPDX-License-Identifier: Apache-2.0 */
#include "commits.h"

#include "clock.h"
#include <errno.h>
#include <rte_cycles.h>
#include <stdlib.h>

#define LOOK_US 10 /* between two looks for an answer, as each is a system call */

static int
apply(struct gen_commits *commits, struct copse_error *error) {
  struct copse_api_result result;
  const int status = gen_table_send(commits->table, &commits->operations, error);

  return status ? status : gen_table_take_answer(commits->table, &result, error);
}

int
gen_commits_begin(struct gen_commits *commits, struct gen_table *table, uint32_t per_second,
                  struct copse_error *error) {
  *commits =
    (struct gen_commits){.table = table, .forest = table->forest, .period = (uint64_t)(gen_clock_hz() / per_second)};
  commits->times = calloc(GEN_COMMITS_MAX, sizeof(*commits->times));
  if (commits->times == NULL)
    return copse_fail(error, -ENOMEM, "not enough memory for %u commits", GEN_COMMITS_MAX);
  if (commits->forest.kind != GEN_LINK || commits->forest.trees + GEN_COMMITS_SPARE > table->hello.limits.trees)
    return copse_fail(error, -ERANGE, "commits need next hops that are links, and %d trees to spare",
                      GEN_COMMITS_SPARE);
  gen_table_add_links(table, commits->forest.hops + 1, &commits->operations);
  commits->due = rte_rdtsc();
  return commits->operations.count > 0 ? apply(commits, error) : 0;
}

/* Four after each other are a round. */
static void
add_change(struct gen_commits *commits) {
  const uint32_t round = commits->sent / 4, spare = commits->forest.trees + round % GEN_COMMITS_SPARE;
  struct gen_forest forest = commits->forest;

  switch (commits->sent % 4) {
  case 0:
    gen_table_add_tree(commits->table, &forest, spare, &commits->operations);
    break;
  case 1:
    forest.hops = (forest.hops + 1) / 2;
    gen_table_add_tree(commits->table, &forest, spare, &commits->operations);
    break;
  case 2:
    copse_operations_remove(&commits->operations, COPSE_API_TREE_REMOVE, spare);
    break;
  default:
    forest.hops += 1 - round % 2;
    gen_table_add_tree(commits->table, &forest, 0, &commits->operations);
  }
}

static void
take_answer(struct gen_commits *commits, uint64_t now) {
  struct copse_api_result result;

  commits->status = gen_table_take_answer(commits->table, &result, &commits->error);
  commits->times[commits->answered++] = (double)(now - commits->asked) * 1e9 / gen_clock_hz();
  commits->waiting = false;
}

void
gen_commits_poll(struct gen_commits *commits, uint64_t now) {
  if (commits->waiting && now >= commits->look) {
    commits->look = now + (uint64_t)(gen_clock_hz() / 1e6 * LOOK_US);
    if (gen_table_answered(commits->table))
      take_answer(commits, now);
  }
  if (commits->waiting || commits->status || now < commits->due || commits->sent == GEN_COMMITS_MAX)
    return;
  add_change(commits);
  commits->status = gen_table_send(commits->table, &commits->operations, &commits->error);
  commits->sent++;
  commits->waiting = true;
  commits->asked = now;
  commits->due += commits->period;
}

int
gen_commits_end(struct gen_commits *commits, struct copse_error *error) {
  if (commits->waiting && !commits->status)
    take_answer(commits, rte_rdtsc());
  for (; commits->sent % 8 != 0 && !commits->status; commits->sent++) {
    add_change(commits);
    commits->status = apply(commits, &commits->error);
  }
  return commits->status ? copse_fail(error, commits->status, "%s", commits->error.text) : 0;
}

void
gen_commits_free(struct gen_commits *commits) {
  copse_operations_free(&commits->operations);
  free(commits->times);
  commits->times = NULL;
}
