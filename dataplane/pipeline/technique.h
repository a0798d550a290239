/* SPDX-License-Identifier: Apache-2.0 */
/* How copies for one port are made. Chosen at start; see docs/decisions/replication.md. */
#ifndef COPSE_TECHNIQUE_H
#define COPSE_TECHNIQUE_H

#include "pipeline/pools.h"
#include <stdbool.h>

struct copse_technique {
  bool chain;               /* the port takes chained segments: header mbuf in front of the shared payload */
  uint16_t copy_below;      /* frames up to this size are copied into one segment even so; 0: none */
  struct rte_mempool *copy; /* of single-segment copies */
  struct rte_mempool *header;
};

/* Chooses by the driver's name and its transmit offloads. A port may chain only if it was configured with
 * RTE_ETH_TX_OFFLOAD_MULTI_SEGS; RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE must never be set, payloads are shared. */
struct copse_technique copse_technique_choose(const char *driver, uint64_t tx_offloads,
                                              const struct copse_pools *pools);

#endif
