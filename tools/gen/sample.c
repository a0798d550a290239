/* SPDX-License-Identifier: Apache-2.0 */
#include "sample.h"

#include "clock.h"
#include "first.h"
#include "permit.h"
#include "quantile.h"
#include <errno.h>
#include <inttypes.h>
#include <rte_cycles.h>
#include <stdio.h>

#define BURST 32U         /* packets sent at once */
#define BACKLOG 256U      /* of them that wait where some may be lost */
#define PACED_COPIES 128U /* that become of them where a rate is set */

/* What the dataplane counted during a sample. */
static void
subtract(struct copse_worker_counters *after, const struct copse_worker_counters *before) {
  const uint64_t *from = (const uint64_t *)before;
  uint64_t *to = (uint64_t *)after;

  for (size_t i = 0; i < sizeof(*after) / sizeof(*to); i++)
    to[i] -= from[i];
}

static uint64_t
sum(const uint64_t *values, size_t count) {
  uint64_t total = 0;

  for (size_t i = 0; i < count; i++)
    total += values[i];
  return total;
}

/* api.h's two equations, and that both ends of the wire agree. */
static bool
conserved(const struct copse_worker_counters *counted, const struct gen_run *run, const struct gen_order *order) {
  return counted->rx_packets == run->generated && counted->tx_packets == run->received &&
         counted->rx_packets ==
           counted->admitted + counted->handshakes + sum(counted->packet_drops, COPSE_PACKET_DROP_COUNT) &&
         (counted->copies_due == counted->admitted * order->fanout || order->commits > 0) &&
         counted->copies_due == counted->copies_sent + sum(counted->copy_drops, COPSE_COPY_DROP_COUNT);
}

static void
print_drops(const struct copse_worker_counters *counted) {
  const char *comma = "";

  printf(",\"drops\":{");
  for (int i = 0; i < COPSE_PACKET_DROP_COUNT; i++)
    if (counted->packet_drops[i] > 0) {
      printf("%s\"%s\":%" PRIu64, comma, copse_packet_drop_names[i], counted->packet_drops[i]);
      comma = ",";
    }
  for (int i = 0; i < COPSE_COPY_DROP_COUNT; i++)
    if (counted->copy_drops[i] > 0) {
      printf("%s\"%s\":%" PRIu64, comma, copse_copy_drop_names[i], counted->copy_drops[i]);
      comma = ",";
    }
  printf("}");
}

static void
print_faults(const struct gen_sink *sink) {
#define FAULT(name) printf("%s\"" #name "\":%" PRIu64, comma, sink->faults.name), comma = ",";
  const char *comma = "";

  printf(",\"faulty\":%" PRIu64 ",\"faults\":{", gen_sink_faults(sink));
  GEN_FAULTS(FAULT)
  printf("}");
#undef FAULT
}

static void
print_times(const char *name, double *times, uint32_t count) {
  static const struct {
    const char *name;
    double part;
  } quantiles[] = {{"min", 0},   {"p10", 0.1},  {"p25", 0.25},    {"p50", 0.5},       {"p75", 0.75},
                   {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"p99.99", 0.9999}, {"max", 1}};

  printf(",\"%s\":{\"samples\":%u", name, count);
  gen_sort(times, count);
  for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]) && count > 0; i++)
    printf(",\"%s\":%.0f", quantiles[i].name, gen_quantile(times, count, quantiles[i].part));
  printf("}");
}

static void
print(const struct gen_bench *bench, const struct gen_order *order, const struct gen_run *run,
      const struct copse_worker_counters *counted, double table_s) {
  const double hz = gen_clock_hz();

  printf("{\"frame\":%u,\"fanout\":%u,\"trees\":%u,\"zipf\":%u,\"kind\":\"%s\",\"copies_per_s\":%.0f,"
         "\"mean_per_s\":%.0f,\"best_per_s\":%.0f,\"cycles_per_copy\":%.1f,\"tsc_hz\":%.0f,\"offered_per_s\":%.0f,"
         "\"full\":%.3f,\"missed\":%" PRIu64 ",\"late\":%" PRIu64 ",\"generated\":%" PRIu64 ",\"received\":%" PRIu64,
         order->frame, order->fanout, order->trees, order->zipf, order->kind == GEN_LINK ? "link" : "member", run->p90,
         run->mean, run->best, run->p90 > 0 ? hz / run->p90 : 0, hz, run->offered, run->full, run->missed, run->late,
         run->generated, run->received);
  if (order->sink == GEN_CHECK)
    print_faults(&bench->sink);
  if (order->sink == GEN_TIME)
    print_times("latency_ns", bench->sink.times, bench->sink.timed);
  if (run->commits != NULL)
    print_times("commit_ns", run->commits->times, run->commits->answered);
  if (bench->table != NULL) {
    printf(",\"conserved\":%s,\"table_s\":%.4f,\"due\":%" PRIu64 ",\"sent\":%" PRIu64,
           conserved(counted, run, order) ? "true" : "false", table_s, counted->copies_due, counted->copies_sent);
    print_drops(counted);
  }
  printf("}\n");
  fflush(stdout);
}

