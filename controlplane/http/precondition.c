/* SPDX-License-Identifier: Apache-2.0 */
/* If-Match (RFC 9110, 13.1.1). The entity tag of a record is its revision in the store, in quotes. */
#include "handlers.h"
#include <string.h>

#define TAG_CHARS_MAX 24

/* One member of the list; moves past it and the comma. False when it is malformed. Weak tags never match. */
static bool
take_tag(const char **at, uint64_t revision, bool *matches) {
  bool weak = strncmp(*at, "W/", 2) == 0;
  const char *begin = weak ? *at + 2 : *at;
  size_t length = *begin == '"' ? strcspn(begin + 1, "\"") : 0;
  char digits[TAG_CHARS_MAX] = "";
  uint64_t number;

  if (*begin != '"' || begin[1 + length] != '"')
    return false;
  if (length < sizeof(digits))
    memcpy(digits, begin + 1, length);
  *matches |= !weak && copse_digits(digits, &number) && number == revision;
  *at = begin + length + 2;
  *at += strspn(*at, " \t");
  if (**at == ',')
    *at += 1 + strspn(*at + 1, " \t");
  else if (**at != '\0')
    return false;
  return true;
}

bool
copse_match(struct copse_call *call, uint64_t revision, bool required) {
  const char *at = call->request.if_match;
  bool matches = false;

  if (at == NULL) {
    if (required)
      copse_reply_fail(call, 428, "If-Match", "If-Match: say which state is to be changed: the ETag of a GET, or *");
    return !required;
  }
  if (strcmp(at, "*") == 0)
    return true;
  do {
    if (!take_tag(&at, revision, &matches)) {
      copse_reply_fail(call, 400, "If-Match", "If-Match: must be * or entity tags in quotes");
      return false;
    }
  } while (*at != '\0');
  if (!matches)
    copse_reply_fail(call, 412, "If-Match", "If-Match: it has changed since; its ETag is \"%llu\" now",
                     (unsigned long long)revision);
  return matches;
}
