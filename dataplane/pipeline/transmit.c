/* SPDX-License-Identifier: Apache-2.0 */
/* Frames are counted as sent when a port has taken them; what it does not take is dropped, never retried. */
#include "pipeline/pipeline.h"

#include <rte_ethdev.h>

static void
count_sent(struct copse_worker *worker, const struct copse_tx_note *note) {
  const uint32_t links = worker->table->limits.links;

  copse_count(&worker->counters->tx_packets, 1);
  copse_count(&worker->counters->tx_bytes, note->frame_bytes);
  if (note->tree == COPSE_SLOT_NONE) {
    copse_count(&worker->counters->handshakes, 1);
    return;
  }
  copse_count(&worker->counters->copies_sent, 1);
  copse_count(&worker->trees[note->tree].copies_sent, 1);
  if (note->destination < links) {
    copse_count(&worker->links[note->destination].packets, 1);
    copse_count(&worker->links[note->destination].bytes, note->l3_bytes);
  } else {
    copse_count(&worker->members[note->destination - links].tx_packets, 1);
    copse_count(&worker->members[note->destination - links].tx_bytes, note->l3_bytes);
  }
}

static void
drop_unsent(struct copse_worker *worker, struct rte_mbuf *frame, const struct copse_tx_note *note) {
  if (note->tree == COPSE_SLOT_NONE) {
    copse_drop_packet(worker, frame, COPSE_DROP_REPLY_FAILED);
    return;
  }
  copse_drop_copy(worker, note->tree, note->destination, note->yellow, COPSE_DROP_TX_FULL);
  rte_pktmbuf_free(frame);
}

void
copse_transmit(struct copse_worker *worker, struct copse_lane *lane) {
  const uint32_t waiting = lane->waiting;
  uint32_t sent;

  lane->waiting = 0;
  sent = rte_eth_tx_burst(lane->config.port, lane->config.tx_queue, lane->frame, (uint16_t)waiting);
  for (uint32_t i = 0; i < sent; i++)
    count_sent(worker, &lane->note[i]);
  if (likely(sent == waiting))
    return;
  worker->rotation++;
  for (uint32_t i = sent; i < waiting; i++)
    drop_unsent(worker, lane->frame[i], &lane->note[i]);
}

void
copse_queue(struct copse_worker *worker, struct copse_lane *lane, struct rte_mbuf *frame, struct copse_tx_note note) {
  if (lane->waiting == COPSE_TX_BURST)
    copse_transmit(worker, lane);
  lane->frame[lane->waiting] = frame;
  lane->note[lane->waiting++] = note;
}
