/* SPDX-License-Identifier: Apache-2.0 */
/* DPDK ports from configuration to running, and back to what was there before. */
#ifndef COPSE_PORTS_H
#define COPSE_PORTS_H

#include "config.h"
#include "pipeline/worker.h"
#include "ports/xdp.h"

struct copse_port {
  const struct copse_port_config *config;
  char interface[IFNAMSIZ]; /* of the kernel for the same link, or empty */
  uint16_t id;              /* of DPDK */
  uint16_t mtu;             /* layer 3 bytes */
  uint8_t mac[6];
  uint16_t rx_queues;
  struct copse_technique technique;

  bool probed;
  bool is_xdp;
  struct copse_xdp xdp; /* its interface may be below `interface`, a VLAN */
};

struct copse_ports {
  struct copse_port port[COPSE_CONFIG_PORTS_MAX];
  size_t count;
  uint16_t queues; /* pairs of each port: one for each worker */
};

/* What can be known before DPDK runs: interfaces exist, are up, have queues enough, and are claimed for this process;
 * `pools` says what buffers the ports need. Negative errno with a sentence; close in both cases. */
int copse_ports_prepare(struct copse_ports *ports, const struct copse_dataplane_config *config,
                        struct copse_pools_config *pools, struct copse_error *error);

/* Probes, configures and starts every port, and points XDP programs to the block port. */
int copse_ports_open(struct copse_ports *ports, const struct copse_dataplane_config *config,
                     const struct copse_pools *pools, struct copse_error *error);

/* Stops and closes what is open; no worker runs any more. No XDP program of ours stays behind. */
void copse_ports_close(struct copse_ports *ports);

/* The ports as worker number `worker` sees them. */
void copse_ports_of_worker(const struct copse_ports *ports, uint32_t worker, struct copse_worker_config *out);

#endif
