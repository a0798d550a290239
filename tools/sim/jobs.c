/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* All arrivals, modes and runs of a scenario at a level. */
static void
append_cases(const struct study *study, const struct study_case *scenario, struct study_run *runs, size_t *count) {
  for (int arrivals = 0; arrivals < 2; arrivals++)
    for (int cdn = 0; cdn < 2; cdn++)
      for (uint32_t run = 0; study->arrivals[arrivals] && study->modes[cdn] && run < study->runs; run++) {
        struct study_case *which = &runs[(*count)++].which;
        *which = *scenario;
        which->arrivals = (enum study_arrivals)arrivals;
        which->cdn = cdn;
        which->run = run;
      }
}

/* Packets, for so many peers only as the study says, and flows. */
static void
append_levels(const struct study *study, struct study_case *scenario, struct study_run *runs, size_t *count) {
  const bool flows = study->levels[1];

  scenario->flow = false;
  if (!flows || (study->levels[0] && scenario->peers <= study->packet_peers))
    append_cases(study, scenario, runs, count);
  scenario->flow = true;
  if (flows)
    append_cases(study, scenario, runs, count);
}

struct study_run *
jobs_cases(const struct study *study, size_t *count) {
  const size_t values = study->vary.count > 0 ? study->vary.count : 1;
  struct study_run *runs =
    sim_allocate(values * study->sizes_count * study->peers_count * 8 * study->runs, sizeof(*runs));

  *count = 0;
  for (size_t i = 0; i < values; i++) {
    const double value = study->vary.count > 0 ? study->vary.values[i] : 0;
    const struct study at = study_at(study, &(struct study_case){.value = value});
    for (size_t size = 0; size < study->sizes_count; size++)
      for (size_t peers = 0; peers < study->peers_count; peers++)
        append_levels(study,
                      &(struct study_case){
                        .peers = study_peers(&at, peers), .size_bytes = study->sizes_bytes[size], .value = value},
                      runs, count);
  }
  return runs;
}

/* The child that takes every run nobody has taken yet, the longest first: they come last in the list. */
static void
work(const struct study *study, struct study_run *shared, size_t count, size_t *taken) {
  for (;;) {
    const size_t next = __atomic_fetch_add(taken, 1, __ATOMIC_RELAXED);
    if (next >= count)
      _exit(0);
    struct study_run *run = &shared[count - 1 - next];
    study_run(study, &run->which, &run->result);
    __atomic_fetch_add(taken + 1, 1, __ATOMIC_RELAXED);
  }
}

static int
wait_for(size_t *counters, size_t count, unsigned children, jobs_progress *progress, struct copse_error *error) {
  int failed = 0;

  while (children > 0) {
    int status;
    const pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid > 0) {
      children--;
      failed |= !WIFEXITED(status) || WEXITSTATUS(status) != 0;
      continue;
    }
    progress(__atomic_load_n(&counters[1], __ATOMIC_RELAXED), count);
    usleep(100000);
  }
  progress(counters[1], count);
  return failed ? copse_fail(error, -ECHILD, "a simulation ended before its time") : 0;
}

int
jobs_run(const struct study *study, struct study_run *runs, size_t count, unsigned jobs, jobs_progress *progress,
         struct copse_error *error) {
  const size_t bytes = count * sizeof(*runs) + 2 * sizeof(size_t);
  uint8_t *shared = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  unsigned children = 0;
  int status;

  if (shared == MAP_FAILED)
    return copse_fail(error, -errno, "no memory for %zu results: %s", count, strerror(errno));
  size_t *counters = (size_t *)shared; /* taken, done */
  struct study_run *results = (struct study_run *)(counters + 2);
  memcpy(results, runs, count * sizeof(*runs));
  for (; children < jobs; children++) {
    const pid_t child = fork();
    if (child == 0)
      work(study, results, count, counters);
    if (child < 0)
      break;
  }
  status = children > 0 ? wait_for(counters, count, children, progress, error)
                        : copse_fail(error, -errno, "cannot start a process: %s", strerror(errno));
  memcpy(runs, results, count * sizeof(*runs));
  munmap(shared, bytes);
  return status;
}
