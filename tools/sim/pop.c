/* SPDX-License-Identifier: Apache-2.0 */
/* The CDN's nodes: plans by BuildTrees, packets metered at the root of a tree and replicated to its children and to
 * members that lack the block, each next hop behind its bucket. Times are ns, as a dataplane's are TSC cycles. */
#include "bits.h"
#include "simulated.h"

#include <copse/api.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- plans ---- */

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
  struct sim_tree *tree = &session->trees[built->root];
  uint32_t used = 0;

  tree->planned = built->status == COPSE_TREE_OK;
  tree->rate_bps = built->rate_bps;
  copse_rate_set(&tree->rates.peak, built->rate_bps, scenario->burst_us, SIM_SECOND);
  copse_rate_set(&tree->rates.committed, built->min_bps, scenario->burst_us, SIM_SECOND);
  for (uint32_t pop = 0; pop < scenario->pop_count; pop++) {
    tree->child_first[pop] = used;
    for (size_t e = 0; e < built->edge_count; e++)
      for (uint32_t o = 0; built->edges[e].from == pop && o < scenario->overlay_count; o++)
        if (scenario->overlays[o].from == pop && scenario->overlays[o].to == built->edges[e].to)
          tree->child[used++] = o;
    tree->child_count[pop] = used - tree->child_first[pop];
  }
}

void
sim_pops_plan(struct sim_session *session, uint64_t now) {
  const struct sim_scenario *scenario = &session->scenario;
  struct copse_area *areas = sim_allocate(scenario->pop_count, sizeof(*areas));
  uint64_t *uplinks = sim_allocate(scenario->place_count, sizeof(*uplinks));
  struct copse_arc *arcs = sim_allocate(scenario->overlay_count + 1UL, sizeof(*arcs));
  struct copse_network network = {.pops = scenario->pop_count, .arcs = arcs, .arc_count = scenario->overlay_count};
  struct copse_error error;
  struct copse_plan plan;

  (void)now;
  session->areas_changed = false;
  for (uint32_t i = 0; i < scenario->overlay_count; i++)
    arcs[i] =
      (struct copse_arc){scenario->overlays[i].from, scenario->overlays[i].to, scenario->overlays[i].budget_bps};
  for (uint32_t pop = 0; pop < scenario->pop_count; pop++)
    session->trees[pop].planned = false;
  const size_t count = find_areas(session, areas, uplinks);
  if (copse_build_trees(&network, areas, count, &(struct copse_shape){0}, &plan, &error) < 0) {
    fprintf(stderr, "copse-sim: %s\n", error.text);
    exit(1);
  }
  for (size_t i = 0; i < plan.tree_count; i++)
    set_tree(session, &plan.trees[i]);
  copse_plan_free(&plan);
  free(arcs);
  free(uplinks);
  free(areas);
}

/* ---- packets ---- */

static struct sim_packet *
copy_of(struct sim_session *session, const struct sim_packet *packet) {
  struct sim_packet *copy = sim_packet_new(session->scenario.network);

  *copy = (struct sim_packet){.bytes = packet->bytes, .block = packet->block};
  return copy;
}

static void
send_to_child(struct sim_session *session, const struct sim_packet *packet, uint32_t number, uint64_t now) {
  const struct sim_overlay *overlay = &session->scenario.overlays[number];
  struct sim_packet *copy;

  if (!copse_bucket_take(&session->link_buckets[number], &session->link_rates[number], now, packet->bytes, 1,
                         COPSE_WHOLE, false)) {
    session->link_drops++;
    return;
  }
  copy = copy_of(session, packet);
  copy->endpoint = &session->pops[overlay->to].endpoint;
  copy->from = session->scenario.pop_nodes[overlay->from];
  copy->to = session->scenario.pop_nodes[overlay->to];
  session->cdn_bytes += copy->bytes;
  sim_send_over(overlay->link, copy);
}

