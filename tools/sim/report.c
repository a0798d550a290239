/* SPDX-License-Identifier: Apache-2.0 */
/* A peer's sync with its control plane (docs/api.md): a report over TCP, an answer with orders, rate, what has been
 * injected and who is there. The sizes are those of the real messages. */
#include "bits.h"
#include "packet.h"
#include "simulated.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPORT_BYTES 420 /* headers of HTTP and TLS, counts */
#define REPLY_BYTES 380
#define PEER_BYTES 130 /* of each peer named */
#define GAP_NS 40000000ULL
#define RANGES 256
#define SILENCE_MS 5000
#define HEADROOM 0.98
#define PEERS_MAX 64U     /* named in a reply */
#define PEERS_NEAREST 48U /* of those, first from the own area */

/* ---- control plane ---- */

static uint64_t
uplink_of(const struct sim_peer *peer) {
  return (uint64_t)((double)peer->place->uplink_bps * HEADROOM);
}

static bool
is_complete(const struct sim_peer *peer) {
  return peer->here && (peer->seed || peer->finished_ns != 0);
}

/* Who waits and who could send, found anew when somebody came, was done or went, or trees were planned. */
static const struct sim_crowd *
crowd_of(struct sim_session *session) {
  struct sim_crowd *crowd = &session->crowd;

  if (crowd->known)
    return crowd;
  if (crowd->senders == NULL)
    crowd->senders = sim_allocate(session->scenario.place_count, sizeof(*crowd->senders));
  crowd->demand = (struct copse_demand){0};
  crowd->sender_count = 0;
  for (uint32_t i = 0; i < session->scenario.place_count; i++) {
    const struct sim_peer *peer = &session->peers[i];
    if (is_complete(peer) && session->trees[peer->place->pop].planned)
      crowd->senders[crowd->sender_count++] = (struct copse_sender){i, peer->place->pop, uplink_of(peer)};
    if (!peer->here || is_complete(peer))
      continue;
    crowd->demand.waiting++;
    crowd->demand.downlinks_bps += peer->place->downlink_bps;
    if (peer->arrived > crowd->demand.audience)
      crowd->demand.audience = peer->arrived;
  }
  crowd->known = true;
  return crowd;
}

/* What a peer may send into its tree, 0: others do; and what all senders can, in the demand. */
static uint64_t
admit(const struct sim_peer *peer, struct copse_demand *demand) {
  struct sim_session *session = peer->session;
  const struct sim_crowd *crowd = crowd_of(session);
  const uint32_t pops = session->scenario.pop_count;
  const struct copse_senders senders = {.items = crowd->senders,
                                        .count = crowd->sender_count,
                                        .outlets = sim_allocate(pops, sizeof(*senders.outlets)),
                                        .outlet_count = pops};

  for (uint32_t pop = 0; pop < pops; pop++)
    senders.outlets[pop].rate_bps = session->trees[pop].rate_bps;
  *demand = crowd->demand;
  const uint64_t rate_bps = copse_scheduler_admit(session->scheduler, peer->index, &senders, demand);
  free(senders.outlets);
  return rate_bps;
}

/* What trees lose on the way to those who wait: the lower median, as the control plane takes it. */
static uint32_t
usual_loss(const struct sim_session *session) {
  uint64_t *losses = sim_allocate(session->scenario.place_count, sizeof(*losses));
  size_t count = 0;

  for (uint32_t i = 0; i < session->scenario.place_count; i++)
    if (session->peers[i].here && !is_complete(&session->peers[i]))
      losses[count++] = session->peers[i].loss_ppm;
  const uint64_t usual = count == 0 ? 0 : copse_median_bps(losses, count);
  free(losses);
  return (uint32_t)usual;
}

