/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_OUTPUT_H
#define SIM_OUTPUT_H

#include "jobs.h"

#include <stdio.h>

/* One row for each scenario and mode, over its runs: see docs/study.md for what the fields mean. */
void output_table(const struct study *study, const struct study_run *runs, size_t count, FILE *out);
/* The same as a JSON list. -ENOMEM, -EIO. */
int output_json(const struct study *study, const struct study_run *runs, size_t count, FILE *out);
/* One line for each peer of each run, with a header line. */
void output_csv(const struct study *study, const struct study_run *runs, size_t count, FILE *out);

#endif
