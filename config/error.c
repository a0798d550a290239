/* SPDX-License-Identifier: Apache-2.0 */
#include <copse/error.h>
#include <stdarg.h>
#include <stdio.h>

int
copse_fail(struct copse_error *error, int code, const char *format, ...) {
  if (error) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof(error->text), format, arguments);
    va_end(arguments);
  }
  return code;
}
