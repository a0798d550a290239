/* SPDX-License-Identifier: Apache-2.0 */
#include "range.h"
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* Reads decimal digits, at most 19, and moves on; false when there are none. */
static bool
read_number(const char **at, uint64_t *out) {
  int digits = 0;

  *out = 0;
  for (; isdigit((unsigned char)**at); (*at)++) {
    if (++digits > 19)
      return false;
    *out = *out * 10 + (uint64_t)(**at - '0');
  }
  return digits > 0;
}

int
range_parse(const char *header, uint64_t size, uint64_t *first, uint64_t *length) {
  uint64_t last;

  *first = 0;
  *length = size;
  if (!header)
    return 0;
  if (strncasecmp(header, "bytes=", 6) != 0)
    return -EINVAL;
  header += 6;
  if (*header == '-') {
    header++;
    if (!read_number(&header, length) || *header)
      return -EINVAL;
    if (*length == 0)
      return -ERANGE;
    *length = *length < size ? *length : size;
    *first = size - *length;
    return 0;
  }
  if (!read_number(&header, first) || *header++ != '-')
    return -EINVAL;
  if (!*header)
    last = size - 1;
  else if (!read_number(&header, &last) || *header || last < *first)
    return -EINVAL;
  if (*first >= size)
    return -ERANGE;
  *length = (last < size ? last + 1 : size) - *first;
  return 0;
}
