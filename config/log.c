/* SPDX-License-Identifier: Apache-2.0 */
#include <copse/log.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES 1024

static const struct {
  const char *name;
  int priority; /* syslog's, understood by the journal as <N> */
} levels[] = {
  [COPSE_LOG_ERROR] = {"error", 3},
  [COPSE_LOG_WARNING] = {"warning", 4},
  [COPSE_LOG_INFO] = {"info", 6},
  [COPSE_LOG_DEBUG] = {"debug", 7},
};

static enum copse_log_level highest = COPSE_LOG_INFO;
static char prefix[64];

void
copse_log_set_level(enum copse_log_level level) {
  highest = level;
}

void
copse_log_set_name(const char *name) {
  snprintf(prefix, sizeof(prefix), "%s", name ? name : "");
}

/* The journal has the time already and takes the priority from the line. Returns the bytes written. */
static size_t
write_head(char *line, size_t size, enum copse_log_level level) {
  char when[32] = "";
  int bytes;

  if (getenv("JOURNAL_STREAM")) {
    snprintf(when, sizeof(when), "<%d>", levels[level].priority);
  } else {
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t length = strftime(when, sizeof(when), "%FT%T", &utc);
    snprintf(when + length, sizeof(when) - length, ".%03ldZ ", now.tv_nsec / 1000000);
  }
  bytes = snprintf(line, size, "%s%s: %s%s", when, levels[level].name, prefix, prefix[0] ? ": " : "");
  return (size_t)bytes;
}

void
copse_log(enum copse_log_level level, const char *format, ...) {
  char line[LINE_BYTES];
  va_list arguments;
  size_t head;

  if (level > highest)
    return;
  head = write_head(line, sizeof(line) - 1, level);
  va_start(arguments, format);
  vsnprintf(line + head, sizeof(line) - 1 - head, format, arguments);
  va_end(arguments);

  /* One line, whatever a peer or a file put into the arguments. */
  size_t length = strlen(line);
  for (size_t i = head; i < length; i++)
    if (iscntrl((unsigned char)line[i]))
      line[i] = '?';
  line[length] = '\n';
  if (write(STDERR_FILENO, line, length + 1) < 0)
    return; /* nowhere left to say it */
}
