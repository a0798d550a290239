/* SPDX-License-Identifier: Apache-2.0 */
#include "quantile.h"

#include <stdlib.h>

static int
compare(const void *a, const void *b) {
  const double left = *(const double *)a, right = *(const double *)b;

  return (left > right) - (left < right);
}

void
gen_sort(double *values, size_t count) {
  qsort(values, count, sizeof(*values), compare);
}
