/* SPDX-License-Identifier: Apache-2.0 */
#include "neighbour/internal.h"

#include <arpa/inet.h>
#include <copse/log.h>
#include <search.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define LOOKUPS_PER_TICK 512
#define LINES_PER_SECOND 10

static int
compare(const void *a, const void *b) {
  return memcmp(a, b, 16);
}

void
copse_resolver_say(struct copse_resolver *resolver, const uint8_t address[16], const char *format, ...) {
  bool mapped = IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)address);
  char text[INET6_ADDRSTRLEN], line[128];
  va_list arguments;

  if (resolver->now - resolver->said_at >= COPSE_NS_PER_S) {
    if (resolver->unsaid)
      copse_log(COPSE_LOG_INFO, "%u more changes of neighbours and routes", resolver->unsaid);
    resolver->said_at = resolver->now;
    resolver->said = resolver->unsaid = 0;
  }
  if (++resolver->said > LINES_PER_SECOND) {
    resolver->unsaid++;
    return;
  }
  inet_ntop(mapped ? AF_INET : AF_INET6, address + (mapped ? 12 : 0), text, sizeof(text));
  va_start(arguments, format);
  vsnprintf(line, sizeof(line), format, arguments);
  va_end(arguments);
  copse_log(COPSE_LOG_INFO, "%s %s", text, line);
}

static void
queue(struct copse_resolver *resolver, struct copse_hop_address *address) {
  if (!address->pending)
    TAILQ_INSERT_TAIL(&resolver->pending, address, pending_link);
  address->pending = true;
}

/* ---- where an address leaves ---- */

static const struct copse_static_neighbour *
find_static(const struct copse_resolver *resolver, const uint8_t address[16]) {
  for (size_t i = 0; i < resolver->entry_count; i++)
    if (memcmp(resolver->entries[i].address, address, 16) == 0)
      return &resolver->entries[i];
  return NULL;
}

static const struct copse_resolver_port *
find_port(const struct copse_resolver *resolver, unsigned interface) {
  for (size_t i = 0; i < resolver->config.port_count; i++)
    if (resolver->interface[i] && resolver->interface[i] == interface)
      return &resolver->config.ports[i];
  return NULL;
}

static void
publish_static(struct copse_resolver *resolver, struct copse_hop_address *address,
               const struct copse_static_neighbour *entry) {
  const struct copse_resolver_port *port = &resolver->config.ports[entry->port];
  struct copse_adjacency adjacency = {.resolved = true, .port = port->port, .vlan = port->vlan};

  memcpy(adjacency.source_mac, port->mac, sizeof(adjacency.source_mac));
  memcpy(adjacency.next_mac, entry->mac, sizeof(adjacency.next_mac));
  copse_hop_detach(resolver, address);
  copse_table_adjacency(resolver->config.table, address->address, &adjacency);
}

/* A static entry for the address itself, else for its gateway, else the kernel's neighbour. */
static void
look_up(struct copse_resolver *resolver, struct copse_hop_address *address) {
  const struct copse_static_neighbour *entry = find_static(resolver, address->address);
  const struct copse_resolver_port *port = NULL;
  bool was_routeless = address->routeless;
  struct copse_route route;

  address->routeless = false;
  if (!entry && copse_route_get(&resolver->requests, address->address, &route) == 0) {
    entry = find_static(resolver, route.next_hop);
    port = find_port(resolver, route.interface);
  }
  if (entry) {
    publish_static(resolver, address, entry);
    return;
  }
  if (!port || copse_hop_attach(resolver, address, &route, port) != 0) {
    copse_hop_detach(resolver, address);
    address->routeless = true;
    if (!was_routeless)
      copse_resolver_say(resolver, address->address, "has no route through a port: hops to it are suspended");
  }
  copse_hop_publish(resolver, address);
}

/* ---- which addresses there are ---- */

static void
visit(void *context, const uint8_t bytes[16]) {
  struct copse_resolver *resolver = context;
  struct copse_hop_address **found = tfind(bytes, &resolver->address_tree, compare), *address;

  if (found) {
    (*found)->seen = resolver->address_generation;
    return;
  }
  address = calloc(1, sizeof(*address));
  if (!address)
    return;
  memcpy(address->address, bytes, sizeof(address->address));
  address->seen = resolver->address_generation;
  if (!tsearch(address, &resolver->address_tree, compare)) {
    free(address);
    return;
  }
  TAILQ_INSERT_TAIL(&resolver->addresses, address, link);
  queue(resolver, address);
}

