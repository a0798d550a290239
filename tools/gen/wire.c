/* SPDX-License-Identifier: Apache-2.0 */
/* copse-wire: the far side of a kernel interface. Sends block packets through far0 as fast as a packet socket takes
 * them, and counts what comes back to it, which an XDP program discards. To be run in a network namespace with far0,
 * beside what is measured; with a socket, that is a copse-dataplane, which is configured through it. usage: copse-wire
 * OBJECT [API-SOCKET] */
#include "alone.h"
#include "broadcast.h"
#include "table.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <rte_byteorder.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define INTERFACE "far0"
#define BURST 64
#define WAIT_S 20
#define QUIET_US 20000 /* nothing arrived for so long: nothing is under way */
#define QUIETS_MAX 100 /* of them are waited for at most */

struct wire {
  int packets; /* socket */
  struct bpf_object *object;
  struct gen_traffic traffic;
  struct gen_table *table; /* null: it is not a copse-dataplane */
  uint32_t fanout;
  uint64_t arrived; /* before the sample */
  struct copse_worker_counters before;
};

static uint64_t
arrived(const struct wire *wire) {
  return gen_broadcast_counted(bpf_object__find_map_fd_by_name(wire->object, "counters"), GEN_BROADCAST_ARRIVED);
}

static bool
begin(void *context, const struct gen_alone_order *order) {
  const struct gen_forest forest = {.trees = 1, .hops = order->fanout, .kind = GEN_LINK};
  struct copse_error error = {""};
  struct wire *wire = context;
  double seconds;

  gen_pin(!GEN_ALONE_CPU);
  wire->fanout = order->fanout;
  if (wire->table != NULL && gen_table_set(wire->table, &forest, &seconds, &error) != 0) {
    fprintf(stderr, "copse-wire: %s\n", error.text);
    return false;
  }
  gen_traffic_shape(&wire->traffic, order->frame, 1, false, wire->table != NULL);
  wire->arrived = arrived(wire);
  if (wire->table != NULL)
    copse_counters_workers(wire->table->counters, &wire->before);
  return true;
}

static void
send_burst(struct wire *wire) {
  static uint8_t frames[BURST][GEN_FRAME_MAX];
  static struct iovec parts[BURST];
  static struct mmsghdr messages[BURST];

  for (unsigned i = 0; i < BURST; i++) {
    gen_traffic_next(&wire->traffic, frames[i]);
    parts[i] = (struct iovec){frames[i], wire->traffic.frame};
    messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
  }
  sendmmsg(wire->packets, messages, BURST, 0);
}

static uint64_t
work(void *context, const struct gen_alone_order *order, uint64_t end_ns) {
  struct wire *wire = context;
  const uint64_t before = arrived(wire);

  (void)order;
  while (gen_now_ns() < end_ns)
    send_burst(wire);
  return arrived(wire) - before;
}

/* What the dataplane counted as sent has arrived, and its own two equations hold. The kernel may have had no room for
 * packets on the way to it: it counts those. */
static bool
conserved(const struct wire *wire, const struct copse_worker_counters *after) {
  const struct copse_worker_counters *before = &wire->before;
  const uint64_t admitted = after->admitted - before->admitted, due = after->copies_due - before->copies_due;
  uint64_t packets = admitted + after->handshakes - before->handshakes,
           copies = after->copies_sent - before->copies_sent;

  for (int i = 0; i < COPSE_PACKET_DROP_COUNT; i++)
    packets += after->packet_drops[i] - before->packet_drops[i];
  for (int i = 0; i < COPSE_COPY_DROP_COUNT; i++)
    copies += after->copy_drops[i] - before->copy_drops[i];
  return after->rx_packets - before->rx_packets == packets && due == admitted * wire->fanout && due == copies &&
         after->tx_packets - before->tx_packets == arrived(wire) - wire->arrived;
}

static double
end(void *context) {
  struct wire *wire = context;
  struct copse_worker_counters after;
  uint64_t last = 0, now = arrived(wire);

  for (unsigned quiets = 0; last != now && quiets < QUIETS_MAX; quiets++) {
    usleep(QUIET_US);
    last = now;
    now = arrived(wire);
  }
  if (wire->table == NULL)
    return 1;
  copse_counters_workers(wire->table->counters, &after);
  if (conserved(wire, &after))
    return 1;
  fprintf(stderr,
          "copse-wire: what came in is not what went out and the named drops: received %lu, sent %lu, arrived %lu\n",
          after.rx_packets - wire->before.rx_packets, after.tx_packets - wire->before.tx_packets, now - wire->arrived);
  return -1;
}

/* The program that discards and counts, at our end. */
static int
attach(struct wire *wire, const char *path, unsigned interface, struct copse_error *error) {
  wire->object = bpf_object__open_file(path, NULL);
  if (wire->object == NULL || bpf_object__load(wire->object) != 0)
    return copse_fail(error, -EIO, "%s cannot be loaded: %s", path, strerror(errno));
  const int fd = bpf_program__fd(bpf_object__find_program_by_name(wire->object, "discard"));
  if (bpf_xdp_attach((int)interface, fd, XDP_FLAGS_DRV_MODE, NULL) != 0)
    return copse_fail(error, -EIO, "%s takes no XDP program", INTERFACE);
  return 0;
}

static int
open_wire(struct wire *wire, const char *path, struct copse_error *error) {
  const struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(INTERFACE)};
  const int one = 1;
  int status = address.sll_ifindex ? attach(wire, path, (unsigned)address.sll_ifindex, error)
                                   : copse_fail(error, -ENODEV, "there is no interface %s", INTERFACE);

  if (status)
    return status;
  wire->packets = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0); /* receives nothing */
  if (wire->packets < 0 || bind(wire->packets, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
      setsockopt(wire->packets, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)) != 0)
    return copse_fail(error, -errno, "cannot send through %s: %s", INTERFACE, strerror(errno));
  return gen_traffic_create(&wire->traffic, 1, false) ? copse_fail(error, -ENOMEM, "not enough memory") : 0;
}

int
main(int argc, char **argv) {
  struct gen_table table = {.fd = -1};
  struct wire wire = {.packets = -1};
  const struct gen_alone alone = {GEN_FRAME_MIN, 1514, GEN_BROADCAST_HOPS, &wire, begin, work, end};
  struct copse_error error = {""};
  int status =
    argc >= 2 && sodium_init() >= 0 ? open_wire(&wire, argv[1], &error) : copse_fail(&error, -EINVAL, "which object?");

  if (!status && argc > 2) {
    status = gen_table_connect(&table, argv[2], WAIT_S, &error);
    wire.table = &table;
  }
  if (!status)
    return gen_alone_serve(&alone);
  fprintf(stderr, "copse-wire: %s\n", error.text);
  return 1;
}
