/* SPDX-License-Identifier: Apache-2.0 */
/* tools/peer/transfer.h over simulated connections: requests of one peer to another. A connection is kept and used
 * again, as libcurl does; one whose transfer was cancelled is closed. Urls are "sim:PEER/SESSION" and
 * "sim:PEER/SESSION/have". */
#include "transfer.h"

#include "bits.h"
#include "simulated.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST_BYTES 180
#define ANSWER_BYTES 200 /* headers */
#define PIECE_BYTES (64U << 10)

struct transfer {
  struct sim_connection *connection;
  struct transfer_request request;
  uint64_t first, end; /* range */
  bool have;           /* asks for the bitmap */
  int status;
  uint8_t *bitmap;
  size_t bitmap_bytes;
};

static const uint8_t content[PIECE_BYTES];

static void
free_transfer(struct transfer *transfer) {
  if (transfer->request.owned)
    free(transfer->request.context);
  free(transfer->bitmap);
  free(transfer);
}

/* ---- client ---- */

static void
finish(struct sim_connection *connection, uint64_t now) {
  struct transfer *transfer = connection->transfer;
  const struct transfer_result result = {.status = transfer->status,
                                         .body = transfer->bitmap != NULL ? (const char *)transfer->bitmap : "",
                                         .bytes = transfer->bitmap_bytes};

  connection->transfer = NULL;
  transfer->request.done(transfer->request.context, &result, now);
  free_transfer(transfer);
}

static void
answer_arrived(void *context, uint64_t bytes, uint64_t now) {
  struct sim_connection *connection = context;
  const uint64_t header = bytes < connection->header ? bytes : connection->header;
  struct transfer *transfer = connection->transfer;

  if (connection->closed || transfer == NULL)
    return;
  connection->header -= header;
  bytes -= header;
  connection->body -= bytes;
  while (bytes > 0 && !transfer->have) {
    const size_t piece = bytes < PIECE_BYTES ? bytes : PIECE_BYTES;
    if (!transfer->request.data(transfer->request.context, content, piece, now) || connection->closed) {
      if (!connection->closed)
        finish(connection, now);
      return;
    }
    bytes -= piece;
  }
  if (connection->header == 0 && connection->body == 0)
    finish(connection, now);
}

static void
request_acknowledged(void *context, uint64_t bytes, uint64_t now) {
  (void)context;
  (void)bytes;
  (void)now;
}

/* ---- server ---- */

static void
answer(struct sim_connection *connection, int status, uint64_t body) {
  connection->transfer->status = status;
  connection->header = ANSWER_BYTES;
  connection->body = body;
  if (body == 0)
    uplink_charge(&connection->server->uplink, ANSWER_BYTES + 52);
  sim_stream_write(&connection->answer, ANSWER_BYTES);
}

static void
answer_have(struct sim_connection *connection) {
  struct transfer *transfer = connection->transfer;
  const struct blocks *blocks = connection->server->blocks;

  transfer->bitmap_bytes = bits_bytes(blocks_total(blocks));
  transfer->bitmap = sim_allocate(transfer->bitmap_bytes, 1);
  memcpy(transfer->bitmap, blocks_bitmap(blocks), transfer->bitmap_bytes);
  answer(connection, 200, transfer->bitmap_bytes);
  sim_stream_write(&connection->answer, transfer->bitmap_bytes);
  uplink_charge(&connection->server->uplink, (uint32_t)transfer->bitmap_bytes + ANSWER_BYTES + 52);
}

static void
answer_range(struct sim_connection *connection) {
  struct transfer *transfer = connection->transfer;
  struct sim_peer *server = connection->server;
  uint32_t slot = 0;

  while (slot < SIM_UPLOADS && server->uploads[slot] != NULL)
    slot++;
  if (!blocks_cover(server->blocks, transfer->first, transfer->end - transfer->first)) {
    answer(connection, 416, 0);
  } else if (slot == SIM_UPLOADS) {
    answer(connection, 503, 0);
  } else {
    server->uploads[slot] = connection;
    connection->left = transfer->end - transfer->first;
    answer(connection, 206, connection->left);
    sim_serve(connection);
  }
}

