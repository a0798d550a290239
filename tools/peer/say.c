/* SPDX-License-Identifier: Apache-2.0 */
#include "say.h"
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

void
say(const char *format, ...) {
  const char *wipe = isatty(STDERR_FILENO) ? "\r\033[K" : "";
  char sentence[1024];
  va_list arguments;

  va_start(arguments, format);
  vsnprintf(sentence, sizeof(sentence), format, arguments);
  va_end(arguments);
  fprintf(stderr, "%scopse-peer: %s\n", wipe, sentence);
}
