/* SPDX-License-Identifier: Apache-2.0 */
/* What workers see of the table.
 *
 * Who writes what: pointers, label entries and everything behind them by the main thread; buckets, replay windows,
 * sequence numbers, permissions and counters by workers. A worker reads between two quiescent states of `rcu`: what
 * it found through a pointer stays as it is until then. Fields of a label entry are written only while its state is
 * 0 and no worker can have seen another. Words marked `shared` are atomics where several workers run. */
#ifndef COPSE_LAYOUT_H
#define COPSE_LAYOUT_H

#include "meter/token_bucket.h"
#include "table/replay.h"
#include "table/table.h"

#include <rte_rcu_qsbr.h>

#define COPSE_PORT_NONE UINT16_MAX

enum copse_entry_kind { COPSE_ENTRY_FREE, COPSE_ENTRY_TREE, COPSE_ENTRY_MEMBER };

/* What an incoming label means. */
struct copse_entry {
  uint32_t state;  /* kind << 8 | generation of the label; 0: free. Written last, read first */
  uint32_t tree;   /* slot; of a member the tree it sends on, or COPSE_SLOT_NONE. Atomic */
  uint32_t member; /* slot, or COPSE_SLOT_NONE */
  uint16_t port;   /* of the upstream, network order */
  uint16_t reserved;
  uint8_t address[16]; /* of the upstream, v4-mapped */
  uint8_t key[COPSE_KEY_BYTES];
  uint8_t padding[16];
} __attribute__((aligned(64)));
static_assert(sizeof(struct copse_entry) == 64, "a lookup touches one cache line");

/* Memory that workers may still see after it was replaced. */
struct copse_retired {
  struct copse_retired *next;
  uint64_t token; /* of rcu */
};

/* Blocks that are wanted. Immutable once published. */
struct copse_interest {
  struct copse_retired retired;
  uint32_t references; /* of the main thread's records */
  uint32_t blocks;     /* beyond: wanted */
  uint32_t words;      /* that follow; beyond: wanted */
  uint32_t reserved;
  uint64_t word[];
};

/* One next hop: 16 bytes beside each other, what they point to is shared by all trees. */
struct copse_hop {
  uint32_t destination;                  /* index of copse_forwarding.destinations: links first, then members */
  uint32_t label;                        /* that the receiver gave, network order */
  const struct copse_interest *interest; /* of a link: the subtree's; null: everything */
};

/* One version of a tree: all that does not change while packets flow. */
struct copse_fan_out {
  struct copse_retired retired;
  uint8_t tree_key[COPSE_KEY_BYTES], area_key[COPSE_KEY_BYTES];
  struct copse_meter_rates rates;
  uint32_t charged_edges;
  uint32_t hops;
  uint32_t links; /* the first of the hops */
  bool root;
  struct copse_hop hop[];
};

/* The state of a tree that outlives its versions. The first line is all a packet in order needs beside one bitmap word.
 */
struct copse_tree {
  struct copse_fan_out *fan_out; /* null: no tree here */
  struct copse_meter meter;      /* shared */
  uint64_t next_sequence;        /* of the root, shared */
  struct copse_replay replay;    /* of packets from the parent, shared */
} __attribute__((aligned(64)));
static_assert(offsetof(struct copse_tree, replay) < 64, "pointer, meter, sequence and highest are one line");

#define COPSE_LINK_HEADERS_MAX 66 /* Ethernet, VLAN, IPv6, UDP */

/* A link or member as a next hop: the headers ready-made, but for lengths, DSCP and checksums. */
struct copse_destination {
  uint8_t header[72];
  uint8_t header_bytes; /* of `header` */
  uint8_t l3_offset;    /* of the IP header in it */
  bool ipv6;
  uint8_t kind;      /* enum copse_api_hop_kind */
  uint16_t port;     /* DPDK port; COPSE_PORT_NONE: the neighbour is not known */
  uint16_t room;     /* for payload in the port's MTU, and 1; 0: none gets there */
  uint32_t slot;     /* of the link or member */
  uint32_t checksum; /* partial: IPv4 header, or IPv6 pseudo header and UDP ports; memory order */
  struct copse_rate rate;
} __attribute__((aligned(64)));
static_assert(sizeof(struct copse_destination) == 128, "two lines per next hop");

/* All that is asked of a next hop before its headers: half a line. */
struct copse_destination_slot {
  struct copse_destination *published;   /* null: nothing there */
  const struct copse_interest *interest; /* of a member; null: everything */
  uint64_t bucket;                       /* shared */
  uint64_t token;                        /* main thread: when the other of the two buffers is free */
};

struct copse_forwarding {
  struct copse_entry *entries;
  struct copse_tree *trees;
  struct copse_destination_slot *destinations; /* limits.links of links, then limits.members of members */
  struct copse_replay *replays;                /* of packets from members */
  struct copse_shm *shm;
  struct copse_tree_state *tree_states;
  struct copse_member_state *member_states;
  struct rte_rcu_qsbr *rcu; /* thread numbers are the workers' */
  struct copse_api_limits limits;
  uint64_t tsc_hz;
  struct copse_endpoint local4, local6;
  uint8_t cookie_secret[COPSE_KEY_BYTES];
  bool shared;         /* several workers */
  uint64_t generation; /* loaded (acquire) before anything else of an iteration */
};

const struct copse_forwarding *copse_table_forwarding(const struct copse_table *table);

static inline bool
copse_interest_wants(const struct copse_interest *interest, uint32_t block) {
  return interest == NULL || block >= interest->blocks || block / 64 >= interest->words ||
         (interest->word[block / 64] >> (block % 64) & 1);
}

/* ---- counters ---- */

static inline void *
copse_shm_at(struct copse_shm *shm, uint64_t offset) {
  return (uint8_t *)shm + offset;
}

static inline struct copse_worker_counters *
copse_worker_counters(struct copse_shm *shm, uint32_t worker) {
  return (struct copse_worker_counters *)copse_shm_at(shm, shm->worker_offset + worker * shm->worker_stride);
}

static inline struct copse_tree_counters *
copse_tree_counters(struct copse_shm *shm, uint32_t worker) {
  return (struct copse_tree_counters *)copse_shm_at(shm, shm->tree_offset + worker * shm->tree_stride);
}

static inline struct copse_link_counters *
copse_link_counters(struct copse_shm *shm, uint32_t worker) {
  return (struct copse_link_counters *)copse_shm_at(shm, shm->link_offset + worker * shm->link_stride);
}

static inline struct copse_member_counters *
copse_member_counters(struct copse_shm *shm, uint32_t worker) {
  return (struct copse_member_counters *)copse_shm_at(shm, shm->member_offset + worker * shm->member_stride);
}

/* One writer, any readers. */
static inline void
copse_count(uint64_t *counter, uint64_t n) {
  __atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

#endif
