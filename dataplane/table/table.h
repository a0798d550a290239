/* SPDX-License-Identifier: Apache-2.0 */
/* The forwarding table: written by the main thread alone, read by workers without locks. */
#ifndef COPSE_TABLE_H
#define COPSE_TABLE_H

#include <copse/api.h>
#include <stdbool.h>

#define COPSE_PORTS_MAX 32

struct copse_table;

struct copse_table_config {
  struct copse_api_limits limits;
  uint64_t tsc_hz;
  struct copse_endpoint local4, local6; /* source of copies per family; an address of zeros: family absent */
  uint16_t mtu[COPSE_PORTS_MAX];        /* of each DPDK port, layer 3 bytes */
  uint64_t sequence_base;               /* first sequence of a root; 0: nanoseconds of real time at creation */
};

/* Where frames to an address leave. Resolved by neighbour/ from static entries and netlink. */
struct copse_adjacency {
  bool resolved;
  uint16_t port;         /* DPDK port */
  uint16_t vlan;         /* 0: untagged */
  uint8_t source_mac[6]; /* of the port */
  uint8_t next_mac[6];
};

/* Allocates table and counters (memfd, sealed). Null with errno when memory is short. */
struct copse_table *copse_table_create(const struct copse_table_config *config);
void copse_table_destroy(struct copse_table *table);

/* Applies a BATCH body (struct copse_api_batch and its operations) whole or not at all. Validates bytes
 * as well as meaning: every length, slot, label, reference. Fills `result`; returns its status. */
int copse_table_batch(struct copse_table *table, const void *body, size_t bytes, struct copse_api_result *result);

/* A DUMP body that would rebuild the table, allocated; the caller frees it. Negative errno on failure. */
int copse_table_dump(const struct copse_table *table, void **body, size_t *bytes);

/* Calls `visit` for every address copies are sent to (IP part of links and members, each once). */
void copse_table_each_address(const struct copse_table *table, void (*visit)(void *context, const uint8_t address[16]),
                              void *context);

/* Takes a new resolution of an address; the trees that send there are republished if it changed. */
void copse_table_adjacency(struct copse_table *table, const uint8_t address[16],
                           const struct copse_adjacency *adjacency);

/* Incremented when the set of addresses changes, so that the resolver knows when to look. */
uint64_t copse_table_address_generation(const struct copse_table *table);

/* The target in a slot, null when there is none; valid until the next batch. */
const struct copse_api_target *copse_table_target(const struct copse_table *table, uint32_t slot);
/* Slot of the target with this address, COPSE_SLOT_NONE when there is none. */
uint32_t copse_table_target_at(const struct copse_table *table, const uint8_t address[16]);

/* Frees what no worker can see any more, and keeps meters of long idle trees valid. Called from the main loop. */
void copse_table_maintain(struct copse_table *table, uint64_t now);

/* Read-only descriptor of the counters for a client (caller closes), their address for us. */
int copse_table_shm_fd(const struct copse_table *table);
struct copse_shm *copse_table_shm(const struct copse_table *table);

#endif
