/* SPDX-License-Identifier: Apache-2.0 */
/* Aligned tables for people, in UTF-8 or plain ASCII, with colour only where it is wanted. What comes from others is
 * printed without control characters. */
#ifndef COPSE_TABLE_H
#define COPSE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum style { STYLE_PLAIN, STYLE_GOOD, STYLE_WARNING, STYLE_BAD, STYLE_FAINT, STYLE_HEAD };

/* How to print. */
struct look {
  bool color;
  bool utf8;
  size_t columns; /* that the terminal has; 0: no end */
};

struct cell {
  char *text;
  enum style style;
};

struct table {
  const char *const *titles; /* a title that starts with '>' is of a column aligned right */
  size_t columns;
  struct cell *cells; /* row by row */
  size_t count, capacity;
};

/* `titles` outlives the table. */
void table_begin(struct table *table, const char *const *titles, size_t columns);
void table_add(struct table *table, enum style style, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Rows up to `rows_max`; a line says how many are left out. Columns that do not fit are left out; the last one is begun
 * where there is room for some of it. */
void table_print(const struct table *table, const struct look *look, size_t rows_max, FILE *out);
void table_free(struct table *table);

/* The escape sequence that begins a style, or ends all; "" without colour. */
const char *style_begin(const struct look *look, enum style style);
const char *style_end(const struct look *look, enum style style);
/* A copy without control characters, allocated. */
char *printable(const char *text);
/* Columns of a terminal it takes. */
size_t text_width(const char *text);
/* A bar of `width` columns, `part` of it full, into `out` (3 * width + 1 bytes at least). */
void bar(const struct look *look, double part, size_t width, char *out);

#endif
