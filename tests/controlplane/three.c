/* SPDX-License-Identifier: Apache-2.0 */
#include "three.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

struct cluster cluster;
char *seed, *other_seed, *leecher;

bool
three_are_whole(struct cluster *c, const char *session) {
  struct copse_session *s = cluster_session(c, session);
  size_t whole = 0;

  for (size_t i = 0; s != NULL && i < s->plan.tree_count; i++) {
    char name[64];

    snprintf(name, sizeof(name), "%s/%s", s->plan.trees[i].id, s->plan.trees[i].root);
    whole += s->plan.trees[i].status == COPSE_TREE_OK && copse_set_find(&s->installed, name) != NULL;
  }
  return whole == c->count;
}

bool
three_are_settled(struct cluster *c, const char *session) {
  struct copse_session *s = cluster_session(c, session);
  size_t members[CLUSTER_MAX] = {0}, trees = 0;

  for (size_t i = 0; s != NULL && i < s->plan.tree_count; i++)
    trees += s->plan.trees[i].status == COPSE_TREE_OK;
  for (size_t i = 0; s != NULL && i < s->members.count; i++)
    for (size_t j = 0; j < c->count; j++) {
      const struct copse_member *member = s->members.items[i];

      members[j] += member->revision != 0 && strcmp(member->record.pop, c->pops[j].name) == 0;
    }
  for (size_t j = 0; s != NULL && j < c->count; j++)
    if (fake_tree_count(c->pops[j].dataplane) != (members[j] > 0 ? trees : 0) ||
        fake_member_count(c->pops[j].dataplane) != members[j])
      return false;
  return s != NULL;
}

bool
three_are_restored(struct cluster *c, const char *session) {
  return three_are_settled(c, session) && three_are_whole(c, session);
}

bool
three_are_over(struct cluster *c, const char *session) {
  struct copse_session *s = cluster_session(c, session);

  for (size_t i = 0; i < c->count; i++)
    if (fake_tree_count(c->pops[i].dataplane) > 0)
      return false;
  return s->finished && s->plan.tree_count == 0 && s->installed.count == 0 && s->ledgers.count == 0;
}

bool
three_without_n1(struct cluster *c, const char *session) {
  struct copse_planned_tree *tree = copse_session_rooted(cluster_session(c, session), "N1");

  return tree != NULL && tree->status == COPSE_TREE_NO_SENDER;
}

size_t
three_pop(const char *name) {
  return (size_t)(name[1] - '1');
}

struct fake_tree *
three_tree(size_t pop, const char *id) {
  struct fake_tree *tree = fake_tree_find(cluster.pops[pop].dataplane, strtoull(id, NULL, 16));

  cr_assert_not_null(tree, "tree %s at N%zu", id, pop + 1);
  return tree;
}

void
three_start(const char *more, uint64_t credit) {
  cluster_start(&cluster, 3, 100000000, more);
  cluster_account(&cluster, "alice", credit);
  cluster_make_session(&cluster, S, 1000);
  seed = cluster_join(&cluster, 0, S, "alice", 1, true, NULL);
  other_seed = cluster_join(&cluster, 1, S, "alice", 2, true, NULL);
  leecher = cluster_join(&cluster, 2, S, "alice", 3, false, NULL);
  cr_assert(cluster_until(&cluster, three_are_whole, S, 10000), "trees");
  cr_assert(cluster_until(&cluster, three_are_settled, S, 10000), "old trees");
}

void
three_first_order(json_t *answer, json_int_t *first, json_int_t *count) {
  json_t *range = json_array_get(json_object_get(json_object_get(answer, "send"), "orders"), 0);

  *first = json_integer_value(json_array_get(range, 0));
  *count = json_integer_value(json_array_get(range, 1));
}

size_t
three_order_count(size_t pop, const char *member) {
  json_t *answer = cluster_sync(&cluster, pop, S, "alice", member, "{\"have\":1000,\"want\":true}", NULL);
  size_t count = json_array_size(json_object_get(json_object_get(answer, "send"), "orders"));

  json_decref(answer);
  return count;
}

void
three_stop(void) {
  free(seed);
  free(other_seed);
  free(leecher);
  cluster_stop(&cluster);
}
