/* SPDX-License-Identifier: Apache-2.0 */
/* One clear sentence for a person beside the negative errno for the program. */
#ifndef COPSE_ERROR_H
#define COPSE_ERROR_H

#define COPSE_ERROR_TEXT_BYTES 256

struct copse_error {
  char text[COPSE_ERROR_TEXT_BYTES];
};

/* Writes the sentence and returns `code` (a negative errno), so that a failing function can end in
 * `return copse_fail(error, -EINVAL, "...")`. `error` may be null. */
int copse_fail(struct copse_error *error, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
