/* SPDX-License-Identifier: Apache-2.0 */
/* The text of a configuration with its includes put in, as libconfig is to read it.
 *
 * libconfig 1.5 cuts integers without an L to 32 bits without a word, ends the whole process when an included file is
 * a directory, and includes nothing relative to a file. So includes are resolved here, and long integers
 * get their L. Every line remembers the file and line it came from. */
#ifndef COPSE_SOURCE_H
#define COPSE_SOURCE_H

#include <copse/error.h>
#include <stddef.h>
#include <stdio.h>

struct copse_source_segment {
  unsigned first_line;      /* of the text */
  size_t file;              /* index into files */
  unsigned first_file_line; /* where first_line was in that file */
};

struct copse_source {
  char *text; /* null terminated */
  size_t length;
  FILE *stream;   /* of text while it is written */
  unsigned lines; /* the one being written, from 1 */
  char **files;
  size_t file_count;
  struct copse_source_segment *segments;
  size_t segment_count;
};

/* -ENOENT, -EACCES, -EISDIR and the like, -EINVAL, -ENOMEM with a sentence. Free `source` in any case. */
int copse_source_read(struct copse_source *source, const char *path, struct copse_error *error);
/* From memory; `name` stands for the file. Includes are refused: there is no folder they could be relative to. */
int copse_source_text(struct copse_source *source, const char *name, const char *text, struct copse_error *error);
void copse_source_free(struct copse_source *source);

/* File and line a line of the text came from. */
const char *copse_source_at(const struct copse_source *source, unsigned line, unsigned *file_line);

#endif
