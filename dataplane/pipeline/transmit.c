/* SPDX-License-Identifier: Apache-2.0 */
/* Frames are counted as sent when a port has taken them; what it does not take is dropped, never retried. */
#include "pipeline/pipeline.h"

#include <rte_ethdev.h>

/* Packets and then bytes of a link, and those sent to a member, are counted alike. */
static void
count_hop(struct copse_worker *worker, const struct copse_tx_note *note, uint32_t frames) {
  const uint32_t links = worker->table->limits.links, to = note->destination;
  uint64_t *sent = to < links ? &worker->links[to].packets : &worker->members[to - links].tx_packets;

  copse_count(&sent[0], frames);
  copse_count(&sent[1], (uint64_t)frames * (note->frame_bytes - note->l3_offset));
}

/* The notes of a tree stand beside each other, so that it is counted in one go. */
static void
count_sent(struct copse_worker *worker, const struct copse_tx_note *note, uint32_t count) {
  uint64_t bytes = 0, handshakes = 0;

  for (uint32_t left = count; left > 0;) {
    const uint32_t tree = note->tree, before = left;
    for (; left > 0 && note->tree == tree; note++) {
      const uint32_t frames = RTE_MIN(note->frames, left);
      bytes += (uint64_t)frames * note->frame_bytes;
      left -= frames;
      if (likely(tree != COPSE_SLOT_NONE))
        count_hop(worker, note, frames);
    }
    if (unlikely(tree == COPSE_SLOT_NONE))
      handshakes += before - left;
    else
      copse_count(&worker->trees[tree].copies_sent, before - left);
  }
  copse_count(&worker->counters->tx_packets, count);
  copse_count(&worker->counters->tx_bytes, bytes);
  copse_count(&worker->counters->handshakes, handshakes);
  copse_count(&worker->counters->copies_sent, count - handshakes);
}

static void
drop_frame(struct copse_worker *worker, struct rte_mbuf *frame, const struct copse_tx_note *note) {
  if (note->tree == COPSE_SLOT_NONE) {
    copse_drop_packet(worker, frame, COPSE_DROP_REPLY_FAILED);
    return;
  }
  copse_drop_copy(worker, note->tree, note->destination, note->yellow, COPSE_DROP_TX_FULL, 1);
  rte_pktmbuf_free(frame);
}

/* Of the frames of a lane, those from `sent` on. */
static void
drop_unsent(struct copse_worker *worker, const struct copse_lane *lane, uint32_t sent, uint32_t waiting) {
  const struct copse_tx_note *note = lane->note;
  uint32_t end = note->frames; /* of what is noted there */

  for (uint32_t i = sent; i < waiting; i++) {
    while (i >= end)
      end += (++note)->frames;
    drop_frame(worker, lane->frame[i], note);
  }
}

void
copse_transmit(struct copse_worker *worker, struct copse_lane *lane) {
  const uint32_t waiting = lane->waiting;
  uint32_t sent;

  lane->waiting = lane->notes = 0;
  sent = rte_eth_tx_burst(lane->config.port, lane->config.tx_queue, lane->frame, (uint16_t)waiting);
  count_sent(worker, lane->note, sent);
  if (likely(sent == waiting))
    return;
  copse_rotate(worker);
  drop_unsent(worker, lane, sent, waiting);
}
