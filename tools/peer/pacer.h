/* SPDX-License-Identifier: Apache-2.0 */
/* A token bucket for what leaves this peer. Integers only: nothing is rounded, so the rate is never exceeded by more
 * than the depth. Times are monotonic nanoseconds, given by the caller. */
#ifndef PEER_PACER_H
#define PEER_PACER_H

#include <stdbool.h>
#include <stdint.h>

/* After a stall at most this much time is caught up with. */
#define PACER_DEPTH_NS 20000000LL
/* The bucket always has room for one packet, however low the rate. */
#define PACER_DEPTH_BYTES 1500

/* All zero: stands still until it has a rate. */
struct pacer {
  uint64_t rate_bps; /* layer 3 bits per second */
  uint64_t updated;
  int64_t tokens; /* 1e-9 bit; negative: in debt */
};

/* Changes the rate; what was earned so far stays, up to the new depth. At most 100 Gbit/s. */
void pacer_set_rate(struct pacer *pacer, uint64_t rate_bps, uint64_t now);
/* Earns what is due at `now`. */
void pacer_refill(struct pacer *pacer, uint64_t now);
/* Pays for `bytes` if there is enough. */
bool pacer_take(struct pacer *pacer, uint32_t bytes);
/* Pays for `bytes` in any case, going into debt by the depth at most. */
void pacer_charge(struct pacer *pacer, uint32_t bytes);
/* Bytes that could be paid for now, 0 when in debt. */
uint32_t pacer_available(const struct pacer *pacer);

#endif
