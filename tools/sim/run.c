/* SPDX-License-Identifier: Apache-2.0 */
/* One case of a study: builds its network and runs its session. Nodes are routers, then PoPs, then peers. */
#include "study.h"

#include <math.h>
#include <stdlib.h>

#define MILLISECOND 1e6
#define PATIENCE 100 /* floors, after which a session has failed */
#define POP_QUEUE_BYTES (512U << 10)
#define BURST_US 50000

struct setting {
  const struct study *study;
  const struct study_case *which;
  struct sim_network network;
  uint64_t *metric; /* of each link */
  struct sim_place *places;
  uint32_t *pop_nodes;
  struct sim_overlay *overlays;
  uint32_t overlay_count;
};

static double
seeds_uplink(const struct study *study) {
  return (double)study->seeds_count * study->access.uplink_bps * study->scale;
}

bool
study_is_slow(const struct study *study, const struct study_case *which, uint32_t peer) {
  const struct study at = study_at(study, which);
  bool slow = false;

  for (size_t i = 0; i < at.slow.count; i++)
    slow |= at.slow.peers[i] == peer + 1;
  return slow;
}

static double
downlink_of(const struct study *study, const struct study_case *which, uint32_t peer) {
  return study_is_slow(study, which, peer) ? study->slow.downlink_bps : study->access.downlink_bps;
}

double
study_floor(const struct study *study, const struct study_case *which) {
  const struct study at = study_at(study, which);

  return (double)which->size_bytes * 8 / fmin(seeds_uplink(&at), at.access.downlink_bps * at.scale);
}

double
study_bound(const struct study *study, const struct study_case *which, uint32_t peer, double arrival_s) {
  const double downlink_bps = downlink_of(study, which, peer) * study->scale;
  const double own = arrival_s + (double)which->size_bytes * 8 / downlink_bps;
  const double floor_s = study_floor(study, which);

  return own > floor_s ? own : floor_s;
}

/* ---- network ---- */

/* Routing goes by delay; an overlay's links are not for it. */
static struct sim_link *
add_link(struct setting *setting, uint32_t from, uint32_t to, double rate_bps, double delay_ms, bool routed) {
  struct sim_network *network = &setting->network;
  const double scale = setting->study->scale;
  const uint64_t delay_ns = (uint64_t)(delay_ms * MILLISECOND / scale);
  struct sim_link *link = sim_link_add(network, from, to, (uint64_t)(rate_bps * scale), delay_ns);

  setting->metric = sim_enlarge(setting->metric, network->link_count, sizeof(*setting->metric));
  setting->metric[network->link_count - 1] = routed ? delay_ns + 1 : SIM_NEVER;
  return link;
}

static void
add_routers(struct setting *setting) {
  const struct study *study = setting->study;

  for (size_t i = 0; i < study->link_count; i++)
    for (int back = 0; back < 2; back++) {
      const struct study_link *link = &study->links[i];
      add_link(setting, back ? link->to : link->from, back ? link->from : link->to,
               study->backbone.bandwidth_bps * study->core, link->delay_ms, true)
        ->limit_bytes = (uint32_t)study->backbone.queue_bytes;
    }
}

static void
add_pops(struct setting *setting) {
  const struct study *study = setting->study;
  const struct study_cdn *cdn = &study->cdn;
  const uint32_t pops = (uint32_t)cdn->pop_count, first = (uint32_t)study->router_count;
  const double access_bps = cdn->access_bps * study->core;

  setting->pop_nodes = sim_allocate(pops, sizeof(*setting->pop_nodes));
  setting->overlays = sim_allocate((size_t)pops * pops, sizeof(*setting->overlays));
  for (uint32_t i = 0; i < pops; i++) {
    setting->pop_nodes[i] = first + i;
    add_link(setting, first + i, cdn->pops[i].router, access_bps, 0, true)->limit_bytes = POP_QUEUE_BYTES;
    add_link(setting, cdn->pops[i].router, first + i, access_bps, 0, true)->limit_bytes = POP_QUEUE_BYTES;
  }
  for (uint32_t i = 0; i < pops; i++)
    for (uint32_t k = 0; k < pops; k++)
      if (i != k)
        setting->overlays[setting->overlay_count++] =
          (struct sim_overlay){i, k, add_link(setting, first + i, first + k, cdn->bandwidth_bps, cdn->delay_ms, false),
                               (uint64_t)(cdn->budget_bps * study->scale)};
}

static void
add_peers(struct setting *setting) {
  const struct study *study = setting->study;
  const struct study_access *access = &study->access;
  const uint32_t first = (uint32_t)(study->router_count + study->cdn.pop_count);

  setting->places = sim_allocate(setting->which->peers, sizeof(*setting->places));
  for (uint32_t i = 0; i < setting->which->peers; i++) {
    const uint32_t router = i % (uint32_t)study->router_count;
    struct sim_link *up = add_link(setting, first + i, router, access->uplink_bps, access->delay_ms, true);
    struct sim_link *down =
      add_link(setting, router, first + i, downlink_of(study, setting->which, i), access->delay_ms, true);
    up->limit_bytes = (uint32_t)access->uplink_queue_bytes;
    /* As many seconds of it on a slow one. */
    down->limit_bytes =
      (uint32_t)((double)access->downlink_queue_bytes * downlink_of(study, setting->which, i) / access->downlink_bps);
    up->loss = down->loss = access->loss;
    setting->places[i] = (struct sim_place){
      .node = first + i, .pop = study->pop_of[router], .uplink_bps = up->rate_bps, .downlink_bps = down->rate_bps};
  }
  for (size_t s = 0; s < study->seeds_count; s++)
    setting->places[study->seeds[s] - 1].seed = true;
}