static int
prepare(struct gen_bench *bench, const struct gen_order *order, double *table_s, struct copse_error *error) {
  const struct copse_api_limits *limits = bench->table ? &bench->table->hello.limits : NULL;
  const struct gen_forest forest = {
    .trees = order->trees, .hops = order->fanout, .kind = order->kind, .bps = order->bps, .burst_us = order->burst_us};
  uint32_t members;
  int status;

  if (order->trees > bench->traffic.trees_max)
    return copse_fail(error, -ERANGE, "there are %u trees at most", bench->traffic.trees_max);
  if (order->frame < bench->traffic.headers + GEN_NUMBER)
    return copse_fail(error, -ERANGE, "a frame has %u bytes at least", bench->traffic.headers + GEN_NUMBER);
  if (bench->traffic.ipv6 && order->kind == GEN_MEMBER)
    return copse_fail(error, -EINVAL, "members have IPv4 addresses");
  if (order->sink == GEN_TIME && order->trees > 1)
    return copse_fail(error, -EINVAL, "times are those of one tree");
  if (limits == NULL)
    return order->bps == 0 && order->commits == 0 ? 0 : copse_fail(error, -EINVAL, "there is no table to change");
  members = bench->table->members;
  status = gen_table_set(bench->table, &forest, table_s, error);
  if (!status && bench->table->members > members)
    status = gen_permit(&bench->device, limits->trees, bench->table->members, error);
  return status;
}

/* Where all copies are to arrive, what comes at once must fit into the rings. */
static uint32_t
burst_of(const struct gen_order *order) {
  if (order->rate == 0 || order->sink != GEN_CHECK)
    return BURST;
  return order->fanout < PACED_COPIES ? RTE_MIN(BURST, PACED_COPIES / order->fanout) : 1;
}

/* Traffic and sink as the order wants them. */
static int
shape(struct gen_bench *bench, const struct gen_order *order, struct copse_error *error) {
  const struct gen_expect expect = {.traffic = &bench->traffic,
                                    .kind = order->kind,
                                    .hops = order->fanout,
                                    .rewritten = order->expect != GEN_EXPECT_IO,
                                    .relabelled = order->expect == GEN_EXPECT_COPSE};

  gen_traffic_shape(&bench->traffic, order->frame, order->trees, order->zipf, bench->table != NULL);
  if (order->greedy > 0 && gen_traffic_in_turn(&bench->traffic, order->greedy) != 0)
    return copse_fail(error, -ERANGE, "%u turns are more than there is room for", order->trees - 1 + order->greedy);
  if (gen_sink_begin(&bench->sink, order->sink, &expect) != 0)
    return copse_fail(error, -ENOMEM, "not enough memory to check so many trees");
  gen_sink_limit(&bench->sink, order->take);
  return 0;
}

/* Runs, with what the dataplane counts meanwhile and, where there are to be some, commits. */
static int
run_counted(struct gen_bench *bench, const struct gen_order *order, struct gen_run *run,
            struct copse_worker_counters *counted, struct copse_error *error) {
  struct copse_worker_counters before = {0};
  int status = 0;

  if (bench->table)
    copse_counters_workers(bench->table->counters, &before);
  if (order->first > 0)
    gen_first(run, order->first, &bench->device, &bench->traffic, &bench->sink);
  else
    gen_run(run, &bench->device, &bench->traffic, &bench->sink);
  if (run->commits != NULL)
    status = gen_commits_end(run->commits, error);
  if (!run->alive)
    return copse_fail(error, -ECONNRESET, "the device under test went away");
  if (bench->table) {
    copse_counters_workers(bench->table->counters, counted);
    subtract(counted, &before);
  }
  return status;
}

int
gen_sample(struct gen_bench *bench, const struct gen_order *order, struct copse_error *error) {
  struct gen_run run = {.rate = order->rate,
                        .slices = order->ms / GEN_SLICE_MS,
                        .burst = burst_of(order),
                        .backlog = order->sink == GEN_CHECK ? burst_of(order) : BACKLOG};
  struct copse_worker_counters counted = {0};
  struct gen_commits commits = {.table = NULL};
  double table_s = 0;
  int status;

  gen_clock_calibrate();
  status = prepare(bench, order, &table_s, error);

  if (!status)
    status = shape(bench, order, error);
  if (!status && order->commits > 0) {
    run.commits = &commits;
    status = gen_commits_begin(&commits, bench->table, order->commits, error);
  }
  if (!status)
    status = run_counted(bench, order, &run, &counted, error);
  if (!status)
    print(bench, order, &run, &counted, table_s);
  gen_commits_free(&commits);
  return status;
}
