/* SPDX-License-Identifier: Apache-2.0 */
/* The table of a copse-dataplane under test, filled through its API socket, and its counters. */
#ifndef GEN_TABLE_H
#define GEN_TABLE_H

#include "dataplane/counters.h"
#include "traffic.h"

struct gen_table {
  int fd;
  bool ipv6; /* links are */
  uint64_t request;
  struct copse_api_hello hello;
  struct copse_counters *counters;
  uint32_t links, members;
  uint32_t trees, hops; /* as set last */
  enum gen_hop_kind kind;
};

/* Connects, waiting for the socket to be there. */
int gen_table_connect(struct gen_table *table, const char *path, unsigned seconds, struct copse_error *error);
void gen_table_close(struct gen_table *table);

/* Makes it so many trees with so many next hops each, of one kind; adds what links and members they need. Every bucket
 * on the way is configured, none is ever empty. Seconds the dataplane took for the trees are added to `*seconds`. */
int gen_table_set(struct gen_table *table, uint32_t trees, uint32_t hops, enum gen_hop_kind kind, double *seconds,
                  struct copse_error *error);

#endif
