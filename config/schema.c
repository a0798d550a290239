/* SPDX-License-Identifier: Apache-2.0 */
#include "source.h"
#include <copse/schema.h>
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define UINT64_END 18446744073709551616.0 /* 2^64 */

static const char *const kind_names[] = {
  [COPSE_KEY_UINT] = "a whole number of at least 0",
  [COPSE_KEY_FLOAT] = "a number",
  [COPSE_KEY_BOOL] = "true or false",
  [COPSE_KEY_STRING] = "a string",
  [COPSE_KEY_LIST] = "a list ( ... )",
  [COPSE_KEY_GROUP] = "a group { ... }",
};

int
copse_setting_fail(struct copse_reader *reader, const config_setting_t *setting, const char *format, ...) {
  char sentence[COPSE_ERROR_TEXT_BYTES];
  unsigned line;
  const char *file = copse_source_at(reader->source, config_setting_source_line(setting), &line);
  va_list arguments;

  va_start(arguments, format);
  vsnprintf(sentence, sizeof(sentence), format, arguments);
  va_end(arguments);
  return copse_fail(reader->error, -EINVAL, "%s:%u: %s", file, line, sentence);
}

bool
copse_setting_number(const config_setting_t *setting, double *out) {
  switch (config_setting_type(setting)) {
  case CONFIG_TYPE_INT:
  case CONFIG_TYPE_INT64:
    *out = (double)config_setting_get_int64(setting);
    return true;
  case CONFIG_TYPE_FLOAT:
    *out = config_setting_get_float(setting);
    return true;
  default:
    return false;
  }
}

static int
wrong_kind(struct copse_reader *reader, const config_setting_t *setting, const struct copse_key *key) {
  return copse_setting_fail(reader, setting, "'%s' must be %s", key->name, kind_names[key->kind]);
}

static bool
has_minimum(const struct copse_key *key) {
  return key->minimum != 0 || key->maximum != 0;
}

/* A maximum of 0 above a minimum that is not negative is no maximum. */
static bool
has_maximum(const struct copse_key *key) {
  return key->maximum != 0 || key->minimum < 0;
}

static int
check_range(struct copse_reader *reader, const config_setting_t *setting, const struct copse_key *key, double number) {
  if (has_minimum(key) && number < key->minimum)
    return copse_setting_fail(reader, setting, "'%s' must be at least %.15g", key->name, key->minimum);
  if (has_maximum(key) && number > key->maximum)
    return copse_setting_fail(reader, setting, "'%s' must be at most %.15g", key->name, key->maximum);
  return 0;
}

static int
read_uint(struct copse_reader *reader, const config_setting_t *setting, const struct copse_key *key, uint64_t *out) {
  double number;

  if (!copse_setting_number(setting, &number) || !(number >= 0 && number < UINT64_END) || number != floor(number))
    return wrong_kind(reader, setting, key);
  *out =
    config_setting_type(setting) == CONFIG_TYPE_FLOAT ? (uint64_t)number : (uint64_t)config_setting_get_int64(setting);
  return check_range(reader, setting, key, number);
}

static int
read_float(struct copse_reader *reader, const config_setting_t *setting, const struct copse_key *key, double *out) {
  if (!copse_setting_number(setting, out) || !isfinite(*out))
    return wrong_kind(reader, setting, key);
  return check_range(reader, setting, key, *out);
}

static int
read_string(struct copse_reader *reader, const config_setting_t *setting, const struct copse_key *key, char **out) {
  const char *string = config_setting_get_string(setting);
  char *copy = string ? strdup(string) : NULL;

  if (!string)
    return wrong_kind(reader, setting, key);
  if (!copy)
    return copse_fail(reader->error, -ENOMEM, "not enough memory for the configuration");
  free(*out);
  *out = copy;
  return 0;
}

static int
read_scalar(struct copse_reader *reader, const config_setting_t *setting, const struct copse_key *key, void *field) {
  switch (key->kind) {
  case COPSE_KEY_UINT:
    return read_uint(reader, setting, key, field);
  case COPSE_KEY_FLOAT:
    return read_float(reader, setting, key, field);
  case COPSE_KEY_BOOL:
    if (config_setting_type(setting) != CONFIG_TYPE_BOOL)
      return wrong_kind(reader, setting, key);
    *(bool *)field = config_setting_get_bool(setting);
    return 0;
  default:
    return read_string(reader, setting, key, field);
  }
}

static int
read_aggregate(struct copse_reader *reader, const config_setting_t *setting, const struct copse_key *key,
               void *target) {
  int count = config_setting_length(setting);

  if (key->kind == COPSE_KEY_GROUP)
    return config_setting_is_group(setting) ? key->parse(reader, setting, target) : wrong_kind(reader, setting, key);
  if (!config_setting_is_list(setting) && !config_setting_is_array(setting))
    return wrong_kind(reader, setting, key);
  for (int i = 0; i < count; i++) {
    int status = key->parse(reader, config_setting_get_elem(setting, (unsigned)i), target);
    if (status)
      return status;
  }
  return 0;
}

