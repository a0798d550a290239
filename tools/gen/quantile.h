/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GEN_QUANTILE_H
#define GEN_QUANTILE_H

#include <stddef.h>

/* Ascending. */
void gen_sort(double *values, size_t count);

/* The value of sorted ones, at least one, that a part of them does not exceed. */
static inline double
gen_quantile(const double *sorted, size_t count, double part) {
  const size_t at = (size_t)((double)count * part);

  return sorted[at > 0 ? at - 1 : 0];
}

#endif