static void
send_to_member(struct sim_session *session, const struct sim_packet *packet, struct sim_peer *peer, uint64_t now) {
  struct sim_packet *copy;

  if (peer->seed || bits_get(peer->interest, packet->block.block)) {
    session->unwanted++;
    return;
  }
  if (!copse_bucket_take(&session->member_buckets[peer->index], &session->member_rates[peer->index], now, packet->bytes,
                         1, COPSE_WHOLE, false)) {
    session->member_drops++;
    return;
  }
  copy = copy_of(session, packet);
  copy->endpoint = &peer->blocks_in;
  copy->from = session->scenario.pop_nodes[peer->place->pop];
  copy->to = peer->place->node;
  sim_send(session->scenario.network, copy);
}

static void
replicate(struct sim_session *session, uint32_t pop, const struct sim_packet *packet, uint32_t sender, uint64_t now) {
  const struct sim_tree *tree = &session->trees[packet->block.tree];

  for (uint32_t i = 0; i < tree->child_count[pop]; i++)
    send_to_child(session, packet, tree->child[tree->child_first[pop] + i], now);
  for (uint32_t i = 0; i < session->scenario.place_count; i++)
    if (session->peers[i].here && session->peers[i].place->pop == pop && session->peers[i].place->node != sender)
      send_to_member(session, packet, &session->peers[i], now);
}

static bool
is_within_rates(struct sim_tree *tree, uint32_t bytes, uint64_t now) {
  const struct copse_colours colours = copse_meter_colour(&tree->meter, &tree->rates, now, bytes, 1);

  return colours.green + colours.yellow > 0;
}

static void
receive_packet(struct sim_endpoint *endpoint, struct sim_packet *packet, uint64_t now) {
  struct sim_pop *pop = (struct sim_pop *)((char *)endpoint - offsetof(struct sim_pop, endpoint));
  struct sim_session *session = pop->session;
  struct sim_tree *tree = &session->trees[packet->block.tree];
  const bool from_member = packet->block.tree == pop->index;

  if (tree->planned && from_member && !is_within_rates(tree, packet->bytes, now)) {
    tree->red++;
  } else if (tree->planned) {
    tree->packets += from_member;
    tree->bytes += from_member ? packet->bytes : 0;
    replicate(session, pop->index, packet, packet->from, now);
  }
  sim_packet_free(session->scenario.network, packet);
}

/* ---- */

void
sim_pops_init(struct sim_session *session) {
  const struct sim_scenario *scenario = &session->scenario;
  const uint32_t pops = scenario->pop_count;

  session->pops = sim_allocate(pops, sizeof(*session->pops));
  session->trees = sim_allocate(pops, sizeof(*session->trees));
  session->link_rates = sim_allocate(scenario->overlay_count + 1UL, sizeof(*session->link_rates));
  session->link_buckets = sim_allocate(scenario->overlay_count + 1UL, sizeof(*session->link_buckets));
  session->member_rates = sim_allocate(scenario->place_count, sizeof(*session->member_rates));
  session->member_buckets = sim_allocate(scenario->place_count, sizeof(*session->member_buckets));
  for (uint32_t pop = 0; pop < pops; pop++) {
    struct sim_tree *tree = &session->trees[pop];
    session->pops[pop] = (struct sim_pop){{receive_packet}, session, pop};
    tree->child = sim_allocate(pops, sizeof(*tree->child));
    tree->child_first = sim_allocate(pops, sizeof(*tree->child_first));
    tree->child_count = sim_allocate(pops, sizeof(*tree->child_count));
  }
  for (uint32_t i = 0; i < scenario->overlay_count; i++)
    copse_rate_set(&session->link_rates[i], scenario->overlays[i].budget_bps, scenario->burst_us, SIM_SECOND);
  for (uint32_t i = 0; i < scenario->place_count; i++)
    copse_rate_set(&session->member_rates[i], scenario->places[i].downlink_bps, scenario->burst_us, SIM_SECOND);
}

void
sim_pops_free(struct sim_session *session) {
  for (uint32_t pop = 0; pop < session->scenario.pop_count; pop++) {
    free(session->trees[pop].child);
    free(session->trees[pop].child_first);
    free(session->trees[pop].child_count);
  }
  free(session->pops);
  free(session->trees);
  free(session->link_rates);
  free(session->link_buckets);
  free(session->member_rates);
  free(session->member_buckets);
}
