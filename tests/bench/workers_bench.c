/* SPDX-License-Identifier: Apache-2.0 */
/* workers-bench [--json FILE]
 *
 * Two workers beside one, each on a CPU of its own, in process and with nothing else on either: each receives packets
 * that it has made beforehand from a ring, and sends to a device that frees. One worker alone is a table for one, as
 * copse-dataplane makes it, and runs on each of the CPUs in turn, as a host may have slowed one of them; two share the
 * tables, meters and replay windows of all trees. */
#include "bench.h"

#include <inttypes.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <stdlib.h>

#define WORKERS 2
#define BURSTS 48 /* made for each worker beforehand */
#define PACKETS (BURSTS * COPSE_BURST)
#define SLICES 300
#define SAMPLES 3
#define ATTEMPTS 9
#define FAR_NS 250 /* as scripts/lab/results.py has it */
#define TRIPS 5000
#define FAN_OUT 8

/* Packets of a hot tree come by turns of bursts to all workers; of many trees, each worker gets all of them, or each
 * has its own. */
enum spread { HOT, MIXED, APART };
enum cpus { FIRST, SECOND, BOTH };

struct lane {
  struct bench *bench;
  const struct bench_case *which;
  enum spread spread;
  uint32_t number, workers;
  struct copse_worker *worker;
  uint32_t tree;
  unsigned meetings;
  uint64_t begun[SLICES], ended[SLICES]; /* TSC */
  uint64_t sent[SLICES + 1];             /* copies, from the first slice on */
};

static struct rte_ring *rings[WORKERS];
static struct frame frame;
static unsigned arrived; /* atomic */
static FILE *json;
static bool first_row = true;

