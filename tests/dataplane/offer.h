/* SPDX-License-Identifier: Apache-2.0 */
/* Load on bounded trees, and what came of it. */
#ifndef COPSE_TEST_OFFER_H
#define COPSE_TEST_OFFER_H

#include "orchard.h"

struct offer {
  unsigned workers;
  uint32_t trees;
  uint64_t bps;  /* bound of each tree */
  double load;   /* offered to each, as a multiple of it */
  double greedy; /* offered to the first instead; 0: as the others */
  double seconds;
  bool real; /* time, not simulated: what the machine cannot follow is not offered */
  uint32_t layer3_bytes, burst_us;
};

struct outcome {
  double lowest, highest; /* passed bytes by bound, of the trees offered the same */
  double greedy;          /* the same of the greedy one */
  double granularity;     /* packets by which a bound may be exceeded, by bound */
  double offered;         /* bytes by bound, of the trees offered the same, on average */
  uint64_t packets;       /* offered in all */
  uint64_t lost;          /* red packets of the trees offered the same */
  bool conserved;         /* packets and copies are all accounted for, no buffer is lost */
};

/* Opens, offers for so many seconds, closes. */
struct outcome offer_run(const struct offer *offer);

/* Whether each tree is within half a percent below its bound, but for the granularity. For loads of 1 and more. */
bool offer_in_bound(const struct outcome *outcome);

#endif
