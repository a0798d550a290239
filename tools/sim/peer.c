/* SPDX-License-Identifier: Apache-2.0 */
/* One peer: when it comes, what it receives, when it is done. */
#include "bits.h"
#include "packet.h"
#include "simulated.h"

#include <stdlib.h>

static struct sim_peer *
of_timer(struct sim_timer *timer, size_t offset) {
  return (struct sim_peer *)((char *)timer - offset);
}

void
sim_peer_stored(struct sim_peer *peer, uint64_t now) {
  if (peer->finished_ns != 0 || blocks_have(peer->blocks) < blocks_total(peer->blocks))
    return;
  peer->finished_ns = now;
  peer->session->crowd.known = false;
  if (--peer->session->unfinished == 0)
    peer->session->stop = 1;
  sim_report_soon(peer, now);
}

static void
on_stored(void *context) {
  struct sim_peer *peer = context;

  sim_peer_stored(peer, peer->session->engine->now);
}

static void
on_failed(void *context) {
  (void)context;
}

static void
on_wake(void *context) {
  struct sim_peer *peer = context;

  sim_set(peer->session->engine, &peer->fetching, peer->session->engine->now);
}

static void
on_fetching(struct sim_timer *timer, uint64_t now) {
  struct sim_peer *peer = of_timer(timer, offsetof(struct sim_peer, fetching));

  if (peer->finished_ns != 0)
    return;
  sim_set(peer->session->engine, timer, now + peer->session->scenario.tick_ns);
  fetch_run(peer->fetch, now);
}

static void
on_pumping(struct sim_timer *timer, uint64_t now) {
  sim_pump(of_timer(timer, offsetof(struct sim_peer, pumping)), now);
}

static void
receive_symbol(struct sim_endpoint *endpoint, struct sim_packet *packet, uint64_t now) {
  static const uint8_t payload[COPSE_SYMBOL_BYTES];
  struct sim_peer *peer = (struct sim_peer *)((char *)endpoint - offsetof(struct sim_peer, blocks_in));
  const struct symbol symbol = {
    .label = packet->block.tree,
    .block = packet->block.block,
    .symbol = packet->block.symbol,
    .length = (uint16_t)sim_symbol_bytes(peer->blocks, packet->block.block, packet->block.symbol),
    .payload = payload,
  };

  sim_packet_free(peer->session->scenario.network, packet);
  if (receiver_symbol(&peer->receiver, &symbol, now) == RECEIVED_BLOCK)
    sim_peer_stored(peer, now);
}

static void
on_arriving(struct sim_timer *timer, uint64_t now) {
  struct sim_peer *peer = of_timer(timer, offsetof(struct sim_peer, arriving));
  struct sim_session *session = peer->session;

  peer->here = true;
  peer->arrived = ++session->arrived;
  peer->receiver.thinning.number = session->pops[peer->place->pop].arrived++;
  session->here++;
  session->crowd.known = false;
  session->areas_changed = true;
  uplink_init(&peer->uplink, peer->place->uplink_bps, now);
  peer->fetch = fetch_create(&(struct fetch_config){.transfers = &peer->transfers,
                                                    .session = "session",
                                                    .content = &peer->content,
                                                    .blocks = peer->blocks,
                                                    .receiver = &peer->receiver,
                                                    .uplink = &peer->uplink,
                                                    .wake = on_wake,
                                                    .stored = on_stored,
                                                    .failed = on_failed,
                                                    .context = peer},
                             session->scenario.seed * 1000003 + peer->index, now);
  if (!peer->seed)
    sim_set(session->engine, &peer->fetching, now);
  sim_report_soon(peer, now);
}

void
sim_peer_leave(struct sim_peer *peer, uint64_t now) {
  struct sim_session *session = peer->session;

  peer->here = false;
  session->here--;
  session->crowd.known = false;
  peer->left_ns = now;
  session->areas_changed = true;
  copse_scheduler_leave(session->scheduler, peer->index);
  sim_cancel(session->engine, &peer->fetching);
  sim_cancel(session->engine, &peer->pumping);
  sim_cancel(session->engine, &peer->syncing);
  sim_connections_break(peer, now);
}

void
sim_peer_init(struct sim_session *session, struct sim_peer *peer, uint32_t index) {
  const struct sim_place *place = &session->scenario.places[index];

  *peer = (struct sim_peer){.fetching.fire = on_fetching,
                            .pumping.fire = on_pumping,
                            .arriving.fire = on_arriving,
                            .blocks_in.receive = receive_symbol,
                            .session = session,
                            .place = place,
                            .index = index,
                            .seed = place->seed,
                            .content.manifest.size = session->scenario.size,
                            .content.manifest.block_bytes = COPSE_BLOCK_BYTES,
                            .transfers.peer = peer};
  peer->blocks = sim_blocks_create(session->scenario.size, place->seed);
  peer->bitmap = sim_allocate(bits_bytes(blocks_total(peer->blocks)), 1);
  peer->interest = sim_allocate(bits_bytes(blocks_total(peer->blocks)), 1);
  if (receiver_init(&peer->receiver, peer->blocks, session->scenario.size) < 0 ||
      orders_init(&peer->orders, blocks_total(peer->blocks)) < 0)
    sim_allocate(SIZE_MAX, 1); /* ends the program as any other lack of memory does */
  sim_report_init(peer);
  sim_set(session->engine, &peer->arriving, place->arrival_ns);
}

void
sim_peer_free(struct sim_peer *peer) {
  struct sim_engine *engine = peer->session->engine;

  sim_cancel(engine, &peer->fetching);
  sim_cancel(engine, &peer->pumping);
  sim_cancel(engine, &peer->syncing);
  sim_cancel(engine, &peer->arriving);
  sim_connections_free(peer);
  sim_stream_free(&peer->report);
  sim_stream_free(&peer->reply);
  fetch_free(peer->fetch);
  receiver_free(&peer->receiver);
  orders_free(&peer->orders);
  sim_blocks_free(peer->blocks);
  free(peer->bitmap);
  free(peer->interest);
}
