/* SPDX-License-Identifier: Apache-2.0 */
/* The network at flow level. What is sent over a connection in bulk is a flow: it has a rate, max-min fair over the
 * links for a weight of one over its round trip time, renewed every SIM_FLUID_STEP_NS; a flow that begins in between
 * gets what is left. Anything else crosses all its links in one event: packets of trees and short messages. A link's
 * queue is a level that rises by what comes and falls by what the link carries; what it has no room for is lost in
 * proportion. */
#ifndef SIM_FLUID_H
#define SIM_FLUID_H

#include "network.h"
#include "share.h"

#define SIM_FLUID_STEP_NS 250000000ULL

typedef void sim_flow_event(void *context, uint64_t bytes, uint64_t now);

struct sim_flow;

/* A link's state between two steps. */
struct sim_level {
  double packets_bytes;  /* of trees, that came since the last step */
  double other_bytes;    /* of messages and acknowledgements, the same */
  double flows_bytes;    /* of flows, the same */
  double queue_bytes;    /* that wait */
  double flows_waiting;  /* bytes of flows that could go faster elsewhere */
  double standing_bytes; /* that those keep in the queue */
  double pass;           /* part of the packets that is not dropped */
  struct sim_flow *turn; /* of a slow sender's uplink: the only one that sends; null: all do */
};

struct sim_fluid {
  struct sim_timer step;
  struct sim_network *network;
  struct sim_level *levels;     /* by link, as the next two */
  struct sim_share_link *links; /* spare_bps: what flows leave */
  double *limits_bps;           /* of flows, whose senders pace themselves; INFINITY: none but the link's */
  struct sim_flow **active;
  struct sim_share_flow *rates; /* of the active ones */
  uint32_t active_count, active_capacity;
  struct sim_share share;
  struct sim_carried *carried, *free; /* packets under way; those that may be used again */
  /* Before rates are renewed, to set limits_bps. */
  void (*before)(void *context, uint64_t now);
  void *context;
};

/* One direction of a connection. */
struct sim_flow {
  struct sim_timer timer; /* a message arrives, or the flow ends */
  struct sim_fluid *fluid;
  uint32_t from, to; /* nodes */
  uint32_t *path;    /* links of the way there, then of the way back; null: never used */
  uint32_t hops, hops_back;
  uint32_t place;                  /* among the active ones, from 1; 0: not active */
  uint64_t message;                /* bytes under way as a message */
  uint64_t waiting;                /* bytes that follow in bulk */
  double left_bytes, rate_bps;     /* on the wire */
  uint64_t since;                  /* up to when left_bytes is known */
  uint64_t served;                 /* when a segment arrived last */
  uint64_t bulk;                   /* bytes of the flow that have not arrived */
  sim_flow_event *arrived, *taken; /* at the other end; off the sender's hands */
  void *context;
};

/* From now on the network's packets go through it. All its links are there already. */
void sim_fluid_init(struct sim_fluid *fluid, struct sim_network *network);
void sim_fluid_free(struct sim_fluid *fluid);
/* Takes the packet to its endpoint, or loses it. */
void sim_fluid_carry(struct sim_fluid *fluid, struct sim_packet *packet);

void sim_flow_init(struct sim_flow *flow, struct sim_fluid *fluid, uint32_t from, uint32_t to, sim_flow_event *arrived,
                   sim_flow_event *taken, void *context);
/* Forgets whatever is under way. */
void sim_flow_stop(struct sim_flow *flow);
void sim_flow_free(struct sim_flow *flow);
/* A few packets at most: they take the time of their way. */
void sim_flow_message(struct sim_flow *flow, uint64_t bytes);
/* So many bytes, after any message, at the rate there is. */
void sim_flow_bulk(struct sim_flow *flow, uint64_t bytes);

#endif
