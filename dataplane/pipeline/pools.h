/* SPDX-License-Identifier: Apache-2.0 */
/* Packet memory: sizes computed from the configuration, made once at start. */
#ifndef COPSE_POOLS_H
#define COPSE_POOLS_H

#include <rte_mempool.h>
#include <stdint.h>

#define COPSE_BURST 32          /* packets a worker takes from a queue at once */
#define COPSE_COPY_BYTES 256    /* largest frame worth copying into a small mbuf instead of sharing its payload */
#define COPSE_HEADERS_BYTES 128 /* room for Ethernet, VLAN, IPv6, UDP and block header of a copy (98) */

struct copse_pools_config {
  uint32_t workers;
  uint32_t ports;
  uint32_t rx_queues;      /* of each port */
  uint32_t rx_descriptors; /* of each queue */
  uint32_t tx_descriptors; /* of each queue; each port has one queue per worker */
  uint32_t frame_bytes;    /* largest frame of any port without FCS */
  int socket;              /* NUMA node, or SOCKET_ID_ANY */
};

struct copse_pools {
  struct rte_mempool *receive; /* whole frames: for rx queues, and copies to ports that take one segment only */
  struct rte_mempool *header;  /* headers in front of a shared payload */
  struct rte_mempool *copy;    /* small frames copied whole */
};

/* Buffers each pool needs so that full rings, caches and a burst in hand leave none wanting. */
struct copse_pools_need {
  uint32_t receive, header, copy; /* mbufs */
  uint64_t bytes;                 /* of all together */
};
struct copse_pools_need copse_pools_need(const struct copse_pools_config *config);

/* Creates the three pools. Returns 0 or a negative errno (-ENOMEM where memory is short); then none is left. */
int copse_pools_create(struct copse_pools *pools, const struct copse_pools_config *config);
void copse_pools_destroy(struct copse_pools *pools);

#endif
