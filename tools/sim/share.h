/* SPDX-License-Identifier: Apache-2.0 */
/* Weighted max-min fair rates by progressive filling (Bertsekas and Gallager, Data Networks, 6.5.2): no flow can get
 * more for its weight unless one that has no more for its own gets less. */
#ifndef SIM_SHARE_H
#define SIM_SHARE_H

#include <stdbool.h>
#include <stdint.h>

struct sim_share_link {
  double spare_bps;    /* in: what is to be shared; out: what nobody can use */
  bool full;           /* out: some flow's bottleneck */
  uint32_t first, end; /* its flows in the filling's list */
  double open;         /* weights of those without a rate yet */
};

struct sim_share_flow {
  const uint32_t *links;
  uint32_t hops;
  double weight;
  double rate_bps;     /* out; negative while there is none yet */
  uint32_t bottleneck; /* out: a link */
};

/* Memory of a filling, kept for the next one. All zero at first; freed with sim_share_free. */
struct sim_share {
  struct sim_share_entry *heap;
  uint32_t *members; /* flows, link by link */
  uint32_t heap_count, heap_capacity, members_capacity;
};

void sim_share(struct sim_share *share, struct sim_share_link *links, uint32_t link_count, struct sim_share_flow *flows,
               uint32_t flow_count);
void sim_share_free(struct sim_share *share);

#endif
