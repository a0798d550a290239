/* SPDX-License-Identifier: Apache-2.0 */
/* copse-gen: the far side of a device under test. */
#include "clock.h"
#include "sample.h"

#include <getopt.h>
#include <rte_eal.h>
#include <rte_lcore.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#define WAIT_S 20

struct options {
  const char *socket, *api, *cpu;
  uint32_t trees, queues;
  bool client, ipv6;
};

static void
usage(FILE *out) {
  fprintf(
    out,
    "usage: copse-gen --socket PATH [--api PATH] [--cpu N] [--trees N] [--queues N] [--client] [--ipv6]\n"
    "  The far side of a virtio-user device that connects to the vhost socket PATH: generates block packets,\n"
    "  takes what comes back. Reads lines of key=value words, one sample each:\n"
    "    frame=1400 fanout=8 trees=1 zipf=0 kind=link|member sink=null|copy|check|time rate=0 ms=300\n"
    "    expect=copse|bare|io bps=0 burst_us=4000 greedy=0 take=0 commits=0 first=0\n"
    "  and prints one JSON object for each. --api: the device is a copse-dataplane, configured through this\n"
    "  socket. --cpu: the core to use, 0 if not given. --trees: as many at most, 1 if not given. --queues: pairs of\n"
    "  them, 1 if not given; bursts go to each in turn. --client: the device listens at PATH.\n"
    "  --ipv6: blocks are IPv6.\n");
}

static int
parse(struct options *options, int argc, char **argv) {
  static const struct option list[] = {
    {"socket", required_argument, NULL, 's'}, {"api", required_argument, NULL, 'a'},
    {"cpu", required_argument, NULL, 'c'},    {"trees", required_argument, NULL, 't'},
    {"queues", required_argument, NULL, 'q'}, {"client", no_argument, NULL, 'C'},
    {"ipv6", no_argument, NULL, '6'},         {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},      {NULL, 0, NULL, 0}};
  int option;

  *options = (struct options){.cpu = "0", .trees = 1, .queues = 1};
  while ((option = getopt_long(argc, argv, "hV", list, NULL)) != -1)
    switch (option) {
    case 's':
      options->socket = optarg;
      break;
    case 'a':
      options->api = optarg;
      break;
    case 'c':
      options->cpu = optarg;
      break;
    case 't':
      options->trees = (uint32_t)strtoul(optarg, NULL, 10);
      break;
    case 'q':
      options->queues = (uint32_t)strtoul(optarg, NULL, 10);
      break;
    case 'C':
      options->client = true;
      break;
    case '6':
      options->ipv6 = true;
      break;
    case 'h':
      usage(stdout);
      return 1;
    case 'V':
      puts("copse-gen " COPSE_VERSION);
      return 1;
    default:
      return -EINVAL;
    }
  return options->socket != NULL && options->trees > 0 && options->queues > 0 && options->queues <= GEN_PAIRS_MAX &&
             optind == argc
           ? 0
           : -EINVAL;
}

/* No hugepages and no devices: all memory that is worked on is the other end's. */
static int
start_eal(const char *cpu, struct copse_error *error) {
  char lcores[32];
  char *arguments[] = {"copse-gen",      "--no-huge", "--no-shconf",       "-m64",          "--no-pci",
                       "--no-telemetry", lcores,      "--log-level=error", "--iova-mode=va"};

  snprintf(lcores, sizeof(lcores), "--lcores=0@%s", cpu);
  if (rte_eal_init(sizeof(arguments) / sizeof(arguments[0]), arguments) < 0)
    return copse_fail(error, -ENODEV, "DPDK does not start on CPU %s", cpu);
  return 0;
}

static int
serve(struct gen_bench *bench, struct copse_error *error) {
  char line[512];
  int status = 0;

  while (!status && fgets(line, sizeof(line), stdin) != NULL) {
    struct gen_order order;
    status = gen_order_parse(&order, line, error);
    if (!status)
      status = gen_sample(bench, &order, error);
  }
  return status;
}

static int
run(const struct options *options, struct copse_error *error) {
  struct gen_table table = {.fd = -1};
  struct gen_bench bench = {.table = NULL};
  int status = start_eal(options->cpu, error);

  gen_clock_calibrate();
  if (!status && gen_traffic_create(&bench.traffic, options->trees, options->ipv6) != 0)
    status = copse_fail(error, -ENOMEM, "not enough memory for %u trees", options->trees);
  if (!status)
    status = gen_device_open(&bench.device, options->socket, options->queues, options->client, error);
  if (status)
    return status;
  puts("{\"listening\":true}");
  fflush(stdout);
  status = gen_device_wait(&bench.device, WAIT_S, error);
  if (!status && options->api != NULL) {
    status = gen_table_connect(&table, options->api, WAIT_S, error);
    table.ipv6 = options->ipv6;
    bench.table = &table;
  }
  if (!status)
    status = serve(&bench, error);
  gen_table_close(&table);
  gen_sink_free(&bench.sink);
  gen_traffic_free(&bench.traffic);
  gen_device_close(&bench.device);
  return status;
}

int
main(int argc, char **argv) {
  struct options options;
  struct copse_error error = {""};
  int status = parse(&options, argc, argv);

  if (status < 0)
    usage(stderr);
  if (status)
    return status < 0 ? 2 : 0;
  if (sodium_init() < 0)
    return 1;
  status = run(&options, &error);
  if (status)
    fprintf(stderr, "copse-gen: %s\n", error.text);
  return status ? 1 : 0;
}
