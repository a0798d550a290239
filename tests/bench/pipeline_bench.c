/* SPDX-License-Identifier: Apache-2.0 */
/* pipeline-bench [--quick] [--stages] [--json FILE] [--frame N] [--fan-out N] [--trees N]
 *
 * Prints TSC cycles: `packet` of one iteration of the worker per packet received, `copy` the same per copy, `bare` of
 * bare replication per copy, `ratio` bare / copy (of the sums with `free`, as a port frees what it sent), `work` what a
 * packet costs beyond bare replication. Each is the median of slices, [min-max] that of the samples. */
#include "bench.h"

#include <getopt.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <stdlib.h>

#define SLICE 16 /* bursts; their mean is one value, so that refilling caches of pools is in all of them */
#define SAMPLES 3
#define SLICES_MAX 400

enum stage { RECEIVE, PARSE, ADMIT, METER, REPLICATE, TRANSMIT, STAGES };
static const char *const stage_names[STAGES] = {"receive", "parse", "admit", "meter", "replicate", "transmit"};

static unsigned slices = 100;
static bool stages;
static FILE *json;
static bool first_row = true;
static uint32_t only_frame, only_fan_out, only_trees;

struct result {
  double copse, copse_free, bare, bare_free; /* cycles per packet */
};

/* One iteration, each stage by itself; adds its cycles. */
static void
run_stages(struct bench *bench, uint64_t cycles[STAGES]) {
  struct copse_worker *worker = bench->worker;
  struct copse_lane *lane = &worker->lane[0];
  struct rte_mbuf *frames[COPSE_BURST];
  uint64_t at[STAGES + 1];
  unsigned count;

  at[0] = rte_rdtsc_precise();
  count = copse_receive(worker, lane, frames);
  at[1] = rte_rdtsc_precise();
  count = copse_parse(worker, frames, count);
  at[2] = rte_rdtsc_precise();
  count = copse_admit(worker, lane, count, at[0]);
  at[3] = rte_rdtsc_precise();
  copse_meter(worker, count, at[0]);
  at[4] = rte_rdtsc_precise();
  copse_replicate(worker, at[0]);
  at[5] = rte_rdtsc_precise();
  copse_transmit(worker, lane);
  at[6] = rte_rdtsc_precise();
  for (int i = 0; i < STAGES; i++)
    cycles[i] += at[i + 1] - at[i];
}

static void
print_stages(struct bench *bench, const struct bench_case *which) {
  static double values[STAGES][SLICES_MAX];

  for (unsigned i = 0; i < slices; i++) {
    uint64_t cycles[STAGES] = {0};
    for (int burst = 0; burst < SLICE; burst++) {
      bench_load(bench, which);
      run_stages(bench, cycles);
      bench_sink(bench);
    }
    for (int stage = 0; stage < STAGES; stage++)
      values[stage][i] = (double)cycles[stage] / (SLICE * bench_burst(which));
  }
  printf("      cycles per packet:");
  for (int stage = 0; stage < STAGES; stage++)
    printf(" %s %.1f", stage_names[stage], bench_median(values[stage], slices));
  printf("\n");
}

static void
measure(struct bench *bench, const struct bench_case *which, bool bare, double *run, double *freed) {
  static double runs[SLICES_MAX], frees[SLICES_MAX];

  for (unsigned i = 0; i < slices; i++) {
    uint64_t running = 0, freeing = 0;
    for (int burst = 0; burst < SLICE; burst++) {
      bench_load(bench, which);
      const uint64_t begun = rte_rdtsc_precise();
      if (bare)
        bench_bare(bench, which->fan_out, begun);
      else
        copse_worker_once(bench->worker, begun);
      const uint64_t ran = rte_rdtsc_precise();
      if (bench_sink(bench) != bench_burst(which) * which->fan_out) {
        fprintf(stderr, "pipeline-bench: not every copy was sent\n");
        exit(1);
      }
      freeing += rte_rdtsc_precise() - ran;
      running += ran - begun;
    }
    runs[i] = (double)running / (SLICE * bench_burst(which));
    frees[i] = (double)freeing / (SLICE * bench_burst(which));
  }
  *run = bench_median(runs, slices);
  *freed = bench_median(frees, slices);
}

