/* SPDX-License-Identifier: Apache-2.0 */
/* One worker: the loop rx -> parse -> admit -> meter -> replicate -> transmit over its queues.
 *
 * No system call, lock, allocation, log or clock other than the TSC, read once per iteration. The one
 * exception is the sleep of an idle worker in adaptive mode. */
#ifndef COPSE_WORKER_H
#define COPSE_WORKER_H

#include "pipeline/technique.h"
#include "table/table.h"

#define COPSE_QUEUE_NONE UINT16_MAX

enum copse_idle {
  COPSE_IDLE_POLL,     /* never sleeps */
  COPSE_IDLE_ADAPTIVE, /* sleeps after empty polls, longer and longer */
};

/* A port as one worker uses it. A transmit queue belongs to one worker alone. */
struct copse_worker_port {
  uint16_t port;     /* DPDK port, below COPSE_PORTS_MAX */
  uint16_t rx_queue; /* that this worker polls, or COPSE_QUEUE_NONE */
  uint16_t tx_queue; /* or COPSE_QUEUE_NONE: copies to the port count as tx_full */
  struct copse_technique technique;
};

struct copse_worker_config {
  struct copse_table *table;
  struct rte_mempool *receive; /* of whole frames, for received packets whose memory is shared */
  uint32_t worker;             /* below the table's limits.workers; each number runs once */
  uint32_t ports;
  struct copse_worker_port port[COPSE_PORTS_MAX];
  enum copse_idle idle;
  uint32_t idle_polls;    /* empty polls before the first sleep */
  uint32_t idle_sleep_us; /* longest sleep; the first is 1 us, each next one twice as long */
  uint32_t permission_s;  /* granted to an address that echoed its cookie */
};

struct copse_worker;

/* Checks the configuration and allocates. Null with errno: EINVAL, ENOMEM. */
struct copse_worker *copse_worker_create(const struct copse_worker_config *config);
/* Frees a worker that does not run. Buffers it still held go back to their pools. */
void copse_worker_destroy(struct copse_worker *worker);

/* Runs until stopped; for rte_eal_remote_launch, with a struct copse_worker as argument. Returns 0. */
int copse_worker_run(void *worker);
/* Asks a running worker to return after its current iteration; from any thread. */
void copse_worker_stop(struct copse_worker *worker);

/* Exactly one iteration at the time `now` (TSC); returns the number of packets received. For tests, and for a
 * worker that does not run. */
unsigned copse_worker_once(struct copse_worker *worker, uint64_t now);

#endif
