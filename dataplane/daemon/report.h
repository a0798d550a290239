/* SPDX-License-Identifier: Apache-2.0 */
/* What workers count and never say: the main thread says it, each reason at most every ten seconds. */
#ifndef COPSE_REPORT_H
#define COPSE_REPORT_H

#include <copse/api.h>
#include <copse/log.h>
#include <stdbool.h>

struct copse_report_line {
  uint64_t said;    /* total when it was last said */
  uint64_t said_at; /* ns, 0: never */
};

struct copse_report {
  const struct copse_shm *shm;
  uint64_t polls[64]; /* of each worker at the last look */
  struct copse_report_line packets[COPSE_PACKET_DROP_COUNT], copies[COPSE_COPY_DROP_COUNT];
  void (*say)(enum copse_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
};

/* The counters as a reader sees them; `shm` stays. Lines go to `say`, copse_log in the program. */
void copse_report_init(struct copse_report *report, const struct copse_shm *shm,
                       void (*say)(enum copse_log_level level, const char *format, ...));

/* Says how many packets and copies were dropped since each reason was last said, with its name and meaning. Reasons
 * that are a tree's ordinary life are said at level debug. `now` in ns. */
void copse_report_drops(struct copse_report *report, uint64_t now);

/* True if every worker has polled since the last call. */
bool copse_report_alive(struct copse_report *report);

#endif
