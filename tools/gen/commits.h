/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of the table beside a run, so many a second: a tree beyond those of the forest comes, changes and goes, the
 * first of the forest gets another next hop and loses it. */
#ifndef GEN_COMMITS_H
#define GEN_COMMITS_H

#include "table.h"

#define GEN_COMMITS_MAX (1U << 17) /* of a run */
#define GEN_COMMITS_SPARE 64       /* trees beyond those of the forest, one after the other */

struct gen_commits {
  struct gen_table *table;
  struct gen_forest forest;
  struct copse_operations operations;
  uint64_t period, due, asked, look; /* TSC */
  bool waiting;                      /* for an answer */
  uint32_t sent, answered;
  double *times; /* [GEN_COMMITS_MAX] ns from sending a batch to its answer */
  int status;
  struct copse_error error;
};

/* `per_second`: of them, not 0. -ENOMEM; a refusal of the links that are needed. Free with gen_commits_end. */
int gen_commits_begin(struct gen_commits *commits, struct gen_table *table, uint32_t per_second,
                      struct copse_error *error);
/* Never waits. What goes wrong is in `status` and `error`, and ends it. */
void gen_commits_poll(struct gen_commits *commits, uint64_t now);
/* Waits for the last answer and puts the first tree back. */
int gen_commits_end(struct gen_commits *commits, struct copse_error *error);
void gen_commits_free(struct gen_commits *commits);

#endif
