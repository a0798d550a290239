/* SPDX-License-Identifier: Apache-2.0 */
#include "holdings.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool
add_name(struct copse_set *names, const char *pop) {
  return copse_set_find(names, pop) != NULL || copse_set_make(names, pop, COPSE_NAME_BYTES) != NULL;
}

/* Every PoP of a tree is its root, or an edge leads to it. */
static bool
add_names(struct copse_holdings *holdings, const struct copse_planned_tree *trees, size_t count, size_t *edges_max) {
  holdings->tree_room += count;
  for (size_t i = 0; i < count; i++) {
    if (!add_name(&holdings->names, trees[i].root))
      return false;
    for (size_t j = 0; j < trees[i].edge_count; j++)
      if (!add_name(&holdings->names, trees[i].edges[j].from) || !add_name(&holdings->names, trees[i].edges[j].to))
        return false;
    if (trees[i].edge_count > *edges_max)
      *edges_max = trees[i].edge_count;
  }
  return true;
}

static bool
add_plan_names(struct copse_holdings *holdings, const struct copse_plan_record *plan, size_t *edges_max) {
  return add_names(holdings, plan->trees, plan->tree_count, edges_max) &&
         add_names(holdings, plan->leaving, plan->leaving_count, edges_max);
}

static bool
add_reserved_names(struct copse_holdings *holdings, const struct copse_model *model,
                   const struct copse_session *session) {
  for (size_t i = 0; i < model->outlets.count; i++) {
    const struct copse_pop_links *outlet = model->outlets.items[i];

    if (json_object_get(outlet->reserved, session->id) != NULL && !add_name(&holdings->names, outlet->pop))
      return false;
  }
  return true;
}

int
copse_holdings_create(struct copse_holdings *holdings, const struct copse_model *model,
                      const struct copse_session *session, const struct copse_plan_record *plan) {
  size_t edges_max = 0, count;

  *holdings = (struct copse_holdings){0};
  if (!add_plan_names(holdings, &session->plan, &edges_max) ||
      (plan != NULL && !add_plan_names(holdings, plan, &edges_max)) || !add_reserved_names(holdings, model, session))
    return -ENOMEM;
  count = holdings->names.count;
  holdings->trees = calloc(holdings->tree_room + 1, sizeof(*holdings->trees));
  holdings->link_bps = calloc(count * count + 1, sizeof(uint64_t));
  holdings->of_root = calloc(count * count + 1, sizeof(uint64_t));
  holdings->egress_bps = calloc(count + 1, sizeof(uint64_t));
  holdings->more = calloc(edges_max + 1, sizeof(uint64_t));
  return holdings->trees != NULL && holdings->link_bps != NULL && holdings->of_root != NULL &&
             holdings->egress_bps != NULL && holdings->more != NULL
           ? 0
           : -ENOMEM;
}

void
copse_holdings_free(struct copse_holdings *holdings) {
  copse_set_free(&holdings->names, free);
  free(holdings->link_bps);
  free(holdings->of_root);
  free(holdings->egress_bps);
  free(holdings->trees);
  free(holdings->more);
  *holdings = (struct copse_holdings){0};
}

size_t
copse_holdings_number(const struct copse_holdings *holdings, const char *pop) {
  size_t after = copse_set_after(&holdings->names, pop);

  return after > 0 && strcmp(holdings->names.items[after - 1], pop) == 0 ? after - 1 : SIZE_MAX;
}

/* Its place in link_bps. */
static size_t
place_of(const struct copse_holdings *holdings, const struct copse_tree_edge *edge) {
  return copse_holdings_number(holdings, edge->from) * holdings->names.count +
         copse_holdings_number(holdings, edge->to);
}

/* Notes what the root holds with the trees it has, or wipes it out again. */
static void
note_root(struct copse_holdings *holdings, const char *root, bool wipe) {
  for (size_t i = 0; i < holdings->tree_count; i++) {
    const struct copse_held_tree *held = &holdings->trees[i];

    if (strcmp(held->tree->root, root) != 0)
      continue;
    for (size_t j = 0; j < held->tree->edge_count; j++) {
      uint64_t *bps = &holdings->of_root[place_of(holdings, &held->tree->edges[j])];

      *bps = wipe ? 0 : *bps > held->rate_bps ? *bps : held->rate_bps;
    }
  }
}

const uint64_t *
copse_holdings_more(struct copse_holdings *holdings, const struct copse_planned_tree *tree, uint64_t rate_bps) {
  note_root(holdings, tree->root, false);
  for (size_t i = 0; i < tree->edge_count; i++) {
    uint64_t has = holdings->of_root[place_of(holdings, &tree->edges[i])];

    holdings->more[i] = rate_bps > has ? rate_bps - has : 0;
  }
  note_root(holdings, tree->root, true);
  return holdings->more;
}

void
copse_holdings_add(struct copse_holdings *holdings, const struct copse_planned_tree *tree, uint64_t rate_bps) {
  const uint64_t *more = copse_holdings_more(holdings, tree, rate_bps);

  for (size_t i = 0; i < tree->edge_count; i++) {
    size_t place = place_of(holdings, &tree->edges[i]);

    holdings->link_bps[place] += more[i];
    holdings->egress_bps[place / holdings->names.count] += more[i];
  }
  holdings->trees[holdings->tree_count++] = (struct copse_held_tree){tree, rate_bps};
}

void
copse_holdings_add_plan(struct copse_holdings *holdings, const struct copse_plan_record *plan) {
  for (size_t i = 0; i < plan->tree_count; i++)
    copse_holdings_add(holdings, &plan->trees[i], plan->trees[i].rate_bps);
  for (size_t i = 0; i < plan->leaving_count; i++)
    copse_holdings_add(holdings, &plan->leaving[i], plan->leaving[i].rate_bps);
}

uint64_t
copse_holdings_link(const struct copse_holdings *holdings, const char *from, const char *to) {
  size_t u = copse_holdings_number(holdings, from), v = copse_holdings_number(holdings, to);

  return u == SIZE_MAX || v == SIZE_MAX ? 0 : holdings->link_bps[u * holdings->names.count + v];
}

uint64_t
copse_holdings_egress(const struct copse_holdings *holdings, const char *from) {
  size_t u = copse_holdings_number(holdings, from);

  return u == SIZE_MAX ? 0 : holdings->egress_bps[u];
}
