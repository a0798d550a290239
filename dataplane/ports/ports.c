/* SPDX-License-Identifier: Apache-2.0 */
#include "ports/ports.h"
#include "ports/listener.h"

#include <limits.h>
#include <rte_dev.h>
#include <rte_ethdev.h>
#include <stdio.h>

#define DEVICE_BYTES (PATH_MAX + 512)

static void
append(char *text, size_t size, const char *key, const char *format, const char *value) {
  char there[PATH_MAX];
  size_t used = strlen(text);

  if (!copse_device_argument(text, key, there, sizeof(there)))
    snprintf(text + used, size - used, format, value);
}

/* The device string as it is given to DPDK: an AF_XDP port gets our program, a queue per worker, and no busy polling
 * in the driver, which would cost a system call per empty poll. */
static int
device_string(const struct copse_port *port, const struct copse_dataplane_config *config, uint16_t queues, char *out,
              size_t size, struct copse_error *error) {
  char program[PATH_MAX], count[16];
  int status = 0;

  snprintf(out, size, "%s", port->config->device);
  if (!port->is_xdp)
    return 0;
  if (config->xdp_object)
    snprintf(program, sizeof(program), "%s", config->xdp_object);
  else
    status = copse_xdp_find(program, sizeof(program), error);
  if (status)
    return status;
  snprintf(count, sizeof(count), "%u", queues);
  append(out, size, "xdp_prog", ",xdp_prog=%s", program);
  append(out, size, "queue_count", ",queue_count=%s", count);
  append(out, size, "busy_budget", ",busy_budget=%s", "0");
  return 0;
}

static int
probe(struct copse_port *port, const struct copse_dataplane_config *config, uint16_t queues,
      struct copse_error *error) {
  char device[DEVICE_BYTES], name[RTE_ETH_NAME_MAX_LEN];
  int status = device_string(port, config, queues, device, sizeof(device), error);

  if (status)
    return status;
  if (!copse_device_is_pci(device)) {
    copse_listener_clear(device);
    status = rte_dev_probe(device);
    if (status)
      return copse_fail(error, status, "DPDK has no device '%s': %s", device, strerror(-status));
  }
  snprintf(name, sizeof(name), "%.*s", (int)strcspn(device, ","), device);
  if (rte_eth_dev_get_port_by_name(name, &port->id) != 0)
    return copse_fail(error, -ENODEV, "DPDK has no device '%s'", name);
  port->probed = true;
  return 0;
}

/* On DPDK's interrupt thread. A device that can be connected again is connected by its driver, which asks for this. */
static int
on_link(uint16_t id, enum rte_eth_event_type event, void *argument, void *unused) {
  const struct copse_port *port = argument;
  const int name = (int)strcspn(port->config->device, ",");
  struct rte_eth_link link;

  (void)event;
  (void)unused;
  if (rte_eth_link_get_nowait(id, &link) != 0)
    return 0;
  if (link.link_status == RTE_ETH_LINK_UP)
    copse_log(COPSE_LOG_INFO, "%.*s is up", name, port->config->device);
  else
    copse_log(COPSE_LOG_WARNING, "%.*s is down", name, port->config->device);
  return 0;
}

/* Payloads are shared between copies: RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE must stay off. */
static int
configure(struct copse_port *port, const struct rte_eth_dev_info *info, uint16_t queues,
          const struct copse_pools *pools, struct copse_error *error) {
  struct rte_eth_conf conf = {.txmode = {.offloads = info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS},
                              .intr_conf = {.lsc = (*info->dev_flags & RTE_ETH_DEV_INTR_LSC) != 0}};
  int status;

  if (queues > info->max_tx_queues)
    return copse_fail(error, -EINVAL, "%s has %u transmit queues, one for each of %u workers is needed",
                      port->config->device, info->max_tx_queues, queues);
  port->rx_queues = queues < info->max_rx_queues ? queues : info->max_rx_queues;
  if (port->rx_queues > 1 && info->flow_type_rss_offloads) {
    conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf.rx_adv_conf.rss_conf.rss_hf =
      info->flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_NONFRAG_IPV4_UDP | RTE_ETH_RSS_NONFRAG_IPV6_UDP);
  }
  status = rte_eth_dev_configure(port->id, port->rx_queues, queues, &conf);
  if (status)
    return copse_fail(error, status, "%s cannot be configured: %s", port->config->device, strerror(-status));
  if (conf.intr_conf.lsc && rte_eth_dev_callback_register(port->id, RTE_ETH_EVENT_INTR_LSC, on_link, port) != 0)
    return copse_fail(error, -ENOMEM, "%s cannot be watched", port->config->device);
  port->technique = copse_technique_choose(conf.txmode.offloads, pools);
  return 0;
}

