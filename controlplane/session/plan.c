/* SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"
#include "trees/topology.h"
#include <copse/log.h>
#include <errno.h>
#include <math.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#define GROWTH_SLACK 0.1
#define FLOW_AREAS 100 /* whose bound takes less than 10 ms to find exactly */

/* What BuildTrees is given, and the names behind its numbers. */
struct inputs {
  const char **names; /* of PoPs: in configuration order, then those only the store knows */
  uint32_t *by_name;  /* numbers in the order of names */
  uint32_t name_count, name_capacity;
  uint64_t *egress_bps;
  bool *cut_off; /* by PoP: it has links to it, and all are down */
  struct copse_arc *arcs;
  struct copse_arc *sound; /* the same, but what is degraded has no bandwidth */
  bool any_degraded;
  size_t arc_count;
  struct copse_area *areas;
  size_t area_count;
  uint64_t *uplinks; /* of all areas, one after the other */
};

bool
copse_area_alive(const struct copse_model *model, const struct copse_session *session, const char *pop) {
  if (copse_set_find(&model->pops, pop) == NULL)
    return false;
  for (size_t i = 0; i < session->members.count; i++) {
    if (copse_member_in_area(session->members.items[i], pop))
      return true;
  }
  return false;
}

/* The first member of this area with this account. */
static bool
is_first_of_account(const struct copse_session *session, size_t index) {
  const struct copse_member *member = session->members.items[index];

  for (size_t i = 0; i < index; i++) {
    const struct copse_member *other = session->members.items[i];

    if (copse_member_in_area(other, member->record.pop) && strcmp(other->record.account, member->record.account) == 0)
      return false;
  }
  return true;
}

uint64_t
copse_area_credit(const struct copse_model *model, const struct copse_session *session, const char *pop) {
  uint64_t credit = 0;

  for (size_t i = 0; i < session->members.count; i++) {
    const struct copse_member *member = session->members.items[i];
    const struct copse_account *account = copse_set_find(&model->accounts, member->record.account);

    if (copse_member_in_area(member, pop) && account != NULL && is_first_of_account(session, i))
      credit += account->record.bytes[COPSE_BOOK_CREDIT];
  }
  for (size_t i = 0; i < session->ledgers.count; i++) {
    const struct copse_tree_ledger *ledger = session->ledgers.items[i];

    if (strcmp(ledger->record.root, pop) == 0)
      credit += copse_tree_record_leased(&ledger->record);
  }
  return credit < COPSE_CREDIT_MIN_BYTES ? 0 : credit;
}

static uint32_t
name_place(const struct inputs *inputs, const char *name) {
  return copse_name_place(inputs->names, inputs->by_name, inputs->name_count, name);
}

/* UINT32_MAX: unknown. */
static uint32_t
number_of(const struct inputs *inputs, const char *name) {
  uint32_t place = name_place(inputs, name);

  return place < inputs->name_count && strcmp(inputs->names[inputs->by_name[place]], name) == 0 ? inputs->by_name[place]
                                                                                                : UINT32_MAX;
}

static bool
add_name(struct inputs *inputs, const char *name) {
  uint32_t place = name_place(inputs, name);

  if (number_of(inputs, name) != UINT32_MAX)
    return true;
  if (inputs->name_count == inputs->name_capacity) {
    uint32_t capacity = inputs->name_capacity == 0 ? 16 : inputs->name_capacity * 2;
    const char **names = reallocarray(inputs->names, capacity, sizeof(*names));
    uint32_t *by_name = reallocarray(inputs->by_name, capacity, sizeof(*by_name));

    inputs->names = names != NULL ? names : inputs->names;
    inputs->by_name = by_name != NULL ? by_name : inputs->by_name;
    if (names == NULL || by_name == NULL)
      return false;
    inputs->name_capacity = capacity;
  }
  memmove(&inputs->by_name[place + 1], &inputs->by_name[place],
          (inputs->name_count - place) * sizeof(*inputs->by_name));
  inputs->by_name[place] = inputs->name_count;
  inputs->names[inputs->name_count++] = name;
  return true;
}

