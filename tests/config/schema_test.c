/* SPDX-License-Identifier: Apache-2.0 */
#include <copse/schema.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct sample {
  uint64_t count, bounded;
  double factor;
  bool on;
  char *name, *word;
  uint64_t items[8];
  size_t item_count;
  uint64_t inner;
};

static int
read_item(struct copse_reader *reader, const config_setting_t *element, void *target) {
  static const struct copse_key keys[] = {
    {.name = "v", .kind = COPSE_KEY_UINT, .required = true},
    {0},
  };
  struct sample *sample = target;
  uint64_t value[1] = {0};
  int status = copse_group_read(reader, element, keys, value);

  if (!status && sample->item_count < 8)
    sample->items[sample->item_count++] = value[0] * sample->count; /* scalars come first */
  return status;
}

static int
read_inner(struct copse_reader *reader, const config_setting_t *element, void *target) {
  static const struct copse_key keys[] = {
    {.name = "inner", .kind = COPSE_KEY_UINT, .offset = offsetof(struct sample, inner), .number = 5},
    {0},
  };

  return copse_group_read(reader, element, keys, target);
}

static const struct copse_key keys[] = {
  {.name = "count", .kind = COPSE_KEY_UINT, .offset = offsetof(struct sample, count), .number = 7, .live = true},
  {.name = "bounded", .kind = COPSE_KEY_UINT, .offset = offsetof(struct sample, bounded), .minimum = 1, .maximum = 10},
  {.name = "factor",
   .kind = COPSE_KEY_FLOAT,
   .offset = offsetof(struct sample, factor),
   .number = 1.5,
   .help = "Of growth."},
  {.name = "on", .kind = COPSE_KEY_BOOL, .offset = offsetof(struct sample, on), .number = 1},
  {.name = "name", .kind = COPSE_KEY_STRING, .offset = offsetof(struct sample, name), .required = true},
  {.name = "word", .kind = COPSE_KEY_STRING, .offset = offsetof(struct sample, word), .string = "oak"},
  {.name = "items", .kind = COPSE_KEY_LIST, .parse = read_item},
  {.name = "group", .kind = COPSE_KEY_GROUP, .parse = read_inner},
  {0},
};

static struct sample sample;
static struct copse_error error;

static int
read_text(const char *text) {
  free(sample.name);
  free(sample.word);
  memset(&sample, 0, sizeof(sample));
  memset(&error, 0, sizeof(error));
  return copse_config_read_text("f.cfg", text, keys, &sample, &error);
}

static void
cleanup(void) {
  free(sample.name);
  free(sample.word);
}

TestSuite(schema, .fini = cleanup);

Test(schema, defaults_and_values) {
  cr_assert_eq(read_text("name = \"N1\";"), 0, "%s", error.text);
  cr_assert_eq(sample.count, 7);
  cr_assert_eq(sample.factor, 1.5);
  cr_assert(sample.on);
  cr_assert_str_eq(sample.word, "oak");
  cr_assert_eq(sample.bounded, 0, "a default is not checked against the range");

  cr_assert_eq(read_text("items = ({v = 1;}, {v = 2;}); name = \"N\" \"2\"; word = \"elm\"; on = false; factor = 2;\n"
                         "count = 3; bounded = 10.0; group = {};"),
               0, "%s", error.text);
  cr_assert_str_eq(sample.name, "N2");
  cr_assert_str_eq(sample.word, "elm");
  cr_assert_not(sample.on);
  cr_assert_eq(sample.factor, 2);
  cr_assert_eq(sample.bounded, 10);
  cr_assert_eq(sample.item_count, 2);
  cr_assert_eq(sample.items[1], 6);
  cr_assert_eq(sample.inner, 5);
}

