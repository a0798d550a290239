/* SPDX-License-Identifier: Apache-2.0 */
/* Which sequence numbers of one label were seen: a window below the highest (docs/protocol.md). */
#ifndef PEER_REPLAY_H
#define PEER_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#define REPLAY_WINDOW 960

/* All zero: nothing was seen. */
struct replay {
  bool any;
  uint64_t highest;
  uint64_t seen[16]; /* ring of 1024 bits, by sequence modulo 1024 */
};

/* True the first time a number inside the window is given; it counts as seen from then on. */
bool replay_accept(struct replay *replay, uint64_t sequence);

#endif
