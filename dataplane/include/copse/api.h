/* SPDX-License-Identifier: Apache-2.0 */
/* What a control plane and a dataplane of one machine say to each other.
 *
 * Unix stream socket, host byte order, 8-byte aligned records. Every frame starts with
 * struct copse_api_header. The first request of a connection is HELLO; the reply carries, as
 * SCM_RIGHTS, a read-only descriptor of the counters. A BATCH is applied whole or not at all.
 * Records and counters are laid out as here at both ends: another layout is another COPSE_API_VERSION, and ends of
 * different versions refuse each other in words.
 * All slots (tree, member, link, target) are chosen by the control plane, dense from zero. */
#ifndef COPSE_API_H
#define COPSE_API_H

#include <copse/drops.h>
#include <copse/wire.h>

#define COPSE_API_VERSION 2
#define COPSE_API_FRAME_MAX (64U << 20)
#define COPSE_NAME_BYTES 32
#define COPSE_ERROR_BYTES 128

enum copse_api_type {
  COPSE_API_HELLO = 1, /* empty body; reply: struct copse_api_hello */
  COPSE_API_BATCH = 2, /* struct copse_api_batch, operations; reply: struct copse_api_result */
  COPSE_API_DUMP = 3,  /* empty body; reply: struct copse_api_batch, operations that rebuild the table */
};

struct copse_api_header {
  uint32_t length;  /* of the whole frame, bytes */
  uint16_t version; /* COPSE_API_VERSION */
  uint16_t type;    /* enum copse_api_type; a reply repeats the request's */
  uint64_t request; /* chosen by the client, repeated in the reply */
};

/* An address and UDP port. IPv4 is carried v4-mapped (::ffff:a.b.c.d). */
struct copse_endpoint {
  uint8_t address[16]; /* network order */
  uint16_t port;       /* network order */
  uint16_t reserved[3];
};

struct copse_api_limits {
  uint32_t labels; /* slots of incoming labels, shared by trees and members */
  uint32_t trees;
  uint32_t members;
  uint32_t links;
  uint32_t fan_out; /* next hops of one tree */
  uint32_t workers;
};

struct copse_api_hello {
  uint64_t instance;   /* random, new with each start of the dataplane */
  uint64_t generation; /* of the table, counts applied batches */
  uint64_t shm_bytes;  /* size of the counters' mapping */
  struct copse_api_limits limits;
  uint32_t permission_s; /* how long a proven address may receive */
  uint32_t reserved;
};

struct copse_api_batch {
  uint64_t expected_generation; /* COPSE_API_ANY_GENERATION or what the table must be at, else -ESTALE */
  uint32_t operations;
  uint32_t reserved;
};
#define COPSE_API_ANY_GENERATION UINT64_MAX

struct copse_api_result {
  int32_t status;               /* 0 or negative errno */
  uint32_t operation;           /* index of the operation that failed */
  uint64_t generation;          /* of the table after the batch */
  char text[COPSE_ERROR_BYTES]; /* one sentence when status is not 0 */
};

enum copse_api_operation_kind {
  COPSE_API_LINK_SET = 1,
  COPSE_API_LINK_REMOVE = 2, /* struct copse_api_slot; -EBUSY while a tree uses it */
  COPSE_API_MEMBER_SET = 3,
  COPSE_API_MEMBER_REMOVE = 4, /* struct copse_api_slot; -EBUSY while a tree uses it */
  COPSE_API_TREE_SET = 5,
  COPSE_API_TREE_REMOVE = 6, /* struct copse_api_slot */
  COPSE_API_ALLOWANCE = 7,
  COPSE_API_INTEREST = 8,
  COPSE_API_TARGET_SET = 9,
  COPSE_API_TARGET_REMOVE = 10, /* struct copse_api_slot */
};

struct copse_api_operation {
  uint16_t kind;
  uint16_t reserved;
  uint32_t length; /* of the record that follows, bytes, a multiple of 8 */
};

struct copse_api_slot {
  uint32_t slot;
  uint32_t reserved;
};