Test(schema, numbers_keep_their_value) {
  static const struct {
    const char *text;
    uint64_t value;
  } cases[] = {
    {"0", 0},
    {"-0", 0},
    {"0.0", 0},
    {"10e9", 10000000000},
    {"10000000000", 10000000000},
    {"10000000000L", 10000000000},
    {"1.5e+3", 1500},
    {"2147483648", 2147483648},
    {"4294967297", 4294967297},
    {"0xFFFFFFFF", 4294967295},
    {"0x1FFFFFFFFF", 137438953471},
    {"9007199254740993", 9007199254740993}, /* not a double */
    {"9223372036854775807", INT64_MAX},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    char text[128];
    snprintf(text, sizeof(text), "name = \"4294967297\"; /* 4294967297 */ count = %s; # 4294967297", cases[i].text);
    cr_assert_eq(read_text(text), 0, "%s: %s", cases[i].text, error.text);
    cr_assert_eq(sample.count, cases[i].value, "%s became %lu", cases[i].text, sample.count);
    cr_assert_str_eq(sample.name, "4294967297");
  }
}

Test(schema, what_is_wrong_is_said_with_its_line) {
  static const struct {
    const char *text, *sentence;
  } cases[] = {
    {"count = 1;", "f.cfg:1: 'name' is missing"},
    {"\nname = \"a\";\nleaf = 1;", "f.cfg:3: unknown key 'leaf'"},
    {"name = \"a\";\ncount = -1;", "f.cfg:2: 'count' must be a whole number of at least 0"},
    {"count = 1.5;", "f.cfg:1: 'count' must be a whole number of at least 0"},
    {"count = 1e20;", "f.cfg:1: 'count' must be a whole number of at least 0"},
    {"count = 1e999;", "f.cfg:1: 'count' must be a whole number of at least 0"},
    {"count = \"1\";", "f.cfg:1: 'count' must be a whole number of at least 0"},
    {"count = true;", "f.cfg:1: 'count' must be a whole number of at least 0"},
    {"count = 9223372036854775808;", "f.cfg:1: this integer needs more than 64 bits"},
    {"count = 99999999999999999999999;", "f.cfg:1: this integer needs more than 64 bits"},
    {"factor = 1e999;", "f.cfg:1: 'factor' must be a number"},
    {"factor = {};", "f.cfg:1: 'factor' must be a number"},
    {"bounded = 0;", "f.cfg:1: 'bounded' must be at least 1"},
    {"bounded = 11;", "f.cfg:1: 'bounded' must be at most 10"},
    {"on = 1;", "f.cfg:1: 'on' must be true or false"},
    {"name = 1;", "f.cfg:1: 'name' must be a string"},
    {"name = \"a\";\nitems = {};", "f.cfg:2: 'items' must be a list ( ... )"},
    {"name = \"a\";\ngroup = ();", "f.cfg:2: 'group' must be a group { ... }"},
    {"name = \"a\";\nitems = (\n1);", "f.cfg:3: a group { ... } is expected here"},
    {"name = \"a\";\nitems = ( {v = 1;},\n {w = 1;});", "f.cfg:3: unknown key 'w'"},
    {"name = \"a\";\nitems = ( {v = 1;},\n {});", "f.cfg:3: 'v' is missing"},
    {"name = \"a\";\nname = \"b\";", "f.cfg:2: duplicate setting name"},
    {"name = \"a\";\n\ncount = ;", "f.cfg:3: syntax error"},
    {"name = \"a\";\ncount = 3;\nx\n\n", "f.cfg:3: syntax error"},
    {"name = \"a\";\n/* never\nclosed", "f.cfg:2: this comment has no end"},
    {"name = \"a\\\"\n;", "f.cfg:1: this string has no closing quote"},
    {"\n@include \"other.cfg\"\n", "f.cfg:2: nothing can be included here"},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    cr_expect_eq(read_text(cases[i].text), -EINVAL, "%s", cases[i].text);
    cr_expect_str_eq(error.text, cases[i].sentence, "%s: got '%s'", cases[i].text, error.text);
  }
}

static char folder[] = "/tmp/copse-config-XXXXXX";

static const char *
write_bytes(const char *name, const char *text, size_t bytes) {
  static char path[256];
  FILE *file;

  snprintf(path, sizeof(path), "%s/%s", folder, name);
  file = fopen(path, "w");
  cr_assert(file && fwrite(text, 1, bytes, file) == bytes && fclose(file) == 0);
  return path;
}

static const char *
write_file(const char *name, const char *text) {
  return write_bytes(name, text, strlen(text));
}

static void
make_folder(void) {
  cr_assert(mkdtemp(folder));
}

