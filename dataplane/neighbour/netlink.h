/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel's route and neighbour tables say of one address. Addresses are 16 bytes, IPv4 mapped. */
#ifndef COPSE_NETLINK_H
#define COPSE_NETLINK_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stdint.h>

struct copse_netlink {
  struct mnl_socket *socket;
  uint32_t sequence;
};

struct copse_route {
  unsigned interface;
  uint8_t next_hop[16]; /* the address itself where there is no gateway */
};

struct copse_neighbour {
  unsigned interface;
  uint8_t address[16];
  bool valid; /* the kernel would send to `mac` now */
  uint8_t mac[6];
};

/* Opens a socket for requests; none waits for longer than a second. Negative errno on failure. */
int copse_netlink_open(struct copse_netlink *netlink);
void copse_netlink_close(struct copse_netlink *netlink);

/* Where a packet to `address` leaves. -ENETUNREACH and others of the kernel; -EADDRNOTAVAIL for addresses that no
 * neighbour has: our own, multicast and broadcast ones. */
int copse_route_get(struct copse_netlink *netlink, const uint8_t address[16], struct copse_route *out);

/* The neighbour's entry; -ENOENT where there is none. */
int copse_neighbour_get(struct copse_netlink *netlink, unsigned interface, const uint8_t address[16],
                        struct copse_neighbour *out);

/* Makes the kernel resolve or confirm a neighbour as if it had a packet for it. */
int copse_neighbour_use(struct copse_netlink *netlink, unsigned interface, const uint8_t address[16]);

/* Reads a RTM_NEWNEIGH or RTM_DELNEIGH message; false if it is of no IP neighbour. */
bool copse_neighbour_parse(const struct nlmsghdr *message, struct copse_neighbour *out);

#endif
