/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/pipeline.h"

#include <errno.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <stdlib.h>

#define BARE_FRAME_MAX (COPSE_LINK_HEADERS_MAX + COPSE_HEADER_BYTES)

static bool
holds_whole(const struct copse_technique *technique) {
  return RTE_PKTMBUF_HEADROOM + RTE_MAX(technique->copy_below, BARE_FRAME_MAX) <=
         rte_pktmbuf_data_room_size(technique->copy);
}

static bool
valid_config(const struct copse_worker_config *config) {
  uint32_t seen = 0;

  if (config->ports > COPSE_PORTS_MAX || config->permission_s == 0 || config->receive == NULL ||
      (config->idle == COPSE_IDLE_ADAPTIVE && config->idle_sleep_us == 0) ||
      config->worker >= copse_table_forwarding(config->table)->limits.workers)
    return false;
  for (uint32_t i = 0; i < config->ports; i++) {
    const struct copse_worker_port *port = &config->port[i];
    if (port->port >= COPSE_PORTS_MAX || seen & 1U << port->port || port->technique.copy == NULL ||
        (port->technique.chain && (port->technique.header == NULL || !holds_whole(&port->technique))))
      return false;
    seen |= 1U << port->port;
  }
  return true;
}

static void
set_up(struct copse_worker *worker, const struct copse_worker_config *config) {
  const struct copse_forwarding *table = copse_table_forwarding(config->table);

  worker->config = *config;
  worker->table = table;
  worker->counters = copse_worker_counters(table->shm, config->worker);
  worker->trees = copse_tree_counters(table->shm, config->worker);
  worker->links = copse_link_counters(table->shm, config->worker);
  worker->members = copse_member_counters(table->shm, config->worker);
  worker->shared = table->shared;
  worker->portion_shift = copse_portion_shift(table->limits.workers);
  worker->permission = config->permission_s * table->tsc_hz;
  worker->sleep_us = 1;
  worker->tags = copse_siphash_choose();
  for (uint32_t i = 0; i < config->ports; i++) {
    struct copse_lane *lane = &worker->lane[i];
    lane->config = config->port[i];
    const struct copse_technique *technique = &lane->config.technique;
    const uint32_t room = rte_pktmbuf_data_room_size(technique->copy) - RTE_PKTMBUF_HEADROOM;
    /* A frame without payload has nothing to share. */
    lane->whole = technique->chain ? RTE_MAX(technique->copy_below, BARE_FRAME_MAX) : room;
    lane->largest = technique->chain ? UINT32_MAX : room;
    if (lane->config.tx_queue != COPSE_QUEUE_NONE)
      worker->lane_by_port[lane->config.port] = lane;
  }
}

static int
allocate(struct copse_worker *worker) {
  const struct copse_api_limits *limits = &worker->table->limits;

  worker->copies = calloc(limits->fan_out + 1UL, sizeof(*worker->copies));
  if (worker->copies == NULL)
    return -ENOMEM;
  if (!worker->shared)
    return 0;
  worker->hop_portions = calloc((size_t)limits->links + limits->members + 1, sizeof(*worker->hop_portions));
  worker->tree_portions = calloc(limits->trees + 1UL, sizeof(*worker->tree_portions));
  return worker->hop_portions != NULL && worker->tree_portions != NULL ? 0 : -ENOMEM;
}

static void
release(struct copse_worker *worker) {
  free(worker->tree_portions);
  free(worker->hop_portions);
  free(worker->copies);
  free(worker);
}

struct copse_worker *
copse_worker_create(const struct copse_worker_config *config) {
  struct copse_worker *worker;

  if (!valid_config(config)) {
    errno = EINVAL;
    return NULL;
  }
  if ((errno = posix_memalign((void **)&worker, RTE_CACHE_LINE_SIZE, sizeof(*worker))) != 0)
    return NULL;
  memset(worker, 0, sizeof(*worker));
  set_up(worker, config);
  if (allocate(worker) != 0 || rte_rcu_qsbr_thread_register(worker->table->rcu, config->worker) != 0) {
    release(worker);
    errno = ENOMEM;
    return NULL;
  }
  return worker;
}

void
copse_worker_destroy(struct copse_worker *worker) {
  rte_rcu_qsbr_thread_unregister(worker->table->rcu, worker->config.worker);
  release(worker);
}

static unsigned
poll(struct copse_worker *worker, struct copse_lane *lane, uint64_t now) {
  struct rte_mbuf *frames[COPSE_BURST];
  unsigned received, count;

  if ((received = copse_receive(worker, lane, frames)) == 0)
    return 0;
  count = copse_parse(worker, frames, received);
  count = copse_admit(worker, lane, count, now);
  copse_meter(worker, count, now);
  copse_replicate(worker, now);
  return received;
}

/* One turn over all queues with one version of the table. */
static unsigned
turn(struct copse_worker *worker, uint64_t now) {
  const uint64_t generation = __atomic_load_n(&worker->table->generation, __ATOMIC_ACQUIRE);
  unsigned received = 0;

  __atomic_store_n(&worker->counters->applied_generation, generation, __ATOMIC_RELEASE);
  for (uint32_t i = 0; i < worker->config.ports; i++)
    if (worker->lane[i].config.rx_queue != COPSE_QUEUE_NONE)
      received += poll(worker, &worker->lane[i], now);
  for (uint32_t i = 0; i < worker->config.ports; i++)
    if (worker->lane[i].waiting > 0)
      copse_transmit(worker, &worker->lane[i]);
  copse_count(&worker->counters->polls, 1);
  copse_count(&worker->counters->busy_polls, received > 0);
  return received;
}

unsigned
copse_worker_once(struct copse_worker *worker, uint64_t now) {
  unsigned received;

  rte_rcu_qsbr_thread_online(worker->table->rcu, worker->config.worker);
  received = turn(worker, now);
  rte_rcu_qsbr_thread_offline(worker->table->rcu, worker->config.worker);
  return received;
}

/* The one system call of a worker, made only when nothing arrives. The table may change without it meanwhile. */
static void
rest(struct copse_worker *worker) {
  const struct copse_worker_config *config = &worker->config;

  if (config->idle != COPSE_IDLE_ADAPTIVE || ++worker->empty_polls <= config->idle_polls)
    return;
  rte_rcu_qsbr_thread_offline(worker->table->rcu, config->worker);
  rte_delay_us_sleep(worker->sleep_us);
  rte_rcu_qsbr_thread_online(worker->table->rcu, config->worker);
  copse_count(&worker->counters->sleeps, 1);
  worker->sleep_us = RTE_MIN(2 * worker->sleep_us, config->idle_sleep_us);
}

int
copse_worker_run(void *argument) {
  struct copse_worker *worker = argument;
  uint64_t now = rte_rdtsc();

  rte_rcu_qsbr_thread_online(worker->table->rcu, worker->config.worker);
  while (!__atomic_load_n(&worker->stop, __ATOMIC_RELAXED)) {
    const unsigned received = turn(worker, now);
    const uint64_t begun = now;
    rte_rcu_qsbr_quiescent(worker->table->rcu, worker->config.worker);
    if (received == 0)
      rest(worker);
    now = rte_rdtsc();
    if (received > 0) {
      copse_count(&worker->counters->busy_cycles, now - begun);
      worker->empty_polls = 0;
      worker->sleep_us = 1;
    }
  }
  rte_rcu_qsbr_thread_offline(worker->table->rcu, worker->config.worker);
  return 0;
}

void
copse_worker_stop(struct copse_worker *worker) {
  __atomic_store_n(&worker->stop, true, __ATOMIC_RELAXED);
}
