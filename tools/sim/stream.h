/* SPDX-License-Identifier: Apache-2.0 */
/* One direction of a connection, at the level of the network: TCP, or messages and flows. */
#ifndef SIM_STREAM_H
#define SIM_STREAM_H

#include "fluid.h"
#include "tcp.h"

/* `bytes` more arrived in order; or have left the sender's hands, so that there is room for more. */
typedef void sim_stream_event(void *context, uint64_t bytes, uint64_t now);

struct sim_stream {
  struct sim_tcp *tcp; /* one of these, the other is null */
  struct sim_flow *flow;
  sim_stream_event *arrived, *taken;
  void *context;
};

/* Neither callback may be null. The struct stays where it is. */
void sim_stream_init(struct sim_stream *stream, struct sim_network *network, const struct sim_tcp_config *tcp,
                     uint32_t from, uint32_t to, sim_stream_event *arrived, sim_stream_event *taken, void *context);
void sim_stream_free(struct sim_stream *stream);
/* A message of a few packets, of which one is under way at a time. */
void sim_stream_write(struct sim_stream *stream, uint64_t bytes);
/* Room for more, bytes. A flow has none: sim_flow_bulk takes all there is to send at once. */
uint64_t sim_stream_room(const struct sim_stream *stream);
/* Bytes that TCP has sent more than once; a flow sends none again. */
uint64_t sim_stream_sent_again(const struct sim_stream *stream);
/* Forgets what was written and has not been sent: the other end has gone. */
void sim_stream_abandon(struct sim_stream *stream);
/* Whether nothing of an abandoned stream can arrive any more, so that it may be used again. */
bool sim_stream_is_quiet(const struct sim_stream *stream);

#endif
