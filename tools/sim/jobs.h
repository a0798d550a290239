/* SPDX-License-Identifier: Apache-2.0 */
/* All cases of a study, several at a time, each in a process of its own. */
#ifndef SIM_JOBS_H
#define SIM_JOBS_H

#include "study.h"

struct study_run {
  struct study_case which;
  struct study_result result;
};

/* `done` of `all` runs have ended. */
typedef void jobs_progress(size_t done, size_t all);

/* The cases in the order of the study, modes of the same scenario beside each other. Allocated. */
struct study_run *jobs_cases(const struct study *study, size_t *count);
/* Runs them, `jobs` at a time. -ECHILD with a sentence when one of them died, -errno when none can be started. */
int jobs_run(const struct study *study, struct study_run *runs, size_t count, unsigned jobs, jobs_progress *progress,
             struct copse_error *error);

#endif
