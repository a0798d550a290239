/* SPDX-License-Identifier: Apache-2.0 */
/* What copse reads from people and from control planes: its configuration, amounts, and names to be printed. The first
 * byte says which. */
#include "settings.h"
#include "table.h"
#include "units.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);
const char *__lsan_default_options(void);

/* libconfig 1.5 loses the string it was reading when it meets a syntax error. */
const char *
__lsan_default_suppressions(void) {
  return "leak:libconfig.so\n";
}

const char *
__lsan_default_options(void) {
  return "print_suppressions=0";
}

static void
must(int holds) {
  if (!holds)
    abort();
}

static void
read_settings(const char *text) {
  struct settings settings = {.endpoint = NULL};
  struct copse_error error = {.text = ""};

  if (settings_read_file(&settings, "fuzz", text, &error) == 0)
    must(strncmp(settings.endpoint, "https://", 8) == 0 && strpbrk(settings.endpoint + 8, "/ \n?#") == NULL);
  else
    must(error.text[0] != '\0');
  settings_free(&settings);
}

static void
read_amount(const char *text) {
  uint64_t amount = UINT64_MAX;
  char out[UNITS_BYTES + 8];

  if (!amount_parse(text, &amount))
    return;
  must(amount <= 1ULL << 53);
  must(strlen(rate_text(amount, out)) < UNITS_BYTES && strlen(bytes_text(amount, out)) < UNITS_BYTES);
  must(strlen(count_text(amount, out)) < sizeof(out));
}

/* Nothing that is printed controls a terminal. */
static void
print_name(const char *text) {
  static const char *const titles[] = {"name", ">count"};
  const struct look look = {.utf8 = true};
  struct table table;
  char *out = NULL;
  size_t length = 0;
  FILE *file = open_memstream(&out, &length);

  must(file != NULL);
  table_begin(&table, titles, 2);
  table_add(&table, STYLE_BAD, "%s", text);
  table_add(&table, STYLE_PLAIN, "%zu", strlen(text));
  table_print(&table, &look, 10, file);
  table_free(&table);
  fclose(file);
  for (size_t i = 0; i < length; i++) {
    unsigned char byte = (unsigned char)out[i], next = (unsigned char)out[i + 1];
    must((byte >= 0x20 || byte == '\n') && byte != 0x7f && !(byte == 0xc2 && next >= 0x80 && next <= 0x9f));
  }
  free(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *text = size > 0 ? strndup((const char *)data + 1, size - 1) : NULL;

  if (text == NULL)
    return 0;
  if (data[0] == 'c')
    read_settings(text);
  else if (data[0] == 'n')
    read_amount(text);
  else
    print_name(text);
  free(text);
  return 0;
}
