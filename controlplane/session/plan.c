/* SPDX-License-Identifier: Apache-2.0 */
#include "plan_inputs.h"
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#define FLOW_AREAS 100 /* whose bound takes less than 10 ms to find exactly */

static int
compare_edges(const void *a, const void *b) {
  return memcmp(a, b, sizeof(struct copse_tree_edge));
}

/* Both have the same edges, in whatever order. */
static bool
same_edges(const struct copse_planned_tree *a, const struct copse_planned_tree *b) {
  size_t bytes = a->edge_count * sizeof(*a->edges);
  struct copse_tree_edge *left, *right;
  bool same;

  if (a->edge_count != b->edge_count || a->edge_count == 0)
    return a->edge_count == b->edge_count;
  left = malloc(bytes);
  right = malloc(bytes);
  if (left != NULL && right != NULL) {
    qsort(memcpy(left, a->edges, bytes), a->edge_count, sizeof(*left), compare_edges);
    qsort(memcpy(right, b->edges, bytes), b->edge_count, sizeof(*right), compare_edges);
  }
  same = left != NULL && right != NULL && memcmp(left, right, bytes) == 0;
  free(left);
  free(right);
  return same;
}

/* The next number of a root: its ordinal is the order in which roots appeared, the version counts its trees. */
static int
next_number(json_t *numbers, const char *root, uint32_t *number) {
  uint32_t last = (uint32_t)json_integer_value(json_object_get(numbers, root));
  uint32_t ordinal = (uint32_t)json_object_size(numbers) + 1;

  *number = last == 0 ? ordinal << 8 | 1 : (last & ~0xffU) | ((last + 1) & 0xff);
  return json_object_set_new(numbers, root, json_integer(*number)) < 0 ? -ENOMEM : 0;
}

static int
take_identity(struct copse_planned_tree *tree, const struct copse_session *session, json_t *numbers) {
  const struct copse_planned_tree *before = copse_session_rooted(session, tree->root);
  uint64_t id;

  if (before != NULL && before->status == COPSE_TREE_OK && same_edges(before, tree)) {
    memcpy(tree->id, before->id, sizeof(tree->id));
    memcpy(tree->key, before->key, sizeof(tree->key));
    tree->number = before->number;
    return 0;
  }
  do
    randombytes_buf(&id, sizeof(id));
  while (id == 0);
  snprintf(tree->id, sizeof(tree->id), "%016llx", (unsigned long long)id);
  randombytes_buf(tree->key, sizeof(tree->key));
  return next_number(numbers, tree->root, &tree->number);
}

static const char *
why_no_sender(const struct copse_session *session, const char *pop) {
  const struct copse_area_state *area = copse_set_find(&session->areas, pop);

  return area != NULL && area->record.idle ? "nothing was sent on it for long" : "no credit";
}

static int
convert_tree(struct copse_planned_tree *tree, const struct copse_built_tree *built, const struct copse_inputs *inputs,
             const struct copse_session *session, json_t *numbers) {
  *tree = (struct copse_planned_tree){.status = built->status,
                                      .clamped = built->clamped,
                                      .min_bps = built->min_bps,
                                      .max_bps = built->max_bps,
                                      .rate_bps = built->rate_bps};
  copse_copy(tree->root, sizeof(tree->root), inputs->names[built->root]);
  for (size_t i = 0; i < inputs->area_count; i++)
    if (inputs->areas[i].pop == built->root)
      tree->growth = inputs->areas[i].growth;
  snprintf(tree->reason, sizeof(tree->reason), "%s",
           built->status == COPSE_TREE_NO_SENDER ? why_no_sender(session, tree->root) : built->reason);
  if (built->status != COPSE_TREE_OK)
    return 0;
  tree->edges = calloc(built->edge_count + 1, sizeof(*tree->edges));
  if (tree->edges == NULL)
    return -ENOMEM;
  tree->edge_count = built->edge_count;
  for (size_t i = 0; i < built->edge_count; i++) {
    copse_copy(tree->edges[i].from, sizeof(tree->edges[i].from), inputs->names[built->edges[i].from]);
    copse_copy(tree->edges[i].to, sizeof(tree->edges[i].to), inputs->names[built->edges[i].to]);
  }
  return take_identity(tree, session, numbers);
}

/* The trees the session has, in numbers. PoPs that are unknown now have none, and their edges are not kept. -ENOMEM. */
static int
number_plan(const struct copse_inputs *inputs, const struct copse_plan_record *record, struct copse_plan *plan) {
  *plan = (struct copse_plan){.trees = calloc(record->tree_count + 1, sizeof(*plan->trees))};
  for (size_t i = 0; plan->trees != NULL && i < record->tree_count; i++) {
    const struct copse_planned_tree *from = &record->trees[i];
    struct copse_built_tree *to = &plan->trees[plan->tree_count++];

    *to = (struct copse_built_tree){.root = copse_inputs_number(inputs, from->root),
                                    .status = from->status,
                                    .rate_bps = from->rate_bps,
                                    .edges = calloc(from->edge_count + 1, sizeof(*to->edges)),
                                    .edge_count = from->edge_count};
    if (to->edges == NULL)
      return -ENOMEM;
    for (size_t j = 0; j < from->edge_count; j++)
      to->edges[j] = (struct copse_edge){copse_inputs_number(inputs, from->edges[j].from),
                                         copse_inputs_number(inputs, from->edges[j].to)};
  }
  return plan->trees == NULL ? -ENOMEM : 0;
}

