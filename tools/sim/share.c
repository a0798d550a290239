/* SPDX-License-Identifier: Apache-2.0 */
/* The link whose flows get least for their weights is next: its flows' rates are final, and what they take is taken
 * from their other links. A share only ever grows meanwhile, so a heap entry that is out of date is put back when it
 * comes up. */
#include "share.h"

#include "engine.h"

#include <stdlib.h>

struct sim_share_entry {
  double share_bps; /* for a weight of 1 */
  uint32_t link;
};

/* ---- heap, least share first, equal ones by link ---- */

static bool
comes_before(const struct sim_share_entry *a, const struct sim_share_entry *b) {
  return a->share_bps < b->share_bps || (a->share_bps == b->share_bps && a->link < b->link);
}

static void
push(struct sim_share *share, struct sim_share_entry entry) {
  uint32_t place = share->heap_count++;

  while (place > 0 && comes_before(&entry, &share->heap[(place - 1) / 2])) {
    share->heap[place] = share->heap[(place - 1) / 2];
    place = (place - 1) / 2;
  }
  share->heap[place] = entry;
}

static struct sim_share_entry
pop(struct sim_share *share) {
  const struct sim_share_entry top = share->heap[0], last = share->heap[--share->heap_count];
  uint32_t place = 0, child;

  while ((child = 2 * place + 1) < share->heap_count) {
    child += child + 1 < share->heap_count && comes_before(&share->heap[child + 1], &share->heap[child]);
    if (!comes_before(&share->heap[child], &last))
      break;
    share->heap[place] = share->heap[child];
    place = child;
  }
  share->heap[place] = last;
  return top;
}

/* ---- filling ---- */

/* Lists each link's flows. */
static void
list_flows(struct sim_share *share, struct sim_share_link *links, uint32_t link_count, struct sim_share_flow *flows,
           uint32_t flow_count) {
  uint32_t members = 0;

  for (uint32_t i = 0; i < link_count; i++) {
    links[i].first = links[i].end = 0;
    links[i].open = 0;
    links[i].full = false;
  }
  for (uint32_t f = 0; f < flow_count; f++) {
    flows[f].rate_bps = -1;
    for (uint32_t hop = 0; hop < flows[f].hops; hop++)
      links[flows[f].links[hop]].end++;
  }
  for (uint32_t i = 0; i < link_count; i++) {
    const uint32_t count = links[i].end;
    links[i].first = links[i].end = members;
    members += count;
  }
  if (members > share->members_capacity)
    share->members = sim_enlarge(share->members, share->members_capacity = 2 * members, sizeof(*share->members));
  for (uint32_t f = 0; f < flow_count; f++)
    for (uint32_t hop = 0; hop < flows[f].hops; hop++) {
      struct sim_share_link *link = &links[flows[f].links[hop]];
      share->members[link->end++] = f;
      link->open += flows[f].weight;
    }
}

/* Nothing but rounding is left of the weights when all flows have a rate. */
static double
share_of(const struct sim_share_link *link) {
  return link->spare_bps > 0 && link->open > 0 ? link->spare_bps / link->open : 0;
}

static void
fill(const struct sim_share *share, struct sim_share_link *links, uint32_t number, struct sim_share_flow *flows) {
  const double share_bps = share_of(&links[number]);

  for (uint32_t m = links[number].first; m < links[number].end; m++) {
    struct sim_share_flow *flow = &flows[share->members[m]];
    if (flow->rate_bps >= 0)
      continue;
    flow->rate_bps = share_bps * flow->weight;
    flow->bottleneck = number;
    links[number].full = true;
    for (uint32_t hop = 0; hop < flow->hops; hop++) {
      links[flow->links[hop]].spare_bps -= flow->rate_bps;
      links[flow->links[hop]].open -= flow->weight;
    }
  }
}

void
sim_share(struct sim_share *share, struct sim_share_link *links, uint32_t link_count, struct sim_share_flow *flows,
          uint32_t flow_count) {
  list_flows(share, links, link_count, flows, flow_count);
  if (link_count > share->heap_capacity)
    share->heap = sim_enlarge(share->heap, share->heap_capacity = link_count, sizeof(*share->heap));
  share->heap_count = 0;
  for (uint32_t i = 0; i < link_count; i++)
    if (links[i].end > links[i].first)
      push(share, (struct sim_share_entry){share_of(&links[i]), i});
  while (share->heap_count > 0) {
    const struct sim_share_entry least = pop(share);
    const double now_bps = share_of(&links[least.link]);
    if (now_bps > least.share_bps * (1 + 1e-9))
      push(share, (struct sim_share_entry){now_bps, least.link});
    else
      fill(share, links, least.link, flows);
  }
}

void
sim_share_free(struct sim_share *share) {
  free(share->heap);
  free(share->members);
}
