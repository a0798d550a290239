/* SPDX-License-Identifier: Apache-2.0 */
/* What the main thread says of the workers, and to the service manager. */
#include "daemon/clock.h"
#include "daemon/report.h"

#include <copse/notify.h>
#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000ULL

static struct {
  struct copse_shm shm;
  struct copse_worker_counters workers[2];
} memory = {.shm = {.limits = {.workers = 2},
                    .worker_offset = sizeof(struct copse_shm),
                    .worker_stride = sizeof(struct copse_worker_counters)}};
static struct copse_worker_counters *workers;
static struct copse_report report;
static char said[4096];
static enum copse_log_level said_level;
static unsigned lines;

static void __attribute__((format(printf, 2, 3))) say(enum copse_log_level level, const char *format, ...) {
  va_list arguments;

  va_start(arguments, format);
  vsnprintf(said, sizeof(said), format, arguments);
  va_end(arguments);
  said_level = level;
  lines++;
}

static void
set_up(void) {
  workers = (struct copse_worker_counters *)((char *)&memory + memory.shm.worker_offset);
  copse_report_init(&report, &memory.shm, say);
}

TestSuite(report, .init = set_up);

Test(report, each_reason_once_in_a_while_with_what_was_not_said) {
  workers[0].packet_drops[COPSE_DROP_BAD_TAG] = 3;
  workers[1].packet_drops[COPSE_DROP_BAD_TAG] = 4;
  copse_report_drops(&report, SECOND);
  cr_expect_str_eq(said, "7 packets dropped, bad_tag: the tag is not made with the label's key");
  cr_expect_eq(said_level, COPSE_LOG_INFO);
  for (unsigned i = 0; i < 9; i++) {
    workers[0].packet_drops[COPSE_DROP_BAD_TAG] += 100;
    copse_report_drops(&report, (2 + i) * SECOND);
  }
  cr_expect_eq(lines, 1);
  copse_report_drops(&report, 11 * SECOND);
  cr_expect_eq(lines, 2);
  cr_expect_eq(strncmp(said, "900 packets", 11), 0);
  copse_report_drops(&report, 60 * SECOND);
  cr_expect_eq(lines, 2, "nothing new was said again");
}

Test(report, a_trees_ordinary_life_is_for_debugging) {
  workers[0].copy_drops[COPSE_DROP_NOT_WANTED] = 5;
  copse_report_drops(&report, SECOND);
  cr_expect_eq(said_level, COPSE_LOG_DEBUG);
  workers[1].copy_drops[COPSE_DROP_NO_BUFFER] = 1;
  copse_report_drops(&report, 2 * SECOND);
  cr_expect_eq(said_level, COPSE_LOG_INFO);
  cr_expect_str_eq(said, "1 copies dropped, no_buffer: the packet pool is empty");
}

Test(report, a_worker_that_stands_still_is_seen) {
  cr_expect_not(copse_report_alive(&report));
  workers[0].polls = workers[1].polls = 10;
  cr_expect(copse_report_alive(&report));
  workers[0].polls = 11;
  cr_expect_not(copse_report_alive(&report));
  workers[0].polls = workers[1].polls = 12;
  cr_expect(copse_report_alive(&report));
}

Test(notify, says_it_to_paths_and_abstract_names) {
  char path[64];

  snprintf(path, sizeof(path), "/tmp/copse-notify-%d", (int)getpid());
  for (int abstract = 0; abstract < 2; abstract++) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char text[32] = "";
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    path[0] = abstract ? '@' : '/';
    memcpy(address.sun_path, path, strlen(path));
    if (abstract)
      address.sun_path[0] = '\0';
    cr_assert_eq(
      bind(fd, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path))), 0);
    setenv("NOTIFY_SOCKET", path, 1);
    copse_notify("READY=1");
    cr_expect_eq(recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT), 7);
    cr_expect_str_eq(text, "READY=1");
    close(fd);
    unlink(path);
  }
}

Test(notify, nobody_listens) {
  unsetenv("NOTIFY_SOCKET");
  copse_notify("READY=1");
  setenv("NOTIFY_SOCKET", "/nonexistent/notify", 1);
  copse_notify("READY=1");
}

Test(notify, the_watchdog_is_ours_only_if_it_names_us) {
  char pid[16];

  unsetenv("WATCHDOG_USEC");
  unsetenv("WATCHDOG_PID");
  cr_expect_eq(copse_watchdog_us(), 0);
  setenv("WATCHDOG_USEC", "5000000", 1);
  cr_expect_eq(copse_watchdog_us(), 5000000);
  setenv("WATCHDOG_PID", "1", 1);
  cr_expect_eq(copse_watchdog_us(), 0);
  snprintf(pid, sizeof(pid), "%d", (int)getpid());
  setenv("WATCHDOG_PID", pid, 1);
  cr_expect_eq(copse_watchdog_us(), 5000000);
}

/* ---- the clock ---- */

Test(clock, cycles_of_a_second_are_known_to_a_ten_thousandth) {
  struct timespec begin, end;
  const double first = (double)copse_clock_tsc_hz();
  clock_gettime(CLOCK_MONOTONIC, &begin);
  const double second = (double)copse_clock_tsc_hz();
  clock_gettime(CLOCK_MONOTONIC, &end);
  const long took_us = (end.tv_sec - begin.tv_sec) * 1000000 + (end.tv_nsec - begin.tv_nsec) / 1000;

  cr_expect_geq(took_us, 40000);
  cr_expect_lt(first / second - 1, 1e-4);
  cr_expect_gt(first / second - 1, -1e-4);
  cr_expect_gt(first, 1e8);
}
