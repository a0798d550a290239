/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/report.h"

#include <inttypes.h>

#define INTERVAL_NS 10000000000ULL

#define TEXT(id, name, text) text,
static const char *const packet_texts[] = {COPSE_PACKET_DROPS(TEXT)};
static const char *const copy_texts[] = {COPSE_COPY_DROPS(TEXT)};
#undef TEXT

/* Rates, budgets and wishes at work. */
static bool
is_ordinary(enum copse_copy_drop drop) {
  return drop == COPSE_DROP_RED || drop == COPSE_DROP_NOT_WANTED || drop == COPSE_DROP_OWN_PACKET ||
         drop == COPSE_DROP_MEMBER_RATE || drop == COPSE_DROP_LINK_BUDGET || drop == COPSE_DROP_UNPROVEN;
}

static const struct copse_worker_counters *
worker(const struct copse_report *report, uint32_t index) {
  const struct copse_shm *shm = report->shm;

  return (const void *)((const char *)shm + shm->worker_offset + index * shm->worker_stride);
}

static uint64_t
read_counter(const uint64_t *counter) {
  return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static void
say(struct copse_report *report, struct copse_report_line *line, enum copse_log_level level, uint64_t total,
    uint64_t now, const char *what, const char *name, const char *text) {
  if (total == line->said || (line->said_at && now - line->said_at < INTERVAL_NS))
    return;
  report->say(level, "%" PRIu64 " %s dropped, %s: %s", total - line->said, what, name, text);
  line->said = total;
  line->said_at = now;
}

void
copse_report_drops(struct copse_report *report, uint64_t now) {
  const uint32_t workers = report->shm->limits.workers;

  for (int drop = 0; drop < COPSE_PACKET_DROP_COUNT; drop++) {
    uint64_t total = 0;
    for (uint32_t i = 0; i < workers; i++)
      total += read_counter(&worker(report, i)->packet_drops[drop]);
    say(report, &report->packets[drop], COPSE_LOG_INFO, total, now, "packets", copse_packet_drop_names[drop],
        packet_texts[drop]);
  }
  for (int drop = 0; drop < COPSE_COPY_DROP_COUNT; drop++) {
    uint64_t total = 0;
    for (uint32_t i = 0; i < workers; i++)
      total += read_counter(&worker(report, i)->copy_drops[drop]);
    say(report, &report->copies[drop], is_ordinary(drop) ? COPSE_LOG_DEBUG : COPSE_LOG_INFO, total, now, "copies",
        copse_copy_drop_names[drop], copy_texts[drop]);
  }
}

bool
copse_report_alive(struct copse_report *report) {
  bool alive = true;

  for (uint32_t i = 0; i < report->shm->limits.workers; i++) {
    uint64_t polls = read_counter(&worker(report, i)->polls);
    alive = alive && polls != report->polls[i];
    report->polls[i] = polls;
  }
  return alive;
}

void
copse_report_init(struct copse_report *report, const struct copse_shm *shm,
                  void (*line)(enum copse_log_level level, const char *format, ...)) {
  *report = (struct copse_report){.shm = shm, .say = line};
}