/* A rate that is not 0 is within 8 bit/s and 1 Tbit/s, and its burst within these bounds. A bucket admits at most
 * rate * T bytes in any T >= 1 s (and the packet on the edge, or two where the burst is shorter than one), so its
 * sustained rate is lower than configured by burst / 1 s: up to 900 us it stays within 0.1 %, up to 4 ms within 0.4 %.
 * An idle bucket admits a packet of any size. */
#define COPSE_RATE_MIN_BPS 8
#define COPSE_RATE_MAX_BPS 1000000000000ULL
#define COPSE_BURST_MIN_US 100
#define COPSE_BURST_MAX_US 100000
#define COPSE_MEMBER_BURST_BYTES (4U * 17408) /* four blocks with headers: egress buckets are at least so deep */

/* A link to another PoP: where copies go, and the budget for peers' traffic above all trees. */
struct copse_api_link {
  uint32_t slot;
  uint32_t burst_us;   /* depth of the bucket as time at the budget's rate */
  uint64_t budget_bps; /* layer 3 bits per second; 0: unlimited */
  struct copse_endpoint remote;
  char name[COPSE_NAME_BYTES];
};

/* A peer in one session at this PoP. Setting an existing slot with the same id, label and address updates
 * it in place and keeps its permission; a new id, label or address starts unproven. */
struct copse_api_member {
  uint64_t id; /* opaque, unique among members */
  uint32_t slot;
  uint32_t label;      /* what the peer puts into its packets */
  uint32_t send_tree;  /* slot of the tree its DATA enters, now or once it is set; COPSE_SLOT_NONE: receives only */
  uint32_t burst_us;   /* depth of the egress bucket as time at its rate, COPSE_MEMBER_BURST_BYTES at least */
  uint64_t egress_bps; /* layer 3 bits per second it can receive; 0: unlimited */
  struct copse_endpoint address;
  uint8_t key[COPSE_KEY_BYTES]; /* tags of what it sends, and of handshake replies to it */
};
#define COPSE_SLOT_NONE UINT32_MAX

enum copse_api_hop_kind { COPSE_HOP_LINK = 1, COPSE_HOP_MEMBER = 2 };

struct copse_api_hop {
  uint32_t kind;  /* children (links) first, then members */
  uint32_t slot;  /* of the link or member */
  uint32_t label; /* that the receiver gave for this tree */
  uint32_t reserved;
};

/* One tree at this PoP. Setting an existing slot with the same id replaces hops, rates and burst
 * in place, losing no packet; meter, replay window, allowance and counters go on. Label, upstream
 * and keys of a live id cannot change (-EINVAL): install a new tree and remove the old. What the subtree of a
 * child wants stays with the child's link. Removing a tree, or setting another id in its slot, leaves the members
 * that send on it with COPSE_SLOT_NONE. */
struct copse_api_tree {
  uint64_t id; /* opaque, unique among trees */
  uint32_t slot;
  uint32_t label;                    /* that the parent uses; COPSE_LABEL_NONE at the root */
  struct copse_endpoint upstream;    /* the parent; all zero at the root */
  uint8_t tree_key[COPSE_KEY_BYTES]; /* PoP to PoP */
  uint8_t area_key[COPSE_KEY_BYTES]; /* PoP to its peers */
  uint64_t committed_bps;            /* layer 3 bits per second, green up to here */
  uint64_t peak_bps;                 /* yellow up to here, red above; 0: not metered here */
  uint32_t burst_us;                 /* depth of both buckets as time at their rate */
  uint32_t charged_edges;            /* inter-PoP edges each packet is charged for; 0 where nothing is charged */
  uint32_t hops;                     /* that follow this struct */
  uint32_t reserved;
  /* struct copse_api_hop[hops] */
};

/* Prepaid bytes of a tree, as a total since the tree was set: repeating it changes nothing.
 * Without any, an uncharged tree runs and a charged one stands still. */
struct copse_api_allowance {
  uint32_t slot;
  uint32_t reserved;
  uint64_t total_bytes;
};

