/* SPDX-License-Identifier: Apache-2.0 */
/* The table of a copse-dataplane under test, filled through its API socket, and its counters. */
#ifndef GEN_TABLE_H
#define GEN_TABLE_H

#include "dataplane/counters.h"
#include "dataplane/operations.h"
#include "traffic.h"

/* Trees that are alike. */
struct gen_forest {
  uint32_t trees, hops; /* next hops of each */
  enum gen_hop_kind kind;
  uint64_t bps; /* bound of each tree; 0: a bucket that is never empty */
  uint32_t burst_us;
};

struct gen_table {
  int fd;
  bool ipv6; /* links are */
  uint64_t request;
  struct copse_api_hello hello;
  struct copse_counters *counters;
  uint32_t links, members;
  struct gen_forest forest; /* as set last */
};

/* Connects, waiting for the socket to be there. */
int gen_table_connect(struct gen_table *table, const char *path, unsigned seconds, struct copse_error *error);
void gen_table_close(struct gen_table *table);

/* Makes it these trees; adds what links and members they need. Every bucket on the way is configured, those of links
 * and members are never empty. `*seconds`: from the first byte of the trees until all workers use the last of them. */
int gen_table_set(struct gen_table *table, const struct gen_forest *forest, double *seconds, struct copse_error *error);

/* Adds operations that set one tree, as those of a forest are, and links so that there are so many. */
void gen_table_add_tree(const struct gen_table *table, const struct gen_forest *forest, uint32_t number,
                        struct copse_operations *operations);
void gen_table_add_links(struct gen_table *table, uint32_t links, struct copse_operations *operations);

/* A batch in two steps: sends it and empties the operations; when gen_table_answered, takes what became of it. */
int gen_table_send(struct gen_table *table, struct copse_operations *operations, struct copse_error *error);
bool gen_table_answered(const struct gen_table *table);
int gen_table_take_answer(struct gen_table *table, struct copse_api_result *result, struct copse_error *error);

#endif
