/* SPDX-License-Identifier: Apache-2.0 */
#include "units.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AMOUNT_MAX 9007199254740991.0

static char *
scaled(uint64_t value, const char *const units[6], char *out) {
  double number = (double)value;
  size_t unit = 0;

  while (number >= 999.5 && unit < 5) {
    number /= 1000;
    unit++;
  }
  if (value == 0)
    snprintf(out, UNITS_BYTES, "0");
  else if (unit == 0)
    snprintf(out, UNITS_BYTES, "%.0f %s", number, units[unit]);
  else
    snprintf(out, UNITS_BYTES,
             number < 9.995   ? "%.2f %s"
             : number < 99.95 ? "%.1f %s"
                              : "%.0f %s",
             number, units[unit]);
  return out;
}

char *
rate_text(uint64_t bps, char out[UNITS_BYTES]) {
  static const char *const units[] = {"b/s", "kb/s", "Mb/s", "Gb/s", "Tb/s", "Pb/s"};

  return scaled(bps, units, out);
}

char *
bytes_text(uint64_t bytes, char out[UNITS_BYTES]) {
  static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};

  return scaled(bytes, units, out);
}

char *
count_text(uint64_t count, char out[UNITS_BYTES + 8]) {
  char digits[UNITS_BYTES];
  size_t length = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, count), used = 0;

  for (size_t i = 0; i < length; i++) {
    if (i > 0 && (length - i) % 3 == 0)
      out[used++] = ',';
    out[used++] = digits[i];
  }
  out[used] = '\0';
  return out;
}

bool
amount_parse(const char *text, uint64_t *out) {
  static const struct {
    char letter;
    double factor;
  } suffixes[] = {{'k', 1e3}, {'M', 1e6}, {'G', 1e9}, {'T', 1e12}};
  char *end;
  double number;

  if (strspn(text, "0123456789.e+kMGT") != strlen(text))
    return false;
  number = strtod(text, &end);
  for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
    if (*end == suffixes[i].letter) {
      number *= suffixes[i].factor;
      end++;
      break;
    }
  }
  if (end == text || *end != '\0' || !(number >= 0 && number <= AMOUNT_MAX) || number != floor(number))
    return false;
  *out = (uint64_t)number;
  return true;
}
