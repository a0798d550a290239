/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/pipeline.h"

#include <rte_ethdev.h>

/* All headers: the block header ends in the second line, also with a VLAN tag or over IPv6. */
static inline void
prefetch_headers(const struct rte_mbuf *frame) {
  rte_prefetch0(rte_pktmbuf_mtod(frame, void *));
  rte_prefetch0(rte_pktmbuf_mtod_offset(frame, void *, RTE_CACHE_LINE_SIZE));
}

unsigned
copse_receive(struct copse_worker *worker, const struct copse_lane *lane, struct rte_mbuf **frames) {
  const unsigned count = rte_eth_rx_burst(lane->config.port, lane->config.rx_queue, frames, COPSE_BURST);
  uint64_t bytes = 0;

  for (unsigned i = 0; i < count; i++) {
    prefetch_headers(frames[i]);
    bytes += rte_pktmbuf_pkt_len(frames[i]);
  }
  copse_count(&worker->counters->rx_packets, count);
  copse_count(&worker->counters->rx_bytes, bytes);
  return count;
}