/* Children any PoP may have in a tree, 0: no limit. The dataplane of each has room for so many next hops, and members
 * are next hops too. */
static uint32_t
max_fanout(const struct copse_model *model, const struct copse_inputs *inputs,
           const struct copse_control_config *config) {
  uint64_t least = config->max_fanout;

  for (size_t i = 0; i < inputs->area_count; i++) {
    const struct copse_area *area = &inputs->areas[i];
    uint64_t fan_out = copse_fan_out_of(model, inputs->names[area->pop]);
    uint64_t room = fan_out > area->uplink_count ? fan_out - area->uplink_count : 1;

    if (fan_out != 0 && (least == 0 || room < least))
      least = room;
  }
  return least < UINT32_MAX ? (uint32_t)least : 0;
}

static int
convert(const struct copse_inputs *inputs, const struct copse_plan *built, const struct copse_session *session,
        struct copse_plan_record *plan) {
  int result = 0;

  if (built->tree_count == 0)
    return 0;
  plan->trees = calloc(built->tree_count, sizeof(*plan->trees));
  if (plan->trees == NULL)
    return -ENOMEM;
  for (size_t i = 0; i < built->tree_count && result == 0; i++)
    result = convert_tree(&plan->trees[plan->tree_count++], &built->trees[i], inputs, session, plan->numbers);
  return result;
}

static int
plant(const struct copse_network *network, const struct copse_inputs *inputs, const struct copse_shape *shape,
      const struct copse_plan *before, bool improve, struct copse_forest **forest, struct copse_error *error) {
  int result = copse_forest_create(network, inputs->areas, inputs->area_count, shape, before, forest, error);

  if (result == 0 && improve)
    result = copse_forest_improve(*forest, error);
  return result < 0
           ? result
           : copse_verify_plan(network, inputs->areas, inputs->area_count, shape, copse_forest_plan(*forest), error);
}

static const struct copse_built_tree *
built_at(const struct copse_plan *plan, uint32_t root) {
  for (size_t i = 0; i < plan->tree_count; i++)
    if (plan->trees[i].root == root)
      return &plan->trees[i];
  return NULL;
}

static bool
is_as_fast(const struct copse_plan *plan, const struct copse_plan *as) {
  for (size_t i = 0; i < as->tree_count; i++) {
    const struct copse_built_tree *tree = built_at(plan, as->trees[i].root);

    if (tree == NULL || tree->rate_bps < as->trees[i].rate_bps)
      return false;
  }
  return true;
}

/* Trees without degraded links, unless one would be slower. */
static int
plant_best(const struct copse_network *network, const struct copse_inputs *inputs, const struct copse_shape *shape,
           const struct copse_plan *before, bool improve, struct copse_forest **forest, struct copse_error *error) {
  struct copse_network without = *network;
  struct copse_forest *sound = NULL;
  int result = plant(network, inputs, shape, before, improve, forest, error);

  if (result < 0 || !inputs->any_degraded)
    return result;
  without.arcs = inputs->sound;
  result = plant(&without, inputs, shape, before, improve, &sound, error);
  if (result == 0 && is_as_fast(copse_forest_plan(sound), copse_forest_plan(*forest))) {
    struct copse_forest *with = *forest;

    *forest = sound;
    sound = with;
  }
  copse_forest_free(sound);
  return result;
}

/* From the trees the session has, so that they change no more than they must; and than they might, to improve. */
static int
build(const struct copse_model *model, const struct copse_inputs *inputs, const struct copse_session *session,
      const struct copse_control_config *config, bool improve, struct copse_plan_record *plan,
      struct copse_error *error) {
  struct copse_network network = {
    .pops = inputs->name_count, .egress_bps = inputs->egress_bps, .arcs = inputs->arcs, .arc_count = inputs->arc_count};
  struct copse_shape shape = {.max_depth = (uint32_t)config->max_depth,
                              .max_fanout = max_fanout(model, inputs, config)};
  struct copse_forest *forest = NULL;
  struct copse_bound bound;
  struct copse_plan before;
  int result = number_plan(inputs, &session->plan, &before);

  if (result == 0)
    result = plant_best(&network, inputs, &shape, &before, improve, &forest, error);
  if (result == 0)
    result = copse_bound_plan(&network, inputs->areas, inputs->area_count, copse_forest_plan(forest), FLOW_AREAS,
                              &bound, error);
  if (result == 0) {
    plan->bound_bps = bound.rate_bps;
    result = convert(inputs, copse_forest_plan(forest), session, plan);
  }
  copse_forest_free(forest);
  copse_plan_free(&before);
  return result;
}

int
copse_plan_make(const struct copse_model *model, const struct copse_session *session,
                const struct copse_control_config *config, bool improve, struct copse_plan_record *plan,
                struct copse_error *error) {
  struct copse_inputs inputs;
  int result = -ENOMEM;

  *plan = (struct copse_plan_record){.epoch = session->plan.epoch + 1};
  plan->numbers = session->plan.numbers != NULL ? json_deep_copy(session->plan.numbers) : json_object();
  if (copse_inputs_gather(&inputs, model, session, config) && plan->numbers != NULL)
    result = session->finished || session->revision == 0 || inputs.area_count == 0
               ? 0
               : build(model, &inputs, session, config, improve, plan, error);
  copse_inputs_free(&inputs);
  if (result == 0)
    result = copse_plan_switch(model, session, plan);
  if (result < 0)
    copse_plan_record_free(plan);
  if (result == -ENOMEM)
    copse_fail(error, -ENOMEM, "no memory for the plan");
  return result;
}
