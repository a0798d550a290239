/* SPDX-License-Identifier: Apache-2.0 */
#include "plan_inputs.h"
#include "trees/topology.h"
#include <math.h>
#include <stdlib.h>

#define GROWTH_SLACK 0.1

static uint32_t
name_place(const struct copse_inputs *inputs, const char *name) {
  return copse_name_place(inputs->names, inputs->by_name, inputs->name_count, name);
}

uint32_t
copse_inputs_number(const struct copse_inputs *inputs, const char *name) {
  uint32_t place = name_place(inputs, name);

  return place < inputs->name_count && strcmp(inputs->names[inputs->by_name[place]], name) == 0 ? inputs->by_name[place]
                                                                                                : UINT32_MAX;
}

static bool
add_name(struct copse_inputs *inputs, const char *name) {
  uint32_t place = name_place(inputs, name);

  if (copse_inputs_number(inputs, name) != UINT32_MAX)
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

static uint64_t
less(uint64_t from, uint64_t amount) {
  return from > amount ? from - amount : 0;
}

/* A tree must reach every area: one that no link leads to any more would leave all others without. */
static void
find_cut_off(struct copse_inputs *inputs, const struct copse_model *model) {
  for (size_t i = 0; i < model->links.count; i++) {
    const struct copse_link *link = model->links.items[i];

    if (link->record.bandwidth_bps > 0)
      inputs->cut_off[copse_inputs_number(inputs, link->to)] = true;
  }
  for (size_t i = 0; i < model->links.count; i++) {
    const struct copse_link *link = model->links.items[i];

    if (copse_link_capacity(link) > 0)
      inputs->cut_off[copse_inputs_number(inputs, link->to)] = false;
  }
}

static bool
add_network(struct copse_inputs *inputs, const struct copse_model *model, const struct copse_session *session) {
  inputs->arcs = calloc(model->links.count + 1, sizeof(*inputs->arcs));
  inputs->sound = calloc(model->links.count + 1, sizeof(*inputs->sound));
  inputs->egress_bps = calloc(inputs->name_count + 1, sizeof(*inputs->egress_bps));
  inputs->cut_off = calloc(inputs->name_count + 1, sizeof(*inputs->cut_off));
  if (inputs->arcs == NULL || inputs->sound == NULL || inputs->egress_bps == NULL || inputs->cut_off == NULL)
    return false;
  find_cut_off(inputs, model);
  for (uint32_t i = 0; i < inputs->name_count; i++) {
    const struct copse_egress *egress = copse_set_find(&model->egress, inputs->names[i]);

    inputs->egress_bps[i] =
      egress == NULL ? COPSE_NO_LIMIT
                     : less(egress->record.egress_bps, copse_egress_held_by_others(model, inputs->names[i], session));
  }
  for (size_t i = 0; i < model->links.count; i++) {
    const struct copse_link *link = model->links.items[i];
    uint64_t others = copse_link_held_by_others(model, link, session);
    uint32_t from = copse_inputs_number(inputs, link->from), to = copse_inputs_number(inputs, link->to);

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
add_areas(struct copse_inputs *inputs, const struct copse_model *model, const struct copse_session *session,
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

bool
copse_inputs_gather(struct copse_inputs *inputs, const struct copse_model *model, const struct copse_session *session,
                    const struct copse_control_config *config) {
  *inputs = (struct copse_inputs){0};
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

void
copse_inputs_free(struct copse_inputs *inputs) {
  free(inputs->names);
  free(inputs->by_name);
  free(inputs->egress_bps);
  free(inputs->cut_off);
  free(inputs->arcs);
  free(inputs->sound);
  free(inputs->areas);
  free(inputs->uplinks);
}
uint64_t
copse_fan_out_of(const struct copse_model *model, const char *name) {
  const struct copse_pop *pop = copse_set_find(&model->pops, name);

  return pop == NULL ? 0 : pop->record.fan_out;
}