static void
report(const struct bench_case *which, double copse[3], const struct result *all) {
  const double n = which->fan_out, copse_copy = all->copse / n, bare_copy = all->bare / n;
  const double ratio = (all->bare + all->bare_free) / (all->copse + all->copse_free);
  const char *choice = which->trees == 1 ? "-" : which->zipf ? "zipf" : "uniform";

  printf("%5u %7u %7u %-8s %8.1f %7.1f [%.1f-%.1f] %7.1f %6.1f %7.2f %8.1f\n", which->frame, which->fan_out,
         which->trees, choice, all->copse, copse_copy, copse[0] / n, copse[SAMPLES - 1] / n, bare_copy,
         all->copse_free / n, ratio, all->copse - all->bare);
  if (json == NULL)
    return;
  fprintf(json,
          "%s\n {\"bench\":\"pipeline\",\"frame\":%u,\"fanout\":%u,\"trees\":%u,\"choice\":\"%s\","
          "\"cycles_per_packet\":%.1f,\"cycles_per_copy\":%.2f,\"min\":%.2f,\"max\":%.2f,\"free_per_copy\":%.2f,"
          "\"packet_work\":%.1f,\"bare_per_copy\":%.2f,\"ratio\":{\"bare\":%.3f}}",
          first_row ? "[" : ",", which->frame, which->fan_out, which->trees, choice, all->copse, copse_copy,
          copse[0] / n, copse[SAMPLES - 1] / n, all->copse_free / n, all->copse - all->bare, bare_copy, ratio);
  first_row = false;
}

/* Product and bare in turn. */
static void
run_case(struct bench *bench, struct bench_case which) {
  double copse[SAMPLES], copse_free[SAMPLES], bare[SAMPLES], bare_free[SAMPLES];

  if ((only_frame != 0 && which.frame != only_frame) || (only_fan_out != 0 && which.fan_out != only_fan_out) ||
      (only_trees != 0 && which.trees != only_trees))
    return;
  bench_plant(bench, &which);
  for (int i = 0; i < SAMPLES; i++) {
    measure(bench, &which, false, &copse[i], &copse_free[i]);
    measure(bench, &which, true, &bare[i], &bare_free[i]);
  }
  const struct result all = {bench_median(copse, SAMPLES), bench_median(copse_free, SAMPLES),
                             bench_median(bare, SAMPLES), bench_median(bare_free, SAMPLES)};
  report(&which, copse, &all);
  if (stages)
    print_stages(bench, &which);
  fflush(stdout);
  bench_clear(bench);
}

static void
run_all(struct bench *bench) {
  static const uint32_t frames[] = {96, 512, 1400}, fan_outs[] = {1, 8, 16, 32, 1000};
  static const uint32_t forests[] = {1000, 100000};

  printf("frame fan-out   trees choice     packet    copy [min-max]      bare   free   ratio     work\n");
  for (size_t frame = 0; frame < RTE_DIM(frames); frame++) {
    for (size_t fan_out = 0; fan_out < RTE_DIM(fan_outs); fan_out++)
      run_case(bench, (struct bench_case){frames[frame], fan_outs[fan_out], 1, false});
    for (size_t trees = 0; trees < RTE_DIM(forests); trees++)
      for (int zipf = 0; zipf < 2; zipf++)
        for (size_t fan_out = 0; fan_out < 2; fan_out++)
          run_case(bench, (struct bench_case){frames[frame], fan_outs[fan_out], forests[trees], zipf});
  }
}

int
main(int argc, char **argv) {
  static const struct option options[] = {{"quick", no_argument, NULL, 'q'},
                                          {"stages", no_argument, NULL, 's'},
                                          {"json", required_argument, NULL, 'j'},
                                          {"frame", required_argument, NULL, 'f'},
                                          {"fan-out", required_argument, NULL, 'n'},
                                          {"trees", required_argument, NULL, 't'},
                                          {0}};
  static struct bench bench;
  int option;

  while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
    switch (option) {
    case 'q':
      slices = 20;
      break;
    case 's':
      stages = true;
      break;
    case 'j':
      if ((json = fopen(optarg, "w")) == NULL) {
        perror(optarg);
        return 1;
      }
      break;
    case 'f':
      only_frame = (uint32_t)atoi(optarg);
      break;
    case 'n':
      only_fan_out = (uint32_t)atoi(optarg);
      break;
    case 't':
      only_trees = (uint32_t)atoi(optarg);
      break;
    default:
      fprintf(stderr,
              "usage: pipeline-bench [--quick] [--stages] [--json FILE] [--frame N] [--fan-out N] [--trees N]\n");
      return 2;
    }
  bench_start(&bench);
  run_all(&bench);
  if (json != NULL) {
    fprintf(json, "%s]\n", first_row ? "[" : "\n");
    fclose(json);
  }
  return 0;
}