/* Poisson: gaps of an exponential distribution, in random order. */
static void
set_arrivals(struct setting *setting) {
  const struct study_case *which = setting->which;
  const uint32_t peers = which->peers;
  uint32_t order[STUDY_PEERS_MAX], count = 0;
  const double mean = study_floor(setting->study, which) / (double)(peers - setting->study->seeds_count);
  struct sim_random random;
  double at = 0;

  if (which->arrivals == STUDY_FLASH)
    return;
  sim_random_seed(&random, which->run + 1000ULL * peers);
  for (uint32_t i = 0; i < peers; i++)
    if (!setting->places[i].seed)
      order[count++] = i;
  for (uint32_t i = count; i-- > 1;) {
    const uint32_t k = (uint32_t)(sim_random(&random) % (i + 1)), other = order[i];
    order[i] = order[k];
    order[k] = other;
  }
  for (uint32_t i = 0; i < count; i++) {
    at += sim_exponential(&random, mean);
    setting->places[order[i]].arrival_ns = (uint64_t)(at * SIM_SECOND);
  }
}

/* ---- result ---- */

static void
account(const struct setting *setting, const struct sim_session *session, struct study_result *result) {
  const size_t backbone = 2 * setting->study->link_count;

  for (uint32_t i = 0; i < setting->which->peers; i++) {
    const struct sim_peer *peer = &session->peers[i];
    result->arrival_s[i] = (double)peer->place->arrival_ns / SIM_SECOND;
    if (peer->seed) {
      result->seed_bytes += (double)(peer->tree_bytes + peer->upload_bytes);
      result->seeds_left_s = fmax(result->seeds_left_s, (double)peer->left_ns / SIM_SECOND);
      continue;
    }
    result->finish_s[i] = (double)peer->finished_ns / SIM_SECOND;
    result->direct_bytes += peer->fetch == NULL ? 0 : (double)fetch_bytes(peer->fetch);
    result->too_early += peer->finished_ns != 0 &&
                         result->finish_s[i] < study_bound(setting->study, setting->which, i, result->arrival_s[i]);
  }
  for (uint32_t i = 0; i < setting->network.link_count; i++) {
    result->queue_drops += (double)setting->network.links[i]->drops;
    result->backbone_bytes += i < backbone ? (double)setting->network.links[i]->bytes : 0;
  }
  for (uint32_t pop = 0; pop < session->scenario.pop_count; pop++)
    result->tree_drops += (double)session->trees[pop].red;
  result->tree_drops += (double)(session->link_drops + session->member_drops + session->hop_drops);
  result->cdn_bytes = (double)session->cdn_bytes;
}

void
study_run(const struct study *study, const struct study_case *which, struct study_result *result) {
  struct study at = study_at(study, which);
  struct setting setting = {.study = &at, .which = which};
  struct sim_engine engine = {0};
  struct sim_session session;
  struct sim_fluid fluid;

  study_generate(&at);
  const uint32_t nodes = (uint32_t)(at.router_count + at.cdn.pop_count) + which->peers;
  sim_network_init(&setting.network, &engine, nodes, which->run);
  add_routers(&setting);
  add_pops(&setting);
  add_peers(&setting);
  set_arrivals(&setting);
  sim_route(&setting.network, setting.metric);
  if (which->flow)
    sim_fluid_init(&fluid, &setting.network);
  const struct sim_scenario scenario = {
    .network = &setting.network,
    .tcp = &sim_tcp_linux,
    .places = setting.places,
    .place_count = which->peers,
    .pop_nodes = setting.pop_nodes,
    .pop_count = (uint32_t)at.cdn.pop_count,
    .overlays = setting.overlays,
    .overlay_count = setting.overlay_count,
    .size = which->size_bytes,
    .growth = at.cdn.growth,
    .burst_us = BURST_US,
    .sync_ns = (uint64_t)(study->sync_ms * MILLISECOND),
    .tick_ns = (uint64_t)(study->tick_ms * MILLISECOND),
    .seed = which->run,
    .cdn = which->cdn,
    .parity = study->parity,
    .seeds_leave = study->seeds_leave,
  };
  *result = (struct study_result){0};
  result->unfinished =
    sim_session_run(&session, &scenario, (uint64_t)(PATIENCE * study_floor(study, which) * SIM_SECOND));
  account(&setting, &session, result);
  result->events = (double)engine.fired;
  sim_session_free(&session);
  if (which->flow)
    sim_fluid_free(&fluid);
  sim_network_free(&setting.network);
  sim_engine_free(&engine);
  free(setting.metric);
  free(setting.places);
  free(setting.pop_nodes);
  free(setting.overlays);
  study_generated_free(&at);
}
