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

/* Chooses by the transmit offloads a port was configured with: it chains only with RTE_ETH_TX_OFFLOAD_MULTI_SEGS.
 * RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE must never be set, payloads are shared. A port without chains (AF_XDP) gets its
 * copies from the pool of its receive queues, whose memory it sends from without copying again. */
struct copse_technique copse_technique_choose(uint64_t tx_offloads, const struct copse_pools *pools);

#endif