static void
close_connection(struct sim_connection *connection) {
  connection->closed = true;
  sim_end_upload(connection);
  sim_stream_abandon(&connection->request);
  sim_stream_abandon(&connection->answer);
}

/* The client knows at once; a reset would take a packet's way. */
static void
reset(struct sim_connection *connection, uint64_t now) {
  close_connection(connection);
  connection->transfer->status = 0;
  finish(connection, now);
}

/* Where a client's connections to a server begin. */
static struct sim_connection **
bucket_of(struct sim_peer *client, const struct sim_peer *server) {
  return &client->connections[server->index % SIM_BUCKETS];
}

void
sim_connections_break(struct sim_peer *peer, uint64_t now) {
  for (uint32_t i = 0; i < peer->session->scenario.place_count; i++)
    for (struct sim_connection *connection = *bucket_of(&peer->session->peers[i], peer); connection != NULL;
         connection = connection->next)
      if (connection->server == peer && connection->transfer != NULL)
        reset(connection, now);
}

static void
request_arrived(void *context, uint64_t bytes, uint64_t now) {
  struct sim_connection *connection = context;

  connection->asked -= bytes;
  if (connection->asked > 0 || connection->closed || connection->transfer == NULL)
    return;
  if (!connection->server->here)
    reset(connection, now);
  else if (connection->transfer->have)
    answer_have(connection);
  else
    answer_range(connection);
}

static void
answer_taken(void *context, uint64_t bytes, uint64_t now) {
  struct sim_connection *connection = context;

  if (connection->left > 0)
    sim_serve_on(connection, bytes, now);
}

/* ---- */

static struct sim_connection *
connect_to(struct sim_peer *client, struct sim_peer *server) {
  struct sim_network *network = client->session->scenario.network;
  const struct sim_tcp_config *tcp = client->session->scenario.tcp;
  struct sim_connection **bucket = bucket_of(client, server), *connection = *bucket;

  for (; connection != NULL; connection = connection->next)
    if (connection->server == server && connection->transfer == NULL &&
        (!connection->closed || sim_stream_is_quiet(&connection->answer))) {
      connection->closed = false;
      return connection;
    }
  connection = sim_allocate(1, sizeof(*connection));
  connection->client = client;
  connection->server = server;
  connection->next = *bucket;
  *bucket = connection;
  sim_stream_init(&connection->request, network, tcp, client->place->node, server->place->node, request_arrived,
                  request_acknowledged, connection);
  sim_stream_init(&connection->answer, network, tcp, server->place->node, client->place->node, answer_arrived,
                  answer_taken, connection);
  return connection;
}

struct transfer *
transfer_start(struct transfers *transfers, const struct transfer_request *request) {
  struct sim_peer *client = transfers->peer;
  struct transfer *transfer = sim_allocate(1, sizeof(*transfer));
  char *end;

  transfer->request = *request;
  transfer->have = request->range == NULL;
  const uint32_t index = (uint32_t)strtoul(request->url + sizeof("sim:") - 1, NULL, 10);
  if (request->range != NULL) {
    transfer->first = strtoull(request->range, &end, 10);
    transfer->end = strtoull(end + 1, NULL, 10) + 1;
  }
  transfer->connection = connect_to(client, &client->session->peers[index]);
  transfer->connection->transfer = transfer;
  transfer->connection->asked = REQUEST_BYTES;
  sim_stream_write(&transfer->connection->request, REQUEST_BYTES);
  return transfer;
}

void
transfer_cancel(struct transfer *transfer) {
  close_connection(transfer->connection);
  transfer->connection->transfer = NULL;
  free_transfer(transfer);
}

void
sim_connections_free(struct sim_peer *peer) {
  for (uint32_t i = 0; i < SIM_BUCKETS; i++)
    while (peer->connections[i] != NULL) {
      struct sim_connection *connection = peer->connections[i];
      peer->connections[i] = connection->next;
      if (connection->transfer != NULL)
        free_transfer(connection->transfer);
      sim_stream_free(&connection->request);
      sim_stream_free(&connection->answer);
      free(connection);
    }
}
