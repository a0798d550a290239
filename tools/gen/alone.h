/* SPDX-License-Identifier: Apache-2.0 */
/* What peers have in common that bring a generator of their own: orders from standard input, `frame=F fanout=N ms=M` a
 * line, and samples in slices as copse-gen takes them, one JSON object each. */
#ifndef GEN_ALONE_H
#define GEN_ALONE_H

#include <stdbool.h>
#include <stdint.h>

#define GEN_ALONE_CPU 1 /* of what is measured */

struct gen_alone_order {
  unsigned frame; /* bytes without FCS */
  unsigned fanout;
};

struct gen_alone {
  unsigned frame_min, frame_max, fanout_max;
  void *context;
  bool (*begin)(void *context, const struct gen_alone_order *order);
  /* Makes copies until `end_ns`; returns how many. */
  uint64_t (*work)(void *context, const struct gen_alone_order *order, uint64_t end_ns);
  /* Ends a sample; returns in what part of it there was always something to do, less than 0 if it is not to be trusted.
   */
  double (*end)(void *context);
};

uint64_t gen_now_ns(void); /* CLOCK_MONOTONIC */
void gen_pin(int cpu);     /* this thread */

/* Says that it listens, then serves orders to the end of standard input. Returns an exit status. */
int gen_alone_serve(const struct gen_alone *alone);

#endif
