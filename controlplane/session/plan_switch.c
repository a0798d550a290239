/* SPDX-License-Identifier: Apache-2.0 */
/* Make before break, inside the budgets. A tree that left the plan goes on at its PoPs for a while, and holds on its
 * links what it held: it is `leaving` until the last of them has let it go. Only one tree of a root carries at a time,
 * its members being moved from one to the other at once, so old and new of one root share what they hold. Trees that do
 * not fit beside what others still hold have to wait: the root keeps the tree it has. */
#include "plan.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

bool
copse_tree_is_held(const struct copse_model *model, const struct copse_session *session, const char *tree) {
  for (size_t i = 0; i < session->installed.count; i++) {
    const struct copse_installed *installed = session->installed.items[i];

    if (strcmp(installed->tree, tree) == 0 && copse_set_find(&model->pops, installed->pop) != NULL)
      return true;
  }
  return false;
}

struct switching {
  const struct copse_model *model;
  const struct copse_session *session;
  json_t *holdings; /* of trees that stay, of those that leave, and of those that could not be replaced yet */
  json_t *sums;     /* by link, and by PoP with a limit: what all sessions hold; counted when first asked, then kept */
};

/* What all sessions hold of a link, or out of a PoP: an integer in `sums`, NULL without memory. */
static json_t *
sum_of(const struct switching *switching, const char *name, uint64_t (*count)(const struct switching *, const char *)) {
  json_t *sum = json_object_get(switching->sums, name);

  if (sum == NULL) {
    sum = json_integer((json_int_t)count(switching, name));
    json_object_set_new(switching->sums, name, sum);
  }
  return sum;
}

static uint64_t
count_link(const struct switching *switching, const char *name) {
  const struct copse_link *link = copse_set_find(&switching->model->links, name);

  return link != NULL ? copse_link_held_by_others(link, switching->session) : 0;
}

static uint64_t
count_pop(const struct switching *switching, const char *pop) {
  uint64_t sum = 0;

  for (size_t i = 0; i < switching->model->links.count; i++) {
    const struct copse_link *link = switching->model->links.items[i];

    if (strcmp(link->from, pop) == 0)
      sum += (uint64_t)json_integer_value(sum_of(switching, link->name, count_link));
  }
  return sum;
}

static void
add_to(json_t *sum, uint64_t more) {
  json_integer_set(sum, json_integer_value(sum) + (json_int_t)more);
}

/* Raises what the tree's root holds on each of its links to the rate. */
static void
hold(const struct switching *switching, const struct copse_planned_tree *tree, uint64_t rate_bps) {
  char holder[COPSE_SESSION_BYTES + COPSE_NAME_BYTES];

  snprintf(holder, sizeof(holder), "%s/%s", switching->session->id, tree->root);
  for (size_t i = 0; i < tree->edge_count; i++) {
    const struct copse_tree_edge *edge = &tree->edges[i];
    char link[2 * COPSE_NAME_BYTES];
    json_t *held;
    uint64_t has;

    snprintf(link, sizeof(link), "%s/%s", edge->from, edge->to);
    held = json_object_get(switching->holdings, link);
    if (held == NULL) {
      held = json_object();
      json_object_set_new(switching->holdings, link, held);
    }
    has = (uint64_t)json_integer_value(json_object_get(held, holder));
    if (has >= rate_bps)
      continue;
    json_object_set_new(held, holder, json_integer((json_int_t)rate_bps));
    if (switching->sums != NULL) {
      add_to(json_object_get(switching->sums, edge->from), rate_bps - has);
      add_to(sum_of(switching, link, count_link), rate_bps - has);
    }
  }
}

json_t *
copse_plan_holdings(const struct copse_session *session, const struct copse_plan_record *plan) {
  struct switching switching = {.session = session, .holdings = json_object()};

  for (size_t i = 0; i < plan->tree_count; i++)
    hold(&switching, &plan->trees[i], plan->trees[i].rate_bps);
  for (size_t i = 0; i < plan->leaving_count; i++)
    hold(&switching, &plan->leaving[i], plan->leaving[i].rate_bps);
  return switching.holdings;
}