static bool
is_scalar(const struct copse_key *key) {
  return key->kind != COPSE_KEY_LIST && key->kind != COPSE_KEY_GROUP;
}

static int
set_defaults(struct copse_reader *reader, const struct copse_key *keys, char *target) {
  for (const struct copse_key *key = keys; key->name; key++) {
    char *field = target + key->offset;
    if (key->kind == COPSE_KEY_UINT)
      *(uint64_t *)field = (uint64_t)key->number;
    else if (key->kind == COPSE_KEY_FLOAT)
      *(double *)field = key->number;
    else if (key->kind == COPSE_KEY_BOOL)
      *(bool *)field = key->number != 0;
    else if (key->kind == COPSE_KEY_STRING)
      *(char **)field = NULL;
  }
  for (const struct copse_key *key = keys; key->name; key++)
    if (key->kind == COPSE_KEY_STRING && key->string) {
      char *copy = strdup(key->string);
      if (!copy)
        return copse_fail(reader->error, -ENOMEM, "not enough memory for the configuration");
      *(char **)(target + key->offset) = copy;
    }
  return 0;
}

static const struct copse_key *
find_key(const struct copse_key *keys, const char *name) {
  for (; keys->name; keys++)
    if (strcmp(keys->name, name) == 0)
      return keys;
  return NULL;
}

static int
read_scalars(struct copse_reader *reader, const config_setting_t *group, const struct copse_key *keys, char *target) {
  int count = config_setting_length(group), status = 0;

  for (int i = 0; i < count && !status; i++) {
    const config_setting_t *member = config_setting_get_elem(group, (unsigned)i);
    const struct copse_key *key = find_key(keys, config_setting_name(member));
    if (!key)
      status = copse_setting_fail(reader, member, "unknown key '%s'", config_setting_name(member));
    else if (is_scalar(key))
      status = read_scalar(reader, member, key, target + key->offset);
  }
  return status;
}

int
copse_group_read(struct copse_reader *reader, const config_setting_t *group, const struct copse_key *keys,
                 void *target) {
  int status = set_defaults(reader, keys, target);

  if (status)
    return status;
  if (!config_setting_is_group(group))
    return copse_setting_fail(reader, group, "a group { ... } is expected here");
  status = read_scalars(reader, group, keys, target);
  for (const struct copse_key *key = keys; key->name && !status; key++)
    if (key->required && !config_setting_get_member(group, key->name))
      status = copse_setting_fail(reader, group, "'%s' is missing", key->name);
  for (const struct copse_key *key = keys; key->name && !status; key++) {
    const config_setting_t *member = is_scalar(key) ? NULL : config_setting_get_member(group, key->name);
    if (member)
      status = read_aggregate(reader, member, key, target);
  }
  return status;
}

/* Of what is written: libconfig finds the end of a text wrong on the line after it. */
static unsigned
last_line(const char *text) {
  unsigned line = 1, last = 1;

  for (; *text != '\0'; text++) {
    if (*text == '\n')
      line++;
    else if (!isspace((unsigned char)*text))
      last = line;
  }
  return last;
}

/* Parses the text and reads its root. */
static int
read_source(const struct copse_source *source, const char *name, const struct copse_key *keys, void *target,
            struct copse_error *error) {
  struct copse_reader reader = {.error = error, .file = name, .source = source};
  config_t config;
  int status;

  config_init(&config);
  if (config_read_string(&config, source->text)) {
    status = copse_group_read(&reader, config_root_setting(&config), keys, target);
  } else {
    unsigned line, last = last_line(source->text), wrong = (unsigned)config_error_line(&config);
    const char *file = copse_source_at(source, wrong < last ? wrong : last, &line);
    status = copse_fail(error, -EINVAL, "%s:%u: %s", file, line, config_error_text(&config));
  }
  config_destroy(&config);
  return status;
}

int
copse_config_read(const char *path, const struct copse_key *keys, void *target, struct copse_error *error) {
  struct copse_source source;
  int status = copse_source_read(&source, path, error);

  if (!status)
    status = read_source(&source, path, keys, target, error);
  copse_source_free(&source);
  return status;
}

int
copse_config_read_text(const char *name, const char *text, const struct copse_key *keys, void *target,
                       struct copse_error *error) {
  struct copse_source source;
  int status = copse_source_text(&source, name, text, error);

  if (!status)
    status = read_source(&source, name, keys, target, error);
  copse_source_free(&source);
  return status;
}
