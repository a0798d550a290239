/* SPDX-License-Identifier: Apache-2.0 */
/* UDP sockets of the kernel's path that say when a packet arrived, and with which TTL. */
#ifndef COPSE_STAMP_SOCKET_H
#define COPSE_STAMP_SOCKET_H

#include <copse/api.h>
#include <copse/error.h>
#include <stdbool.h>

struct copse_stamp_datagram {
  struct copse_endpoint from;
  uint64_t received; /* CLOCK_REALTIME, ns, as the kernel had it; 0: unknown */
  uint8_t ttl;
  size_t length; /* of `bytes`, which may be only the beginning */
  uint8_t bytes[256];
};

/* False for IPv4, which is carried mapped. */
bool copse_stamp_is_ipv6(const struct copse_endpoint *endpoint);

/* A non-blocking socket bound to a local address, which no interface need have (yet). `port` in host order; 0: any.
 * Returns a descriptor, or negative errno with a sentence. */
int copse_stamp_socket(const struct copse_endpoint *local, uint16_t port, struct copse_error *error);

/* False when nothing has arrived. */
bool copse_stamp_receive(int fd, struct copse_stamp_datagram *out);
/* False when the kernel did not take it. */
bool copse_stamp_send(int fd, const struct copse_endpoint *to, const uint8_t *bytes, size_t length);

#endif
