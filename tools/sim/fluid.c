/* SPDX-License-Identifier: Apache-2.0 */
#include "fluid.h"

#include <stdlib.h>

#define SEGMENT 1448.0               /* of the stream, in a full packet */
#define SEGMENT_PACKET 1500.0        /* with TCP's and IP's headers */
#define HEADERS 52.0                 /* of TCP and IP; an acknowledgement is no more, and each packet gets one */
#define LEAST 0.02                   /* of a link's rate: what packets that do not give way leave to flows */
#define ROUND_TRIP 0.5               /* seconds, without queues inside the network */
#define SEND_BYTES 65536.0           /* a flow's part of a queue is its sender's buffer at most */
#define NOT_ITS_TURN 1e-6            /* a weight that gets next to nothing */
#define SETTLING_NS (2 * SIM_SECOND) /* in which such a queue comes or goes */
#define STANDING 0.85                /* of a queue's room, that TCP keeps full on average */

struct sim_carried {
  struct sim_timer timer;
  struct sim_fluid *fluid;
  struct sim_packet *packet;
  struct sim_carried *next, *older; /* of those that are free; of all */
};

static struct sim_fluid *
fluid_of(struct sim_timer *timer) {
  return (struct sim_fluid *)((char *)timer - offsetof(struct sim_fluid, step));
}

/* ---- packets and messages ---- */

/* What waits before a link, seconds. */
static double
queueing(const struct sim_fluid *fluid, uint32_t link) {
  const struct sim_level *level = &fluid->levels[link];

  return fmax(level->queue_bytes, level->standing_bytes) * 8 / (double)fluid->network->links[link]->rate_bps;
}

static double
crossing(const struct sim_fluid *fluid, uint32_t link, double bytes) {
  const struct sim_link *crossed = fluid->network->links[link];

  return (double)crossed->delay_ns / SIM_SECOND + bytes * 8 / (double)crossed->rate_bps + queueing(fluid, link);
}

static void
deliver(struct sim_timer *timer, uint64_t now) {
  struct sim_carried *carried = (struct sim_carried *)timer;

  carried->next = carried->fluid->free;
  carried->fluid->free = carried;
  carried->packet->endpoint->receive(carried->packet->endpoint, carried->packet, now);
}

static void
deliver_in(struct sim_fluid *fluid, struct sim_packet *packet, double seconds) {
  struct sim_carried *carried = fluid->free;

  if (carried != NULL) {
    fluid->free = carried->next;
  } else {
    carried = sim_allocate(1, sizeof(*carried));
    *carried = (struct sim_carried){.timer.fire = deliver, .fluid = fluid, .older = fluid->carried};
    fluid->carried = carried;
  }
  carried->packet = packet;
  sim_set(fluid->network->engine, &carried->timer, fluid->network->engine->now + (uint64_t)(seconds * SIM_SECOND));
}

void
sim_fluid_carry(struct sim_fluid *fluid, struct sim_packet *packet) {
  struct sim_network *network = fluid->network;
  double seconds = 0;

  for (uint32_t node = packet->from; node != packet->to;) {
    const uint32_t link = sim_next(network, node, packet->to);
    struct sim_level *level = &fluid->levels[link];
    level->packets_bytes += packet->bytes;
    if (level->pass < 1 && sim_uniform(&network->random) >= level->pass) {
      network->links[link]->drops++;
      sim_packet_free(network, packet);
      return;
    }
    seconds += crossing(fluid, link, packet->bytes);
    network->links[link]->bytes += packet->bytes;
    node = network->links[link]->to;
  }
  deliver_in(fluid, packet, seconds);
}

/* ---- flows ---- */

/* How many links the way has; lists them unless `path` is null. */
static uint32_t
walk(const struct sim_network *network, uint32_t from, uint32_t to, uint32_t *path) {
  uint32_t hops = 0;

  for (uint32_t node = from; node != to; hops++) {
    const uint32_t link = sim_next(network, node, to);
    if (path != NULL)
      path[hops] = link;
    node = network->links[link]->to;
  }
  return hops;
}

static void
find_ways(struct sim_flow *flow) {
  const struct sim_network *network = flow->fluid->network;

  flow->hops = walk(network, flow->from, flow->to, NULL);
  flow->hops_back = walk(network, flow->to, flow->from, NULL);
  flow->path = sim_allocate((size_t)flow->hops + flow->hops_back, sizeof(*flow->path));
  walk(network, flow->from, flow->to, flow->path);
  walk(network, flow->to, flow->from, flow->path + flow->hops);
}

