/* SPDX-License-Identifier: Apache-2.0 */
/* Frames are counted as sent when a port has taken them; what it does not take is dropped, never retried. */
#include "pipeline/pipeline.h"

#include <rte_ethdev.h>

/* Packets and then bytes of a link, and those sent to a member, are counted alike. The frames of a packet stand beside
 * each other, so that a tree is counted in one go. */
static void
count_sent(struct copse_worker *worker, const struct copse_tx_note *notes, uint32_t count) {
  const uint32_t links = worker->table->limits.links;
  uint64_t bytes = 0, handshakes = 0;

  for (uint32_t i = 0; i < count;) {
    const uint32_t tree = notes[i].tree, first = i;
    for (; i < count && notes[i].tree == tree; i++) {
      bytes += notes[i].frame_bytes;
      if (unlikely(tree == COPSE_SLOT_NONE))
        continue;
      const uint32_t to = notes[i].destination;
      uint64_t *sent = to < links ? &worker->links[to].packets : &worker->members[to - links].tx_packets;
      copse_count(&sent[0], 1);
      copse_count(&sent[1], notes[i].frame_bytes - notes[i].l3_offset);
    }
    if (unlikely(tree == COPSE_SLOT_NONE))
      handshakes += i - first;
    else
      copse_count(&worker->trees[tree].copies_sent, i - first);
  }
  copse_count(&worker->counters->tx_packets, count);
  copse_count(&worker->counters->tx_bytes, bytes);
  copse_count(&worker->counters->handshakes, handshakes);
  copse_count(&worker->counters->copies_sent, count - handshakes);
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
  count_sent(worker, lane->note, sent);
  if (likely(sent == waiting))
    return;
  worker->rotation++;
  for (uint32_t i = sent; i < waiting; i++)
    drop_unsent(worker, lane->frame[i], &lane->note[i]);
}