uint64_t
copse_link_held_by_others(const struct copse_link *link, const struct copse_session *session) {
  uint64_t sum = 0;
  const char *tree;
  json_t *rate;

  json_object_foreach(link->reserved, tree, rate) {
    if (strncmp(tree, session->id, COPSE_SESSION_BYTES - 1) != 0)
      sum += (uint64_t)json_integer_value(rate);
  }
  return sum;
}

static uint64_t
less(uint64_t from, uint64_t amount) {
  return from > amount ? from - amount : 0;
}

/* A tree must reach every area: one that no link leads to any more would leave all others without. */
static void
find_cut_off(struct inputs *inputs, const struct copse_model *model) {
  for (size_t i = 0; i < model->links.count; i++) {
    const struct copse_link *link = model->links.items[i];

    if (link->record.bandwidth_bps > 0)
      inputs->cut_off[number_of(inputs, link->to)] = true;
  }
  for (size_t i = 0; i < model->links.count; i++) {
    const struct copse_link *link = model->links.items[i];

    if (copse_link_capacity(link) > 0)
      inputs->cut_off[number_of(inputs, link->to)] = false;
  }
}

static bool
add_network(struct inputs *inputs, const struct copse_model *model, const struct copse_session *session) {
  inputs->arcs = calloc(model->links.count + 1, sizeof(*inputs->arcs));
  inputs->sound = calloc(model->links.count + 1, sizeof(*inputs->sound));
  inputs->egress_bps = calloc(inputs->name_count + 1, sizeof(*inputs->egress_bps));
  inputs->cut_off = calloc(inputs->name_count + 1, sizeof(*inputs->cut_off));
  if (inputs->arcs == NULL || inputs->sound == NULL || inputs->egress_bps == NULL || inputs->cut_off == NULL)
    return false;
  find_cut_off(inputs, model);
  for (uint32_t i = 0; i < inputs->name_count; i++) {
    const struct copse_egress *egress = copse_set_find(&model->egress, inputs->names[i]);

    inputs->egress_bps[i] = egress == NULL ? COPSE_NO_LIMIT : egress->record.egress_bps;
  }
  for (size_t i = 0; i < model->links.count; i++) {
    const struct copse_link *link = model->links.items[i];
    uint64_t others = copse_link_held_by_others(link, session);
    uint32_t from = number_of(inputs, link->from), to = number_of(inputs, link->to);

    if (inputs->egress_bps[from] != COPSE_NO_LIMIT)
      inputs->egress_bps[from] = less(inputs->egress_bps[from], others);
    if (link->record.bandwidth_bps == 0 || from == to)
      continue;
    const uint64_t capacity_bps = copse_link_capacity(link);
    const bool degraded = capacity_bps < link->record.bandwidth_bps;
    const struct copse_arc arc = {.from = from, .to = to, .bandwidth_bps = less(capacity_bps, others)};

    inputs->any_degraded |= degraded;
    inputs->sound[inputs->arc_count] = arc;
    inputs->sound[inputs->arc_count].bandwidth_bps = degraded ? 0 : arc.bandwidth_bps;
    inputs->arcs[inputs->arc_count++] = arc;
  }
  return true;
}

/* C_i, as it was unless it has moved. */
static double
growth_of(const struct copse_model *model, const struct copse_session *session,
          const struct copse_control_config *config, const char *pop, uint64_t mode_bps) {
  uint64_t credit = copse_area_credit(model, session, pop);
  double exact = copse_growth(credit, mode_bps, config->growth_reference_s, config->growth_max);
  const struct copse_planned_tree *tree = copse_session_rooted(session, pop);

  if (exact > 0 && tree != NULL && tree->growth > 0 && fabs(tree->growth - exact) <= GROWTH_SLACK * exact)
    return tree->growth;
  return exact;
}

