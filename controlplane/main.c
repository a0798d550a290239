/* SPDX-License-Identifier: Apache-2.0 */
/* copse-controlplane: one PoP's control plane. */
#include "config.h"
#include "control.h"
#include "http/server.h"
#include <copse/notify.h>
#include <getopt.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] = "usage: copse-controlplane --config FILE\n"
                            "The control plane of one PoP: sessions, credit, trees, HTTPS API.\n"
                            "\n"
                            "  -c, --config FILE  run with this configuration\n"
                            "      --check        read the configuration, say what is wrong with it, and end\n"
                            "      --keys         print every key with its default\n"
                            "      --version      print the version\n"
                            "  -h, --help         print this\n";

struct options {
  const char *config;
  bool check;
};

/* 0: go on; 1: all is said; 2: wrong usage. */
static int
parse_options(int argc, char **argv, struct options *options) {
  static const struct option known[] = {{"config", required_argument, NULL, 'c'}, {"check", no_argument, NULL, 'C'},
                                        {"keys", no_argument, NULL, 'k'},         {"version", no_argument, NULL, 'v'},
                                        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
  int letter;

  while ((letter = getopt_long(argc, argv, "c:h", known, NULL)) != -1) {
    switch (letter) {
    case 'c':
      options->config = optarg;
      break;
    case 'C':
      options->check = true;
      break;
    case 'k':
      copse_control_config_keys(stdout);
      return 1;
    case 'v':
      puts("copse-controlplane " COPSE_VERSION);
      return 1;
    case 'h':
      fputs(usage, stdout);
      return 1;
    default:
      return 2;
    }
  }
  if (options->config == NULL && optind + 1 == argc)
    options->config = argv[optind++];
  return options->config == NULL || optind < argc ? 2 : 0;
}

/* Keeps systemd's watchdog quiet while the loop turns. */
static void
on_watchdog(evutil_socket_t fd, short what, void *context) {
  (void)fd, (void)what, (void)context;
  copse_notify("WATCHDOG=1");
}

static void
on_signal(evutil_socket_t number, short what, void *context) {
  (void)what;
  copse_log(COPSE_LOG_INFO, "ending: %s", strsignal((int)number));
  event_base_loopbreak(context);
}

/* The loop, until a signal ends it. */
static int
turn(struct event_base *base) {
  struct event *events[] = {evsignal_new(base, SIGTERM, on_signal, base), evsignal_new(base, SIGINT, on_signal, base),
                            event_new(base, -1, EV_PERSIST, on_watchdog, NULL)};
  uint64_t half_us = copse_watchdog_us() / 2;
  struct timeval interval = {.tv_sec = (time_t)(half_us / 1000000), .tv_usec = (suseconds_t)(half_us % 1000000)};
  int result = -1;

  if (events[0] != NULL && events[1] != NULL && events[2] != NULL) {
    event_add(events[0], NULL);
    event_add(events[1], NULL);
    if (half_us > 0)
      event_add(events[2], &interval);
    copse_notify("READY=1");
    result = event_base_dispatch(base);
    copse_notify("STOPPING=1");
  }
  for (size_t i = 0; i < 3; i++)
    if (events[i] != NULL)
      event_free(events[i]);
  return result;
}

static int
run(struct copse_control_config *config, struct copse_error *error) {
  struct event_base *base = event_base_new();
  struct copse_control *control = NULL;
  struct copse_http *http = NULL;
  int result = base == NULL ? copse_fail(error, -ENOMEM, "no memory for the event loop") : 0;

  if (result == 0)
    result = copse_control_start(config, base, &control, error);
  if (result == 0)
    result = copse_http_start(control, &config->http, &http, error);
  if (result == 0) {
    copse_log(COPSE_LOG_INFO, "listening on port %u", copse_http_port(http));
    result = turn(base) < 0 ? copse_fail(error, -EIO, "the event loop failed") : 0;
  }
  copse_http_stop(http);
  copse_control_stop(control);
  if (base != NULL)
    event_base_free(base);
  return result;
}

int
main(int argc, char **argv) {
  struct copse_control_config config = {0};
  struct options options = {0};
  struct copse_error error = {.text = ""};
  int result = parse_options(argc, argv, &options);

  if (result != 0) {
    if (result == 2)
      fputs(usage, stderr);
    return result == 2 ? 2 : EXIT_SUCCESS;
  }
  signal(SIGPIPE, SIG_IGN);
  if (sodium_init() < 0) {
    fputs("copse-controlplane: no source of random numbers\n", stderr);
    return EXIT_FAILURE;
  }
  result = copse_control_config_read(&config, options.config, &error);
  if (result == 0 && !options.check) {
    copse_log_set_level(config.level);
    copse_log_set_name(config.pop);
    result = run(&config, &error);
  }
  if (result < 0)
    fprintf(stderr, "copse-controlplane: %s\n", error.text);
  copse_control_config_free(&config);
  if (result == -EINVAL || result == -ENOENT)
    return 2;
  return result < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
