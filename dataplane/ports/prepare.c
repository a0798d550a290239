/* SPDX-License-Identifier: Apache-2.0 */
#include "ports/interface.h"
#include "ports/ports.h"

#include <rte_ether.h>
#include <rte_mbuf.h>
#include <stdlib.h>

#define DEFAULT_MTU 1500
/* The AF_XDP driver fills its ring with so many buffers whatever is asked, and the kernel keeps some bytes of each. */
#define XDP_RING 2048
#define XDP_HEADROOM 256

/* Whoever names queues in the device string steers packets to them; otherwise every queue must have its worker, or its
 * blocks would go to the kernel. */
static int
check_queues(const struct copse_port *port, const struct copse_interface *interface, uint64_t workers,
             struct copse_error *error) {
  char count[16], start[16];
  bool counted = copse_device_argument(port->config->device, "queue_count", count, sizeof(count));

  if (workers > 1 && !interface->combined)
    return copse_fail(error, -EINVAL, "%s has no combined queues, and AF_XDP serves one of others: set 'workers' to 1",
                      port->xdp.interface);
  if (counted && strtoull(count, NULL, 10) != workers)
    return copse_fail(error, -EINVAL, "'queue_count' of %s is %s and 'workers' is %lu: they must be equal",
                      port->xdp.interface, count, workers);
  if (!counted && !copse_device_argument(port->config->device, "start_queue", start, sizeof(start)) &&
      interface->queues != workers)
    return copse_fail(error, -EINVAL,
                      "%s has %u queues and 'workers' is %lu: they must be equal (`ethtool -L %s`, or 'workers')",
                      port->xdp.interface, interface->queues, workers, port->xdp.interface);
  return 0;
}

static int
prepare_xdp(struct copse_port *port, const struct copse_interface *interface, uint64_t workers,
            struct copse_error *error) {
  int status;

  if (!interface->up)
    return copse_fail(error, -ENETDOWN, "%s is down: `ip link set %s up`", port->xdp.interface, port->xdp.interface);
  status = check_queues(port, interface, workers, error);
  if (status)
    return status;
  port->xdp.index = interface->index;
  return copse_xdp_claim(&port->xdp, error);
}

static int
prepare(struct copse_port *port, uint64_t workers, struct copse_error *error) {
  struct copse_interface interface = {.mtu = DEFAULT_MTU};
  int status;

  if (copse_port_interface(port->config, port->interface, sizeof(port->interface))) {
    status = copse_interface_read(port->interface, &interface, error);
    if (status)
      return status;
  }
  port->mtu = (uint16_t)(port->config->mtu ? port->config->mtu : interface.mtu < 9600 ? interface.mtu : 9600);
  if (!port->is_xdp)
    return 0;
  copse_device_argument(port->config->device, "iface", port->xdp.interface, sizeof(port->xdp.interface));
  status = copse_interface_read(port->xdp.interface, &interface, error);
  return status ? status : prepare_xdp(port, &interface, workers, error);
}

static void
add_need(struct copse_pools_config *pools, const struct copse_port *port) {
  uint32_t frame = port->mtu + RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN + (port->is_xdp ? XDP_HEADROOM : 0);
  uint32_t rx = (uint32_t)port->config->rx_descriptors, tx = (uint32_t)port->config->tx_descriptors;

  if (port->is_xdp) {
    rx = rx < XDP_RING ? XDP_RING : rx;
    tx = tx < XDP_RING ? XDP_RING : tx;
  }
  if (pools->rx_descriptors < rx)
    pools->rx_descriptors = rx;
  if (pools->tx_descriptors < tx)
    pools->tx_descriptors = tx;
  if (pools->frame_bytes < frame)
    pools->frame_bytes = frame;
}

int
copse_ports_prepare(struct copse_ports *ports, const struct copse_dataplane_config *config,
                    struct copse_pools_config *pools, struct copse_error *error) {
  struct copse_error reason;

  *ports = (struct copse_ports){.count = config->port_count, .queues = (uint16_t)config->workers};
  *pools = (struct copse_pools_config){.workers = (uint32_t)config->workers,
                                       .ports = (uint32_t)config->port_count,
                                       .rx_queues = (uint32_t)config->workers,
                                       .frame_bytes = RTE_MBUF_DEFAULT_DATAROOM,
                                       .socket = SOCKET_ID_ANY};
  for (size_t i = 0; i < ports->count; i++) {
    struct copse_port *port = &ports->port[i];
    *port = (struct copse_port){.config = &config->ports[i], .xdp = {.claim = -1}};
    port->is_xdp = strncmp(port->config->device, "net_af_xdp", 10) == 0;
  }
  for (size_t i = 0; i < ports->count; i++) {
    int status = prepare(&ports->port[i], config->workers, &reason);
    if (status)
      return copse_fail(error, status, "port %zu: %s", i, reason.text);
    add_need(pools, &ports->port[i]);
  }
  return 0;
}
