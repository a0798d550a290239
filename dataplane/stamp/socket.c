/* SPDX-License-Identifier: Apache-2.0 */
#include "stamp/socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* AF11, as of the copies within a tree's committed rate: test packets see what these see. */
#define TRAFFIC_CLASS (10 << 2)

union address {
  struct sockaddr any;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
};

bool
copse_stamp_is_ipv6(const struct copse_endpoint *endpoint) {
  static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

  return memcmp(endpoint->address, mapped, sizeof(mapped)) != 0;
}

/* The kernel's form of an endpoint, and its size. */
static socklen_t
to_address(const struct copse_endpoint *endpoint, union address *out) {
  *out = (union address){.any.sa_family = AF_UNSPEC};
  if (!copse_stamp_is_ipv6(endpoint)) {
    out->v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = endpoint->port};
    memcpy(&out->v4.sin_addr, endpoint->address + 12, 4);
    return sizeof(out->v4);
  }
  out->v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = endpoint->port};
  memcpy(&out->v6.sin6_addr, endpoint->address, 16);
  return sizeof(out->v6);
}

static struct copse_endpoint
to_endpoint(const union address *address) {
  struct copse_endpoint out = {.address = {[10] = 0xff, [11] = 0xff}};

  if (address->any.sa_family == AF_INET) {
    memcpy(out.address + 12, &address->v4.sin_addr, 4);
    out.port = address->v4.sin_port;
  } else {
    memcpy(out.address, &address->v6.sin6_addr, 16);
    out.port = address->v6.sin6_port;
  }
  return out;
}

static int
enable(int fd, bool v6) {
  const int on = 1, traffic_class = TRAFFIC_CLASS;

  if (setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) != 0)
    return -errno;
  if (v6 ? setsockopt(fd, SOL_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0 ||
             setsockopt(fd, SOL_IPV6, IPV6_FREEBIND, &on, sizeof(on)) != 0 ||
             setsockopt(fd, SOL_IPV6, IPV6_RECVHOPLIMIT, &on, sizeof(on)) != 0 ||
             setsockopt(fd, SOL_IPV6, IPV6_TCLASS, &traffic_class, sizeof(traffic_class)) != 0
         : setsockopt(fd, SOL_IP, IP_FREEBIND, &on, sizeof(on)) != 0 ||
             setsockopt(fd, SOL_IP, IP_RECVTTL, &on, sizeof(on)) != 0 ||
             setsockopt(fd, SOL_IP, IP_TOS, &traffic_class, sizeof(traffic_class)) != 0)
    return -errno;
  return 0;
}

int
copse_stamp_socket(const struct copse_endpoint *local, uint16_t port, struct copse_error *error) {
  const bool v6 = copse_stamp_is_ipv6(local);
  struct copse_endpoint endpoint = *local;
  union address address;
  int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), status;

  if (fd < 0)
    return copse_fail(error, -errno, "STAMP: cannot make a socket: %s", strerror(errno));
  endpoint.port = htons(port);
  const socklen_t size = to_address(&endpoint, &address);
  status = enable(fd, v6);
  if (status == 0 && bind(fd, &address.any, size) != 0)
    status = -errno;
  if (status == 0)
    return fd;
  close(fd);
  return copse_fail(error, status, "STAMP: UDP port %u cannot be had: %s ('stamp_port')", port, strerror(-status));
}

static void
read_control(struct msghdr *message, struct copse_stamp_datagram *out) {
  for (struct cmsghdr *control = CMSG_FIRSTHDR(message); control != NULL; control = CMSG_NXTHDR(message, control)) {
    struct timespec time;
    int ttl;

    if (control->cmsg_level == SOL_SOCKET && control->cmsg_type == SCM_TIMESTAMPNS) {
      memcpy(&time, CMSG_DATA(control), sizeof(time));
      out->received = (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
    } else if ((control->cmsg_level == SOL_IP && control->cmsg_type == IP_TTL) ||
               (control->cmsg_level == SOL_IPV6 && control->cmsg_type == IPV6_HOPLIMIT)) {
      memcpy(&ttl, CMSG_DATA(control), sizeof(ttl));
      out->ttl = (uint8_t)ttl;
    }
  }
}

bool
copse_stamp_receive(int fd, struct copse_stamp_datagram *out) {
  union {
    char bytes[CMSG_SPACE(sizeof(struct timespec)) + CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
  } control;
  union address from = {.any.sa_family = AF_UNSPEC};
  struct iovec vector = {out->bytes, sizeof(out->bytes)};
  struct msghdr message = {.msg_name = &from,
                           .msg_namelen = sizeof(from),
                           .msg_iov = &vector,
                           .msg_iovlen = 1,
                           .msg_control = &control,
                           .msg_controllen = sizeof(control)};
  const ssize_t length = recvmsg(fd, &message, 0);

  if (length < 0)
    return false;
  out->length = (size_t)length;
  out->received = 0;
  out->ttl = 0;
  out->from = to_endpoint(&from);
  read_control(&message, out);
  return true;
}

bool
copse_stamp_send(int fd, const struct copse_endpoint *to, const uint8_t *bytes, size_t length) {
  union address address;
  const socklen_t size = to_address(to, &address);

  return sendto(fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT, &address.any, size) == (ssize_t)length;
}