static void
give_orders(struct sim_peer *peer, uint64_t now, struct synced *synced) {
  struct sim_session *session = peer->session;
  struct copse_range ranges[RANGES];

  if (!is_complete(peer))
    return;
  struct copse_demand demand;
  const uint64_t rate_bps = admit(peer, &demand);
  if (rate_bps == 0)
    return;
  copse_scheduler_touch(session->scheduler, peer->index, now / 1000000);
  if (peer->want && demand.waiting > 0)
    copse_scheduler_ask(session->scheduler, peer->index, rate_bps, &demand, now / 1000000);
  synced->rate_bps = copse_scheduler_rate(session->scheduler, peer->index, rate_bps, &demand);
  demand.loss_ppm = session->scenario.parity ? usual_loss(session) : 0;
  synced->parity = copse_scheduler_parity(&demand, COPSE_SYMBOLS_PER_BLOCK);
  const size_t count = copse_scheduler_open(session->scheduler, peer->index, ranges, RANGES);
  for (size_t i = 0; i < count; i++)
    ranges_append(&synced->orders, ranges[i].first, ranges[i].count);
}

static void
tell_injected(const struct sim_session *session, struct synced *synced) {
  struct copse_range ranges[RANGES];
  const size_t count = copse_scheduler_injected(session->scheduler, ranges, RANGES);

  for (size_t i = 0; i < count; i++)
    ranges_append(&synced->injected, ranges[i].first, ranges[i].count);
}

static void
name_peer(const struct sim_peer *to, const struct sim_peer *peer, struct synced *synced) {
  struct peer_info *info = &synced->peers[synced->peer_count];

  if (!peer->here)
    return;
  *info = peer->name;
  info->near = peer->place->pop == to->place->pop;
  info->done = is_complete(peer);
  info->busy = peer->busy;
  info->have = blocks_have(peer->blocks);
  synced->peer_count++;
}

/* Those of the own area, and some of all, so that everybody is named by somebody; each gets those that follow itself.
 */
static void
name_peers(const struct sim_peer *to, struct synced *synced) {
  const struct sim_session *session = to->session;
  const struct sim_pop *area = &session->pops[to->place->pop];
  const uint32_t count = session->scenario.place_count, members = area->member_count;
  uint32_t seen = 1; /* of the area, from the own place on */

  synced->peers = sim_allocate(PEERS_MAX, sizeof(*synced->peers));
  for (; seen < members && synced->peer_count < PEERS_NEAREST; seen++)
    name_peer(to, area->members[(to->member + seen) % members], synced);
  for (uint32_t i = 1; i < count && synced->peer_count < PEERS_MAX; i++) {
    const struct sim_peer *peer = &session->peers[(to->index + i) % count];
    if (peer->place->pop != to->place->pop || (peer->member + members - to->member) % members >= seen)
      name_peer(to, peer, synced);
  }
}

static void
take_report(struct sim_peer *peer, uint64_t now) {
  struct sim_session *session = peer->session;
  const struct ranges *sent = &peer->orders.reported;

  if (session->areas_changed && session->scenario.cdn) {
    sim_plan(session);
    session->crowd.known = false;
  }
  const uint64_t audience = sent->count > 0 ? crowd_of(session)->demand.audience : 0;
  for (size_t i = 0; i < sent->count; i++)
    copse_scheduler_sent(session->scheduler, peer->index,
                         (struct copse_range){sent->items[i].first, sent->items[i].count}, audience, now / 1000000);
  copse_scheduler_expire(session->scheduler, now / 1000000, SILENCE_MS);
  peer->loss_ppm = (uint64_t)(peer->receiver.loss * 1e6);
  peer->busy = uplink_is_full(&peer->uplink) && (peer->sending || peer->orders.waiting > 0 || sent->count > 0);
  memcpy(peer->interest, peer->bitmap, bits_bytes(blocks_total(peer->blocks)));
}

static void
report_arrived(void *context, uint64_t bytes, uint64_t now) {
  struct sim_peer *peer = context;
  const uint32_t others = peer->session->here;

  peer->report_left -= bytes;
  if (peer->report_left > 0)
    return;
  take_report(peer, now);
  peer->reply_left = REPLY_BYTES + (uint64_t)PEER_BYTES * (others < PEERS_MAX ? others : PEERS_MAX);
  sim_stream_write(&peer->reply, peer->reply_left);
}

/* ---- peer ---- */

