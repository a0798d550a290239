/* SPDX-License-Identifier: Apache-2.0 */
/* copse-dataplane: replicates block packets down trees. */
#include "daemon/daemon.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define DEFAULT_FILE "/etc/copse/dataplane.cfg"

enum { EXIT_USAGE = 2 };

static void
print_help(FILE *out) {
  fputs("usage: copse-dataplane [--config FILE]\n"
        "Replicates block packets down trees, as a control plane tells it through the API socket.\n"
        "\n"
        "  --config FILE   configuration, default " DEFAULT_FILE "\n"
        "  --check FILE    checks a configuration and ends\n"
        "  --keys          prints every key of the configuration with its unit and default\n"
        "  --version       prints the version\n"
        "  --help          prints this\n"
        "\n"
        "SIGHUP takes over the live keys of the file. SIGTERM and SIGINT end it; 0 is returned then, 1 when it cannot\n"
        "start, 2 when the configuration or the command line is wrong.\n",
        out);
}

static int
check(const char *path) {
  struct copse_dataplane_config config;
  struct copse_error error;
  int status = copse_dataplane_config_read(&config, path, &error);

  copse_dataplane_config_free(&config);
  if (status) {
    fprintf(stderr, "copse-dataplane: %s\n", error.text);
    return EXIT_USAGE;
  }
  printf("%s: ok\n", path);
  return EXIT_SUCCESS;
}

static int
run(const char *path) {
  struct copse_dataplane_config config;
  struct copse_error error;
  struct copse_daemon *daemon;
  int status = copse_dataplane_config_read(&config, path, &error);

  if (status) {
    fprintf(stderr, "copse-dataplane: %s\n", error.text);
    copse_dataplane_config_free(&config);
    return EXIT_USAGE;
  }
  copse_log_set_level(config.level);
  copse_log_set_name(config.name);
  signal(SIGPIPE, SIG_IGN);
  daemon = copse_daemon_start(&config, path, &error);
  if (daemon) {
    copse_daemon_run(daemon);
    copse_daemon_stop(daemon);
  } else {
    copse_log(COPSE_LOG_ERROR, "%s", error.text);
  }
  copse_dataplane_config_free(&config);
  return daemon ? EXIT_SUCCESS : EXIT_FAILURE;
}

int
main(int argc, char **argv) {
  static const struct option options[] = {
    {"config", required_argument, NULL, 'c'}, {"check", required_argument, NULL, 'C'}, {"keys", no_argument, NULL, 'k'},
    {"version", no_argument, NULL, 'v'},      {"help", no_argument, NULL, 'h'},        {NULL, 0, NULL, 0}};
  const char *path = DEFAULT_FILE;
  int option;

  while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
    switch (option) {
    case 'c':
      path = optarg;
      break;
    case 'C':
      return check(optarg);
    case 'k':
      copse_dataplane_keys_print(stdout);
      return EXIT_SUCCESS;
    case 'v':
      puts("copse-dataplane " COPSE_VERSION);
      return EXIT_SUCCESS;
    case 'h':
      print_help(stdout);
      return EXIT_SUCCESS;
    default:
      print_help(stderr);
      return EXIT_USAGE;
    }
  }
  if (optind < argc) {
    fprintf(stderr, "copse-dataplane: unexpected argument '%s'\n", argv[optind]);
    print_help(stderr);
    return EXIT_USAGE;
  }
  return run(path);
}
