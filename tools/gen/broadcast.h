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

enum { GEN_BROADCAST_ARRIVED, GEN_BROADCAST_RIGHT, GEN_BROADCAST_COUNTERS };

#endif