static void
start(struct bench *bench) {
  char *arguments[] = {
    "workers-bench", "--no-pci",         "--no-shconf", "--no-telemetry",    "--in-memory",      "-m",
    "256",           "--lcores=0@0,1@1", "--vdev",      "net_null0,no-rx=1", "--log-level=error"};
  const struct copse_pools_config pools = {.workers = WORKERS,
                                           .ports = 1,
                                           .rx_queues = WORKERS,
                                           .rx_descriptors = PACKETS,
                                           .tx_descriptors = 1024,
                                           .frame_bytes = 1518,
                                           .socket = SOCKET_ID_ANY};
  const struct rte_eth_conf conf = {0}; /* net_null frees chains as well, without saying so */
  struct rte_ring *unused[1];

  bench_require(rte_eal_init(sizeof(arguments) / sizeof(*arguments), arguments) >= 0 && rte_lcore_count() == WORKERS,
                "start DPDK on CPUs 0 and 1 (it needs 256 MB of hugepages)");
  bench_require(copse_pools_create(&bench->pools, &pools) == 0, "allocate the pools");
  rings[0] = rte_ring_create("rx0", rte_align32pow2(PACKETS + 1), SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
  rings[1] = rte_ring_create("rx1", rte_align32pow2(PACKETS + 1), SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
  unused[0] = rte_ring_create("tx", 64, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
  const int in = rte_eth_from_rings("in", rings, WORKERS, unused, 1, 0);
  bench_require(in == 1, "make a port of rings");
  for (uint16_t port = 0; port <= 1; port++) {
    bench_require(rte_eth_dev_configure(port, WORKERS, port == 0 ? WORKERS : 1, &conf) == 0, "configure a port");
    for (uint16_t queue = 0; queue < WORKERS; queue++)
      bench_require(rte_eth_rx_queue_setup(port, queue, 512, 0, NULL, bench->pools.receive) == 0 &&
                      (port == 1 && queue > 0 ? 0 : rte_eth_tx_queue_setup(port, queue, 512, 0, NULL)) == 0,
                    "set up queues");
    bench_require(rte_eth_dev_start(port) == 0, "start a port");
  }
}

static struct copse_worker *
make_worker(const struct bench *bench, uint32_t number) {
  const struct copse_technique technique = copse_technique_choose(RTE_ETH_TX_OFFLOAD_MULTI_SEGS, &bench->pools);
  const struct copse_worker_config config = {
    .table = bench->table,
    .receive = bench->pools.receive,
    .worker = number,
    .ports = 2,
    .permission_s = 60,
    .port = {{.port = 0, .rx_queue = COPSE_QUEUE_NONE, .tx_queue = (uint16_t)number, .technique = technique},
             {.port = 1, .rx_queue = (uint16_t)number, .tx_queue = COPSE_QUEUE_NONE, .technique = technique}}};
  struct copse_worker *worker = copse_worker_create(&config);

  bench_require(worker != NULL, "create a worker");
  return worker;
}

static uint32_t
next_tree(struct lane *lane) {
  const uint32_t stride = lane->spread == APART ? lane->workers : 1;

  lane->tree = lane->spread == HOT ? 0 : (lane->tree + 7919 * stride) % (lane->which->trees / stride * stride);
  return lane->tree;
}

/* Sequences of a burst follow those of the other worker's burst before it, over all trees. */
static void
load(struct lane *lane, unsigned number) {
  struct rte_mbuf *mbufs[COPSE_BURST];

  for (uint64_t burst = 0; burst < BURSTS; burst++) {
    const uint64_t turn = ((uint64_t)number * BURSTS + burst) * lane->workers + lane->number;
    bench_require(rte_pktmbuf_alloc_bulk(lane->bench->pools.receive, mbufs, COPSE_BURST) == 0, "take buffers");
    for (unsigned i = 0; i < COPSE_BURST; i++) {
      uint8_t *at = (uint8_t *)rte_pktmbuf_append(mbufs[i], (uint16_t)frame.length);
      memcpy(at, frame.bytes, frame.length);
      bench_sign((struct copse_header *)(at + AT_HEADER), next_tree(lane), 1 + turn * COPSE_BURST + i);
    }
    bench_require(rte_ring_enqueue_bulk(rings[lane->number], (void **)mbufs, COPSE_BURST, NULL) == COPSE_BURST,
                  "fill a ring");
  }
}

/* Waits until all workers are here. */
static void
meet(struct lane *lane) {
  lane->meetings += lane->workers;
  __atomic_add_fetch(&arrived, 1, __ATOMIC_ACQ_REL);
  while (__atomic_load_n(&arrived, __ATOMIC_ACQUIRE) < lane->meetings)
    rte_pause();
}

static int
run_lane(void *argument) {
  struct lane *lane = argument;

  for (unsigned slice = 0; slice < SLICES; slice++) {
    load(lane, slice);
    meet(lane);
    lane->begun[slice] = rte_rdtsc();
    while (rte_ring_count(rings[lane->number]) > 0)
      copse_worker_once(lane->worker, rte_rdtsc());
    lane->ended[slice] = rte_rdtsc();
    lane->sent[slice + 1] = lane->worker->counters->copies_sent;
    meet(lane);
  }
  return 0;
}

static double
rate_of(const struct lane *lane, unsigned slice) {
  return (double)(lane->sent[slice + 1] - lane->sent[slice]) * (double)rte_get_tsc_hz() /
         (double)(lane->ended[slice] - lane->begun[slice]);
}

/* Copies a second of one worker on each of these CPUs: the median of slices. */
static double
run_workers(struct bench *bench, const struct bench_case *which, enum spread spread, enum cpus cpus) {
  const uint32_t workers = cpus == BOTH ? WORKERS : 1;
  static struct lane lanes[WORKERS];
  double rates[SLICES] = {0};

  bench_plant_table(bench, which, workers);
  bench_frame(bench, which, &frame);
  arrived = 0;
  for (uint32_t i = 0; i < workers; i++)
    lanes[i] = (struct lane){.bench = bench,
                             .which = which,
                             .spread = spread,
                             .number = i,
                             .workers = workers,
                             .tree = i,
                             .worker = make_worker(bench, i)};
  if (cpus != FIRST)
    rte_eal_remote_launch(run_lane, &lanes[workers - 1], 1);
  if (cpus != SECOND)
    run_lane(&lanes[0]);
  rte_eal_mp_wait_lcore();
  for (uint32_t i = 0; i < workers; i++) {
    for (unsigned slice = 0; slice < SLICES; slice++)
      rates[slice] += rate_of(&lanes[i], slice);
    copse_worker_destroy(lanes[i].worker);
  }
  copse_table_destroy(bench->table);
  return bench_median(rates, SLICES);
}

static _Alignas(RTE_CACHE_LINE_SIZE) unsigned line;

static void
wait_for(unsigned value) {
  while (__atomic_load_n(&line, __ATOMIC_ACQUIRE) != value)
    ;
}

/* Answers odd numbers with the even ones that follow. */
static int
answer(void *unused) {
  (void)unused;
  for (unsigned trip = 0; trip < TRIPS; trip++) {
    wait_for(2 * trip + 1);
    __atomic_store_n(&line, 2 * trip + 2, __ATOMIC_RELEASE);
  }
  return 0;
}

/* Nanoseconds a cache line takes between the CPUs and back: a host may have placed them near each other, or far. */
static double
round_trip(void) {
  line = 0;
  rte_eal_remote_launch(answer, NULL, 1);
  const uint64_t start = rte_rdtsc();
  for (unsigned trip = 0; trip < TRIPS; trip++) {
    __atomic_store_n(&line, 2 * trip + 1, __ATOMIC_RELEASE);
    wait_for(2 * trip + 2);
  }
  const uint64_t passed = rte_rdtsc() - start;
  rte_eal_mp_wait_lcore();
  return (double)passed / TRIPS * 1e9 / (double)rte_get_tsc_hz();
}

struct sample {
  double one, two, ratio, trip;
};

/* Only samples count during which the CPUs were near each other; the last ones do if there are no others. */
static void
take_samples(struct bench *bench, const struct bench_case *which, enum spread spread, struct sample samples[SAMPLES]) {
  for (int taken = 0, left = ATTEMPTS; taken < SAMPLES; left--) {
    struct sample *sample = &samples[taken];
    sample->one = (run_workers(bench, which, spread, FIRST) + run_workers(bench, which, spread, SECOND)) / 2;
    const double before = round_trip();
    sample->two = run_workers(bench, which, spread, BOTH);
    sample->ratio = sample->two / sample->one;
    sample->trip = RTE_MAX(before, round_trip());
    taken += sample->trip < FAR_NS || left <= SAMPLES;
  }
}

static void
run_case(struct bench *bench, uint32_t bytes, uint32_t trees, enum spread spread) {
  static const char *const names[] = {"one hot tree", "same trees", "own trees"};
  static const char *const ids[] = {"hot", "mixed", "apart"};
  const struct bench_case which = {bytes, FAN_OUT, trees, false};
  struct sample samples[SAMPLES];
  double one[SAMPLES], two[SAMPLES], ratio[SAMPLES], trips[SAMPLES];

  take_samples(bench, &which, spread, samples);
  for (int i = 0; i < SAMPLES; i++) {
    one[i] = samples[i].one;
    two[i] = samples[i].two;
    ratio[i] = samples[i].ratio;
    trips[i] = samples[i].trip;
  }
  const double alone = bench_median(one, SAMPLES), both = bench_median(two, SAMPLES),
               times = bench_median(ratio, SAMPLES), trip = bench_median(trips, SAMPLES);
  printf("%5u %7u %7u  %-13s %6.1f [%.1f-%.1f] %6.1f [%.1f-%.1f]   %.2f [%.2f-%.2f]  %.0f\n", bytes, FAN_OUT, trees,
         names[spread], alone / 1e6, one[0] / 1e6, one[SAMPLES - 1] / 1e6, both / 1e6, two[0] / 1e6,
         two[SAMPLES - 1] / 1e6, times, ratio[0], ratio[SAMPLES - 1], trip);
  fflush(stdout);
  if (json == NULL)
    return;
  fprintf(json,
          "%s\n {\"frame\":%u,\"fanout\":%u,\"trees\":%u,\"spread\":\"%s\",\"one\":[%.0f,%.0f,%.0f],"
          "\"two\":[%.0f,%.0f,%.0f],\"ratio\":%.3f,\"line_ns\":%.0f,\"tsc_hz\":%" PRIu64 "}",
          first_row ? "[" : ",", bytes, FAN_OUT, trees, ids[spread], one[0], alone, one[SAMPLES - 1], two[0], both,
          two[SAMPLES - 1], times, trip, rte_get_tsc_hz());
  first_row = false;
}

int
main(int argc, char **argv) {
  static const uint32_t frames[] = {96, 512, 1400};
  static struct bench bench;

  if (argc == 3 && strcmp(argv[1], "--json") == 0) {
    json = fopen(argv[2], "w");
    bench_require(json != NULL, "write there");
  } else if (argc != 1) {
    fprintf(stderr, "usage: workers-bench [--json FILE]\n");
    return 2;
  }
  start(&bench);
  printf("M copies/s, median [min-max]\nframe fan-out   trees  packets of    one worker         two workers          "
         "ratio             line, ns\n");
  for (size_t i = 0; i < RTE_DIM(frames); i++) {
    run_case(&bench, frames[i], 1, HOT);
    run_case(&bench, frames[i], 1000, MIXED);
    run_case(&bench, frames[i], 1000, APART);
  }
  if (json != NULL) {
    fprintf(json, "\n]\n");
    fclose(json);
  }
  return 0;
}
