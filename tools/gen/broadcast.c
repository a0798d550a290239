/* SPDX-License-Identifier: Apache-2.0 */
/* copse-broadcast: replication by the kernel's XDP, what copse-dataplane is measured against. BPF_PROG_TEST_RUN with
 * live frames stands for a driver that receives at no cost; every next hop is an interface hop0, hop1 … whose other
 * end, sink0, sink1 …, discards. To be run in a network namespace that has them. usage: copse-broadcast OBJECT */
#include "broadcast.h"
#include "alone.h"
#include "traffic.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

#define BATCH 64 /* frames at once, as of a NIC */
#define FOR_EVER (1 << 30)
#define PROOF_FANOUT 8

struct broadcast {
  const char *path; /* of the object */
  uint32_t fanout;  /* it is loaded for */
  struct bpf_object *object;
  int run, rewrite, devices, hops, counters;
  uint8_t frame[GEN_FRAME_MAX];
  uint32_t bytes; /* of it */
  pthread_t runner;
};

static int
interface_of(const char *kind, uint32_t hop) {
  char name[IF_NAMESIZE];

  snprintf(name, sizeof(name), "%s%u", kind, hop);
  return (int)if_nametoindex(name);
}

static int
plant(const struct broadcast *broadcast, uint32_t hop) {
  struct gen_broadcast_hop value = {.port = htobe16(COPSE_BLOCK_PORT),
                                    .address = htobe32(gen_hop_address(GEN_LINK, hop))};
  const uint32_t out = (uint32_t)interface_of("hop", hop), in = (uint32_t)interface_of("sink", hop);

  gen_hop_mac(GEN_LINK, hop, value.mac);
  if (out == 0 || in == 0)
    return -ENODEV;
  const struct bpf_devmap_val device = {.ifindex = out, .bpf_prog.fd = broadcast->rewrite};
  return bpf_map_update_elem(broadcast->hops, &out, &value, BPF_ANY) ||
             bpf_map_update_elem(broadcast->hops, &in, &value, BPF_ANY) ||
             bpf_map_update_elem(broadcast->devices, &hop, &device, BPF_ANY)
           ? -errno
           : 0;
}

static int
attach(const struct broadcast *broadcast, const char *program) {
  const int fd = bpf_program__fd(bpf_object__find_program_by_name(broadcast->object, program));
  int status = fd < 0 ? fd : 0;

  for (uint32_t hop = 0; hop < broadcast->fanout && !status; hop++)
    status = bpf_xdp_attach(interface_of("sink", hop), fd, XDP_FLAGS_DRV_MODE, NULL);
  return status;
}

/* A redirect to all looks at every place of its map: there are as many as there are copies to make. */
static int
load(struct broadcast *broadcast, uint32_t fanout) {
  struct bpf_object *object = bpf_object__open_file(broadcast->path, NULL);
  int status = object ? bpf_map__set_max_entries(bpf_object__find_map_by_name(object, "devices"), fanout) : -errno;

  bpf_object__close(broadcast->object);
  broadcast->object = object;
  if (!status)
    status = bpf_object__load(object);
  if (status)
    return status;
  broadcast->fanout = fanout;
  broadcast->run = bpf_program__fd(bpf_object__find_program_by_name(object, "broadcast"));
  broadcast->rewrite = bpf_program__fd(bpf_object__find_program_by_name(object, "rewrite"));
  broadcast->devices = bpf_object__find_map_fd_by_name(object, "devices");
  broadcast->hops = bpf_object__find_map_fd_by_name(object, "hops");
  broadcast->counters = bpf_object__find_map_fd_by_name(object, "counters");
  for (uint32_t hop = 0; hop < fanout && !status; hop++)
    status = plant(broadcast, hop);
  return status;
}

static int
set_up(struct broadcast *broadcast, uint32_t fanout, const char *sink) {
  const int status = fanout == broadcast->fanout ? 0 : load(broadcast, fanout);

  return status ? status : attach(broadcast, sink);
}

/* Until it was that many packets, or a signal comes. */
static int
receive(const struct broadcast *broadcast, int packets) {
  struct bpf_test_run_opts options = {.sz = sizeof(options),
                                      .data_in = broadcast->frame,
                                      .data_size_in = broadcast->bytes,
                                      .repeat = packets,
                                      .flags = BPF_F_TEST_XDP_LIVE_FRAMES,
                                      .batch_size = BATCH};

  return bpf_prog_test_run_opts(broadcast->run, &options);
}

static int
prepare(struct broadcast *broadcast, const struct gen_alone_order *order, const char *sink) {
  struct gen_traffic traffic;

  if (gen_traffic_create(&traffic, 1, false) != 0)
    return -ENOMEM;
  gen_traffic_shape(&traffic, order->frame, 1, false, false);
  gen_traffic_next(&traffic, broadcast->frame);
  gen_traffic_free(&traffic);
  broadcast->bytes = order->frame;
  return set_up(broadcast, order->fanout, sink);
}

static void *
run(void *context) {
  gen_pin(GEN_ALONE_CPU);
  receive(context, FOR_EVER);
  return NULL;
}

/* The call does not say how far it is: it is watched from the other CPU. */
static bool
begin(void *context, const struct gen_alone_order *order) {
  struct broadcast *broadcast = context;

  gen_pin(!GEN_ALONE_CPU);
  return prepare(broadcast, order, "discard") == 0 && pthread_create(&broadcast->runner, NULL, run, broadcast) == 0;
}

static uint64_t
work(void *context, const struct gen_alone_order *order, uint64_t end_ns) {
  const struct broadcast *broadcast = context;
  const struct timespec end = {(time_t)(end_ns / 1000000000), (long)(end_ns % 1000000000)};
  const uint64_t before = gen_broadcast_counted(broadcast->counters, GEN_BROADCAST_ARRIVED);

  (void)order;
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL);
  return gen_broadcast_counted(broadcast->counters, GEN_BROADCAST_ARRIVED) - before;
}

static double
end(void *context) {
  const struct broadcast *broadcast = context;

  pthread_kill(broadcast->runner, SIGUSR1);
  pthread_join(broadcast->runner, NULL);
  return 1;
}

static void
on_signal(int number) {
  (void)number;
}

/* Every copy must be right before any is counted. */
static int
prove(struct broadcast *broadcast, struct copse_error *error) {
  const struct gen_alone_order order = {512, PROOF_FANOUT};
  const uint64_t expected = (uint64_t)BATCH * PROOF_FANOUT;

  if (prepare(broadcast, &order, "verify") != 0 || receive(broadcast, BATCH) != 0)
    return copse_fail(error, -EIO, "XDP does not broadcast here: %s", strerror(errno));
  if (gen_broadcast_counted(broadcast->counters, GEN_BROADCAST_RIGHT) != expected)
    return copse_fail(error, -EIO, "of %lu copies %lu arrived and %lu are right", expected,
                      gen_broadcast_counted(broadcast->counters, GEN_BROADCAST_ARRIVED),
                      gen_broadcast_counted(broadcast->counters, GEN_BROADCAST_RIGHT));
  return 0;
}

int
main(int argc, char **argv) {
  struct broadcast broadcast = {.path = argc == 2 ? argv[1] : ""};
  const struct gen_alone alone = {GEN_FRAME_MIN, 1514, GEN_BROADCAST_HOPS, &broadcast, begin, work, end};
  struct copse_error error = {""};

  signal(SIGUSR1, on_signal);
  if (prove(&broadcast, &error) == 0)
    return gen_alone_serve(&alone);
  fprintf(stderr, "copse-broadcast: %s\n", error.text);
  return 1;
}
