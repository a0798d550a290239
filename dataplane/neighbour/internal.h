/* SPDX-License-Identifier: Apache-2.0 */
/* The resolver's own picture: addresses of the table, and the neighbours (hops) they are reached through. */
#ifndef COPSE_NEIGHBOUR_INTERNAL_H
#define COPSE_NEIGHBOUR_INTERNAL_H

#include "neighbour/netlink.h"
#include "neighbour/resolver.h"

#include <sys/queue.h>

#define COPSE_NS_PER_S 1000000000ULL
#define COPSE_NEIGHBOUR_CONFIRM_NS (20 * COPSE_NS_PER_S) /* how often the kernel is made to confirm a neighbour */
#define COPSE_NEIGHBOUR_RETRY_NS COPSE_NS_PER_S
#define COPSE_ROUTE_RETRY_NS (5 * COPSE_NS_PER_S)
#define COPSE_ROUTE_CHANGES_NS (COPSE_NS_PER_S / 10)

/* A neighbour of ours on one interface. */
struct copse_hop {
  struct copse_route key; /* first: trees are searched by it */
  TAILQ_ENTRY(copse_hop) link;
  LIST_HEAD(, copse_hop_address) addresses; /* reached through it */
  const struct copse_resolver_port *port;
  bool resolved;
  uint8_t mac[6];
  uint64_t due; /* when it is asked for again */
};

struct copse_hop_address {
  uint8_t address[16]; /* first: trees are searched by it */
  TAILQ_ENTRY(copse_hop_address) link;
  TAILQ_ENTRY(copse_hop_address) pending_link;
  LIST_ENTRY(copse_hop_address) hop_link;
  struct copse_hop *hop; /* null: static, or without a route */
  bool pending;          /* its route is to be looked up */
  bool routeless;
  uint64_t seen; /* generation of the table's addresses it was last in */
};

TAILQ_HEAD(copse_hop_addresses, copse_hop_address);

struct copse_resolver {
  struct copse_resolver_config config;
  unsigned interface[COPSE_CONFIG_PORTS_MAX]; /* the kernel's index of each port's device, 0: it is not there */
  struct copse_static_neighbour *entries;
  size_t entry_count;

  struct copse_netlink requests;
  struct mnl_socket *events;
  struct event *event;

  void *hop_tree, *address_tree; /* of tsearch */
  TAILQ_HEAD(, copse_hop) hops;
  struct copse_hop_addresses addresses, pending;
  uint64_t address_generation;
  uint64_t now;
  uint64_t hops_due, routes_due; /* when they are all looked at again */
  uint64_t changes_due;          /* not before, however often routes change */
  bool routes_changed;
  uint64_t said_at; /* beginning of the present second of the log */
  unsigned said, unsaid;
};

/* Logs a change of one address or neighbour, at most ten a second, with the number left out. */
void copse_resolver_say(struct copse_resolver *resolver, const uint8_t address[16], const char *format, ...)
  __attribute__((format(printf, 3, 4)));

/* ---- hops.c ---- */

/* Puts an address behind a hop, which is made if there is none; -ENOMEM. */
int copse_hop_attach(struct copse_resolver *resolver, struct copse_hop_address *address,
                     const struct copse_route *route, const struct copse_resolver_port *port);
/* Takes an address from its hop, which goes with its last address. */
void copse_hop_detach(struct copse_resolver *resolver, struct copse_hop_address *address);
/* Takes what the kernel says of a neighbour. */
void copse_hop_update(struct copse_resolver *resolver, const struct copse_neighbour *neighbour);
/* Asks for hops that are due. */
void copse_hops_tick(struct copse_resolver *resolver);
/* Makes every hop due. */
void copse_hops_expire(struct copse_resolver *resolver);
/* Tells the table about one address behind a hop. */
void copse_hop_publish(struct copse_resolver *resolver, const struct copse_hop_address *address);

/* ---- monitor.c ---- */

/* Subscribes to changes of links, routes and neighbours; negative errno. */
int copse_monitor_open(struct copse_resolver *resolver);
void copse_monitor_close(struct copse_resolver *resolver);

#endif
