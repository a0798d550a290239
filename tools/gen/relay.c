/* SPDX-License-Identifier: Apache-2.0 */
/* copse-relay: replication by ordinary sockets, what copse-dataplane is measured against. Datagrams are received with
 * recvmmsg and sent on with sendmmsg: one message for each copy (mmsg), or for each next hop one UDP_SEGMENT message
 * that carries the whole batch (gso). A thread on CPU 0 sends to it over loopback, so that receiving costs the relay's
 * CPU, 1, no softirq. To be run in a network namespace with lo and a device that frees what is sent to 198.19.0.0/16.
 * usage: copse-relay mmsg|gso [wire]; wire: no thread sends, packets come from elsewhere */
#include "alone.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PORT 7117
#define HOPS_MAX 64
#define BATCH 64
#define MESSAGES 1024 /* the kernel takes no more at once */
#define DATAGRAM_MAX 65507
#define HEADERS 42
#define PAYLOAD_MAX 2048
#define FIRST_HOP 0xc6130001U /* 198.19.0.1 */

static unsigned payload; /* of what the generator sends; 0: it rests */
static uint8_t buffer[BATCH][PAYLOAD_MAX];
static struct iovec parts[BATCH];
static struct sockaddr_in hops[HOPS_MAX];
static struct mmsghdr messages[MESSAGES];

struct relay {
  int in, out;
  bool gso;
  uint64_t batches, full;
};

static int
udp_socket(void) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), megabytes = 8 << 20;

  if (fd >= 0) {
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &megabytes, sizeof(megabytes));
    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &megabytes, sizeof(megabytes));
  }
  return fd;
}

/* Segments of the given size, as many as one message takes. */
static void *
generate(void *unused) {
  static uint8_t data[DATAGRAM_MAX];
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  int fd = udp_socket(), last = 0;

  (void)unused;
  gen_pin(0);
  for (;;) {
    const int size = (int)__atomic_load_n(&payload, __ATOMIC_RELAXED);
    if (size == 0) {
      usleep(1000);
      continue;
    }
    const size_t segments = DATAGRAM_MAX / (size_t)size < BATCH ? DATAGRAM_MAX / (size_t)size : BATCH;
    if (size != last)
      setsockopt(fd, SOL_UDP, UDP_SEGMENT, &size, sizeof(size));
    last = size;
    sendto(fd, data, segments * (size_t)size, 0, (const struct sockaddr *)&to, sizeof(to));
  }
  return NULL;
}

/* What the kernel refuses is passed over; returns how many messages it took. */
static unsigned
send_all(int fd, unsigned count) {
  unsigned taken = 0;

  for (unsigned done = 0; done < count;) {
    const int sent = sendmmsg(fd, messages + done, count - done, 0);
    taken += sent > 0 ? (unsigned)sent : 0;
    done += sent > 0 ? (unsigned)sent : 1;
  }
  return taken;
}

static uint64_t
relay_mmsg(int fd, unsigned received, unsigned fanout) {
  uint64_t copies = 0;
  unsigned waiting = 0;

  for (unsigned i = 0; i < received; i++)
    for (unsigned hop = 0; hop < fanout; hop++) {
      messages[waiting++].msg_hdr = (struct msghdr){
        .msg_name = &hops[hop], .msg_namelen = sizeof(hops[hop]), .msg_iov = &parts[i], .msg_iovlen = 1};
      if (waiting == MESSAGES) {
        copies += send_all(fd, waiting);
        waiting = 0;
      }
    }
  return copies + send_all(fd, waiting);
}

static uint64_t
relay_gso(int fd, unsigned received, unsigned fanout, unsigned size) {
  const unsigned most = DATAGRAM_MAX / size;
  uint64_t copies = 0;

  for (unsigned first = 0; first < received; first += most) {
    const unsigned segments = received - first < most ? received - first : most;
    for (unsigned hop = 0; hop < fanout; hop++)
      messages[hop].msg_hdr = (struct msghdr){
        .msg_name = &hops[hop], .msg_namelen = sizeof(hops[hop]), .msg_iov = &parts[first], .msg_iovlen = segments};
    copies += (uint64_t)send_all(fd, fanout) * segments;
  }
  return copies;
}

static uint64_t
work(void *context, const struct gen_alone_order *order, uint64_t end_ns) {
  static struct mmsghdr batch[BATCH];
  struct relay *relay = context;
  uint64_t copies = 0;

  while (gen_now_ns() < end_ns) {
    for (unsigned i = 0; i < BATCH; i++) {
      parts[i] = (struct iovec){buffer[i], order->frame - HEADERS};
      batch[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
    }
    const int received = recvmmsg(relay->in, batch, BATCH, MSG_DONTWAIT, NULL);
    if (received <= 0)
      continue;
    relay->batches++;
    relay->full += received == BATCH;
    copies += relay->gso ? relay_gso(relay->out, (unsigned)received, order->fanout, order->frame - HEADERS)
                         : relay_mmsg(relay->out, (unsigned)received, order->fanout);
  }
  return copies;
}

static bool
begin(void *context, const struct gen_alone_order *order) {
  const int size = (int)order->frame - HEADERS;
  struct relay *relay = context;

  if (relay->gso)
    setsockopt(relay->out, SOL_UDP, UDP_SEGMENT, &size, sizeof(size));
  relay->batches = relay->full = 0;
  __atomic_store_n(&payload, (unsigned)size, __ATOMIC_RELAXED);
  return true;
}

static double
end(void *context) {
  const struct relay *relay = context;

  __atomic_store_n(&payload, 0, __ATOMIC_RELAXED);
  return relay->batches ? (double)relay->full / (double)relay->batches : 0;
}

int
main(int argc, char **argv) {
  struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr = {htonl(INADDR_ANY)}};
  struct relay relay = {.in = udp_socket(), .out = udp_socket(), .gso = argc > 1 && strcmp(argv[1], "gso") == 0};
  const bool wire = argc > 2 && strcmp(argv[2], "wire") == 0;
  const struct gen_alone alone = {HEADERS + 1, PAYLOAD_MAX, HOPS_MAX, &relay, begin, work, end};
  pthread_t generator;

  for (uint32_t hop = 0; hop < HOPS_MAX; hop++)
    hops[hop] =
      (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr = {htonl(FIRST_HOP + hop)}};
  if (relay.in < 0 || relay.out < 0 || bind(relay.in, (const struct sockaddr *)&here, sizeof(here)) != 0 ||
      (!wire && pthread_create(&generator, NULL, generate, NULL) != 0)) {
    fprintf(stderr, "copse-relay: %s\n", strerror(errno));
    return 1;
  }
  return gen_alone_serve(&alone);
}