static int
set_up_queues(struct copse_port *port, uint16_t queues, const struct copse_pools *pools, struct copse_error *error) {
  uint16_t rx = (uint16_t)port->config->rx_descriptors, tx = (uint16_t)port->config->tx_descriptors;
  int status = rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &rx, &tx);

  for (uint16_t queue = 0; queue < port->rx_queues && !status; queue++)
    status = rte_eth_rx_queue_setup(port->id, queue, rx, SOCKET_ID_ANY, NULL, pools->receive);
  for (uint16_t queue = 0; queue < queues && !status; queue++)
    status = rte_eth_tx_queue_setup(port->id, queue, tx, SOCKET_ID_ANY, NULL);
  if (!status)
    status = rte_eth_dev_start(port->id);
  if (status)
    return copse_fail(error, status, "%s cannot be started: %s", port->config->device, strerror(-status));
  return 0;
}

static int
steer(const struct copse_port *port, const struct copse_dataplane_config *config, struct copse_error *error) {
  struct copse_xdp_config steering = {.port = config->local4.port};

  memcpy(&steering.address4, config->local4.address + 12, sizeof(steering.address4));
  memcpy(steering.address6, config->local6.address, sizeof(steering.address6));
  return copse_xdp_configure(&port->xdp, &steering, error);
}

static int
open_port(struct copse_port *port, const struct copse_dataplane_config *config, uint16_t queues,
          const struct copse_pools *pools, struct copse_error *error) {
  struct rte_eth_dev_info info;
  struct rte_ether_addr mac;
  int status = probe(port, config, queues, error);

  if (status)
    return status;
  status = rte_eth_dev_info_get(port->id, &info);
  if (status || rte_eth_macaddr_get(port->id, &mac) != 0)
    return copse_fail(error, status ? status : -ENODEV, "%s says nothing of itself", port->config->device);
  if (port->id >= COPSE_PORTS_MAX)
    return copse_fail(error, -ENOSPC, "DPDK numbers %s %u; there can be %d ports", port->config->device, port->id,
                      COPSE_PORTS_MAX);
  memcpy(port->mac, mac.addr_bytes, sizeof(port->mac));
  status = configure(port, &info, queues, pools, error);
  if (!status)
    status = set_up_queues(port, queues, pools, error);
  if (!status && port->is_xdp)
    status = steer(port, config, error);
  if (!status && port->config->mtu && !port->is_xdp)
    rte_eth_dev_set_mtu(port->id, port->mtu); /* drivers without a notion of MTU refuse, and carry it anyway */
  return status;
}

int
copse_ports_open(struct copse_ports *ports, const struct copse_dataplane_config *config,
                 const struct copse_pools *pools, struct copse_error *error) {
  struct copse_error reason;

  for (size_t i = 0; i < ports->count; i++) {
    struct copse_port *port = &ports->port[i];
    int status = open_port(port, config, ports->queues, pools, &reason);
    if (status)
      return copse_fail(error, status, "port %zu: %s", i, reason.text);
    copse_log(COPSE_LOG_INFO, "port %zu: %s, MTU %u, %u queues, %s", i, port->config->device, port->mtu, ports->queues,
              port->technique.chain ? "copies share their payload" : "copies are single frames");
  }
  return 0;
}

void
copse_ports_close(struct copse_ports *ports) {
  for (size_t i = 0; i < ports->count; i++) {
    struct copse_port *port = &ports->port[i];
    if (port->probed) {
      rte_eth_dev_stop(port->id);
      rte_eth_dev_close(port->id);
      port->probed = false;
    }
    copse_xdp_release(&port->xdp);
  }
}

void
copse_ports_of_worker(const struct copse_ports *ports, uint32_t worker, struct copse_worker_config *out) {
  out->ports = (uint32_t)ports->count;
  for (size_t i = 0; i < ports->count; i++)
    out->port[i] = (struct copse_worker_port){
      .port = ports->port[i].id,
      .rx_queue = worker < ports->port[i].rx_queues ? (uint16_t)worker : COPSE_QUEUE_NONE,
      .tx_queue = (uint16_t)worker,
      .technique = ports->port[i].technique,
    };
}
