/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/pools.h"

#include "pipeline/pipeline.h"

#include <rte_errno.h>

#define CACHE 256                         /* mbufs of a pool kept by each lcore */
#define CACHE_HELD (CACHE + CACHE / 2)    /* and at most */
#define FRAME_BYTES_MIN 2048              /* what drivers expect of a receive buffer */
#define COPY_ROOM (COPSE_COPY_BYTES + 64) /* headers may grow: VLAN, IPv6 */

static uint64_t
pool_bytes(uint32_t mbufs, uint32_t room) {
  return (uint64_t)mbufs * (sizeof(struct rte_mbuf) + RTE_CACHE_LINE_SIZE + RTE_PKTMBUF_HEADROOM + room);
}

static uint32_t
frame_room(const struct copse_pools_config *config) {
  return config->frame_bytes > FRAME_BYTES_MIN ? config->frame_bytes : FRAME_BYTES_MIN;
}

struct copse_pools_need
copse_pools_need(const struct copse_pools_config *config) {
  const uint32_t sending = config->workers * (config->ports * (config->tx_descriptors + COPSE_TX_BURST) + CACHE_HELD);
  const uint32_t receiving =
    config->ports * config->rx_queues * config->rx_descriptors + config->workers * (COPSE_BURST + CACHE_HELD);
  struct copse_pools_need need = {.receive = receiving + sending, .header = sending, .copy = sending};

  need.bytes = pool_bytes(need.receive, frame_room(config)) + pool_bytes(need.header, COPSE_HEADERS_BYTES) +
               pool_bytes(need.copy, COPY_ROOM);
  return need;
}

static struct rte_mempool *
create(const char *name, uint32_t mbufs, uint32_t room, int socket) {
  return rte_pktmbuf_pool_create(name, mbufs, CACHE, 0, (uint16_t)(RTE_PKTMBUF_HEADROOM + room), socket);
}

int
copse_pools_create(struct copse_pools *pools, const struct copse_pools_config *config) {
  const struct copse_pools_need need = copse_pools_need(config);

  *pools = (struct copse_pools){0};
  if (frame_room(config) > UINT16_MAX - RTE_PKTMBUF_HEADROOM)
    return -EINVAL;
  pools->receive = create("copse-receive", need.receive, frame_room(config), config->socket);
  pools->header = create("copse-header", need.header, COPSE_HEADERS_BYTES, config->socket);
  pools->copy = create("copse-copy", need.copy, COPY_ROOM, config->socket);
  if (pools->receive != NULL && pools->header != NULL && pools->copy != NULL)
    return 0;
  const int status = -rte_errno;
  copse_pools_destroy(pools);
  return status;
}

void
copse_pools_destroy(struct copse_pools *pools) {
  rte_mempool_free(pools->receive);
  rte_mempool_free(pools->header);
  rte_mempool_free(pools->copy);
  *pools = (struct copse_pools){0};
}
