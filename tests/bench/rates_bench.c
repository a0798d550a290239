/* SPDX-License-Identifier: Apache-2.0 */
/* rates-bench [--quick] [--json FILE]: trees held to their bounds in process. Simulated time for the grid, real time
 * for one hot tree. Cells with more packets than PACKETS_MAX are left out. `lowest` and `highest` are what the trees
 * carried that are offered the same, less their bound, in percent of it. */
#include "offer.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#define PACKETS_MAX 10e6
#define QUICK_PACKETS_MAX 1e6
#define BURST_US 4000 /* the control plane's default */
#define PACKET 1400
#define LONG_PACKET 8900 /* from 10 Gb/s on */

static FILE *json;
static bool first_row = true;

static void
write_json(const char *cell, const struct offer *offer, const struct outcome *outcome) {
  if (json == NULL)
    return;
  fprintf(json,
          "%s\n {\"cell\":\"%s\",\"time\":\"%s\",\"workers\":%u,\"trees\":%u,\"bps\":%lu,\"load\":%g,\"offered\":%.4f,"
          "\"packet\":%u,\"seconds\":%g,\"burst_us\":%u,\"lowest\":%.5f,\"highest\":%.5f,\"granularity\":%.5f,"
          "\"lost\":%lu,\"greedy_load\":%g,\"greedy\":%.5f,\"packets\":%lu}",
          first_row ? "[" : ",", cell, offer->real ? "real" : "simulated", offer->workers, offer->trees, offer->bps,
          offer->load, outcome->offered, offer->layer3_bytes, offer->seconds, offer->burst_us, outcome->lowest,
          outcome->highest, outcome->granularity, outcome->lost, offer->greedy, outcome->greedy, outcome->packets);
  first_row = false;
}

static void
run(const char *cell, const struct offer *offer) {
  const struct outcome outcome = offer_run(offer);

  if (!outcome.conserved) {
    fprintf(stderr, "rates-bench: packets, copies or buffers are not accounted for\n");
    exit(1);
  }
  printf("%-7s %-9s %7u %5u %9.3f %5.1f %9.3f %9.3f %11.3f %9lu\n", cell, offer->real ? "real" : "simulated",
         offer->workers, offer->trees, (double)offer->bps / 1e6, offer->load, 100 * (outcome.lowest - 1),
         100 * (outcome.highest - 1), 100 * outcome.granularity, outcome.lost);
  if (offer->greedy > 0)
    printf("        the greedy one, offered %g: %.3f\n", offer->greedy, 100 * (outcome.greedy - 1));
  fflush(stdout);
  write_json(cell, offer, &outcome);
}

static double
packets_of(const struct offer *offer) {
  const double load = offer->load * (offer->trees - 1) + (offer->greedy > 0 ? offer->greedy : offer->load);

  return (double)offer->bps * load * offer->seconds / (8.0 * offer->layer3_bytes);
}

static void
run_grid(bool quick) {
  static const uint64_t rates[] = {64000, 1000000, 10000000, 100000000, 1000000000, 10000000000};
  static const uint32_t trees[] = {1, 10, 1000};
  static const double loads[] = {0.5, 1, 1.3, 2, 10};

  for (unsigned workers = 1; workers <= 2; workers++)
    for (size_t i = 0; i < RTE_DIM(trees); i++)
      for (size_t j = 0; j < RTE_DIM(rates); j++)
        for (size_t k = 0; k < RTE_DIM(loads); k++) {
          const struct offer offer = {.workers = workers,
                                      .trees = trees[i],
                                      .bps = rates[j],
                                      .load = loads[k],
                                      .seconds = 10,
                                      .layer3_bytes = rates[j] < 10000000000 ? PACKET : LONG_PACKET,
                                      .burst_us = BURST_US};
          if (packets_of(&offer) <= (quick ? QUICK_PACKETS_MAX : PACKETS_MAX))
            run("grid", &offer);
        }
}

static void
run_greedy(bool quick) {
  static const uint64_t rates[] = {64000, 1000000, 100000000};

  for (unsigned workers = 1; workers <= 2; workers++)
    for (size_t i = 0; i < RTE_DIM(rates); i++) {
      const struct offer offer = {.workers = workers,
                                  .trees = 10,
                                  .bps = rates[i],
                                  .load = 0.9,
                                  .greedy = 100,
                                  .seconds = 10,
                                  .layer3_bytes = PACKET,
                                  .burst_us = BURST_US};
      if (packets_of(&offer) <= (quick ? QUICK_PACKETS_MAX : PACKETS_MAX))
        run("greedy", &offer);
    }
}

static void
run_hot(bool quick) {
  static const uint64_t rates[] = {1000000, 100000000, 1000000000, 10000000000};

  for (unsigned workers = 1; workers <= 2; workers++)
    for (size_t i = 0; i < RTE_DIM(rates); i++) {
      const struct offer offer = {.workers = workers,
                                  .trees = 1,
                                  .bps = rates[i],
                                  .load = 2,
                                  .seconds = quick ? 1 : 10,
                                  .real = true,
                                  .layer3_bytes = rates[i] < 10000000000 ? PACKET : LONG_PACKET,
                                  .burst_us = BURST_US};
      run("hot", &offer);
    }
}

int
main(int argc, char **argv) {
  static const struct option options[] = {
    {"quick", no_argument, NULL, 'q'}, {"json", required_argument, NULL, 'j'}, {0}};
  bool quick = false;
  int option;

  while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
    if (option == 'q') {
      quick = true;
    } else if (option != 'j' || (json = fopen(optarg, "w")) == NULL) {
      fprintf(stderr, "usage: rates-bench [--quick] [--json FILE]\n");
      return 2;
    }
  orchard_start_eal();
  printf("cell    time      workers trees    Mbit/s  load  lowest %% highest %% granularity %%      lost\n");
  run_grid(quick);
  run_greedy(quick);
  run_hot(quick);
  if (json != NULL) {
    fprintf(json, "\n]\n");
    fclose(json);
  }
  return 0;
}
