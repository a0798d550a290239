/* SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"

#include "builder.h"
#include "pipeline/tag.h"

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <stdlib.h>

#define RING (2 * BENCH_COPIES)
#define PLENTY 1000000000000ULL /* bit/s: every bucket is charged, none runs dry */
#define BATCH 1000              /* trees set at once */

static const uint8_t text[2048] = "The quick brown fox jumps over the lazy dog.";

void
bench_require(bool condition, const char *what) {
  if (condition)
    return;
  fprintf(stderr, "bench: cannot %s\n", what);
  exit(1);
}

static int
compare(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;

  return (x > y) - (x < y);
}

double
bench_median(double *values, unsigned count) {
  qsort(values, count, sizeof(*values), compare);
  return values[count / 2];
}

void
bench_start(struct bench *bench) {
  char *arguments[] = {"pipeline-bench",   "--no-pci", "--no-shconf", "--no-telemetry",
                       "--in-memory",      "-m",       "256",         "--lcores=0@(0-1)",
                       "--log-level=error"};
  const struct copse_pools_config config = {.workers = 1,
                                            .ports = 1,
                                            .rx_queues = 1,
                                            .rx_descriptors = 512,
                                            .tx_descriptors = BENCH_COPIES,
                                            .frame_bytes = 1518,
                                            .socket = SOCKET_ID_ANY};
  const struct rte_eth_conf port = {.txmode.offloads = RTE_ETH_TX_OFFLOAD_MULTI_SEGS};

  *bench = (struct bench){.random = 1, .sequence = 1};
  bench_require(rte_eal_init(sizeof(arguments) / sizeof(*arguments), arguments) >= 0,
                "start DPDK (it needs 256 MB of hugepages)");
  bench_require(copse_pools_create(&bench->pools, &config) == 0, "allocate the pools");
  bench->rx = rte_ring_create("rx", 64, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
  bench->tx = rte_ring_create("tx", RING, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
  bench_require(bench->rx != NULL && bench->tx != NULL, "allocate rings");
  const int id = rte_eth_from_rings("port0", &bench->rx, 1, &bench->tx, 1, 0);
  bench->port = (uint16_t)id;
  bench_require(id >= 0 && rte_eth_dev_configure(bench->port, 1, 1, &port) == 0 &&
                  rte_eth_rx_queue_setup(bench->port, 0, 512, 0, NULL, bench->pools.receive) == 0 &&
                  rte_eth_tx_queue_setup(bench->port, 0, 512, 0, NULL) == 0 && rte_eth_dev_start(bench->port) == 0,
                "start a port");
}

static void
plant_destinations(struct bench *bench) {
  struct builder batch = builder_new();

  for (uint32_t i = 0; i < BENCH_LINKS; i++)
    add_link(&batch, i, ipv4(10, 1, 0, (uint8_t)(i + 1), COPSE_BLOCK_PORT), PLENTY);
  for (uint32_t i = 0; i < BENCH_MEMBERS; i++) {
    struct copse_api_member api =
      member(i, copse_label(i, 1), COPSE_SLOT_NONE, ipv4(10, 2, (uint8_t)(i >> 8), (uint8_t)i, (uint16_t)(4000 + i)));
    api.egress_bps = PLENTY;
    add_member(&batch, &api);
  }
  builder_commit(&batch, bench->table);
  builder_free(&batch);
}

static void
resolve(void *table, const uint8_t address[16]) {
  const struct copse_adjacency adjacency = {true, 0, 0, {2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}};

  copse_table_adjacency(table, address, &adjacency);
}

/* Half of the hops are links, as far as there are any. */
static void
plant_tree(struct builder *batch, uint32_t slot, uint32_t fan_out) {
  struct copse_api_hop hops[BENCH_FAN_OUT_MAX];
  const uint32_t links = RTE_MIN((fan_out + 1) / 2, (uint32_t)BENCH_LINKS);
  struct copse_api_tree api = tree(slot, slot + 1);

  for (uint32_t i = 0; i < fan_out; i++)
    hops[i] = i < links ? (struct copse_api_hop){COPSE_HOP_LINK, (slot + i) % BENCH_LINKS, copse_label(slot, 1), 0}
                        : (struct copse_api_hop){COPSE_HOP_MEMBER, (7 * slot + i) % BENCH_MEMBERS, slot, 0};
  api.label = copse_label(BENCH_MEMBERS + slot, 1);
  api.upstream = ipv4(10, 1, 0, 1, COPSE_BLOCK_PORT);
  api.committed_bps = PLENTY / 2;
  api.peak_bps = PLENTY;
  api.charged_edges = 1;
  add_tree(batch, api, hops, fan_out);
  add_allowance(batch, slot, UINT64_MAX / 2);
}

static void
plant_trees(struct bench *bench, const struct bench_case *which) {
  struct builder batch = builder_new();

  for (uint32_t i = 0; i < which->trees; i++) {
    plant_tree(&batch, i, which->fan_out);
    if (i % BATCH == BATCH - 1)
      builder_commit(&batch, bench->table);
  }
  builder_commit(&batch, bench->table);
  builder_free(&batch);
}

void
bench_plant_table(struct bench *bench, const struct bench_case *which, uint32_t workers) {
  const struct copse_table_config table = {.limits = {.labels = BENCH_MEMBERS + which->trees,
                                                      .trees = which->trees,
                                                      .members = BENCH_MEMBERS,
                                                      .links = BENCH_LINKS,
                                                      .fan_out = BENCH_FAN_OUT_MAX,
                                                      .workers = workers},
                                           .tsc_hz = rte_get_tsc_hz(),
                                           .local4 = ipv4(10, 0, 0, 1, COPSE_BLOCK_PORT),
                                           .mtu = {1500}};

  bench->table = copse_table_create(&table);
  bench_require(bench->table != NULL, "allocate a table");
  plant_destinations(bench);
  plant_trees(bench, which);
  copse_table_each_address(bench->table, resolve, bench->table);
  for (uint32_t i = 0; i < BENCH_MEMBERS; i++)
    copse_table_forwarding(bench->table)->member_states[i].permission_until = UINT64_MAX;
}

void
bench_plant(struct bench *bench, const struct bench_case *which) {
  struct copse_worker_config worker = {.receive = bench->pools.receive, .ports = 1, .permission_s = 60};
  double sum = 0;

  bench_plant_table(bench, which, 1);
  worker.table = bench->table;
  worker.port[0] = (struct copse_worker_port){
    .port = bench->port, .technique = copse_technique_choose(RTE_ETH_TX_OFFLOAD_MULTI_SEGS, &bench->pools)};
  bench->worker = copse_worker_create(&worker);
  bench->zipf = malloc(which->trees * sizeof(*bench->zipf));
  bench_require(bench->worker != NULL && bench->zipf != NULL, "create a worker");
  for (uint32_t i = 0; i < which->trees; i++)
    bench->zipf[i] = sum += 1.0 / (i + 1);
}

void
bench_clear(struct bench *bench) {
  free(bench->zipf);
  copse_worker_destroy(bench->worker);
  copse_table_destroy(bench->table);
}

/* xorshift64 */
static uint64_t
next_random(struct bench *bench) {
  bench->random ^= bench->random << 13;
  bench->random ^= bench->random >> 7;
  return bench->random ^= bench->random << 17;
}

/* Ranks are scattered over slots, so that hot trees are not neighbours in memory. */
static uint32_t
pick(struct bench *bench, const struct bench_case *which) {
  uint32_t low = 0, high = which->trees - 1;

  if (!which->zipf)
    return (uint32_t)(next_random(bench) % which->trees);
  const double at = (double)(next_random(bench) >> 11) * 0x1p-53 * bench->zipf[high];
  while (low < high) {
    const uint32_t middle = (low + high) / 2;
    if (bench->zipf[middle] < at)
      low = middle + 1;
    else
      high = middle;
  }
  return (uint32_t)(low * 2654435761ULL % which->trees);
}

void
bench_frame(const struct bench *bench, const struct bench_case *which, struct frame *frame) {
  const struct frame_spec spec = {.target_mac = 1,
                                  .source_mac = 2,
                                  .source = ipv4(10, 1, 0, 1, COPSE_BLOCK_PORT),
                                  .target = copse_table_forwarding(bench->table)->local4,
                                  .type = COPSE_DATA,
                                  .hop_limit = COPSE_HOP_LIMIT,
                                  .block = 77,
                                  .symbol = 3,
                                  .payload = text,
                                  .payload_bytes = (uint16_t)(which->frame - AT_HEADER - COPSE_HEADER_BYTES)};

  frame_build(frame, &spec);
}

void
bench_sign(struct copse_header *header, uint32_t slot, uint64_t sequence) {
  uint8_t key[COPSE_KEY_BYTES];

  fill_key(key, (uint8_t)(0x40 + slot));
  header->label = htobe32(copse_label(BENCH_MEMBERS + slot, 1));
  header->sequence = htobe64(sequence);
  header->tag = copse_tag(header, key);
}

void
bench_load(struct bench *bench, const struct bench_case *which) {
  static struct frame frame;
  static uint32_t built;
  const unsigned count = bench_burst(which);
  struct rte_mbuf *mbufs[COPSE_BURST];

  if (built != which->frame) {
    bench_frame(bench, which, &frame);
    built = which->frame;
  }
  bench_require(rte_pktmbuf_alloc_bulk(bench->pools.receive, mbufs, count) == 0, "take buffers");
  for (unsigned i = 0; i < count; i++) {
    uint8_t *at = (uint8_t *)rte_pktmbuf_append(mbufs[i], (uint16_t)frame.length);
    struct copse_header *header = (struct copse_header *)(at + AT_HEADER);
    memcpy(at, frame.bytes, frame.length);
    bench_sign(header, pick(bench, which), bench->sequence++);
  }
  bench_require(rte_ring_enqueue_bulk(bench->rx, (void **)mbufs, count, NULL) == count, "fill a ring");
}

unsigned
bench_sink(struct bench *bench) {
  struct rte_mbuf *frames[COPSE_TX_BURST];
  unsigned count, all = 0;

  while ((count = rte_ring_dequeue_burst(bench->tx, (void **)frames, COPSE_TX_BURST, NULL)) > 0) {
    rte_pktmbuf_free_bulk(frames, count);
    all += count;
  }
  return all;
}
