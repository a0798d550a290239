/* SPDX-License-Identifier: Apache-2.0 */
/* What leaves a peer: symbols into its tree first, then uploads in turn, both paid for at copse-peer's uplink. */
#include "packet.h"
#include "simulated.h"

#define PIECE_BYTES (32U << 10)
#define PACKET 1500ULL
#define TICK_MIN_NS 1000ULL

/* ---- into the tree ---- */

static bool
has_symbol(struct sim_peer *peer) {
  while (!peer->sending) {
    if (!orders_take(&peer->orders, &peer->block))
      return false;
    peer->symbol = 0;
    peer->symbols = symbol_count(sim_block_bytes(peer->blocks, peer->block));
    peer->with_parity = peer->symbols + peer->parity;
    peer->sending = true;
  }
  return true;
}

static bool
send_symbol(struct sim_peer *peer) {
  struct sim_session *session = peer->session;
  const bool parity = peer->symbol >= peer->symbols;
  const uint32_t place = parity ? COPSE_SYMBOLS_PER_BLOCK + peer->symbol - peer->symbols : peer->symbol;
  const uint32_t length = sim_symbol_bytes(peer->blocks, peer->block, place);
  struct sim_packet *packet;

  if (!uplink_take_tree(&peer->uplink, length + COPSE_HEADER_BYTES + SIM_IP_HEADERS))
    return false;
  packet = sim_packet_new(session->scenario.network);
  packet->endpoint = &session->pops[peer->place->pop].endpoint;
  packet->from = peer->place->node;
  packet->to = session->scenario.pop_nodes[peer->place->pop];
  packet->bytes = length + COPSE_HEADER_BYTES + SIM_IP_HEADERS;
  packet->block.tree = peer->place->pop;
  packet->block.block = peer->block;
  packet->block.symbol = (uint16_t)place;
  packet->block.hop_limit = COPSE_HOP_LIMIT;
  peer->tree_bytes += length;
  if (++peer->symbol == peer->with_parity) {
    orders_sent(&peer->orders, peer->block);
    peer->sending = false;
  }
  sim_send(session->scenario.network, packet);
  return true;
}

/* ---- to peers ---- */

void
sim_end_upload(struct sim_connection *connection) {
  for (uint32_t i = 0; i < SIM_UPLOADS; i++)
    if (connection->server->uploads[i] == connection)
      connection->server->uploads[i] = NULL;
  connection->left = 0;
}

/* A piece of one upload, if the uplink has room. */
static void
upload(struct sim_peer *peer, struct sim_connection *connection) {
  const uint64_t room = sim_stream_room(&connection->answer);
  uint64_t wanted = connection->left < PIECE_BYTES ? connection->left : PIECE_BYTES;

  wanted = wanted < room ? wanted : room;
  if (wanted == 0)
    return;
  const uint32_t granted = uplink_take_upload(&peer->uplink, (uint32_t)wanted);
  if (granted == 0)
    return;
  connection->left -= granted;
  peer->upload_bytes += granted;
  if (connection->left == 0)
    sim_end_upload(connection);
  sim_stream_write(&connection->answer, granted);
}

/* In turn, as far as the uplink goes. True when some wait. */
static bool
serve_uploads(struct sim_peer *peer) {
  bool waiting = false;

  for (uint32_t i = 0; i < SIM_UPLOADS && uplink_upload_due(&peer->uplink); i++) {
    struct sim_connection *connection = peer->uploads[peer->turn];
    peer->turn = (peer->turn + 1) % SIM_UPLOADS;
    if (connection != NULL)
      upload(peer, connection);
  }
  for (uint32_t i = 0; i < SIM_UPLOADS; i++) {
    const struct sim_connection *connection = peer->uploads[i];
    waiting |= connection != NULL && connection->left > 0 && sim_stream_room(&connection->answer) > 0;
  }
  return waiting;
}

void
sim_serve(struct sim_connection *connection) {
  if (connection->answer.flow != NULL)
    sim_flow_bulk(connection->answer.flow, connection->left);
  else
    sim_pump(connection->server, connection->server->session->engine->now);
}

void
sim_serve_on(struct sim_connection *connection, uint64_t bytes, uint64_t now) {
  const uint64_t again = sim_stream_sent_again(&connection->answer);

  uplink_charge_again(&connection->server->uplink, (uint32_t)(again - connection->again));
  connection->again = again;
  if (connection->answer.flow == NULL) {
    sim_pump(connection->server, now);
    return;
  }
  connection->left -= bytes;
  connection->server->upload_bytes += bytes;
  if (connection->left == 0)
    sim_end_upload(connection);
}

/* At flow level: what a peer's trees leave to its uploads, bit/s. What those take of the trees' part is charged to the
 * trees, as in uplink_take_upload. */
static uint64_t
left_by_trees(struct sim_peer *peer) {
  struct uplink *uplink = &peer->uplink;
  const uint64_t taken_bps = (peer->sending ? uplink->tree.rate_bps : 0) +
                             (uplink->charged - peer->charged) * 8 * SIM_SECOND / SIM_FLUID_STEP_NS;
  const uint64_t left_bps = uplink->rest.rate_bps > taken_bps ? uplink->rest.rate_bps - taken_bps : 0;
  bool uploading = false;

  peer->charged = uplink->charged;
  if (left_bps >= uplink->least.rate_bps)
    return left_bps;
  for (uint32_t i = 0; i < SIM_UPLOADS; i++)
    uploading |= peer->uploads[i] != NULL;
  if (uploading)
    pacer_charge(&uplink->tree, (uint32_t)((uplink->least.rate_bps - left_bps) * SIM_FLUID_STEP_NS / (8 * SIM_SECOND)));
  return uplink->least.rate_bps;
}

void
sim_serve_step(void *context, uint64_t now) {
  struct sim_session *session = context;
  const struct sim_network *network = session->scenario.network;

  (void)now;
  for (uint32_t i = 0; i < session->scenario.place_count; i++) {
    struct sim_peer *peer = &session->peers[i];
    const uint32_t node = peer->place->node, pop = session->scenario.pop_nodes[peer->place->pop];
    if (peer->here)
      network->fluid->limits_bps[sim_next(network, node, pop)] = (double)left_by_trees(peer);
  }
}

/* Until the pacer has so many bytes, ns. */
static uint64_t
wait_of(const struct pacer *pacer, uint64_t bytes) {
  const int64_t missing = (int64_t)(bytes * 8 * SIM_SECOND) - pacer->tokens;

  return pacer->rate_bps == 0 ? SIM_SECOND : missing <= 0 ? 0 : (uint64_t)missing / pacer->rate_bps + 1;
}

static uint64_t
least(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

void
sim_pump(struct sim_peer *peer, uint64_t now) {
  uint64_t wait = SIM_NEVER;

  uplink_refill(&peer->uplink, now);
  while (has_symbol(peer) && send_symbol(peer))
    ;
  if (serve_uploads(peer))
    wait = least(wait_of(&peer->uplink.rest, PACKET), wait_of(&peer->uplink.least, PACKET));
  if (peer->sending)
    wait = least(wait, wait_of(&peer->uplink.tree, PACKET));
  if (orders_running_out(&peer->orders, peer->uplink.tree.rate_bps))
    sim_report_soon(peer, now);
  if (wait != SIM_NEVER)
    sim_set(peer->session->engine, &peer->pumping, now + (wait > TICK_MIN_NS ? wait : TICK_MIN_NS));
}
