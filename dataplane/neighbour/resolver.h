/* SPDX-License-Identifier: Apache-2.0 */
/* Tells the table where frames to each of its addresses leave: static entries first, else what the kernel's routes
 * and neighbours say. A neighbour that fails suspends the hops behind it until it is back; nothing is ever removed. */
#ifndef COPSE_RESOLVER_H
#define COPSE_RESOLVER_H

#include "config.h"
#include "table/table.h"

#include <event2/event.h>
#include <net/if.h>

struct copse_resolver_port {
  uint16_t port; /* DPDK's number */
  uint16_t vlan;
  uint8_t mac[6];
  char interface[IFNAMSIZ]; /* the kernel's device for the same link, or empty */
};

struct copse_resolver_config {
  struct event_base *base;
  struct copse_table *table;
  struct copse_resolver_port ports[COPSE_CONFIG_PORTS_MAX];
  size_t port_count;
};

struct copse_resolver;

/* `base` and `table` outlive the resolver. Null with a sentence. */
struct copse_resolver *copse_resolver_create(const struct copse_resolver_config *config, struct copse_error *error);
void copse_resolver_destroy(struct copse_resolver *resolver);

/* Replaces the static entries; `port` is an index in the configuration's ports. -ENOMEM changes nothing. */
int copse_resolver_set_static(struct copse_resolver *resolver, const struct copse_static_neighbour *entries,
                              size_t count);

/* Looks at what is new or due: addresses of the table, changed routes, neighbours to be confirmed. `now` in ns of any
 * clock that does not jump. Takes a few milliseconds at most; what is left is done the next time. */
void copse_resolver_tick(struct copse_resolver *resolver, uint64_t now);

#endif
