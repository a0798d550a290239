/* SPDX-License-Identifier: Apache-2.0 */
/* The stages of a worker, and what they hand to each other. Data flows one way:
 *
 *   receive -> parse -> admit -> meter -> replicate -> transmit
 *
 * Each takes a burst of packets and returns how many go on, moved to the front; it counts and frees the others. */
#ifndef COPSE_PIPELINE_H
#define COPSE_PIPELINE_H

#include "meter/portion.h"
#include "pipeline/siphash.h"
#include "pipeline/worker.h"
#include "table/layout.h"

#include <rte_mbuf.h>

#define COPSE_TX_BURST 64 /* frames kept for a port before they are handed over */

static_assert(COPSE_SIPHASH_BATCH >= 2 * COPSE_BURST, "a burst needs two tags of each packet");

/* No drop: the packet goes on. */
#define COPSE_PASS COPSE_PACKET_DROP_COUNT

/* One received packet; each stage adds its part. */
struct copse_packet {
  struct rte_mbuf *mbuf;
  /* replicate */
  struct copse_header *out[2]; /* of copies to links and to members, which differ in the tag; the label is 0 */
  uint16_t sum[2];             /* of each of these headers and the payload, for copies over IPv6 */
  /* parse */
  struct copse_header *header; /* in the mbuf's first segment, as everything before it */
  uint8_t source[16];          /* v4-mapped */
  uint16_t source_port;        /* network order */
  uint16_t l3_offset;
  uint16_t l3_bytes;       /* of the whole IP packet */
  uint16_t payload_offset; /* of what follows the block header */
  uint16_t payload_bytes;
  uint16_t payload_sum; /* in memory order, where `summed` */
  bool ipv6;
  bool summed;
  /* admit */
  const struct copse_entry *entry;
  const struct copse_fan_out *fan_out;
  uint32_t tree;   /* slot */
  uint32_t member; /* slot of the sender, COPSE_SLOT_NONE for a packet from the parent */
  /* replicate */
  struct copse_header scratch[2]; /* for `out` */
};

/* Neighbours of a burst that go the same way: of one version of a tree, one sender, size and colour. */
struct copse_run {
  struct copse_packet *packets;
  uint32_t count; /* at least 1 */
  bool yellow;    /* else green */
};

/* What frames beside each other that wait for transmission are, for the counters. */
struct copse_tx_note {
  uint32_t tree;        /* slot; COPSE_SLOT_NONE: a handshake reply */
  uint32_t destination; /* index */
  uint32_t frames;
  uint32_t frame_bytes; /* of each */
  uint16_t l3_offset;
  bool yellow;
};

/* A port as one worker uses it. */
struct copse_lane {
  struct copse_worker_port config;
  uint32_t whole;   /* frames up to this size are copied into one segment */
  uint32_t largest; /* frame for which there are buffers */
  uint32_t waiting; /* frames */
  uint32_t notes;   /* of all waiting frames, in their order */
  struct rte_mbuf *frame[COPSE_TX_BURST];
  struct copse_tx_note note[COPSE_TX_BURST];
};

/* A next hop that gets copies of packets of the run at hand. */
struct copse_copy {
  const struct copse_destination *destination;
  struct copse_lane *lane;
  uint32_t packets; /* bit n: of the run's packet n */
  uint32_t index;   /* of the destination */
  uint32_t label;   /* network order */
  uint32_t frame_bytes;
  bool chain;     /* by a header in front of the shared packet */
  bool to_member; /* which of the packet's headers */
};
static_assert(COPSE_BURST <= 32, "a run has a bit for each packet");

/* What was chosen into worker->copies. */
struct copse_chosen {
  uint32_t copies, chains; /* for how many next hops, and for how many of them by chain */
  bool ipv6;               /* some go over IPv6 */
  bool partial;            /* some get copies of a part of the run only */
  bool several;            /* they are behind several lanes */
};

struct copse_worker {
  struct copse_worker_config config;
  const struct copse_forwarding *table;
  struct copse_worker_counters *counters;
  struct copse_tree_counters *trees;
  struct copse_link_counters *links;
  struct copse_member_counters *members;
  copse_siphash *tags;
  bool shared;          /* other workers use the same buckets and windows */
  bool stop;            /* atomic */
  uint32_t rotation;    /* which next hop comes first, in 2^-32 of them all; moves on when one went short */
  uint64_t permission;  /* TSC cycles */
  uint64_t empty_polls; /* in a row */
  uint32_t sleep_us;    /* next sleep */
  struct copse_lane lane[COPSE_PORTS_MAX];
  struct copse_lane *lane_by_port[COPSE_PORTS_MAX]; /* null: we have no transmit queue there */
  struct copse_siphash_batch batch;                 /* scratch */
  struct copse_packet packets[COPSE_BURST];
  struct copse_run run[COPSE_BURST];
  uint32_t runs;
  /* Where `shared`, what this worker holds: by destination and share, and by tree of its committed and peak rate. */
  struct copse_portions *hop_portions, *tree_portions;
  unsigned portion_shift;
  struct copse_copy *copies; /* scratch, limits.fan_out of them */
};

