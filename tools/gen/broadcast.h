/* SPDX-License-Identifier: Apache-2.0 */
/* What the XDP programs of copse-broadcast are told. */
#ifndef GEN_BROADCAST_H
#define GEN_BROADCAST_H

#include <linux/types.h>

#define GEN_BROADCAST_HOPS 64
#define GEN_BROADCAST_INTERFACES 1024 /* the greatest index, plus one */

/* In network byte order; at the index of the interface that copies leave through, and of that where they arrive. */
struct gen_broadcast_hop {
  __u8 mac[6];
  __be16 port;
  __be32 address;
};

/* Of what an interface got: places of the map `counters`, which has a value for each CPU. */
enum { GEN_BROADCAST_ARRIVED, GEN_BROADCAST_RIGHT, GEN_BROADCAST_COUNTERS };

#ifndef __bpf__
#include <stdint.h>
/* The sum over all CPUs; 0 if it cannot be read. */
uint64_t gen_broadcast_counted(int map, uint32_t which);
#endif

#endif
