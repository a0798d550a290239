/* SPDX-License-Identifier: Apache-2.0 */
/* Request bodies: strict JSON objects. */
#include "handlers.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 16

/* The parser recurses: bound its depth before it runs. */
static bool
too_deep(const uint8_t *text, size_t length) {
  bool string = false;
  int depth = 0;

  for (size_t i = 0; i < length; i++) {
    if (string && text[i] == '\\') {
      i++;
    } else if (text[i] == '"') {
      string = !string;
    } else if (!string && (text[i] == '{' || text[i] == '[')) {
      if (++depth > DEPTH_MAX)
        return true;
    } else if (!string && (text[i] == '}' || text[i] == ']')) {
      depth--;
    }
  }
  return false;
}

bool
copse_body_parse(struct copse_call *call) {
  json_error_t error;

  if (too_deep(call->bytes, call->length)) {
    copse_reply_fail(call, 400, NULL, "the body is nested deeper than %d levels", DEPTH_MAX);
    return false;
  }
  call->json =
    json_loadb(call->length > 0 ? (const char *)call->bytes : "", call->length, JSON_REJECT_DUPLICATES, &error);
  if (call->json == NULL) {
    /* The parser quotes the body after "near": as it may be anything, it is not echoed. */
    char *quote = strstr(error.text, " near ");
    if (quote != NULL)
      *quote = '\0';
    copse_reply_fail(call, 400, NULL, "the body is not JSON: line %d, column %d: %s", error.line, error.column,
                     error.text);
    return false;
  }
  if (!json_is_object(call->json)) {
    copse_reply_fail(call, 400, NULL, "the body must be a JSON object");
    json_decref(call->json);
    call->json = NULL;
    return false;
  }
  return true;
}

bool
copse_digits(const char *text, uint64_t *out) {
  size_t length = strspn(text, "0123456789");

  if (length == 0 || length > 19 || text[length] != '\0')
    return false;
  *out = strtoull(text, NULL, 10);
  return true;
}

bool
copse_body_number(struct copse_call *call, const char *field, uint64_t minimum, uint64_t *out) {
  const json_t *value = json_object_get(call->json, field);
  double number = json_is_number(value) ? json_number_value(value) : -1;

  if (number < (double)minimum || number > (double)COPSE_NUMBER_MAX || number != floor(number)) {
    copse_reply_fail(call, 400, field, "%s: must be a whole number from %llu to %llu", field,
                     (unsigned long long)minimum, COPSE_NUMBER_MAX);
    return false;
  }
  *out = (uint64_t)number;
  return true;
}
