/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration files: one table of keys per program drives parsing, defaults, checks and `--keys`.
 *
 * A file is libconfig text. Every key in it must be in the table, of the right kind and in range; integers
 * and floats are both accepted for numbers, integers of more than 32 bits need no L. `@include "other.cfg"` on a
 * line of its own is relative to the file it stands in. The first thing wrong is reported as `file:line: sentence`. */
#ifndef COPSE_SCHEMA_H
#define COPSE_SCHEMA_H

#include <copse/error.h>
#include <libconfig.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum copse_key_kind {
  COPSE_KEY_UINT,   /* uint64_t */
  COPSE_KEY_FLOAT,  /* double */
  COPSE_KEY_BOOL,   /* bool */
  COPSE_KEY_STRING, /* char *, allocated, owned by the target struct */
  COPSE_KEY_LIST,   /* ( {...}, ... ) of groups: `parse` is called for each; or a list/array of scalars */
  COPSE_KEY_GROUP,  /* { ... }: `parse` is called once, if the group is there */
};

struct copse_reader;
struct copse_source;

struct copse_key {
  const char *name;
  enum copse_key_kind kind;
  bool required;
  bool live;               /* may change without a restart */
  size_t offset;           /* of the field in the target struct (scalars) */
  double minimum, maximum; /* of numbers; both 0: no limit; minimum > 0 and maximum 0: no maximum */
  double number;           /* default of numbers and bools */
  const char *string;      /* default of strings, null: none */
  const char *help;        /* unit and meaning, one line */
  /* Element of a list or the group itself; returns 0 or a negative errno with the error set. */
  int (*parse)(struct copse_reader *reader, const config_setting_t *element, void *target);
};

struct copse_reader {
  struct copse_error *error;
  const char *file;                  /* name given by the user */
  const struct copse_source *source; /* knows the file and line of every setting, included or not */
};

/* Fills `target`, zeros so far, from the group: defaults of all keys, then scalars, then lists and groups in the
 * order of the table, so that `parse` can count on what stands above it. Unknown keys are errors.
 * Returns 0 or -EINVAL with `file:line: sentence` in reader->error. Strings already assigned stay owned by
 * target also on failure. `keys` ends with an entry whose name is null. */
int copse_group_read(struct copse_reader *reader, const config_setting_t *group, const struct copse_key *keys,
                     void *target);

/* Sets reader->error to `file:line: sentence` for that setting and returns -EINVAL. */
int copse_setting_fail(struct copse_reader *reader, const config_setting_t *setting, const char *format, ...)
  __attribute__((format(printf, 3, 4)));

/* Number of a scalar setting, integer or float; false if it is neither. */
bool copse_setting_number(const config_setting_t *setting, double *out);

/* Reads a whole file: parse, then copse_group_read on its root. -ENOENT, -EACCES, -EINVAL with a sentence. */
int copse_config_read(const char *path, const struct copse_key *keys, void *target, struct copse_error *error);

/* The same from memory (tests, fuzzing); `name` stands for the file in errors. */
int copse_config_read_text(const char *name, const char *text, const struct copse_key *keys, void *target,
                           struct copse_error *error);

/* Prints every key with unit, default and live/restart. */
void copse_keys_print(const struct copse_key *keys, FILE *out);

#endif
