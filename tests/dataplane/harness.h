/* SPDX-License-Identifier: Apache-2.0 */
/* The whole dataplane in process: three net_ring ports, the table, one worker, time as an argument.
 *
 * Neighbours (all resolved by harness_start):
 *   link 0  10.0.0.2           port 0, untagged        MTU 9000, chains payloads
 *   link 1  2001:db8:1::9      port 1, VLAN 42         MTU 9000, single segments
 *   link 2  10.0.0.3           port 2, VLAN 7          MTU 1500, chains
 *   member n (0..15)  10.0.1.n+1 : 4000+n    port 0
 *   member n (16..31) 2001:db8:2::n : 4000+n port 1, VLAN 42
 * MAC addresses: our port p is ..:10+p, a neighbour is ..:80+ its link or ..:a0+ its member slot.
 * A member's label is its slot, generation 7; its key is filled with slot + 1. */
#ifndef COPSE_TEST_HARNESS_H
#define COPSE_TEST_HARNESS_H

#include "builder.h"
#include "frames.h"
#include "pipeline/worker.h"
#include "table/layout.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <rte_mbuf.h>

#define PORTS 3
#define START 1000000ULL /* TSC when a test begins */
#define SECOND TEST_TSC_HZ

extern struct copse_table *table;
extern struct copse_worker *worker;
extern struct builder batch;
extern struct copse_pools pools;
extern uint64_t now;

/* To be changed before harness_start. */
extern uint32_t harness_workers;   /* limits.workers, of which one is made */
extern uint32_t harness_tx_frames; /* room of each port's ring */
extern bool harness_without_ipv4;  /* the dataplane has no IPv4 address */

void harness_start(void);
void harness_stop(void); /* also checks conservation, and that no mbuf is lost */

void add_usual_link(uint32_t slot, uint64_t budget_bps);
struct copse_api_member usual_member(uint32_t slot, uint32_t send_tree);
/* Sets a member and grants it permission, as a finished handshake would. */
void add_proven_member(uint32_t slot, uint32_t send_tree);
void grant(uint32_t member, uint64_t until);
void commit(void);

/* DATA from a member to us over port 0 or 1. */
struct frame_spec from_member(uint32_t slot, uint64_t sequence);
/* A copy we are to send: fields of `in`, hop limit less one, sequence and key given. */
struct frame_spec copy_to_link(uint32_t slot, const struct frame_spec *in, uint32_t label, uint64_t sequence,
                               uint8_t key);
struct frame_spec copy_to_member(uint32_t slot, const struct frame_spec *in, uint32_t label, uint64_t sequence,
                                 uint8_t key);

/* Puts a frame into a port's receive ring; in several segments cut at `cut` bytes (0: one). */
void inject(uint32_t port, const struct frame *frame, uint32_t cut);
void inject_mbuf(uint32_t port, struct rte_mbuf *mbuf);
struct rte_mbuf *mbuf_of(const struct frame *frame, uint32_t cut);
/* Builds and injects on the port the source is behind, and runs one iteration. */
void send_frame(const struct frame_spec *spec);
void run_once(void);

/* Takes the next frame a port sent; false if there is none. */
bool collect(uint32_t port, struct frame *out);
/* The next frame of a port is exactly this. */
void expect(uint32_t port, const struct frame_spec *spec);
/* No port sent anything more. */
void expect_nothing(void);

/* Takes all mbufs of a pool but `leave`; returns how many. The caller frees them. */
uint32_t take_all(struct rte_mempool *pool, struct rte_mbuf **taken, uint32_t leave);

/* Takes and forgets everything sent. */
void drain(void);

/* A tree that bounds: tree 0, with the rates given, over link 0 and to nobody else; member 1 sends. */
#define COPY_BYTES (20 + 8 + 32 + COPSE_SYMBOL_BYTES) /* of a copy over IPv4 at layer 3 */
void plant_narrow(uint64_t committed, uint64_t peak, uint32_t charged_edges, uint64_t link_bps);
/* Packets of member 1, evenly over `seconds`. */
void load(unsigned packets, double seconds);

uint64_t packet_drops(enum copse_packet_drop reason);
uint64_t copy_drops(enum copse_copy_drop reason);
const struct copse_worker_counters *counters(void);
const struct copse_tree_counters *tree_counters(uint32_t slot);
void assert_conservation(void);

extern const uint8_t payload[FRAME_MAX];

#endif
