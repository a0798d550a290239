/* SPDX-License-Identifier: Apache-2.0 */
/* A link's queue is first in, first out, so a packet's whole time on it is known when it is taken: one event a hop, and
 * only the first packet under way is in the engine's heap. */
#include "network.h"

#include "fluid.h"

#include <stdlib.h>
#include <string.h>

#define FLIGHTS_LEAST 8 /* of a link that has not been used: most between PoPs never are */

struct sim_flight {
  struct sim_packet *packet;
  uint64_t begins, arrives;
};

void
sim_network_init(struct sim_network *network, struct sim_engine *engine, uint32_t nodes, uint64_t seed) {
  *network = (struct sim_network){.engine = engine, .nodes = nodes};
  sim_random_seed(&network->random, seed);
}

/* ---- packets ---- */

struct sim_packet *
sim_packet_new(struct sim_network *network) {
  struct sim_packet *packet = network->free;

  if (packet == NULL)
    return sim_allocate(1, sizeof(*packet));
  network->free = packet->next;
  memset(packet, 0, offsetof(struct sim_packet, next));
  return packet;
}

void
sim_packet_free(struct sim_network *network, struct sim_packet *packet) {
  packet->next = network->free;
  network->free = packet;
}

/* ---- links ---- */

/* What was begun to be sent before `now` waits no more. */
static void
begin_sending(struct sim_link *link, uint64_t now) {
  while (link->begun != link->end && link->flights[link->begun & link->mask].begins <= now)
    link->waiting_bytes -= link->flights[link->begun++ & link->mask].packet->bytes;
}

static bool
has_room(const struct sim_link *link, uint32_t bytes) {
  return (link->limit_packets == 0 || link->end - link->begun < link->limit_packets) &&
         (link->limit_bytes == 0 || link->waiting_bytes + bytes <= link->limit_bytes);
}

static void
enlarge(struct sim_link *link) {
  const uint32_t size = link->mask + 1;
  struct sim_flight *flights = sim_allocate(2UL * size, sizeof(*flights));

  for (uint32_t i = link->first; i != link->end; i++)
    flights[i & (2 * size - 1)] = link->flights[i & link->mask];
  free(link->flights);
  link->flights = flights;
  link->mask = 2 * size - 1;
}

bool
sim_send_over(struct sim_link *link, struct sim_packet *packet) {
  struct sim_engine *engine = link->network->engine;
  const uint64_t now = engine->now;

  begin_sending(link, now);
  const bool idle = link->free_at <= now;
  if (!idle && !has_room(link, packet->bytes)) {
    link->drops++;
    sim_packet_free(link->network, packet);
    return false;
  }
  if (link->end - link->first == link->mask + 1)
    enlarge(link);
  const uint64_t begins = idle ? now : link->free_at;
  link->free_at = begins + (packet->bytes * 8ULL * SIM_SECOND + link->rate_bps - 1) / link->rate_bps;
  link->flights[link->end & link->mask] = (struct sim_flight){packet, begins, link->free_at + link->delay_ns};
  if (link->end == link->first)
    sim_set(engine, &link->timer, link->free_at + link->delay_ns);
  link->end++;
  if (begins <= now)
    link->begun++;
  else
    link->waiting_bytes += packet->bytes;
  link->packets++;
  link->bytes += packet->bytes;
  return true;
}

void
sim_send(struct sim_network *network, struct sim_packet *packet) {
  if (network->fluid != NULL)
    sim_fluid_carry(network->fluid, packet);
  else
    sim_send_over(network->links[sim_next(network, packet->from, packet->to)], packet);
}

static void
arrive(struct sim_timer *timer, uint64_t now) {
  struct sim_link *link = (struct sim_link *)timer;
  struct sim_network *network = link->network;

  begin_sending(link, now);
  struct sim_packet *packet = link->flights[link->first++ & link->mask].packet;
  if (link->first != link->end)
    sim_set(network->engine, &link->timer, link->flights[link->first & link->mask].arrives);
  if (link->loss > 0 && sim_uniform(&network->random) < link->loss) {
    link->lost++;
    sim_packet_free(network, packet);
    return;
  }
  if (packet->to == link->to) {
    packet->endpoint->receive(packet->endpoint, packet, now);
    return;
  }
  sim_send_over(network->links[sim_next(network, link->to, packet->to)], packet);
}

struct sim_link *
sim_link_add(struct sim_network *network, uint32_t from, uint32_t to, uint64_t rate_bps, uint64_t delay_ns) {
  struct sim_link *link = sim_allocate(1, sizeof(*link));

  *link = (struct sim_link){.timer = {.fire = arrive},
                            .network = network,
                            .from = from,
                            .to = to,
                            .rate_bps = rate_bps,
                            .delay_ns = delay_ns,
                            .mask = FLIGHTS_LEAST - 1};
  link->flights = sim_allocate(link->mask + 1, sizeof(*link->flights));
  network->links = sim_enlarge(network->links, network->link_count + 1, sizeof(struct sim_link *));
  network->links[network->link_count++] = link;
  return link;
}

