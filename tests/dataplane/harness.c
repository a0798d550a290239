/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_log.h>
#include <rte_malloc.h>
#include <stdlib.h>

#define RX_FRAMES 4096

struct copse_table *table;
struct copse_worker *worker;
struct builder batch;
struct copse_pools pools;
uint64_t now;
uint32_t harness_workers = 1, harness_tx_frames = 4096;
bool harness_without_ipv4;
const uint8_t payload[FRAME_MAX] = "The quick brown fox jumps over the lazy dog. \x80\x90\xff\0\1";

static struct rte_ring *rx_ring[PORTS], *tx_ring[PORTS];
static uint32_t pool_free[3];

static void
start_eal(void) {
  char *arguments[] = {"copse-test", "--no-huge", "--no-pci", "--no-shconf",    "--no-telemetry",   "-m",
                       "96",         "--lcores",  "0@(0-1)",  "--iova-mode=va", "--log-level=error"};

  rte_log_set_global_level(RTE_LOG_ERR);
  cr_assert(ge(int, rte_eal_init(sizeof(arguments) / sizeof(*arguments), arguments), 0));
}

static void
start_ports(void) {
  const struct rte_eth_conf conf = {.txmode.offloads = RTE_ETH_TX_OFFLOAD_MULTI_SEGS};
  char name[32];

  for (int i = 0; i < PORTS; i++) {
    snprintf(name, sizeof(name), "rx%d", i);
    rx_ring[i] = rte_ring_create(name, RX_FRAMES, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
    snprintf(name, sizeof(name), "tx%d", i);
    tx_ring[i] =
      rte_ring_create(name, harness_tx_frames, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
    snprintf(name, sizeof(name), "port%d", i);
    cr_assert(eq(int, rte_eth_from_rings(name, &rx_ring[i], 1, &tx_ring[i], 1, 0), i));
    cr_assert(eq(int, rte_eth_dev_configure((uint16_t)i, 1, 1, &conf), 0));
    cr_assert(eq(int, rte_eth_rx_queue_setup((uint16_t)i, 0, 512, 0, NULL, pools.receive), 0));
    cr_assert(eq(int, rte_eth_tx_queue_setup((uint16_t)i, 0, 512, 0, NULL), 0));
    cr_assert(eq(int, rte_eth_dev_start((uint16_t)i), 0));
  }
}

static struct copse_adjacency
adjacency(uint16_t port, uint16_t vlan, uint8_t mac) {
  return (struct copse_adjacency){
    true, port, vlan, {2, 0, 0, 0, 0, (uint8_t)(0x10 + port)}, {2, 0, 0, 0, 0, mac},
  };
}

static struct copse_endpoint
link_endpoint(uint32_t slot) {
  return slot == 1 ? ipv6(1, 9, COPSE_BLOCK_PORT) : ipv4(10, 0, 0, slot == 0 ? 2 : 3, COPSE_BLOCK_PORT);
}

static struct copse_endpoint
member_endpoint(uint32_t slot) {
  return slot < 16 ? ipv4(10, 0, 1, (uint8_t)(slot + 1), (uint16_t)(4000 + slot))
                   : ipv6(2, (uint16_t)slot, (uint16_t)(4000 + slot));
}

static void
start_worker(void) {
  struct copse_worker_config config = {
    .table = table, .receive = pools.receive, .ports = PORTS, .permission_s = 60, .idle = COPSE_IDLE_POLL};

  for (uint16_t i = 0; i < PORTS; i++)
    config.port[i] = (struct copse_worker_port){
      .port = i, .technique = copse_technique_choose(i == 1 ? 0 : RTE_ETH_TX_OFFLOAD_MULTI_SEGS, &pools)};
  worker = copse_worker_create(&config);
  cr_assert(ne(ptr, worker, NULL));
}

static void
count_free(uint32_t free_mbufs[3]) {
  free_mbufs[0] = rte_mempool_avail_count(pools.receive);
  free_mbufs[1] = rte_mempool_avail_count(pools.header);
  free_mbufs[2] = rte_mempool_avail_count(pools.copy);
}

void
harness_start(void) {
  const struct copse_pools_config pool_config = {.workers = 1,
                                                 .ports = PORTS,
                                                 .rx_queues = 1,
                                                 .rx_descriptors = 512,
                                                 .tx_descriptors = 512,
                                                 .frame_bytes = 9018,
                                                 .socket = SOCKET_ID_ANY};
  struct copse_table_config config = test_config(harness_workers);

  start_eal();
  cr_assert(eq(int, copse_pools_create(&pools, &pool_config), 0));
  count_free(pool_free);
  start_ports();
  config.mtu[0] = config.mtu[1] = 9000;
  if (harness_without_ipv4)
    memset(config.local4.address, 0, sizeof(config.local4.address));
  table = copse_table_create(&config);
  cr_assert(ne(ptr, table, NULL));
  batch = builder_new();
  now = START;
  start_worker();
}

void
harness_stop(void) {
  uint32_t free_mbufs[3];
  struct frame frame;

  assert_conservation();
  for (uint32_t i = 0; i < PORTS; i++)
    while (collect(i, &frame))
      ;
  copse_worker_destroy(worker);
  count_free(free_mbufs);
  for (int i = 0; i < 3; i++)
    cr_assert(eq(uint, free_mbufs[i], pool_free[i]), "pool %d lost mbufs", i);
  builder_free(&batch);
  copse_table_destroy(table);
  for (uint16_t i = 0; i < PORTS; i++) {
    rte_eth_dev_stop(i);
    rte_eth_dev_close(i);
    rte_ring_free(rx_ring[i]);
    rte_ring_free(tx_ring[i]);
  }
  copse_pools_destroy(&pools);
  rte_eal_cleanup();
}

void
add_usual_link(uint32_t slot, uint64_t budget_bps) {
  add_link(&batch, slot, link_endpoint(slot), budget_bps);
}

struct copse_api_member
usual_member(uint32_t slot, uint32_t send_tree) {
  return member(slot, copse_label(slot, 7), send_tree, member_endpoint(slot));
}

void
grant(uint32_t slot, uint64_t until) {
  copse_table_forwarding(table)->member_states[slot].permission_until = until;
}

void
commit(void) {
  struct copse_adjacency to;

  builder_commit(&batch, table);
  for (uint32_t slot = 0; slot < 3; slot++) {
    to = adjacency((uint16_t)slot, slot == 0 ? 0 : slot == 1 ? 42 : 7, (uint8_t)(0x80 + slot));
    copse_table_adjacency(table, link_endpoint(slot).address, &to);
  }
  for (uint32_t slot = 0; slot < 32; slot++) {
    to = adjacency(slot < 16 ? 0 : 1, slot < 16 ? 0 : 42, (uint8_t)(0xa0 + slot));
    copse_table_adjacency(table, member_endpoint(slot).address, &to);
  }
}

void
add_proven_member(uint32_t slot, uint32_t send_tree) {
  const struct copse_api_member api = usual_member(slot, send_tree);

  add_member(&batch, &api);
  commit();
  grant(slot, now + 60 * SECOND);
}

struct frame_spec
from_member(uint32_t slot, uint64_t sequence) {
  const bool v4 = slot < 16;
  struct frame_spec spec = {
    .target_mac = v4 ? 0x10 : 0x11,
    .source_mac = (uint8_t)(0xa0 + slot),
    .vlan = v4 ? 0 : 42,
    .source = member_endpoint(slot),
    .target = v4 ? ipv4(10, 0, 0, 1, COPSE_BLOCK_PORT) : ipv6(0, 1, COPSE_BLOCK_PORT),
    .checksum = true,
    .type = COPSE_DATA,
    .hop_limit = COPSE_HOP_LIMIT,
    .label = copse_label(slot, 7),
    .block = 77,
    .symbol = 3,
    .sequence = sequence,
    .payload = payload,
    .payload_bytes = COPSE_SYMBOL_BYTES,
  };

  memset(spec.key, (int)slot + 1, sizeof(spec.key));
  return spec;
}

static struct frame_spec
copy_of(const struct frame_spec *in, struct copse_endpoint target, uint32_t label, uint64_t sequence, uint8_t key) {
  struct frame_spec out = *in;

  out.checksum = false;
  out.source = target.address[0] ? ipv6(0, 1, COPSE_BLOCK_PORT) : ipv4(10, 0, 0, 1, COPSE_BLOCK_PORT);
  out.target = target;
  out.dscp = 10;
  out.hops = 0;
  out.label = label;
  out.hop_limit--;
  out.sequence = sequence;
  memset(out.key, key, sizeof(out.key));
  return out;
}

struct frame_spec
copy_to_link(uint32_t slot, const struct frame_spec *in, uint32_t label, uint64_t sequence, uint8_t key) {
  struct frame_spec out = copy_of(in, link_endpoint(slot), label, sequence, key);

  out.target_mac = (uint8_t)(0x80 + slot);
  out.source_mac = (uint8_t)(0x10 + slot);
  out.vlan = slot == 0 ? 0 : slot == 1 ? 42 : 7;
  return out;
}

struct frame_spec
copy_to_member(uint32_t slot, const struct frame_spec *in, uint32_t label, uint64_t sequence, uint8_t key) {
  struct frame_spec out = copy_of(in, member_endpoint(slot), label, sequence, key);

  out.target_mac = (uint8_t)(0xa0 + slot);
  out.source_mac = slot < 16 ? 0x10 : 0x11;
  out.vlan = slot < 16 ? 0 : 42;
  return out;
}

struct rte_mbuf *
mbuf_of(const struct frame *frame, uint32_t cut) {
  struct rte_mbuf *head = rte_pktmbuf_alloc(pools.receive);
  const uint32_t first = cut > 0 && cut < frame->length ? cut : frame->length;

  memcpy(rte_pktmbuf_append(head, (uint16_t)first), frame->bytes, first);
  for (uint32_t at = first; at < frame->length;) {
    const uint32_t bytes = RTE_MIN(frame->length - at, 333U);
    struct rte_mbuf *segment = rte_pktmbuf_alloc(pools.receive);
    memcpy(rte_pktmbuf_append(segment, (uint16_t)bytes), frame->bytes + at, bytes);
    cr_assert(eq(int, rte_pktmbuf_chain(head, segment), 0));
    at += bytes;
  }
  return head;
}

void
inject_mbuf(uint32_t port, struct rte_mbuf *mbuf) {
  cr_assert(eq(int, rte_ring_enqueue(rx_ring[port], mbuf), 0));
}

void
inject(uint32_t port, const struct frame *frame, uint32_t cut) {
  inject_mbuf(port, mbuf_of(frame, cut));
}

void
run_once(void) {
  copse_worker_once(worker, now);
}

void
send_frame(const struct frame_spec *spec) {
  struct frame frame;

  frame_build(&frame, spec);
  inject(spec->target_mac - 0x10, &frame, 0);
  run_once();
}

bool
collect(uint32_t port, struct frame *out) {
  struct rte_mbuf *mbuf;
  uint32_t segments = 0;

  if (rte_ring_dequeue(tx_ring[port], (void **)&mbuf) != 0)
    return false;
  out->length = 0;
  for (const struct rte_mbuf *segment = mbuf; segment != NULL; segment = segment->next, segments++) {
    memcpy(out->bytes + out->length, rte_pktmbuf_mtod(segment, void *), segment->data_len);
    out->length += segment->data_len;
  }
  cr_assert(eq(uint, out->length, mbuf->pkt_len));
  cr_assert(eq(uint, segments, mbuf->nb_segs));
  cr_assert(port != 1 || segments == 1, "port 1 takes single segments");
  rte_mbuf_sanity_check(mbuf, 1);
  rte_pktmbuf_free(mbuf);
  return true;
}

void
expect(uint32_t port, const struct frame_spec *spec) {
  static struct frame sent, expected;

  frame_build(&expected, spec);
  cr_assert(collect(port, &sent), "port %u sent nothing", port);
  cr_assert(eq(uint, sent.length, expected.length), "port %u", port);
  for (uint32_t i = 0; i < sent.length; i++)
    cr_assert(sent.bytes[i] == expected.bytes[i], "port %u, byte %u: %02x, not %02x", port, i, sent.bytes[i],
              expected.bytes[i]);
}

void
expect_nothing(void) {
  for (uint32_t i = 0; i < PORTS; i++)
    cr_assert(eq(uint, rte_ring_count(tx_ring[i]), 0), "port %u", i);
}

const struct copse_worker_counters *
counters(void) {
  return copse_worker_counters(copse_table_shm(table), 0);
}

const struct copse_tree_counters *
tree_counters(uint32_t slot) {
  return &copse_tree_counters(copse_table_shm(table), 0)[slot];
}

uint64_t
packet_drops(enum copse_packet_drop reason) {
  return counters()->packet_drops[reason];
}

uint64_t
copy_drops(enum copse_copy_drop reason) {
  return counters()->copy_drops[reason];
}

void
assert_conservation(void) {
  const struct copse_worker_counters *all = counters();
  uint64_t packets = all->admitted + all->handshakes, copies = all->copies_sent, of_trees[3] = {0};

  for (int i = 0; i < COPSE_PACKET_DROP_COUNT; i++)
    packets += all->packet_drops[i];
  for (int i = 0; i < COPSE_COPY_DROP_COUNT; i++)
    copies += all->copy_drops[i];
  cr_assert(eq(u64, all->rx_packets, packets));
  cr_assert(eq(u64, all->copies_due, copies));
  cr_assert(eq(u64, all->tx_packets, all->copies_sent + all->handshakes));
  for (uint32_t slot = 0; slot < 8; slot++) {
    const struct copse_tree_counters *tree_of = tree_counters(slot);
    copies = tree_of->copies_sent;
    for (int i = 0; i < COPSE_COPY_DROP_COUNT; i++)
      copies += tree_of->copy_drops[i];
    cr_assert(eq(u64, tree_of->copies_due, copies), "tree %u", slot);
    of_trees[0] += tree_of->packets;
    of_trees[1] += tree_of->copies_due;
    of_trees[2] += tree_of->copies_sent;
  }
  cr_assert(eq(u64, of_trees[0], all->admitted));
  cr_assert(eq(u64, of_trees[1], all->copies_due));
  cr_assert(eq(u64, of_trees[2], all->copies_sent));
}

uint32_t
take_all(struct rte_mempool *pool, struct rte_mbuf **taken, uint32_t leave) {
  uint32_t count = 0;

  while (rte_mempool_avail_count(pool) > leave && (taken[count] = rte_pktmbuf_alloc(pool)) != NULL)
    count++;
  return count;
}

void
drain(void) {
  static struct frame frame;

  for (uint32_t port = 0; port < PORTS; port++)
    while (collect(port, &frame))
      ;
}

void
plant_narrow(uint64_t committed, uint64_t peak, uint32_t charged_edges, uint64_t link_bps) {
  const struct copse_api_hop hops[] = {{COPSE_HOP_LINK, 0, 0x10001, 0}};
  struct copse_api_tree api = tree(0, 0xabc);

  api.committed_bps = committed;
  api.peak_bps = peak;
  api.burst_us = 900;
  api.charged_edges = charged_edges;
  add_usual_link(0, link_bps);
  add_proven_member(1, 0);
  add_tree(&batch, api, hops, 1);
  commit();
}

void
load(unsigned packets, double seconds) {
  static uint64_t sequence;

  for (unsigned i = 0; i < packets; i++) {
    now += (uint64_t)(seconds * SECOND / packets);
    grant(1, now + SECOND);
    const struct frame_spec in = from_member(1, ++sequence);
    send_frame(&in);
    if (i % 512 == 0)
      drain();
  }
  drain();
}
