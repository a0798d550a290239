/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes, links with rate, delay and a finite drop-tail queue, and packets that go hop by hop along shortest paths. */
#ifndef SIM_NETWORK_H
#define SIM_NETWORK_H

#include "engine.h"
#include "random.h"

#include <stdbool.h>

#define SIM_SACKS 3 /* in an acknowledgement, as many as fit beside time stamps (RFC 2018) */

struct sim_packet;
struct sim_fluid;

/* Who gets packets at a node. Takes the packet over: it is freed with sim_packet_free or sent on. */
struct sim_endpoint {
  void (*receive)(struct sim_endpoint *endpoint, struct sim_packet *packet, uint64_t now);
};

struct sim_packet {
  struct sim_endpoint *endpoint;
  uint32_t from, to; /* nodes */
  uint32_t bytes;    /* as the links count them */
  uint64_t sent;     /* TCP: time stamp, or the one echoed */
  union {
    struct {
      uint64_t start, end; /* of the stream's bytes */
    } data;
    struct {
      uint64_t next; /* expected */
      uint32_t sacks;
      struct {
        uint64_t start, end;
      } sack[SIM_SACKS];
    } acknowledgement;
    struct {
      uint32_t tree, block;
      uint16_t symbol;
      uint8_t hop_limit;
    } block; /* of a tree */
  };
  struct sim_packet *next; /* of those that are free */
};

/* One direction. */
struct sim_link {
  struct sim_timer timer; /* the first packet under way arrives */
  struct sim_network *network;
  uint32_t from, to;
  uint64_t rate_bps, delay_ns;
  uint32_t limit_bytes, limit_packets; /* that may wait, besides the one being sent; 0: no limit */
  double loss;                         /* of packets, at random */
  uint64_t free_at;                    /* when all it has taken will have been sent */
  struct sim_flight *flights;          /* ring */
  uint32_t first, begun, end, mask;    /* under way from `first`; not yet being sent from `begun`; all up to `end` */
  uint64_t waiting_bytes;
  uint64_t packets, bytes, drops, lost; /* sent; dropped because full; lost at random */
};

/* A node with a single neighbour needs no routes of its own: there are far more peers than routers. */
struct sim_way {
  uint32_t inner;   /* its number, or that of its only neighbour */
  uint32_t out, in; /* links from and to that neighbour; UINT32_MAX: an inner node */
};

struct sim_network {
  struct sim_engine *engine;
  struct sim_random random; /* of losses */
  struct sim_link **links;
  uint32_t link_count, nodes;
  struct sim_way *ways;    /* by node */
  uint32_t inner_count;    /* nodes others' packets may pass */
  uint32_t *route;         /* [inner number of from * inner_count + that of to]: link, UINT32_MAX where there is none */
  struct sim_fluid *fluid; /* carries packets at flow level; null: hop by hop */
  struct sim_packet *free;
};

void sim_network_init(struct sim_network *network, struct sim_engine *engine, uint32_t nodes, uint64_t seed);
void sim_network_free(struct sim_network *network);
/* Adds one direction of a link. It stays where it is in memory. */
struct sim_link *sim_link_add(struct sim_network *network, uint32_t from, uint32_t to, uint64_t rate_bps,
                              uint64_t delay_ns);
/* Shortest paths by `metric`, one for each link added so far, UINT64_MAX: not for routing (an overlay's). Equal paths:
 * the link added first. */
void sim_route(struct sim_network *network, const uint64_t *metric);

/* The next link on the way from a node to another one. */
uint32_t sim_next(const struct sim_network *network, uint32_t from, uint32_t to);

/* A packet, zeroed up to `next`. */
struct sim_packet *sim_packet_new(struct sim_network *network);
void sim_packet_free(struct sim_network *network, struct sim_packet *packet);
/* Sends from packet->from towards packet->to. */
void sim_send(struct sim_network *network, struct sim_packet *packet);
/* Over this link, whatever the routes say. False when it was dropped (and freed). */
bool sim_send_over(struct sim_link *link, struct sim_packet *packet);

#endif
