/* SPDX-License-Identifier: Apache-2.0 */
/* Make before break, inside the budgets. A tree that left the plan goes on at its PoPs for a while, and holds on its
 * links what it held: it is `leaving` until the last of them has let it go. Only one tree of a root carries at a time,
 * its members being moved from one to the other at once, so old and new of one root share what they hold. Trees that do
 * not fit beside what others still hold have to wait: the root keeps the tree it has. */
#include "holdings.h"
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
  struct copse_holdings holdings; /* of trees that stay, of those that leave, and of those that wait to be replaced */
};

static bool
egress_fits(const struct switching *switching, const struct copse_planned_tree *tree, const uint64_t *more,
            const char *pop) {
  const struct copse_egress *egress = copse_set_find(&switching->model->egress, pop);
  uint64_t sum;

  if (egress == NULL)
    return true;
  sum = copse_egress_held_by_others(switching->model, pop, switching->session) +
        copse_holdings_egress(&switching->holdings, pop);
  for (size_t i = 0; i < tree->edge_count; i++)
    if (strcmp(tree->edges[i].from, pop) == 0)
      sum += more[i];
  return sum <= egress->record.egress_bps;
}

/* What the tree needs is free on every link, and out of every PoP. */
static bool
fits(struct switching *switching, const struct copse_planned_tree *tree) {
  const uint64_t *more = copse_holdings_more(&switching->holdings, tree, tree->rate_bps);

  for (size_t i = 0; i < tree->edge_count; i++) {
    const struct copse_tree_edge *edge = &tree->edges[i];
    const struct copse_link *link;

    if (more[i] == 0)
      continue;
    link = copse_model_link(switching->model, edge->from, edge->to);
    if (link == NULL ||
        copse_link_held_by_others(switching->model, link, switching->session) +
            copse_holdings_link(&switching->holdings, edge->from, edge->to) + more[i] >
          copse_link_capacity(link) ||
        !egress_fits(switching, tree, more, edge->from))
      return false;
  }
  return true;
}

/* Edges of their own; false, and nothing is changed, when memory is short. */
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
      copse_holdings_add(&switching->holdings, &before->leaving[i], before->leaving[i].rate_bps);
  for (size_t i = 0; i < before->tree_count; i++) {
    const struct copse_planned_tree *old = &before->trees[i];

    if (old->status == COPSE_TREE_OK && !is_planned(plan, old->id) &&
        copse_tree_is_held(switching->model, switching->session, old->id))
      copse_holdings_add(&switching->holdings, old, old->rate_bps);
  }
  for (size_t i = 0; i < plan->tree_count; i++) { /* a tree that stays takes a lower rate at once */
    const struct copse_planned_tree *tree = &plan->trees[i], *old = copse_session_tree(switching->session, tree->id);

    if (tree->status == COPSE_TREE_OK && old != NULL)
      copse_holdings_add(&switching->holdings, old, tree->rate_bps < old->rate_bps ? tree->rate_bps : old->rate_bps);
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
  struct copse_tree_edge *edges = tree->edges;

  if (old != NULL && strcmp(old->id, tree->id) == 0) {
    tree->rate_bps = old->rate_bps;
    return 0;
  }
  if (old == NULL || old->status != COPSE_TREE_OK ||
      !copse_tree_is_held(switching->model, switching->session, old->id)) {
    wait_without(tree);
    return 0;
  }
  if (!copy_tree(tree, old))
    return -ENOMEM;
  free(edges);
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
      copse_holdings_add(&switching->holdings, tree, tree->rate_bps);
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
  struct switching switching = {.model = model, .session = session};
  struct copse_planned_tree *stuck = NULL;
  int result = copse_holdings_create(&switching.holdings, model, session, plan);

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
  copse_holdings_free(&switching.holdings);
  return result;
}
