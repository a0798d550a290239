/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/pipeline.h"

#include <rte_ethdev.h>

unsigned
copse_receive(struct copse_worker *worker, const struct copse_lane *lane, struct rte_mbuf **frames) {
  const unsigned count = rte_eth_rx_burst(lane->config.port, lane->config.rx_queue, frames, COPSE_BURST);
  uint64_t bytes = 0;

  for (unsigned i = 0; i < count; i++) {
    rte_prefetch0(rte_pktmbuf_mtod(frames[i], void *));
    bytes += rte_pktmbuf_pkt_len(frames[i]);
  }
  copse_count(&worker->counters->rx_packets, count);
  copse_count(&worker->counters->rx_bytes, bytes);
  return count;
}
