/* SPDX-License-Identifier: Apache-2.0 */
#include "udp.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define RECEIVE_BUFFER (16 << 20)
#define SEND_BUFFER (1 << 20)
#define BATCH 64
#define BATCHES 8

static bool
parse_address(const char *text, uint16_t port, struct sockaddr_storage *out, socklen_t *bytes) {
  struct sockaddr_in *four = (struct sockaddr_in *)out;
  struct sockaddr_in6 *six = (struct sockaddr_in6 *)out;

  *out = (struct sockaddr_storage){0};
  if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons(port);
    *bytes = sizeof(*four);
    return true;
  }
  six->sin6_family = AF_INET6;
  six->sin6_port = htons(port);
  *bytes = sizeof(*six);
  return inet_pton(AF_INET6, text, &six->sin6_addr) == 1;
}

/* Beyond the system's limit where we may, up to it where we may not. */
static void
set_buffers(int fd) {
  int receive = RECEIVE_BUFFER, send = SEND_BUFFER;

  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive, sizeof(receive)) < 0)
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive, sizeof(receive));
  if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &send, sizeof(send)) < 0)
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send, sizeof(send));
}

int
udp_open(const char *address, uint16_t *port, struct copse_error *error) {
  struct sockaddr_storage local;
  socklen_t bytes;

  if (!parse_address(address, *port, &local, &bytes))
    return copse_fail(error, -EINVAL, "%s is not an IP address", address);
  int fd = socket(local.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return copse_fail(error, -errno, "cannot make a UDP socket: %s", strerror(errno));
  set_buffers(fd);
  if (bind(fd, (struct sockaddr *)&local, bytes) < 0 || getsockname(fd, (struct sockaddr *)&local, &bytes) < 0) {
    int code = -errno;
    close(fd);
    return copse_fail(error, code, "cannot use UDP %s port %u: %s", address, *port, strerror(-code));
  }
  *port = ntohs(local.ss_family == AF_INET ? ((struct sockaddr_in *)&local)->sin_port
                                           : ((struct sockaddr_in6 *)&local)->sin6_port);
  return fd;
}

void
udp_receive(int fd, void (*packet)(void *context, const uint8_t *bytes, size_t count), void *context) {
  uint8_t buffers[BATCH][PACKET_BYTES + 1];
  struct iovec parts[BATCH];
  struct mmsghdr messages[BATCH];
  int count = BATCH;

  for (int i = 0; i < BATCH; i++) {
    parts[i] = (struct iovec){.iov_base = buffers[i], .iov_len = sizeof(buffers[i])};
    messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &parts[i], .msg_iovlen = 1}};
  }
  for (int batch = 0; batch < BATCHES && count == BATCH; batch++) {
    count = recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < count; i++)
      if (messages[i].msg_len >= COPSE_HEADER_BYTES && messages[i].msg_len <= PACKET_BYTES)
        packet(context, buffers[i], messages[i].msg_len);
  }
}

uint32_t
udp_overhead(const struct sockaddr_storage *destination) {
  return destination->ss_family == AF_INET ? 28 : 48;
}