/* Every block is at somebody who is no seed. */
static bool
is_all_out(const struct sim_session *session) {
  const struct sim_peer *peers = session->peers;

  for (uint32_t block = 0; block < blocks_total(peers[0].blocks); block++) {
    uint32_t i = 0;
    while (i < session->scenario.place_count && (peers[i].seed || !blocks_has(peers[i].blocks, block)))
      i++;
    if (i == session->scenario.place_count)
      return false;
  }
  return true;
}

static void
reply_arrived(void *context, uint64_t bytes, uint64_t now) {
  struct sim_peer *peer = context;
  struct synced synced = {0};

  peer->reply_left -= bytes;
  if (peer->reply_left > 0 || !peer->here)
    return;
  if (peer->seed && peer->session->scenario.seeds_leave && is_all_out(peer->session)) {
    sim_peer_leave(peer, now);
    return;
  }
  give_orders(peer, now, &synced);
  tell_injected(peer->session, &synced);
  name_peers(peer, &synced);
  synced.direct = !peer->session->scenario.cdn;
  synced.waiting = crowd_of(peer->session)->demand.waiting;
  orders_acknowledged(&peer->orders, now);
  for (size_t i = 0; i < synced.orders.count; i++)
    orders_add(&peer->orders, synced.orders.items[i]);
  peer->parity = (uint32_t)synced.parity;
  uplink_grant(&peer->uplink, synced.rate_bps, now);
  fetch_update(peer->fetch, &synced, peer->name.member);
  ranges_free(&synced.orders);
  ranges_free(&synced.injected);
  free(synced.peers);
  peer->reporting = false;
  sim_set(peer->session->engine, &peer->syncing, now + (peer->hurry ? GAP_NS : peer->session->scenario.sync_ns));
  peer->hurry = false;
  sim_pump(peer, now);
}

/* Bytes of the bitmap in this report: in base64, and at most 2 % of the uplink, as copse-peer's. */
static uint32_t
take_bitmap(struct sim_peer *peer, uint64_t now) {
  const uint32_t total = blocks_total(peer->blocks), bytes = total / 6;

  if (peer->bitmap_sent_ns != 0 && now - peer->bitmap_sent_ns < uplink_spacing_ns(&peer->uplink, bytes))
    return 0;
  peer->bitmap_sent_ns = now;
  receiver_declined(&peer->receiver, peer->bitmap);
  return bytes;
}

static void
report(struct sim_peer *peer, uint64_t now) {
  const bool complete = blocks_have(peer->blocks) == blocks_total(peer->blocks);

  orders_report(&peer->orders, now);
  peer->want = complete && orders_low(&peer->orders, peer->uplink.tree.rate_bps);
  peer->reporting = true;
  peer->report_left = REPORT_BYTES + (peer->seed ? 0 : take_bitmap(peer, now));
  sim_stream_write(&peer->report, peer->report_left);
}

static void
on_syncing(struct sim_timer *timer, uint64_t now) {
  struct sim_peer *peer = (struct sim_peer *)((char *)timer - offsetof(struct sim_peer, syncing));

  if (!peer->reporting)
    report(peer, now);
}

void
sim_report_soon(struct sim_peer *peer, uint64_t now) {
  if (peer->reporting)
    peer->hurry = true;
  else
    sim_set(peer->session->engine, &peer->syncing, now + GAP_NS);
}

static void
acknowledged(void *context, uint64_t bytes, uint64_t now) {
  (void)context;
  (void)bytes;
  (void)now;
}

void
sim_report_init(struct sim_peer *peer) {
  const struct sim_scenario *scenario = &peer->session->scenario;
  const uint32_t pop = scenario->pop_nodes[peer->place->pop];

  snprintf(peer->name.member, sizeof(peer->name.member), "%u", peer->index);
  snprintf(peer->name.url, sizeof(peer->name.url), "sim:%u", peer->index);
  peer->syncing.fire = on_syncing;
  sim_stream_init(&peer->report, scenario->network, scenario->tcp, peer->place->node, pop, report_arrived, acknowledged,
                  peer);
  sim_stream_init(&peer->reply, scenario->network, scenario->tcp, pop, peer->place->node, reply_arrived, acknowledged,
                  peer);
}
