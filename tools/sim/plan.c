/* SPDX-License-Identifier: Apache-2.0 */
/* Plans in simulation, made as the control plane makes them: from the one before, so that trees stay as they are while
 * areas come and go, and improved where one is missing. */
#include "simulated.h"

#include <copse/wire.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
sim_plan_init(struct sim_session *session) {
  const struct sim_scenario *scenario = &session->scenario;
  const uint32_t pops = scenario->pop_count;

  session->trees = sim_allocate(pops, sizeof(*session->trees));
  for (uint32_t pop = 0; pop < pops; pop++) {
    struct sim_tree *tree = &session->trees[pop];
    tree->child = sim_allocate(pops, sizeof(*tree->child));
    tree->child_first = sim_allocate(pops, sizeof(*tree->child_first));
    tree->child_count = sim_allocate(pops, sizeof(*tree->child_count));
  }
  session->arcs = sim_allocate(scenario->overlay_count + 1UL, sizeof(*session->arcs));
  session->overlay_at = sim_allocate((size_t)pops * pops + 1, sizeof(*session->overlay_at));
  for (uint32_t i = 0; i < scenario->overlay_count; i++) {
    const struct sim_overlay *overlay = &scenario->overlays[i];
    session->arcs[i] = (struct copse_arc){overlay->from, overlay->to, overlay->budget_bps};
    session->overlay_at[overlay->from * pops + overlay->to] = i;
  }
}

void
sim_plan_free(struct sim_session *session) {
  for (uint32_t pop = 0; pop < session->scenario.pop_count; pop++) {
    free(session->trees[pop].child);
    free(session->trees[pop].child_first);
    free(session->trees[pop].child_count);
  }
  copse_forest_free(session->forest);
  free(session->trees);
  free(session->arcs);
  free(session->overlay_at);
}

/* Areas with a peer that is there, as BuildTrees wants them; uplinks are the caller's to free. */
static size_t
find_areas(const struct sim_session *session, struct copse_area *areas, uint64_t *uplinks) {
  const struct sim_scenario *scenario = &session->scenario;
  size_t count = 0, used = 0;

  for (uint32_t pop = 0; pop < scenario->pop_count; pop++) {
    struct copse_area area = {.pop = pop, .growth = scenario->growth, .uplinks_bps = &uplinks[used]};
    for (uint32_t i = 0; i < scenario->place_count; i++) {
      const struct sim_peer *peer = &session->peers[i];
      if (!peer->here || peer->place->pop != pop)
        continue;
      uplinks[used++] = peer->place->uplink_bps;
      area.uplink_count++;
      area.seed |= peer->seed;
    }
    if (area.uplink_count > 0)
      areas[count++] = area;
  }
  return count;
}

static void
set_tree(struct sim_session *session, const struct copse_built_tree *built) {
  const struct sim_scenario *scenario = &session->scenario;
  const uint32_t pops = scenario->pop_count;
  struct sim_tree *tree = &session->trees[built->root];
  uint32_t used = 0;

  tree->planned = built->status == COPSE_TREE_OK;
  tree->rate_bps = built->rate_bps;
  copse_rate_set(&tree->rates.peak, built->rate_bps, scenario->burst_us, SIM_SECOND);
  copse_rate_set(&tree->rates.committed, built->min_bps, scenario->burst_us, SIM_SECOND);
  memset(tree->child_count, 0, pops * sizeof(*tree->child_count));
  for (size_t e = 0; e < built->edge_count; e++)
    tree->child_count[built->edges[e].from]++;
  for (uint32_t pop = 0; pop < pops; pop++) {
    tree->child_first[pop] = used;
    used += tree->child_count[pop];
    tree->child_count[pop] = 0;
  }
  for (size_t e = 0; e < built->edge_count; e++) {
    const uint32_t from = built->edges[e].from;
    tree->child[tree->child_first[from] + tree->child_count[from]++] =
      session->overlay_at[from * pops + built->edges[e].to];
  }
}

void
sim_plan(struct sim_session *session) {
  const struct sim_scenario *scenario = &session->scenario;
  const struct copse_network network = {
    .pops = scenario->pop_count, .arcs = session->arcs, .arc_count = scenario->overlay_count};
  const struct copse_plan *before = session->forest == NULL ? NULL : copse_forest_plan(session->forest);
  struct copse_area *areas = sim_allocate(scenario->pop_count, sizeof(*areas));
  uint64_t *uplinks = sim_allocate(scenario->place_count, sizeof(*uplinks));
  const size_t count = find_areas(session, areas, uplinks);
  struct copse_forest *forest;
  struct copse_error error;

  if (copse_forest_create(&network, areas, count, &(struct copse_shape){.max_depth = COPSE_DEPTH_MAX}, before, &forest,
                          &error) < 0 ||
      copse_forest_improve(forest, &error) < 0) {
    fprintf(stderr, "copse-sim: %s\n", error.text);
    exit(1);
  }
  copse_forest_free(session->forest);
  session->forest = forest;
  session->areas_changed = false;
  for (uint32_t pop = 0; pop < scenario->pop_count; pop++)
    session->trees[pop].planned = false;
  const struct copse_plan *plan = copse_forest_plan(forest);
  for (size_t i = 0; i < plan->tree_count; i++)
    set_tree(session, &plan->trees[i]);
  free(uplinks);
  free(areas);
}