static void
end_within_step(struct sim_flow *flow, uint64_t now) {
  struct sim_engine *engine = flow->fluid->network->engine;
  const double seconds = flow->rate_bps > 0 ? flow->left_bytes * 8 / flow->rate_bps : INFINITY;

  if (seconds * SIM_SECOND <= SIM_FLUID_STEP_NS)
    sim_set(engine, &flow->timer, now + (uint64_t)(seconds * SIM_SECOND) + 1);
  else
    sim_cancel(engine, &flow->timer);
}

static void
begin(struct sim_flow *flow, uint64_t now) {
  struct sim_fluid *fluid = flow->fluid;

  if (flow->path == NULL)
    find_ways(flow);
  if (fluid->active_count == fluid->active_capacity) {
    fluid->active_capacity = 2 * fluid->active_capacity + 64;
    fluid->active = sim_enlarge(fluid->active, fluid->active_capacity, sizeof(struct sim_flow *));
    fluid->rates = sim_enlarge(fluid->rates, fluid->active_capacity, sizeof(*fluid->rates));
  }
  fluid->active[fluid->active_count] = flow;
  fluid->rates[fluid->active_count] = (struct sim_share_flow){.links = flow->path, .hops = flow->hops};
  flow->place = ++fluid->active_count;
  flow->bulk = flow->waiting;
  flow->waiting = 0;
  flow->left_bytes = (double)flow->bulk * (SEGMENT_PACKET / SEGMENT);
  flow->since = flow->served = now;
  flow->rate_bps = INFINITY;
  for (uint32_t hop = 0; hop < flow->hops; hop++)
    flow->rate_bps = fmin(flow->rate_bps, fmax(0, fluid->links[flow->path[hop]].spare_bps));
  for (uint32_t hop = 0; hop < flow->hops; hop++)
    fluid->links[flow->path[hop]].spare_bps -= flow->rate_bps;
  end_within_step(flow, now);
}

static void
end(struct sim_flow *flow) {
  struct sim_fluid *fluid = flow->fluid;
  const uint32_t place = flow->place - 1, last = --fluid->active_count;

  for (uint32_t hop = 0; hop < flow->hops; hop++)
    fluid->links[flow->path[hop]].spare_bps += flow->rate_bps;
  fluid->active[place] = fluid->active[last];
  fluid->rates[place] = fluid->rates[last];
  fluid->active[place]->place = place + 1;
  flow->place = 0;
  sim_cancel(fluid->network->engine, &flow->timer);
}

/* What has come since it was looked at last arrives, in whole segments, for who waits must see when it gets hardly any;
 * the flow ends with its last byte. */
static void
settle(struct sim_flow *flow, uint64_t now) {
  struct sim_fluid *fluid = flow->fluid;
  const double moved = fmin(flow->left_bytes, flow->rate_bps * (double)(now - flow->since) / (8.0 * SIM_SECOND));

  for (uint32_t hop = 0; hop < flow->hops; hop++) {
    fluid->network->links[flow->path[hop]]->bytes += (uint64_t)moved;
    fluid->levels[flow->path[hop]].flows_bytes += moved;
  }
  for (uint32_t hop = flow->hops; hop < flow->hops + flow->hops_back; hop++)
    fluid->levels[flow->path[hop]].other_bytes += moved * (HEADERS / SEGMENT_PACKET);
  flow->left_bytes -= moved;
  flow->since = now;
  const uint64_t left = (uint64_t)ceil(flow->left_bytes * (SEGMENT / SEGMENT_PACKET) - 1e-3), come = flow->bulk - left;
  const uint64_t bytes = left > 0 ? come - come % (uint64_t)SEGMENT : come;
  flow->bulk -= bytes;
  if (left == 0)
    end(flow);
  if (bytes > 0) {
    flow->served = now;
    flow->taken(flow->context, bytes, now);
    flow->arrived(flow->context, bytes, now);
  }
}

static void
on_flow(struct sim_timer *timer, uint64_t now) {
  struct sim_flow *flow = (struct sim_flow *)timer;
  const uint64_t message = flow->message;

  if (flow->place != 0) {
    settle(flow, now);
    return;
  }
  flow->message = 0;
  if (flow->waiting > 0)
    begin(flow, now);
  flow->arrived(flow->context, message, now);
}

