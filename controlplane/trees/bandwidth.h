/* SPDX-License-Identifier: Apache-2.0 */
/* The pair of bandwidths that bounds an area's tree. */
#ifndef COPSE_BANDWIDTH_H
#define COPSE_BANDWIDTH_H

#include <copse/trees.h>

struct copse_bounds {
  uint64_t lo_bps, hi_bps; /* min(B_i, hi_i) and C_i * M_i; both 0 without sender or credit */
  bool clamped;            /* B_i > hi_i */
};

/* hi_i is cut to 2^63 - 1 bit/s, the largest rate that every format we write can carry. */
struct copse_bounds copse_area_bounds(const struct copse_area *area);

#endif
