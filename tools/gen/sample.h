/* SPDX-License-Identifier: Apache-2.0 */
/* One line in, one sample, one line of JSON out. */
#ifndef GEN_SAMPLE_H
#define GEN_SAMPLE_H

#include "run.h"

struct gen_bench {
  struct gen_device device;
  struct gen_traffic traffic;
  struct gen_sink sink;
  struct gen_table *table; /* null: the device under test is not copse */
};

/* Key=value words, each optional:
 *   frame=1400  bytes without FCS        fanout=1   next hops           trees=1   zipf=0    kind=link (or member)
 *   sink=null (copy, check, time)        rate=0     packets a second, 0: what the device takes
 *   ms=300      measured                 expect=copse (copse: label, tag and addresses; bare: addresses; io: as sent)
 *   bps=0       bound of each tree, 0: none             burst_us=4000   of it
 *   greedy=0    not 0: trees one after the other, the first so many times as often
 *   take=0      frames a second that the sink `null` takes at most, 0: all
 *   commits=0   changes of the table a second
 *   first=0     not 0: no run, but so many single packets after silences, each timed
 */
struct gen_order {
  uint32_t frame, fanout, trees, zipf, ms, burst_us, greedy, take, commits, first;
  uint64_t rate, bps;
  enum gen_hop_kind kind;
  enum gen_sink_mode sink;
  enum { GEN_EXPECT_COPSE, GEN_EXPECT_BARE, GEN_EXPECT_IO } expect;
};

int gen_order_parse(struct gen_order *order, const char *line, struct copse_error *error);

/* Measures, and prints one line to standard output. */
int gen_sample(struct gen_bench *bench, const struct gen_order *order, struct copse_error *error);

#endif
