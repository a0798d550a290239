/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* What copse_xdp.bpf.c and the program that sets it up share: the values of its two maps. */
#ifndef COPSE_XDP_H
#define COPSE_XDP_H

#include <linux/types.h>

#define COPSE_XDP_QUEUES 64

/* The one entry of map `copse_config`, in network order. An address of zero: no packet of its family is a block packet.
 * Until there is a port, COPSE_BLOCK_PORT of any address is taken. */
struct copse_xdp_config {
  __be16 port;
  __u16 reserved;
  __be32 address4;
  __be32 address6[4];
};

/* The one entry, per CPU, of map `copse_counters`: frames by what became of them. */
struct copse_xdp_counters {
  __u64 redirected_ipv4, redirected_ipv6; /* block packets handed to DPDK */
  __u64 unclaimed_ipv4, unclaimed_ipv6;   /* block packets on a queue without a socket, passed to the kernel */
  __u64 passed_ipv4, passed_ipv6, passed_other;
};

#endif
