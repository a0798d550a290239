/* SPDX-License-Identifier: Apache-2.0 */
/* copse-relay: replication by ordinary sockets, what copse-dataplane is measured against. Datagrams are received with
 * recvmmsg and sent on with sendmmsg: one message for each copy (mmsg), or for each next hop one UDP_SEGMENT message
 * that carries the whole batch (gso). A thread on CPU 0 sends to it over loopback, so that receiving costs the relay's
 * CPU, 1, no softirq. To be run in a network namespace with lo and a device that frees what is sent to 198.19.0.0/16.
 * usage: copse-relay mmsg|gso; reads lines `frame=F fanout=N ms=M`, prints one JSON object for each. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define PORT 7117
#define HOPS_MAX 64
#define BATCH 64
#define MESSAGES 1024 /* the kernel takes no more at once */
#define DATAGRAM_MAX 65507
#define HEADERS 42
#define PAYLOAD_MAX 2048
#define SLICE_NS 20000000ULL
#define SLICES_MAX 512
#define WARM_UP_SLICES 3
#define FIRST_HOP 0xc6130001U /* 198.19.0.1 */

static unsigned payload; /* of what the generator sends; 0: it rests */
static uint8_t buffer[BATCH][PAYLOAD_MAX];
static struct iovec parts[BATCH];
static struct sockaddr_in hops[HOPS_MAX];
static struct mmsghdr messages[MESSAGES];

struct tally {
  uint64_t copies, batches, full;
};

static uint64_t
now_ns(void) {
  struct timespec now;

  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void
pin(int cpu) {
  cpu_set_t set;

  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

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
  pin(0);
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

static void
relay(int in, int out, bool gso, unsigned size, unsigned fanout, uint64_t end, struct tally *tally) {
  static struct mmsghdr batch[BATCH];

  while (now_ns() < end) {
    for (unsigned i = 0; i < BATCH; i++) {
      parts[i] = (struct iovec){buffer[i], size};
      batch[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
    }
    const int received = recvmmsg(in, batch, BATCH, MSG_DONTWAIT, NULL);
    if (received <= 0)
      continue;
    tally->batches++;
    tally->full += received == BATCH;
    tally->copies +=
      gso ? relay_gso(out, (unsigned)received, fanout, size) : relay_mmsg(out, (unsigned)received, fanout);
  }
}

static int
compare(const void *a, const void *b) {
  const double left = *(const double *)a, right = *(const double *)b;

  return (left > right) - (left < right);
}

static void
sample(int in, int out, bool gso, unsigned frame, unsigned fanout, unsigned slices) {
  const int size = (int)frame - HEADERS;
  const uint64_t cycles = __rdtsc(), begin = now_ns();
  struct tally tally = {0};
  double rates[SLICES_MAX];
  uint64_t start, before = 0;

  if (gso)
    setsockopt(out, SOL_UDP, UDP_SEGMENT, &size, sizeof(size));
  __atomic_store_n(&payload, (unsigned)size, __ATOMIC_RELAXED);
  relay(in, out, gso, (unsigned)size, fanout, begin + WARM_UP_SLICES * SLICE_NS, &tally);
  tally = (struct tally){0};
  start = now_ns();
  for (unsigned i = 0; i < slices; i++) {
    relay(in, out, gso, (unsigned)size, fanout, start + SLICE_NS, &tally);
    const uint64_t end = now_ns();
    rates[i] = (double)(tally.copies - before) * 1e9 / (double)(end - start);
    before = tally.copies;
    start = end;
  }
  __atomic_store_n(&payload, 0, __ATOMIC_RELAXED);
  qsort(rates, slices, sizeof(*rates), compare);
  printf("{\"copies_per_s\":%.0f,\"full\":%.3f,\"tsc_hz\":%.0f}\n", rates[(slices * 9 - 1) / 10],
         tally.batches ? (double)tally.full / (double)tally.batches : 0,
         (double)(__rdtsc() - cycles) * 1e9 / (double)(now_ns() - begin));
  fflush(stdout);
}

/* The number behind `name` in a line, or 0. */
static unsigned
number(const char *line, const char *name) {
  const char *at = strstr(line, name);

  return at != NULL ? (unsigned)strtoul(at + strlen(name), NULL, 10) : 0;
}

int
main(int argc, char **argv) {
  struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  const bool gso = argc > 1 && strcmp(argv[1], "gso") == 0;
  int in = udp_socket(), out = udp_socket();
  pthread_t generator;
  char line[128];

  for (uint32_t hop = 0; hop < HOPS_MAX; hop++)
    hops[hop] =
      (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr = {htonl(FIRST_HOP + hop)}};
  if (in < 0 || out < 0 || bind(in, (const struct sockaddr *)&here, sizeof(here)) != 0 ||
      pthread_create(&generator, NULL, generate, NULL) != 0) {
    fprintf(stderr, "copse-relay: %s\n", strerror(errno));
    return 1;
  }
  pin(1);
  puts("{\"listening\":true}");
  fflush(stdout);
  while (fgets(line, sizeof(line), stdin) != NULL) {
    const unsigned frame = number(line, "frame="), fanout = number(line, "fanout=");
    const unsigned slices = (unsigned)(number(line, "ms=") * 1000000ULL / SLICE_NS);
    if (frame <= HEADERS || frame > PAYLOAD_MAX || fanout < 1 || fanout > HOPS_MAX || slices < 1 || slices > SLICES_MAX)
      return 2;
    sample(in, out, gso, frame, fanout, slices);
  }
  return 0;
}