static void
forget(struct copse_resolver *resolver, struct copse_hop_address *address) {
  copse_hop_detach(resolver, address);
  if (address->pending)
    TAILQ_REMOVE(&resolver->pending, address, pending_link);
  TAILQ_REMOVE(&resolver->addresses, address, link);
  tdelete(address, &resolver->address_tree, compare);
  free(address);
}

static void
follow_table(struct copse_resolver *resolver) {
  uint64_t generation = copse_table_address_generation(resolver->config.table);
  struct copse_hop_address *address, *next;

  if (generation == resolver->address_generation)
    return;
  resolver->address_generation = generation;
  copse_table_each_address(resolver->config.table, visit, resolver);
  for (address = TAILQ_FIRST(&resolver->addresses); address; address = next) {
    next = TAILQ_NEXT(address, link);
    if (address->seen != generation)
      forget(resolver, address);
  }
}

/* ---- when ---- */

static void
queue_all(struct copse_resolver *resolver, bool routeless_only) {
  struct copse_hop_address *address;

  for (address = TAILQ_FIRST(&resolver->addresses); address; address = TAILQ_NEXT(address, link))
    if (address->routeless || !routeless_only)
      queue(resolver, address);
}

static void
read_interfaces(struct copse_resolver *resolver) {
  for (size_t i = 0; i < resolver->config.port_count; i++)
    resolver->interface[i] =
      resolver->config.ports[i].interface[0] ? if_nametoindex(resolver->config.ports[i].interface) : 0;
}

void
copse_resolver_tick(struct copse_resolver *resolver, uint64_t now) {
  resolver->now = now;
  follow_table(resolver);
  if (resolver->routes_changed && now >= resolver->changes_due) {
    resolver->routes_changed = false;
    resolver->changes_due = now + COPSE_ROUTE_CHANGES_NS;
    read_interfaces(resolver);
    queue_all(resolver, false);
  }
  if (now >= resolver->routes_due) {
    resolver->routes_due = now + COPSE_ROUTE_RETRY_NS;
    queue_all(resolver, true);
  }
  for (unsigned i = 0; i < LOOKUPS_PER_TICK && !TAILQ_EMPTY(&resolver->pending); i++) {
    struct copse_hop_address *address = TAILQ_FIRST(&resolver->pending);
    TAILQ_REMOVE(&resolver->pending, address, pending_link);
    address->pending = false;
    look_up(resolver, address);
  }
  copse_hops_tick(resolver);
}

int
copse_resolver_set_static(struct copse_resolver *resolver, const struct copse_static_neighbour *entries, size_t count) {
  struct copse_static_neighbour *copy = reallocarray(NULL, count ? count : 1, sizeof(*copy));

  if (!copy)
    return -ENOMEM;
  if (count)
    memcpy(copy, entries, count * sizeof(*copy));
  free(resolver->entries);
  resolver->entries = copy;
  resolver->entry_count = count;
  queue_all(resolver, false);
  return 0;
}

struct copse_resolver *
copse_resolver_create(const struct copse_resolver_config *config, struct copse_error *error) {
  struct copse_resolver *resolver = calloc(1, sizeof(*resolver));
  int status = resolver ? 0 : -ENOMEM;

  if (resolver) {
    resolver->config = *config;
    TAILQ_INIT(&resolver->hops);
    TAILQ_INIT(&resolver->addresses);
    TAILQ_INIT(&resolver->pending);
    resolver->routes_changed = true;
    resolver->address_generation = UINT64_MAX;
    status = copse_netlink_open(&resolver->requests);
    if (!status)
      status = copse_monitor_open(resolver);
  }
  if (!status)
    return resolver;
  copse_fail(error, status, "cannot follow the kernel's routes and neighbours: %s", strerror(-status));
  copse_resolver_destroy(resolver);
  return NULL;
}

void
copse_resolver_destroy(struct copse_resolver *resolver) {
  if (!resolver)
    return;
  while (!TAILQ_EMPTY(&resolver->addresses))
    forget(resolver, TAILQ_FIRST(&resolver->addresses));
  copse_monitor_close(resolver);
  copse_netlink_close(&resolver->requests);
  free(resolver->entries);
  free(resolver);
}
