/* SPDX-License-Identifier: Apache-2.0 */
/* The CDN's nodes: packets metered at the root of a tree and replicated to its children and to members that lack the
 * block, each next hop behind its bucket. Times are ns, as a dataplane's are TSC cycles. */
#include "bits.h"
#include "simulated.h"

#include <copse/api.h>
#include <stdlib.h>

static struct sim_packet *
copy_of(struct sim_session *session, const struct sim_packet *packet) {
  struct sim_packet *copy = sim_packet_new(session->scenario.network);

  *copy = (struct sim_packet){.bytes = packet->bytes, .block = packet->block};
  copy->block.hop_limit--;
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
  for (uint32_t i = 0; i < session->pops[pop].member_count; i++) {
    struct sim_peer *peer = session->pops[pop].members[i];
    if (peer->here && peer->place->node != sender)
      send_to_member(session, packet, peer, now);
  }
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

  if (packet->block.hop_limit == 0) {
    session->hop_drops++;
  } else if (tree->planned && from_member && !is_within_rates(tree, packet->bytes, now)) {
    tree->red++;
  } else if (tree->planned) {
    tree->packets += from_member;
    tree->bytes += from_member ? packet->bytes : 0;
    replicate(session, pop->index, packet, packet->from, now);
  }
  sim_packet_free(session->scenario.network, packet);
}

/* ---- */

/* Places of an area stand beside each other, in their order. */
static void
find_members(struct sim_session *session) {
  const struct sim_scenario *scenario = &session->scenario;
  uint32_t used = 0;

  session->members = sim_allocate(scenario->place_count, sizeof(struct sim_peer *));
  for (uint32_t pop = 0; pop < scenario->pop_count; pop++) {
    session->pops[pop].members = &session->members[used];
    for (uint32_t i = 0; i < scenario->place_count; i++)
      if (scenario->places[i].pop == pop) {
        session->peers[i].member = session->pops[pop].member_count++;
        session->members[used++] = &session->peers[i];
      }
  }
}

void
sim_pops_init(struct sim_session *session) {
  const struct sim_scenario *scenario = &session->scenario;

  session->pops = sim_allocate(scenario->pop_count, sizeof(*session->pops));
  session->link_rates = sim_allocate(scenario->overlay_count + 1UL, sizeof(*session->link_rates));
  session->link_buckets = sim_allocate(scenario->overlay_count + 1UL, sizeof(*session->link_buckets));
  session->member_rates = sim_allocate(scenario->place_count, sizeof(*session->member_rates));
  session->member_buckets = sim_allocate(scenario->place_count, sizeof(*session->member_buckets));
  for (uint32_t pop = 0; pop < scenario->pop_count; pop++)
    session->pops[pop] = (struct sim_pop){.endpoint = {receive_packet}, .session = session, .index = pop};
  find_members(session);
  for (uint32_t i = 0; i < scenario->overlay_count; i++)
    copse_rate_set(&session->link_rates[i], scenario->overlays[i].budget_bps, scenario->burst_us, SIM_SECOND);
  for (uint32_t i = 0; i < scenario->place_count; i++) {
    copse_rate_set(&session->member_rates[i], scenario->places[i].downlink_bps, scenario->burst_us, SIM_SECOND);
    copse_rate_deepen(&session->member_rates[i], COPSE_MEMBER_BURST_BYTES);
  }
}

void
sim_pops_free(struct sim_session *session) {
  free(session->pops);
  free(session->members);
  free(session->link_rates);
  free(session->link_buckets);
  free(session->member_rates);
  free(session->member_buckets);
}