/* ---- routes ---- */

struct metric {
  uint32_t link;
  uint64_t value;
};

/* The links from and to a node's only neighbour; none when it has several. */
static void
find_ways(struct sim_network *network, const uint64_t *metric) {
  uint32_t *degree = sim_allocate(network->nodes, sizeof(*degree));

  for (uint32_t node = 0; node < network->nodes; node++)
    network->ways[node] = (struct sim_way){UINT32_MAX, UINT32_MAX, UINT32_MAX};
  for (uint32_t i = 0; i < network->link_count; i++) {
    const struct sim_link *link = network->links[i];
    if (metric[i] == SIM_NEVER)
      continue;
    degree[link->from]++;
    degree[link->to]++;
    network->ways[link->from].out = i;
    network->ways[link->to].in = i;
  }
  for (uint32_t node = 0; node < network->nodes; node++) {
    struct sim_way *way = &network->ways[node];
    const bool pair = degree[node] == 2 && way->in != UINT32_MAX && way->out != UINT32_MAX &&
                      network->links[way->in]->from == network->links[way->out]->to;
    if (!pair || degree[network->links[way->out]->to] == 2)
      *way = (struct sim_way){network->inner_count++, UINT32_MAX, UINT32_MAX};
  }
  for (uint32_t node = 0; node < network->nodes; node++)
    if (network->ways[node].out != UINT32_MAX)
      network->ways[node].inner = network->ways[network->links[network->ways[node].out]->to].inner;
  free(degree);
}

static bool
is_inner(const struct sim_network *network, uint32_t node) {
  return network->ways[node].out == UINT32_MAX;
}

/* Bellman and Ford's, between inner nodes: those are few, and this runs once. */
static void
route_to(struct sim_network *network, uint32_t to, const struct metric *metrics, uint32_t count, uint64_t *distance) {
  const struct sim_way *ways = network->ways;
  bool changed = true;

  for (uint32_t node = 0; node < network->nodes; node++)
    distance[node] = node == to ? 0 : SIM_NEVER;
  while (changed) {
    changed = false;
    for (uint32_t i = 0; i < count; i++) {
      const struct sim_link *link = network->links[metrics[i].link];
      if (distance[link->to] == SIM_NEVER || metrics[i].value + distance[link->to] >= distance[link->from])
        continue;
      distance[link->from] = metrics[i].value + distance[link->to];
      network->route[ways[link->from].inner * network->inner_count + ways[to].inner] = metrics[i].link;
      changed = true;
    }
  }
}

void
sim_route(struct sim_network *network, const uint64_t *metric) {
  uint64_t *distance = sim_allocate(network->nodes, sizeof(*distance));
  struct metric *metrics = sim_allocate(network->link_count + 1UL, sizeof(*metrics));
  uint32_t count = 0;

  free(network->ways);
  free(network->route);
  network->inner_count = 0;
  network->ways = sim_allocate(network->nodes, sizeof(*network->ways));
  find_ways(network, metric);
  const size_t pairs = (size_t)network->inner_count * network->inner_count;
  network->route = sim_allocate(pairs, sizeof(*network->route));
  memset(network->route, 0xff, pairs * sizeof(*network->route));
  for (uint32_t i = 0; i < network->link_count; i++)
    if (metric[i] != SIM_NEVER && is_inner(network, network->links[i]->from) &&
        is_inner(network, network->links[i]->to))
      metrics[count++] = (struct metric){i, metric[i]};
  for (uint32_t to = 0; to < network->nodes; to++)
    if (is_inner(network, to))
      route_to(network, to, metrics, count, distance);
  free(metrics);
  free(distance);
}

uint32_t
sim_next(const struct sim_network *network, uint32_t from, uint32_t to) {
  const struct sim_way *here = &network->ways[from], *there = &network->ways[to];

  if (here->out != UINT32_MAX)
    return here->out;
  if (here->inner == there->inner)
    return there->in;
  return network->route[here->inner * network->inner_count + there->inner];
}

void
sim_network_free(struct sim_network *network) {
  for (uint32_t i = 0; i < network->link_count; i++) {
    struct sim_link *link = network->links[i];
    for (uint32_t k = link->first; k != link->end; k++)
      free(link->flights[k & link->mask].packet);
    free(link->flights);
    free(link);
  }
  while (network->free != NULL) {
    struct sim_packet *packet = network->free;
    network->free = packet->next;
    free(packet);
  }
  free(network->links);
  free(network->ways);
  free(network->route);
}
