/* SPDX-License-Identifier: Apache-2.0 */
#include <copse/schema.h>
#include <inttypes.h>

static void
print_default(const struct copse_key *key, FILE *out) {
  if (key->required)
    fputs("required", out);
  else if (key->kind == COPSE_KEY_UINT)
    fprintf(out, "%" PRIu64, (uint64_t)key->number);
  else if (key->kind == COPSE_KEY_FLOAT)
    fprintf(out, "%.15g", key->number);
  else if (key->kind == COPSE_KEY_BOOL)
    fputs(key->number != 0 ? "true" : "false", out);
  else if (key->kind == COPSE_KEY_STRING && key->string)
    fprintf(out, "\"%s\"", key->string);
  else
    fputs("none", out);
}

void
copse_keys_print(const struct copse_key *keys, FILE *out) {
  static const char *const kinds[] = {"integer", "number", "bool", "string", "list", "group"};

  for (; keys->name; keys++) {
    fprintf(out, "%s: %s, default ", keys->name, kinds[keys->kind]);
    print_default(keys, out);
    fprintf(out, ", %s. %s\n", keys->live ? "live" : "restart", keys->help ? keys->help : "");
  }
}
