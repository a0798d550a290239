/* SPDX-License-Identifier: Apache-2.0 */
#include "stream.h"

#include <stdlib.h>

static void
tcp_arrived(struct sim_tcp *tcp, uint64_t bytes, uint64_t now) {
  const struct sim_stream *stream = tcp->context;

  stream->arrived(stream->context, bytes, now);
}

static void
tcp_acknowledged(struct sim_tcp *tcp, uint64_t bytes, uint64_t now) {
  const struct sim_stream *stream = tcp->context;

  stream->taken(stream->context, bytes, now);
}

void
sim_stream_init(struct sim_stream *stream, struct sim_network *network, const struct sim_tcp_config *tcp, uint32_t from,
                uint32_t to, sim_stream_event *arrived, sim_stream_event *taken, void *context) {
  *stream = (struct sim_stream){.arrived = arrived, .taken = taken, .context = context};
  if (network->fluid != NULL) {
    stream->flow = sim_allocate(1, sizeof(*stream->flow));
    sim_flow_init(stream->flow, network->fluid, from, to, arrived, taken, context);
  } else {
    stream->tcp = sim_allocate(1, sizeof(*stream->tcp));
    sim_tcp_init(stream->tcp, network, tcp, from, to, tcp_arrived, tcp_acknowledged, stream);
  }
}

void
sim_stream_free(struct sim_stream *stream) {
  if (stream->flow != NULL)
    sim_flow_free(stream->flow);
  else
    sim_tcp_free(stream->tcp);
  free(stream->flow);
  free(stream->tcp);
}

void
sim_stream_write(struct sim_stream *stream, uint64_t bytes) {
  if (stream->flow != NULL)
    sim_flow_message(stream->flow, bytes);
  else
    sim_tcp_write(stream->tcp, bytes);
}

uint64_t
sim_stream_room(const struct sim_stream *stream) {
  return stream->tcp != NULL ? sim_tcp_room(stream->tcp) : 0;
}

uint64_t
sim_stream_sent_again(const struct sim_stream *stream) {
  return stream->tcp != NULL ? stream->tcp->retransmissions * stream->tcp->config->segment_bytes : 0;
}

void
sim_stream_abandon(struct sim_stream *stream) {
  if (stream->flow != NULL)
    sim_flow_stop(stream->flow);
  else
    sim_tcp_abandon(stream->tcp);
}

bool
sim_stream_is_quiet(const struct sim_stream *stream) {
  return stream->flow != NULL;
}