static bool
add_areas(struct inputs *inputs, const struct copse_model *model, const struct copse_session *session,
          const struct copse_control_config *config) {
  uint64_t *uplink = inputs->uplinks = calloc(session->members.count + 1, sizeof(*uplink));

  inputs->areas = calloc(inputs->name_count + 1, sizeof(*inputs->areas));
  if (uplink == NULL || inputs->areas == NULL)
    return false;
  for (uint32_t pop = 0; pop < inputs->name_count; pop++) {
    struct copse_area area = {.pop = pop, .uplinks_bps = uplink};
    const struct copse_area_state *state = copse_set_find(&session->areas, inputs->names[pop]);

    if (inputs->cut_off[pop] || !copse_area_alive(model, session, inputs->names[pop]))
      continue;
    for (size_t i = 0; i < session->members.count; i++) {
      const struct copse_member *member = session->members.items[i];

      if (!copse_member_in_area(member, inputs->names[pop]))
        continue;
      area.seed |= copse_member_complete(member);
      uplink[area.uplink_count++] = member->record.uplink_bps;
    }
    if (state == NULL || !state->record.idle)
      area.growth =
        growth_of(model, session, config, inputs->names[pop], copse_mode_bps(area.uplinks_bps, area.uplink_count));
    uplink += area.uplink_count;
    inputs->areas[inputs->area_count++] = area;
  }
  return true;
}

static bool
inputs_gather(struct inputs *inputs, const struct copse_model *model, const struct copse_session *session,
              const struct copse_control_config *config) {
  *inputs = (struct inputs){0};
  for (uint32_t i = 0; i < config->topology.pop_count; i++)
    if (!add_name(inputs, config->topology.names[i]))
      return false;
  for (size_t i = 0; i < model->links.count; i++) {
    const struct copse_link *link = model->links.items[i];

    if (!add_name(inputs, link->from) || !add_name(inputs, link->to))
      return false;
  }
  for (size_t i = 0; i < session->members.count; i++) {
    const struct copse_member *member = session->members.items[i];

    if (member->revision != 0 && !add_name(inputs, member->record.pop))
      return false;
  }
  return add_network(inputs, model, session) && add_areas(inputs, model, session, config);
}

static void
inputs_free(struct inputs *inputs) {
  free(inputs->names);
  free(inputs->by_name);
  free(inputs->egress_bps);
  free(inputs->cut_off);
  free(inputs->arcs);
  free(inputs->sound);
  free(inputs->areas);
  free(inputs->uplinks);
}

/* Next hops a tree may have at a PoP; 0: not known. */
static uint64_t
fan_out_of(const struct copse_model *model, const char *name) {
  const struct copse_pop *pop = copse_set_find(&model->pops, name);

  return pop == NULL ? 0 : pop->record.fan_out;
}