static uint64_t
held_on(const struct switching *switching, const struct copse_link *link) {
  return (uint64_t)json_integer_value(sum_of(switching, link->name, count_link));
}

/* What an edge needs in addition to what the tree's root holds on its link. */
static uint64_t
needs(const struct switching *switching, const struct copse_planned_tree *tree, const struct copse_tree_edge *edge) {
  char link[2 * COPSE_NAME_BYTES], holder[COPSE_SESSION_BYTES + COPSE_NAME_BYTES];
  uint64_t has;

  snprintf(link, sizeof(link), "%s/%s", edge->from, edge->to);
  snprintf(holder, sizeof(holder), "%s/%s", switching->session->id, tree->root);
  has = (uint64_t)json_integer_value(json_object_get(json_object_get(switching->holdings, link), holder));
  return tree->rate_bps > has ? tree->rate_bps - has : 0;
}

static bool
egress_fits(const struct switching *switching, const struct copse_planned_tree *tree, const char *pop) {
  const struct copse_egress *egress = copse_set_find(&switching->model->egress, pop);
  uint64_t sum;

  if (egress == NULL)
    return true;
  sum = (uint64_t)json_integer_value(sum_of(switching, pop, count_pop));
  for (size_t i = 0; i < tree->edge_count; i++)
    if (strcmp(tree->edges[i].from, pop) == 0)
      sum += needs(switching, tree, &tree->edges[i]);
  return sum <= egress->record.egress_bps;
}

/* What the tree needs is free on every link, and out of every PoP. */
static bool
fits(const struct switching *switching, const struct copse_planned_tree *tree) {
  for (size_t i = 0; i < tree->edge_count; i++) {
    const struct copse_tree_edge *edge = &tree->edges[i];
    uint64_t more = needs(switching, tree, edge);
    char name[2 * COPSE_NAME_BYTES];
    const struct copse_link *link;

    snprintf(name, sizeof(name), "%s/%s", edge->from, edge->to);
    link = copse_set_find(&switching->model->links, name);
    if (more > 0 && (link == NULL || held_on(switching, link) + more > copse_link_capacity(link) ||
                     !egress_fits(switching, tree, edge->from)))
      return false;
  }
  return true;
}

/* Edges of their own; false when memory is short. */
static bool
copy_tree(struct copse_planned_tree *to, const struct copse_planned_tree *from) {
  struct copse_tree_edge *edges = calloc(from->edge_count + 1, sizeof(*edges));

  if (edges == NULL)
    return false;
  if (from->edge_count > 0)
    memcpy(edges, from->edges, from->edge_count * sizeof(*edges));
  *to = *from;
  to->edges = edges;
  return true;
}

static bool
is_planned(const struct copse_plan_record *plan, const char *tree) {
  for (size_t i = 0; i < plan->tree_count; i++)
    if (strcmp(plan->trees[i].id, tree) == 0)
      return true;
  return false;
}

/* What is held whatever becomes of the new trees. */
static void
hold_old(struct switching *switching, const struct copse_plan_record *plan) {
  const struct copse_plan_record *before = &switching->session->plan;

  for (size_t i = 0; i < before->leaving_count; i++)
    if (copse_tree_is_held(switching->model, switching->session, before->leaving[i].id))
      hold(switching, &before->leaving[i], before->leaving[i].rate_bps);
  for (size_t i = 0; i < before->tree_count; i++) {
    const struct copse_planned_tree *old = &before->trees[i];

    if (old->status == COPSE_TREE_OK && !is_planned(plan, old->id) &&
        copse_tree_is_held(switching->model, switching->session, old->id))
      hold(switching, old, old->rate_bps);
  }
  for (size_t i = 0; i < plan->tree_count; i++) { /* a tree that stays takes a lower rate at once */
    const struct copse_planned_tree *tree = &plan->trees[i], *old = copse_session_tree(switching->session, tree->id);

    if (tree->status == COPSE_TREE_OK && old != NULL)
      hold(switching, old, tree->rate_bps < old->rate_bps ? tree->rate_bps : old->rate_bps);
  }
}

