/* SPDX-License-Identifier: Apache-2.0 */
/* What dataplanes carry at the moment, as their control planes tell. No clock: `now_s` is the calendar's. */
#ifndef COPSE_STATS_H
#define COPSE_STATS_H

#include "state.h"

/* Older than this a PoP's word says nothing about now: nothing moves there, or it is away. */
#define COPSE_STATS_FRESH_S 3

/* Null when nothing moves at the PoP, or nothing is known of it. */
const struct copse_stats_record *copse_stats_now(const struct copse_model *model, const char *pop, uint64_t now_s);

struct copse_link_now {
  uint64_t bytes, drops; /* in all */
  uint64_t bps, drops_pps;
  bool loss_known; /* enough packets in the same second at both ends */
  double loss;     /* share of the packets sent that did not arrive, 0 to 1 */
};
void copse_stats_link(const struct copse_model *model, const char *from, const char *to, uint64_t now_s,
                      struct copse_link_now *out);

#endif