void
sim_flow_init(struct sim_flow *flow, struct sim_fluid *fluid, uint32_t from, uint32_t to, sim_flow_event *arrived,
              sim_flow_event *taken, void *context) {
  *flow = (struct sim_flow){.timer.fire = on_flow,
                            .fluid = fluid,
                            .from = from,
                            .to = to,
                            .arrived = arrived,
                            .taken = taken,
                            .context = context};
}

void
sim_flow_stop(struct sim_flow *flow) {
  if (flow->place != 0)
    end(flow);
  sim_cancel(flow->fluid->network->engine, &flow->timer);
  flow->message = flow->waiting = flow->bulk = 0;
}

void
sim_flow_free(struct sim_flow *flow) {
  sim_flow_stop(flow);
  free(flow->path);
}

/* It goes packet by packet: its length counts at the slowest link, once. */
void
sim_flow_message(struct sim_flow *flow, uint64_t bytes) {
  struct sim_fluid *fluid = flow->fluid;
  const struct sim_network *network = fluid->network;
  const double wire = (double)bytes + HEADERS * ceil((double)bytes / SEGMENT);
  double seconds = 0, slowest_bps = INFINITY;

  for (uint32_t node = flow->from; node != flow->to;) {
    const uint32_t link = sim_next(network, node, flow->to);
    fluid->levels[link].other_bytes += wire;
    network->links[link]->bytes += (uint64_t)wire;
    seconds += crossing(fluid, link, 0);
    slowest_bps = fmin(slowest_bps, (double)network->links[link]->rate_bps);
    node = network->links[link]->to;
  }
  for (uint32_t node = flow->to; node != flow->from;) {
    const uint32_t link = sim_next(network, node, flow->from);
    fluid->levels[link].other_bytes += HEADERS * ceil((double)bytes / (2 * SEGMENT));
    node = network->links[link]->to;
  }
  flow->message += bytes;
  sim_set(network->engine, &flow->timer,
          network->engine->now + (uint64_t)((seconds + wire * 8 / slowest_bps) * SIM_SECOND));
}

void
sim_flow_bulk(struct sim_flow *flow, uint64_t bytes) {
  flow->waiting += bytes;
  if (flow->message == 0)
    begin(flow, flow->fluid->network->engine->now);
}

/* ---- steps ---- */

/* What a link carried since the last step, and what it leaves to flows until the next. A sender that paces itself fills
 * its queue when all it sends is more than its link carries; others' flows take what there is. */
static void
renew_link(struct sim_fluid *fluid, uint32_t number) {
  const struct sim_link *link = fluid->network->links[number];
  struct sim_level *level = &fluid->levels[number];
  const double carries = (double)link->rate_bps * SIM_FLUID_STEP_NS / (8.0 * SIM_SECOND); /* bytes in a step */
  const double limit = fluid->limits_bps[number] * SIM_FLUID_STEP_NS / (8.0 * SIM_SECOND);
  const double room = link->limit_bytes == 0 ? INFINITY : link->limit_bytes;
  const double yielding = level->packets_bytes + level->other_bytes, came = yielding + level->flows_bytes;
  const double waiting = fmax(0, level->queue_bytes + came - carries), lost = fmax(0, waiting - room);
  double rest = carries - yielding;

  if (limit < INFINITY)
    rest = waiting < room ? limit : fmin(limit, rest);
  else
    rest -= waiting;
  level->pass = lost > 0 ? 1 - lost / came : 1;
  level->queue_bytes = waiting - lost;
  level->packets_bytes = level->other_bytes = level->flows_bytes = 0;
  fluid->links[number].spare_bps = fmax(rest, LEAST * carries) * 8.0 * SIM_SECOND / SIM_FLUID_STEP_NS;
}

/* Bytes on the wire of a segment that has not come whole. */
static double
begun_of(const struct sim_flow *flow) {
  return (double)flow->bulk * (SEGMENT_PACKET / SEGMENT) - flow->left_bytes;
}

/* A sender that may send less than a packet a second sends a packet of one flow, then of the next: finds whose turn it
 * is, the one whose packet is begun or the one that has waited for longest. */
static void
take_turns(struct sim_fluid *fluid) {
  for (uint32_t i = 0; i < fluid->active_count; i++)
    fluid->levels[fluid->active[i]->path[0]].turn = NULL;
  for (uint32_t i = 0; i < fluid->active_count; i++) {
    struct sim_flow *flow = fluid->active[i], **turn = &fluid->levels[flow->path[0]].turn;
    if (fluid->limits_bps[flow->path[0]] > 8 * SEGMENT_PACKET)
      continue;
    if (*turn == NULL || begun_of(flow) > begun_of(*turn) + 1 ||
        (begun_of(flow) > begun_of(*turn) - 1 && flow->served < (*turn)->served))
      *turn = flow;
  }
}