static void
remove_folder(void) {
  static const char *const names[] = {"top.cfg", "part.cfg", "sub/leaf.cfg", "sub"};
  char path[256];

  for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
    snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
    remove(path);
  }
  rmdir(folder);
  cleanup();
}

TestSuite(files, .init = make_folder, .fini = remove_folder);

static int
read_top(const char *text) {
  free(sample.name);
  free(sample.word);
  memset(&sample, 0, sizeof(sample));
  return copse_config_read(write_file("top.cfg", text), keys, &sample, &error);
}

static void
expect_sentence(const char *file_and_rest) {
  char sentence[512];

  snprintf(sentence, sizeof(sentence), "%s/%s", folder, file_and_rest);
  cr_expect_str_eq(error.text, sentence, "got '%s'", error.text);
}

Test(files, includes_are_relative_to_their_file) {
  char path[256];

  snprintf(path, sizeof(path), "%s/sub", folder);
  cr_assert_eq(mkdir(path, 0700), 0);
  write_file("part.cfg", "count = 5000000000;\n  @include\t\"sub/leaf.cfg\" on = false; # end");
  write_file("sub/leaf.cfg", "name = \"leaf\";");
  cr_assert_eq(read_top("word = \"a\";\n@include \"part.cfg\"\nbounded = 2;\n"), 0, "%s", error.text);
  cr_expect_eq(sample.count, 5000000000);
  cr_expect_str_eq(sample.name, "leaf");
  cr_expect_not(sample.on);
  cr_expect_eq(sample.bounded, 2);

  cr_expect_eq(read_top("word = \"a\";\n@include \"part.cfg\"\n\nbounded = 12;\n"), -EINVAL);
  expect_sentence("top.cfg:4: 'bounded' must be at most 10");
  write_file("sub/leaf.cfg", "\n\nnames = \"leaf\";");
  cr_expect_eq(read_top("@include \"part.cfg\"\n"), -EINVAL);
  expect_sentence("sub/leaf.cfg:3: unknown key 'names'");
  write_file("sub/leaf.cfg", "\nname = ");
  cr_expect_eq(read_top("@include \"part.cfg\"\n"), -EINVAL);
  cr_expect(strstr(error.text, "syntax error"), "%s", error.text);
}

Test(files, a_file_that_cannot_be_read) {
  char sentence[512];

  cr_expect_eq(copse_config_read("/nonexistent/a.cfg", keys, &sample, &error), -ENOENT);
  cr_expect_str_eq(error.text, "/nonexistent/a.cfg: cannot be opened: No such file or directory");
  cr_expect_eq(copse_config_read(folder, keys, &sample, &error), -EISDIR);
  snprintf(sentence, sizeof(sentence), "%s: cannot be read: Is a directory", folder);
  cr_expect_str_eq(error.text, sentence);
  cr_expect_eq(copse_config_read(write_bytes("top.cfg", "a\0b", 3), keys, &sample, &error), -EINVAL);
  expect_sentence("top.cfg: is not text");
  cr_expect_eq(read_top("count = 1;\n@include \"missing.cfg\""), -ENOENT);
  expect_sentence("missing.cfg: cannot be opened: No such file or directory");
  cr_expect_eq(read_top("\n@include \"top.cfg\""), -EINVAL);
  expect_sentence("top.cfg:2: too many levels of includes: does a file include itself?");
  cr_expect_eq(read_top("@include \"top.cfg\n"), -EINVAL);
  expect_sentence("top.cfg:1: the name of the file to include has no closing quote");
  cr_expect_eq(read_top(""), -EINVAL);
  expect_sentence("top.cfg:1: 'name' is missing");
}

Test(schema, keys_are_printed_with_default_and_life) {
  char *text;
  size_t bytes;
  FILE *out = open_memstream(&text, &bytes);

  copse_keys_print(keys, out);
  fclose(out);
  cr_expect(strstr(text, "count: integer, default 7, live."), "%s", text);
  cr_expect(strstr(text, "factor: number, default 1.5, restart. Of growth.\n"));
  cr_expect(strstr(text, "on: bool, default true"));
  cr_expect(strstr(text, "name: string, default required"));
  cr_expect(strstr(text, "word: string, default \"oak\""));
  free(text);
}
