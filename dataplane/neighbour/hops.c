/* SPDX-License-Identifier: Apache-2.0 */
#include "neighbour/internal.h"

#include <search.h>
#include <stdlib.h>

#define TICK_NS (COPSE_NS_PER_S / 2)
#define QUERIES_PER_TICK 256

static int
compare(const void *a, const void *b) {
  return memcmp(a, b, sizeof(struct copse_route));
}

void
copse_hop_publish(struct copse_resolver *resolver, const struct copse_hop_address *address) {
  struct copse_adjacency adjacency = {.resolved = false};

  if (address->hop && address->hop->resolved) {
    adjacency =
      (struct copse_adjacency){.resolved = true, .port = address->hop->port->port, .vlan = address->hop->port->vlan};
    memcpy(adjacency.source_mac, address->hop->port->mac, sizeof(adjacency.source_mac));
    memcpy(adjacency.next_mac, address->hop->mac, sizeof(adjacency.next_mac));
  }
  copse_table_adjacency(resolver->config.table, address->address, &adjacency);
}

/* A neighbour is asked for again when it must be confirmed, or sooner while it does not answer. */
static void
apply(struct copse_resolver *resolver, struct copse_hop *hop, const struct copse_neighbour *neighbour) {
  bool resolved = neighbour->valid && copse_mac_is_usable(neighbour->mac);
  bool changed = resolved != hop->resolved || (resolved && memcmp(hop->mac, neighbour->mac, sizeof(hop->mac)) != 0);
  const struct copse_hop_address *address;

  if (!changed)
    return;
  if (resolved != hop->resolved) {
    hop->resolved = resolved;
    hop->due = resolver->now + (resolved ? COPSE_NEIGHBOUR_CONFIRM_NS : COPSE_NEIGHBOUR_RETRY_NS);
    copse_resolver_say(resolver, hop->key.next_hop, "on %s is %s", hop->port->interface,
                       resolved ? "a neighbour" : "lost: hops behind it are suspended");
  }
  memcpy(hop->mac, neighbour->mac, sizeof(hop->mac));
  for (address = LIST_FIRST(&hop->addresses); address; address = LIST_NEXT(address, hop_link))
    copse_hop_publish(resolver, address);
}

void
copse_hop_update(struct copse_resolver *resolver, const struct copse_neighbour *neighbour) {
  struct copse_route key = {.interface = neighbour->interface};
  struct copse_hop **found;

  memcpy(key.next_hop, neighbour->address, sizeof(key.next_hop));
  found = tfind(&key, &resolver->hop_tree, compare);
  if (found)
    apply(resolver, *found, neighbour);
}

/* What the kernel knows is taken at once, and it is made to find out the rest: our packets, which it does not see,
 * would not. The answer arrives as an event. */
static void
query(struct copse_resolver *resolver, struct copse_hop *hop) {
  struct copse_neighbour neighbour;
  int status = copse_neighbour_get(&resolver->requests, hop->key.interface, hop->key.next_hop, &neighbour);

  if (status == 0 || status == -ENOENT)
    apply(resolver, hop, &neighbour);
  copse_neighbour_use(&resolver->requests, hop->key.interface, hop->key.next_hop);
  hop->due = resolver->now + (hop->resolved ? COPSE_NEIGHBOUR_CONFIRM_NS : COPSE_NEIGHBOUR_RETRY_NS);
}

static struct copse_hop *
make(struct copse_resolver *resolver, const struct copse_route *route, const struct copse_resolver_port *port) {
  struct copse_hop *hop = calloc(1, sizeof(*hop));

  if (!hop)
    return NULL;
  hop->key = *route;
  hop->port = port;
  LIST_INIT(&hop->addresses);
  if (!tsearch(hop, &resolver->hop_tree, compare)) {
    free(hop);
    return NULL;
  }
  TAILQ_INSERT_TAIL(&resolver->hops, hop, link);
  query(resolver, hop);
  return hop;
}

int
copse_hop_attach(struct copse_resolver *resolver, struct copse_hop_address *address, const struct copse_route *route,
                 const struct copse_resolver_port *port) {
  struct copse_hop **found = tfind(route, &resolver->hop_tree, compare);
  struct copse_hop *hop = found ? *found : make(resolver, route, port);

  if (!hop)
    return -ENOMEM;
  if (address->hop == hop)
    return 0;
  copse_hop_detach(resolver, address);
  address->hop = hop;
  LIST_INSERT_HEAD(&hop->addresses, address, hop_link);
  return 0;
}

void
copse_hop_detach(struct copse_resolver *resolver, struct copse_hop_address *address) {
  struct copse_hop *hop = address->hop;

  if (!hop)
    return;
  address->hop = NULL;
  LIST_REMOVE(address, hop_link);
  if (!LIST_EMPTY(&hop->addresses))
    return;
  tdelete(hop, &resolver->hop_tree, compare);
  TAILQ_REMOVE(&resolver->hops, hop, link);
  free(hop);
}

void
copse_hops_expire(struct copse_resolver *resolver) {
  struct copse_hop *hop;

  for (hop = TAILQ_FIRST(&resolver->hops); hop; hop = TAILQ_NEXT(hop, link))
    hop->due = 0;
  resolver->hops_due = 0;
}

void
copse_hops_tick(struct copse_resolver *resolver) {
  unsigned queries = 0;
  struct copse_hop *hop;

  if (resolver->now < resolver->hops_due)
    return;
  for (hop = TAILQ_FIRST(&resolver->hops); hop && queries < QUERIES_PER_TICK; hop = TAILQ_NEXT(hop, link))
    if (hop->due <= resolver->now) {
      query(resolver, hop);
      queries++;
    }
  if (queries < QUERIES_PER_TICK)
    resolver->hops_due = resolver->now + TICK_NS;
}