/* Which blocks a member still wants, or anybody behind a child of a tree. A bit set means wanted; blocks
 * beyond the bitmap are wanted; no bitmap: everything is. Replaces words [first_word, first_word + words). */
struct copse_api_interest {
  uint32_t
    kind; /* enum copse_api_hop_kind: COPSE_HOP_MEMBER by member slot, COPSE_HOP_LINK by tree slot and hop index */
  uint32_t slot;   /* member slot, or tree slot */
  uint32_t hop;    /* index of the hop in the tree, for COPSE_HOP_LINK */
  uint32_t blocks; /* size of the whole bitmap, bits */
  uint32_t first_word;
  uint32_t words; /* of 64 bits that follow, bit 0 first */
  /* uint64_t[words] */
};

/* A PoP that is measured with STAMP (RFC 8762) and whose test packets are answered, whatever port they come from. There
 * are as many slots as of links; an address has at most one. Another address or key begins a new session. */
struct copse_api_target {
  uint32_t slot;
  uint32_t interval_us;                   /* between test packets; 0: none are sent, it is only answered */
  struct copse_endpoint remote;           /* its Session-Reflector */
  uint8_t sender_key[COPSE_KEY_BYTES];    /* of our test packets and the answers to them; zeros: no authentication */
  uint8_t reflector_key[COPSE_KEY_BYTES]; /* of its test packets and our answers; zeros: no authentication */
  char name[COPSE_NAME_BYTES];
  uint32_t doubt_us; /* the interval for some time after a test packet was lost; 0: as ever */
  uint32_t reserved;
};
#define COPSE_TARGET_INTERVAL_MIN_US 2000
#define COPSE_TARGET_INTERVAL_MAX_US 10000000

/* ---- counters, in shared memory: written by workers, read by anyone, never reset ---- */

#define COPSE_SHM_MAGIC 0x636f707365736d31ULL

/* Every array below is per worker: element i of worker w is at
 * offset + w * stride + i * sizeof(element). All counters are 64 bit, one writer each. */
struct copse_shm {
  uint64_t magic;
  uint64_t bytes;
  uint64_t instance;
  uint64_t tsc_hz;
  struct copse_api_limits limits;
  uint64_t generation; /* last published batch */
  uint64_t heartbeat;  /* main thread's loop count */
  uint64_t worker_offset, worker_stride;
  uint64_t tree_offset, tree_stride;
  uint64_t link_offset, link_stride;
  uint64_t member_offset, member_stride;
  uint64_t tree_state_offset;   /* struct copse_tree_state[limits.trees], shared by workers */
  uint64_t member_state_offset; /* struct copse_member_state[limits.members] */
  uint64_t target_state_offset; /* struct copse_target_state[limits.links] */
  uint64_t stamp_offset;        /* struct copse_stamp_counters */
};

struct copse_worker_counters {
  uint64_t applied_generation;   /* no packet is handled with an older table any more */
  uint64_t rx_packets, rx_bytes; /* frames received, without FCS */
  uint64_t tx_packets, tx_bytes; /* frames handed to a port: copies and handshake replies */
  uint64_t handshakes;           /* HELLO and RESPONSE packets accepted */
  uint64_t admitted;             /* DATA and PARITY packets that reached a tree */
  uint64_t copies_due, copies_sent;
  uint64_t polls, busy_polls, busy_cycles, sleeps;
  uint64_t packet_drops[COPSE_PACKET_DROP_COUNT];
  uint64_t copy_drops[COPSE_COPY_DROP_COUNT];
} __attribute__((aligned(64)));
/* Conservation: rx_packets = admitted + handshakes + sum(packet_drops);
 *               copies_due = copies_sent + sum(copy_drops). */

struct copse_tree_counters {
  uint64_t packets, bytes; /* admitted; bytes at layer 3 */
  uint64_t green, yellow;  /* packets by colour */
  uint64_t copies_due, copies_sent;
  uint64_t copy_drops[COPSE_COPY_DROP_COUNT];
} __attribute__((aligned(64)));