/* One over the round trip time. Behind uplinks whose senders pace themselves uploads take turns. */
static double
weight_of(const struct sim_fluid *fluid, const struct sim_flow *flow) {
  const struct sim_flow *turn = fluid->levels[flow->path[0]].turn;
  double seconds = ROUND_TRIP;

  if (turn != NULL && turn != flow)
    return NOT_ITS_TURN;
  for (uint32_t hop = 0; hop < flow->hops; hop++)
    if (fluid->limits_bps[flow->path[hop]] == INFINITY)
      seconds += queueing(fluid, flow->path[hop]);
  return 1 / seconds;
}

/* A flow whose bottleneck is not its own sender fills the queue there, little by little. */
static void
renew_queues(struct sim_fluid *fluid) {
  const struct sim_network *network = fluid->network;
  const double part = (double)SIM_FLUID_STEP_NS / SETTLING_NS;

  for (uint32_t i = 0; i < network->link_count; i++)
    fluid->levels[i].flows_waiting = 0;
  for (uint32_t i = 0; i < fluid->active_count; i++)
    fluid->levels[fluid->rates[i].bottleneck].flows_waiting += fmin(SEND_BYTES, fluid->active[i]->left_bytes);
  for (uint32_t i = 0; i < network->link_count; i++) {
    struct sim_level *level = &fluid->levels[i];
    const double fills = fluid->limits_bps[i] < INFINITY ? 0 : level->flows_waiting;
    level->standing_bytes += (fmin(STANDING * network->links[i]->limit_bytes, fills) - level->standing_bytes) * part;
  }
}

static void
on_step(struct sim_timer *timer, uint64_t now) {
  struct sim_fluid *fluid = fluid_of(timer);
  const struct sim_network *network = fluid->network;

  for (uint32_t i = fluid->active_count; i-- > 0;)
    settle(fluid->active[i], now);
  if (fluid->before != NULL)
    fluid->before(fluid->context, now);
  for (uint32_t i = 0; i < network->link_count; i++)
    renew_link(fluid, i);
  take_turns(fluid);
  for (uint32_t i = 0; i < fluid->active_count; i++)
    fluid->rates[i].weight = weight_of(fluid, fluid->active[i]);
  sim_share(&fluid->share, fluid->links, network->link_count, fluid->rates, fluid->active_count);
  for (uint32_t i = 0; i < fluid->active_count; i++) {
    fluid->active[i]->rate_bps = fluid->rates[i].rate_bps;
    end_within_step(fluid->active[i], now);
  }
  renew_queues(fluid);
  sim_set(network->engine, &fluid->step, now + SIM_FLUID_STEP_NS);
}

void
sim_fluid_init(struct sim_fluid *fluid, struct sim_network *network) {
  *fluid = (struct sim_fluid){.step.fire = on_step, .network = network};
  fluid->levels = sim_allocate(network->link_count, sizeof(*fluid->levels));
  fluid->links = sim_allocate(network->link_count, sizeof(*fluid->links));
  fluid->limits_bps = sim_allocate(network->link_count, sizeof(*fluid->limits_bps));
  for (uint32_t i = 0; i < network->link_count; i++) {
    fluid->levels[i].pass = 1;
    fluid->limits_bps[i] = INFINITY;
    fluid->links[i].spare_bps = (double)network->links[i]->rate_bps;
  }
  network->fluid = fluid;
  sim_set(network->engine, &fluid->step, network->engine->now + SIM_FLUID_STEP_NS);
}

void
sim_fluid_free(struct sim_fluid *fluid) {
  sim_cancel(fluid->network->engine, &fluid->step);
  while (fluid->carried != NULL) {
    struct sim_carried *carried = fluid->carried;
    fluid->carried = carried->older;
    if (carried->timer.place != 0) {
      sim_cancel(fluid->network->engine, &carried->timer);
      free(carried->packet);
    }
    free(carried);
  }
  free(fluid->levels);
  free(fluid->links);
  free(fluid->limits_bps);
  free(fluid->active);
  free(fluid->rates);
  sim_share_free(&fluid->share);
}
