/* SPDX-License-Identifier: Apache-2.0 */
#include "orchard.h"

#include "frames.h"
#include "pipeline/tag.h"

#include <criterion/criterion.h>
#include <rte_bus_vdev.h>
#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <stdio.h>
#include <stdlib.h>

#define RING 2048
#define BATCH 1000 /* trees set at once */
#define FRAME_ROOM 9018

static struct frame template;
static const uint8_t text[FRAME_MAX] = "The quick brown fox jumps over the lazy dog.";

static void
require(bool condition, const char *what) {
  if (condition)
    return;
  fprintf(stderr, "orchard: cannot %s\n", what);
  exit(1);
}

void
orchard_start_eal(void) {
  char *arguments[] = {"orchard", "--no-huge", "--no-pci", "--no-shconf",    "--no-telemetry",   "-m",
                       "256",     "--lcores",  "0@(0-1)",  "--iova-mode=va", "--log-level=error"};

  require(rte_eal_init(sizeof(arguments) / sizeof(*arguments), arguments) >= 0, "start DPDK");
}

static struct rte_ring *
ring(const char *kind, unsigned number) {
  char name[32];
  struct rte_ring *made;

  snprintf(name, sizeof(name), "%s%u", kind, number);
  made = rte_ring_create(name, RING, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
  require(made != NULL, "make a ring");
  return made;
}

static void
open_port(struct orchard *orchard) {
  const struct rte_eth_conf conf = {.txmode.offloads = RTE_ETH_TX_OFFLOAD_MULTI_SEGS};
  struct rte_ring *rx[ORCHARD_WORKERS_MAX], *tx[ORCHARD_WORKERS_MAX];
  const unsigned count = orchard->workers;

  for (unsigned i = 0; i < count; i++) {
    rx[i] = orchard->worker[i].rx = ring("rx", i);
    tx[i] = orchard->worker[i].tx = ring("tx", i);
  }
  require(rte_eth_from_rings("port", rx, count, tx, count, 0) == 0 &&
            rte_eth_dev_configure(0, (uint16_t)count, (uint16_t)count, &conf) == 0,
          "make a port");
  for (uint16_t i = 0; i < count; i++)
    require(rte_eth_rx_queue_setup(0, i, 512, 0, NULL, orchard->pools.receive) == 0 &&
              rte_eth_tx_queue_setup(0, i, 512, 0, NULL) == 0,
            "set up a queue");
  require(rte_eth_dev_start(0) == 0, "start the port");
}

static void
open_workers(struct orchard *orchard) {
  struct copse_worker_config config = {
    .table = orchard->table, .receive = orchard->pools.receive, .ports = 1, .permission_s = 60};

  for (unsigned i = 0; i < orchard->workers; i++) {
    config.worker = i;
    config.port[0] =
      (struct copse_worker_port){.rx_queue = (uint16_t)i,
                                 .tx_queue = (uint16_t)i,
                                 .technique = copse_technique_choose(RTE_ETH_TX_OFFLOAD_MULTI_SEGS, &orchard->pools)};
    orchard->worker[i].worker = copse_worker_create(&config);
    require(orchard->worker[i].worker != NULL, "make a worker");
  }
}

static struct copse_pools_config
pools_config(const struct orchard *orchard) {
  return (struct copse_pools_config){.workers = orchard->workers,
                                     .ports = 1,
                                     .rx_queues = orchard->workers,
                                     .rx_descriptors = 512,
                                     .tx_descriptors = RING,
                                     .frame_bytes = FRAME_ROOM,
                                     .socket = SOCKET_ID_ANY};
}

static void
resolve(void *table, const uint8_t address[16]) {
  const struct copse_adjacency adjacency = {true, 0, 0, {2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}};

  copse_table_adjacency(table, address, &adjacency);
}

static void
plant_links(struct orchard *orchard) {
  struct builder batch = builder_new();

  for (uint32_t i = 0; i < ORCHARD_LINKS; i++)
    add_link(&batch, i, ipv4(10, 1, 0, (uint8_t)(i + 1), COPSE_BLOCK_PORT), 0);
  builder_commit(&batch, orchard->table);
  builder_free(&batch);
  copse_table_each_address(orchard->table, resolve, orchard->table);
}

void
orchard_open(struct orchard *orchard, unsigned workers, uint32_t trees, uint32_t layer3_bytes, uint64_t tsc_hz) {
  const struct copse_table_config config = {.limits = {.labels = trees + ORCHARD_SPARE,
                                                       .trees = trees + ORCHARD_SPARE,
                                                       .links = ORCHARD_LINKS,
                                                       .fan_out = ORCHARD_LINKS,
                                                       .workers = workers},
                                            .tsc_hz = tsc_hz,
                                            .local4 = ipv4(10, 0, 0, 1, COPSE_BLOCK_PORT),
                                            .mtu = {9000}};
  const struct frame_spec spec = {.source = ipv4(10, 1, 0, 1, COPSE_BLOCK_PORT),
                                  .target = config.local4,
                                  .type = COPSE_DATA,
                                  .hop_limit = COPSE_HOP_LIMIT,
                                  .payload = text,
                                  .payload_bytes = (uint16_t)(layer3_bytes - 20 - 8 - COPSE_HEADER_BYTES)};

  *orchard = (struct orchard){.workers = workers, .trees = trees};
  const struct copse_pools_config pools = pools_config(orchard);
  require(copse_pools_create(&orchard->pools, &pools) == 0, "allocate pools");
  orchard->sequence = calloc(trees, sizeof(*orchard->sequence));
  orchard->table = copse_table_create(&config);
  require(orchard->table != NULL && orchard->sequence != NULL, "allocate a table");
  frame_build(&template, &spec);
  open_port(orchard);
  plant_links(orchard);
  open_workers(orchard);
}

static bool
all_back(struct orchard *orchard) {
  const struct copse_pools_config config = pools_config(orchard);
  const struct copse_pools_need need = copse_pools_need(&config);

  return rte_mempool_avail_count(orchard->pools.receive) == need.receive &&
         rte_mempool_avail_count(orchard->pools.header) == need.header &&
         rte_mempool_avail_count(orchard->pools.copy) == need.copy;
}

bool
orchard_close(struct orchard *orchard) {
  for (unsigned i = 0; i < orchard->workers; i++)
    copse_worker_destroy(orchard->worker[i].worker);
  rte_eth_dev_stop(0);
  rte_vdev_uninit("net_ring_port");
  const bool back = all_back(orchard);
  for (unsigned i = 0; i < orchard->workers; i++) {
    rte_ring_free(orchard->worker[i].rx);
    rte_ring_free(orchard->worker[i].tx);
  }
  copse_table_destroy(orchard->table);
  copse_pools_destroy(&orchard->pools);
  free(orchard->sequence);
  return back;
}

void
orchard_tree(struct builder *batch, uint32_t slot, uint32_t fan_out, uint64_t bps, uint32_t burst_us) {
  struct copse_api_hop hops[ORCHARD_LINKS];
  struct copse_api_tree api = tree(slot, slot + 1);

  for (uint32_t i = 0; i < fan_out; i++)
    hops[i] = (struct copse_api_hop){COPSE_HOP_LINK, i, copse_label(slot, 1), 0};
  api.label = copse_label(slot, 1);
  api.upstream = ipv4(10, 1, 0, 1, COPSE_BLOCK_PORT);
  api.committed_bps = bps / 2;
  api.peak_bps = bps;
  api.burst_us = burst_us;
  add_tree(batch, api, hops, fan_out);
}

void
orchard_plant(struct orchard *orchard, uint32_t fan_out, uint64_t bps, uint32_t burst_us) {
  struct builder batch = builder_new();

  orchard->fan_out = fan_out;
  for (uint32_t i = 0; i < orchard->trees; i++) {
    orchard_tree(&batch, i, fan_out, bps, burst_us);
    if (i % BATCH == BATCH - 1 || i + 1 == orchard->trees)
      builder_commit(&batch, orchard->table);
  }
  builder_free(&batch);
}

void
orchard_load(struct orchard *orchard, unsigned worker, uint32_t tree, uint32_t layer3_bytes) {
  const uint32_t bytes = AT_IP + layer3_bytes;
  struct rte_mbuf *mbuf = rte_pktmbuf_alloc(orchard->pools.receive);
  uint8_t *at, key[COPSE_KEY_BYTES];

  require(mbuf != NULL, "take a buffer");
  at = (uint8_t *)rte_pktmbuf_append(mbuf, (uint16_t)bytes);
  memcpy(at, template.bytes, AT_HEADER + COPSE_HEADER_BYTES); /* nobody looks at the rest */
  struct copse_header *header = (struct copse_header *)(at + AT_HEADER);
  header->label = htobe32(copse_label(tree, 1));
  header->sequence = htobe64(__atomic_add_fetch(&orchard->sequence[tree], 1, __ATOMIC_RELAXED));
  fill_key(key, (uint8_t)(0x40 + tree));
  header->tag = copse_tag(header, key);
  require(rte_ring_enqueue(orchard->worker[worker].rx, mbuf) == 0, "fill a ring");
}

unsigned
orchard_turn(struct orchard *orchard, unsigned worker, uint64_t now) {
  struct rte_mbuf *frames[COPSE_BURST];
  unsigned count, all = 0;

  copse_worker_once(orchard->worker[worker].worker, now);
  while ((count = rte_ring_dequeue_burst(orchard->worker[worker].tx, (void **)frames, COPSE_BURST, NULL)) > 0) {
    rte_pktmbuf_free_bulk(frames, count);
    all += count;
  }
  return all;
}

static void
add(uint64_t *sum, const uint64_t *counters, size_t bytes) {
  for (size_t i = 0; i < bytes / sizeof(*sum); i++)
    sum[i] += __atomic_load_n(&counters[i], __ATOMIC_RELAXED);
}

struct copse_worker_counters
orchard_counters(const struct orchard *orchard) {
  struct copse_worker_counters sum = {0};

  for (uint32_t i = 0; i < orchard->workers; i++)
    add((uint64_t *)&sum, (const uint64_t *)copse_worker_counters(copse_table_shm(orchard->table), i), sizeof(sum));
  return sum;
}

struct copse_tree_counters
orchard_tree_counters(const struct orchard *orchard, uint32_t slot) {
  struct copse_tree_counters sum = {0};

  for (uint32_t i = 0; i < orchard->workers; i++)
    add((uint64_t *)&sum, (const uint64_t *)&copse_tree_counters(copse_table_shm(orchard->table), i)[slot],
        sizeof(sum));
  return sum;
}