/* rx.c: takes a burst from the lane's queue. Returns the number of frames. */
unsigned copse_receive(struct copse_worker *worker, const struct copse_lane *lane, struct rte_mbuf **frames);
/* parse.c: checks all that needs no table. */
unsigned copse_parse(struct copse_worker *worker, struct rte_mbuf **frames, unsigned count);
/* admit.c: label, upstream, tag, hop limit, permission, replay; answers handshakes through `lane`. */
unsigned copse_admit(struct copse_worker *worker, struct copse_lane *lane, unsigned count, uint64_t now);
/* meter.c: allowance and colour; what goes on is in worker->run. */
void copse_meter(struct copse_worker *worker, unsigned count, uint64_t now);
/* replicate.c: makes and queues the copies of all runs; the packets' mbufs are gone afterwards. */
void copse_replicate(struct copse_worker *worker, uint64_t now);
/* choose.c: chooses into worker->copies who gets copies of a run. */
void copse_choose(struct copse_worker *worker, const struct copse_run *run, uint64_t now, struct copse_chosen *chosen);
/* copy.c: makes the copies chosen and queues them. */
void copse_make_copies(struct copse_worker *worker, const struct copse_run *run, const struct copse_chosen *chosen);
/* transmit.c: hands a lane's frames over. */
void copse_transmit(struct copse_worker *worker, struct copse_lane *lane);

/* handshake.c: answers an authenticated HELLO or RESPONSE. Returns COPSE_PASS when a reply is queued, else why not. */
enum copse_packet_drop copse_handshake(struct copse_worker *worker, struct copse_lane *lane,
                                       struct copse_packet *packet, uint64_t now);

/* A bit for each packet of a run. */
static inline uint32_t
copse_all(const struct copse_run *run) {
  return (uint32_t)((1ULL << run->count) - 1);
}

/* Whether copies go to links and to members: then each packet has two headers. */
static inline bool
copse_mixed(const struct copse_fan_out *fan_out) {
  return fan_out->links > 0 && fan_out->links < fan_out->hops;
}

/* Says what the next `note.frames` frames are; they are in their places. */
static inline void
copse_note(struct copse_lane *lane, struct copse_tx_note note) {
  lane->waiting += note.frames;
  lane->note[lane->notes] = note;
  lane->notes += note.frames > 0;
}

/* Queues a frame. */
static inline void
copse_queue(struct copse_worker *worker, struct copse_lane *lane, struct rte_mbuf *frame, struct copse_tx_note note) {
  if (unlikely(lane->waiting == COPSE_TX_BURST))
    copse_transmit(worker, lane);
  lane->frame[lane->waiting] = frame;
  copse_note(lane, note);
}

/* The next run begins elsewhere. Steps of the golden ratio, whatever there are of them for each burst, come to all next
 * hops alike; others meet the same few again and again when they and the number of hops have a divisor in common. */
static inline void
copse_rotate(struct copse_worker *worker) {
  worker->rotation += 0x9e3779b9U;
}

/* Counts and frees a packet that goes no further. */
static inline void
copse_drop_packet(struct copse_worker *worker, struct rte_mbuf *mbuf, enum copse_packet_drop reason) {
  copse_count(&worker->counters->packet_drops[reason], 1);
  rte_pktmbuf_free(mbuf);
}

/* Counts copies of a tree's packet that are not sent. */
static inline void
copse_drop_copies(struct copse_worker *worker, uint32_t tree, enum copse_copy_drop reason, uint64_t copies) {
  copse_count(&worker->counters->copy_drops[reason], copies);
  copse_count(&worker->trees[tree].copy_drops[reason], copies);
}

/* The same for copies to one next hop, which if it is a link has counters of its own for that. */
static inline void
copse_drop_copy(struct copse_worker *worker, uint32_t tree, uint32_t destination, bool yellow,
                enum copse_copy_drop reason, uint64_t copies) {
  copse_drop_copies(worker, tree, reason, copies);
  if (destination < worker->table->limits.links) {
    copse_count(&worker->links[destination].drops, copies);
    copse_count(&worker->links[destination].yellow_drops, yellow ? copies : 0);
  }
}

/* Makes the first segment ours alone, so that it may be written. Returns false, with the packet as it was, if there is
 * no memory for that. */
static inline bool
copse_own(struct copse_worker *worker, struct copse_packet *packet) {
  struct rte_mbuf *copy;

  if (likely(rte_mbuf_refcnt_read(packet->mbuf) == 1 && RTE_MBUF_DIRECT(packet->mbuf)))
    return true;
  if ((copy = rte_pktmbuf_copy(packet->mbuf, worker->config.receive, 0, UINT32_MAX)) == NULL)
    return false;
  rte_pktmbuf_free(packet->mbuf);
  packet->mbuf = copy;
  packet->header = rte_pktmbuf_mtod_offset(copy, struct copse_header *, packet->payload_offset - COPSE_HEADER_BYTES);
  return true;
}

#endif
