/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"
#include "rows.h"
#include "units.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void
print_number(const char *name, const json_t *number) {
  size_t length = strlen(name);
  uint64_t value = (uint64_t)json_integer_value(number);
  char units[UNITS_BYTES + 8];

  if (json_is_integer(number))
    printf("  %-22s %s\n", name,
           length >= 3 && strcmp(name + length - 3, "bps") == 0 ? rate_text(value, units) : count_text(value, units));
  else if (json_is_real(number))
    printf("  %-22s %.1f %%\n", name, 100 * json_real_value(number));
  else
    printf("  %-22s %s\n", name, json_string_value(number) != NULL ? json_string_value(number) : "");
}

int
run_why(struct context *context, struct copse_error *error) {
  const char *id = context->word_count == 1 ? context->words[0] : "", *name;
  char path[64];
  json_t *why = NULL, *number;
  int result;

  if (strlen(id) != 16 || strspn(id, "0123456789abcdef") != 16)
    return copse_fail(error, -EINVAL, "why needs a tree or a peer: 16 hexadecimal digits, as in trees and peers");
  snprintf(path, sizeof(path), "/v1/why/%s", id);
  result = client_ask(context->client, "GET", path, NULL, NULL, &why, error);
  if (result != 0)
    return result;
  if (context->json)
    return print_json(why, error);
  char *text = printable(text_of(why, "text"));
  printf("%s %s: %s%s%s\n%s\n\n", text_of(why, "kind"), id, style_begin(&context->look, STYLE_HEAD),
         text_of(why, "verdict"), style_end(&context->look, STYLE_HEAD), text);
  free(text);
  if (json_object_get(why, "tree") != NULL && strcmp(text_of(why, "tree"), id) != 0)
    print_number("tree", json_object_get(why, "tree"));
  json_object_foreach(json_object_get(why, "numbers"), name, number) {
    print_number(name, number);
  }
  json_decref(why);
  return 0;
}
