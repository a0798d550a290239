/* SPDX-License-Identifier: Apache-2.0 */
#include <copse/error.h>
#include <copse/log.h>
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Standard error of the test so far. */
static const char *
printed(void) {
  static char text[8192];

  fflush(stderr);
  FILE *stream = cr_get_redirected_stderr();
  size_t bytes = fread(text, 1, sizeof(text) - 1, stream);
  text[bytes] = '\0';
  return text;
}

TestSuite(log, .init = cr_redirect_stderr);

Test(log, a_line_has_time_level_and_name) {
  unsetenv("JOURNAL_STREAM");
  copse_log_set_name("N1");
  copse_log(COPSE_LOG_WARNING, "%d links", 3);
  const char *line = printed();
  cr_expect_eq(line[10], 'T', "%s", line);
  cr_expect_str_eq(line + strlen("2026-01-01T00:00:00.000Z "), "warning: N1: 3 links\n");
}

Test(log, the_journal_gets_a_priority) {
  setenv("JOURNAL_STREAM", "8:1", 1);
  copse_log(COPSE_LOG_ERROR, "no store");
  cr_expect_str_eq(printed(), "<3>error: no store\n");
}

Test(log, levels_are_obeyed_and_lines_stay_lines) {
  char longest[4096];

  setenv("JOURNAL_STREAM", "8:1", 1);
  memset(longest, 'x', sizeof(longest));
  longest[sizeof(longest) - 1] = '\0';
  copse_log(COPSE_LOG_DEBUG, "hidden");
  copse_log_set_level(COPSE_LOG_DEBUG);
  copse_log(COPSE_LOG_DEBUG, "a\nb\033[0m");
  copse_log_set_level(COPSE_LOG_ERROR);
  copse_log(COPSE_LOG_WARNING, "hidden");
  copse_log(COPSE_LOG_ERROR, "%s", longest);
  const char *text = printed();
  cr_expect_eq(strncmp(text, "<7>debug: a?b?[0m\n<3>error: xxx", 31), 0, "%s", text);
  cr_expect_eq(strlen(text), strlen("<7>debug: a?b?[0m\n") + 1023);
  cr_expect_eq(text[strlen(text) - 1], '\n');
}

Test(error, a_failure_is_a_code_and_a_sentence) {
  struct copse_error error;

  cr_expect_eq(copse_fail(&error, -ENOENT, "no %s", "leaf"), -ENOENT);
  cr_expect_str_eq(error.text, "no leaf");
  cr_expect_eq(copse_fail(NULL, -EINVAL, "nobody reads this"), -EINVAL);
}