void
copse_plan_digest(const struct copse_model *model, const struct copse_session *session,
                  const struct copse_control_config *config, uint8_t digest[32]) {
  crypto_generichash_state state;
  struct inputs inputs;
  bool short_of_bandwidth = false;

  crypto_generichash_init(&state, NULL, 0, 32);
  for (size_t i = 0; i < session->plan.tree_count; i++)
    short_of_bandwidth |= session->plan.trees[i].status == COPSE_TREE_INFEASIBLE;
  if (!session->finished && inputs_gather(&inputs, model, session, config)) {
    for (size_t i = 0; i < inputs.area_count; i++) {
      struct copse_area *area = &inputs.areas[i];
      const char *name = inputs.names[area->pop];
      uint64_t fan_out = fan_out_of(model, name);

      crypto_generichash_update(&state, (const void *)&fan_out, sizeof(fan_out));
      crypto_generichash_update(&state, (const void *)name, strlen(name) + 1);
      crypto_generichash_update(&state, (const void *)&area->seed, sizeof(area->seed));
      crypto_generichash_update(&state, (const void *)&area->growth, sizeof(area->growth));
      crypto_generichash_update(&state, (const void *)area->uplinks_bps,
                                area->uplink_count * sizeof(*area->uplinks_bps));
    }
    if (short_of_bandwidth)
      crypto_generichash_update(&state, (const void *)inputs.arcs, inputs.arc_count * sizeof(*inputs.arcs));
    inputs_free(&inputs);
  }
  for (size_t i = 0; i < session->plan.leaving_count; i++)
    if (copse_tree_is_held(model, session, session->plan.leaving[i].id))
      crypto_generichash_update(&state, (const void *)session->plan.leaving[i].id, COPSE_ID_BYTES);
  for (size_t i = 0; i < model->links.count; i++) {
    const struct copse_link *link = model->links.items[i];
    uint64_t capacity_bps = copse_link_capacity(link);

    crypto_generichash_update(&state, (const void *)link->name, strlen(link->name) + 1);
    crypto_generichash_update(&state, (const void *)&capacity_bps, sizeof(capacity_bps));
  }
  for (size_t i = 0; i < model->egress.count; i++) {
    const struct copse_egress *egress = model->egress.items[i];

    crypto_generichash_update(&state, (const void *)egress->name, strlen(egress->name) + 1);
    crypto_generichash_update(&state, (const void *)&egress->record.egress_bps, sizeof(egress->record.egress_bps));
  }
  crypto_generichash_final(&state, digest, 32);
}

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
convert_tree(struct copse_planned_tree *tree, const struct copse_built_tree *built, const struct inputs *inputs,
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
number_plan(const struct inputs *inputs, const struct copse_plan_record *record, struct copse_plan *plan) {
  *plan = (struct copse_plan){.trees = calloc(record->tree_count + 1, sizeof(*plan->trees))};
  for (size_t i = 0; plan->trees != NULL && i < record->tree_count; i++) {
    const struct copse_planned_tree *from = &record->trees[i];
    struct copse_built_tree *to = &plan->trees[plan->tree_count++];

    *to = (struct copse_built_tree){.root = number_of(inputs, from->root),
                                    .status = from->status,
                                    .rate_bps = from->rate_bps,
                                    .edges = calloc(from->edge_count + 1, sizeof(*to->edges)),
                                    .edge_count = from->edge_count};
    if (to->edges == NULL)
      return -ENOMEM;
    for (size_t j = 0; j < from->edge_count; j++)
      to->edges[j] = (struct copse_edge){number_of(inputs, from->edges[j].from), number_of(inputs, from->edges[j].to)};
  }
  return plan->trees == NULL ? -ENOMEM : 0;
}

/* Children any PoP may have in a tree, 0: no limit. The dataplane of each has room for so many next hops, and members
 * are next hops too. */
static uint32_t
max_fanout(const struct copse_model *model, const struct inputs *inputs, const struct copse_control_config *config) {
  uint64_t least = config->max_fanout;

  for (size_t i = 0; i < inputs->area_count; i++) {
    const struct copse_area *area = &inputs->areas[i];
    uint64_t fan_out = fan_out_of(model, inputs->names[area->pop]);
    uint64_t room = fan_out > area->uplink_count ? fan_out - area->uplink_count : 1;

    if (fan_out != 0 && (least == 0 || room < least))
      least = room;
  }
  return least < UINT32_MAX ? (uint32_t)least : 0;
}

static int
convert(const struct inputs *inputs, const struct copse_plan *built, const struct copse_session *session,
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
plant(const struct copse_network *network, const struct inputs *inputs, const struct copse_shape *shape,
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
plant_best(const struct copse_network *network, const struct inputs *inputs, const struct copse_shape *shape,
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
build(const struct copse_model *model, const struct inputs *inputs, const struct copse_session *session,
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
  struct inputs inputs;
  int result = -ENOMEM;

  *plan = (struct copse_plan_record){.epoch = session->plan.epoch + 1};
  plan->numbers = session->plan.numbers != NULL ? json_deep_copy(session->plan.numbers) : json_object();
  if (inputs_gather(&inputs, model, session, config) && plan->numbers != NULL)
    result = session->finished || session->revision == 0 || inputs.area_count == 0
               ? 0
               : build(model, &inputs, session, config, improve, plan, error);
  inputs_free(&inputs);
  if (result == 0)
    result = copse_plan_switch(model, session, plan);
  if (result < 0)
    copse_plan_record_free(plan);
  if (result == -ENOMEM)
    copse_fail(error, -ENOMEM, "no memory for the plan");
  return result;
}