static void
wait_without(struct copse_planned_tree *tree) {
  free(tree->edges);
  tree->edges = NULL;
  tree->edge_count = 0;
  tree->id[0] = '\0';
  tree->rate_bps = 0;
  tree->status = COPSE_TREE_INFEASIBLE;
  snprintf(tree->reason, sizeof(tree->reason), "waits for trees that are leaving its links");
}

/* The tree that the root has, in place of one that does not fit yet; none where it has none. -ENOMEM. */
static int
hold_back(const struct switching *switching, struct copse_planned_tree *tree) {
  const struct copse_planned_tree *old = copse_session_rooted(switching->session, tree->root);
  struct copse_planned_tree copy;

  if (old != NULL && strcmp(old->id, tree->id) == 0) {
    tree->rate_bps = old->rate_bps;
    return 0;
  }
  if (old == NULL || old->status != COPSE_TREE_OK ||
      !copse_tree_is_held(switching->model, switching->session, old->id)) {
    wait_without(tree);
    return 0;
  }
  if (!copy_tree(&copy, old))
    return -ENOMEM;
  free(tree->edges);
  *tree = copy;
  return 1;
}

static int
add_leaving(struct copse_plan_record *plan, const struct switching *switching, const struct copse_planned_tree *tree) {
  if (tree->status != COPSE_TREE_OK || is_planned(plan, tree->id) ||
      !copse_tree_is_held(switching->model, switching->session, tree->id))
    return 0;
  if (!copy_tree(&plan->leaving[plan->leaving_count], tree))
    return -ENOMEM;
  plan->leaving_count++;
  return 0;
}

static int
list_leaving(struct copse_plan_record *plan, const struct switching *switching) {
  const struct copse_plan_record *before = &switching->session->plan;
  int result = 0;

  plan->leaving = calloc(before->leaving_count + before->tree_count + 1, sizeof(*plan->leaving));
  if (plan->leaving == NULL)
    return -ENOMEM;
  for (size_t i = 0; i < before->leaving_count && result == 0; i++)
    result = add_leaving(plan, switching, &before->leaving[i]);
  for (size_t i = 0; i < before->tree_count && result == 0; i++)
    result = add_leaving(plan, switching, &before->trees[i]);
  return result;
}

/* Puts in place what fits; `*stuck` is a tree that had to be kept because its successor does not fit. */
static int
put_in_place(struct switching *switching, struct copse_plan_record *plan, struct copse_planned_tree **stuck) {
  *stuck = NULL;
  for (size_t i = 0; i < plan->tree_count; i++) {
    struct copse_planned_tree *tree = &plan->trees[i];
    int kept;

    if (tree->status != COPSE_TREE_OK)
      continue;
    if (fits(switching, tree)) {
      hold(switching, tree, tree->rate_bps);
      continue;
    }
    kept = hold_back(switching, tree);
    if (kept < 0)
      return kept;
    if (kept == 1 && *stuck == NULL)
      *stuck = tree;
  }
  return 0;
}

int
copse_plan_switch(const struct copse_model *model, const struct copse_session *session,
                  struct copse_plan_record *plan) {
  struct switching switching = {.model = model, .session = session, .holdings = json_object(), .sums = json_object()};
  struct copse_planned_tree *stuck = NULL;
  int result = switching.holdings != NULL && switching.sums != NULL ? 0 : -ENOMEM;

  if (result == 0) {
    hold_old(&switching, plan);
    result = put_in_place(&switching, plan, &stuck);
  }
  if (result == 0)
    result = list_leaving(plan, &switching);
  if (result == 0 && stuck != NULL && plan->leaving_count == 0) {
    /* Each waits for another, so nobody would ever go on: one has to break before it makes. */
    struct copse_planned_tree old = *stuck;

    old.edges = NULL;
    if (!copy_tree(&old, stuck))
      result = -ENOMEM;
    wait_without(stuck);
    if (result == 0)
      plan->leaving[plan->leaving_count++] = old;
  }
  json_decref(switching.sums);
  json_decref(switching.holdings);
  return result;
}