struct copse_link_counters {
  uint64_t packets, bytes;      /* copies sent; bytes at layer 3 */
  uint64_t drops, yellow_drops; /* copies lost for any reason but that nobody wants them; of these yellow ones */
} __attribute__((aligned(64)));

struct copse_member_counters {
  uint64_t rx_packets, rx_bytes; /* DATA admitted from it; bytes at layer 3 */
  uint64_t tx_packets, tx_bytes; /* copies to it */
} __attribute__((aligned(64)));

struct copse_tree_state {
  uint64_t id;            /* 0: the slot is free; counters of a new id start at zero */
  uint64_t charged_bytes; /* of the allowance, bytes times charged_edges */
  uint64_t allowance_bytes;
  uint64_t reserved;
};

struct copse_member_state {
  uint64_t id;
  uint64_t permission_until; /* TSC; 0: never proven */
};

/* The two STAMP sessions with a target, written by the main thread. Directions are told apart by the sequence numbers
 * of both ends: of the `judged` test packets, those up to the newest that was answered, `forward_lost` never arrived
 * and the answers to `backward_lost` did not. Delays are of the round trip without the time spent in the reflector,
 * over the last 32 answers. */
struct copse_target_state {
  uint64_t id; /* random, new with each session we send; 0: the slot is free. Counters of a new id start at zero */
  uint64_t sent, answered;
  uint64_t judged, forward_lost, backward_lost;
  uint64_t delay_min_ns, delay_mean_ns, delay_max_ns; /* 0: none yet */
  uint64_t jitter_ns;    /* of the way there: interarrival jitter of RFC 3550, section 6.4.1 */
  uint64_t answered_at;  /* CLOCK_MONOTONIC, ns, of the last answer; 0: never */
  uint64_t reflected;    /* its test packets that were answered */
  uint64_t reflected_at; /* the last of them */
  uint64_t reflected_of; /* how many it had sent by then, by their sequence numbers */
  uint64_t reserved[2];
};

/* received = reflected + answers + sum(drops). */
struct copse_stamp_counters {
  uint64_t received, reflected, answers;
  uint64_t drops[COPSE_STAMP_DROP_COUNT];
};

/* ---- the layout of this version ---- */

#define COPSE_API_SIZE(type, bytes)                                                                                    \
  static_assert(sizeof(struct type) == (bytes), "another layout is another COPSE_API_VERSION")
COPSE_API_SIZE(copse_api_header, 16);
COPSE_API_SIZE(copse_api_hello, 56);
COPSE_API_SIZE(copse_api_batch, 16);
COPSE_API_SIZE(copse_api_result, 144);
COPSE_API_SIZE(copse_api_operation, 8);
COPSE_API_SIZE(copse_api_slot, 8);
COPSE_API_SIZE(copse_api_link, 72);
COPSE_API_SIZE(copse_api_member, 72);
COPSE_API_SIZE(copse_api_tree, 104);
COPSE_API_SIZE(copse_api_hop, 16);
COPSE_API_SIZE(copse_api_allowance, 16);
COPSE_API_SIZE(copse_api_interest, 24);
COPSE_API_SIZE(copse_api_target, 104);
COPSE_API_SIZE(copse_shm, 168);
COPSE_API_SIZE(copse_worker_counters, 384);
COPSE_API_SIZE(copse_tree_counters, 192);
COPSE_API_SIZE(copse_link_counters, 64);
COPSE_API_SIZE(copse_member_counters, 64);
COPSE_API_SIZE(copse_tree_state, 32);
COPSE_API_SIZE(copse_member_state, 16);
COPSE_API_SIZE(copse_target_state, 128);
COPSE_API_SIZE(copse_stamp_counters, 88);
#undef COPSE_API_SIZE
static_assert(COPSE_PACKET_DROP_COUNT == 17 && COPSE_COPY_DROP_COUNT == 11 && COPSE_STAMP_DROP_COUNT == 8,
              "another list of drops is another COPSE_API_VERSION");

#endif
