/* SPDX-License-Identifier: Apache-2.0 */
#include "table.h"
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define GAP 2
#define BEGUN_MIN 24 /* of the last column: less says nothing */

void
table_begin(struct table *table, const char *const *titles, size_t columns) {
  *table = (struct table){.titles = titles, .columns = columns};
}

char *
printable(const char *text) {
  char *copy = strdup(text);

  for (char *at = copy; at != NULL && *at != '\0'; at++) {
    unsigned char byte = (unsigned char)*at, next = (unsigned char)at[1];

    if (byte < 0x20 || byte == 0x7f || (byte == 0xc2 && next >= 0x80 && next <= 0x9f)) {
      if (byte == 0xc2)
        at[1] = '?';
      *at = '?';
    }
  }
  return copy;
}

void
table_add(struct table *table, enum style style, const char *format, ...) {
  char *text = NULL;
  va_list arguments;

  if (table->count == table->capacity) {
    table->capacity = table->capacity == 0 ? 64 : 2 * table->capacity;
    table->cells = reallocarray(table->cells, table->capacity, sizeof(*table->cells));
    if (table->cells == NULL)
      abort();
  }
  va_start(arguments, format);
  if (vasprintf(&text, format, arguments) < 0)
    abort();
  va_end(arguments);
  table->cells[table->count++] = (struct cell){printable(text), style};
  free(text);
}

size_t
text_width(const char *text) {
  size_t width = 0;

  for (; *text != '\0'; text++)
    width += ((unsigned char)*text & 0xc0) != 0x80;
  return width;
}

const char *
style_begin(const struct look *look, enum style style) {
  static const char *const sequences[] = {
    [STYLE_PLAIN] = "",       [STYLE_GOOD] = "\x1b[32m", [STYLE_WARNING] = "\x1b[33m",
    [STYLE_BAD] = "\x1b[31m", [STYLE_FAINT] = "\x1b[2m", [STYLE_HEAD] = "\x1b[1m"};

  return look->color ? sequences[style] : "";
}

const char *
style_end(const struct look *look, enum style style) {
  return look->color && style != STYLE_PLAIN ? "\x1b[0m" : "";
}

static bool
is_right(const struct table *table, size_t column) {
  return table->titles[column][0] == '>';
}

static const char *
title(const struct table *table, size_t column) {
  return table->titles[column] + is_right(table, column);
}

static void
print_cell(const struct table *table, size_t column, size_t width, bool last, const char *text, enum style style,
           const struct look *look, FILE *out) {
  size_t used = text_width(text), pad = width > used ? width - used : 0;
  bool right = is_right(table, column);

  fprintf(out, "%*s%s%s%s%*s", right ? (int)pad : 0, "", style_begin(look, style), text, style_end(look, style),
          right || last ? 0 : (int)pad, "");
  fprintf(out, "%*s", last ? 0 : GAP, "");
}

static size_t
column_width(const struct table *table, size_t column, size_t rows) {
  size_t width = text_width(title(table, column));

  for (size_t row = 0; row < rows; row++) {
    size_t used = text_width(table->cells[row * table->columns + column].text);
    width = used > width ? used : width;
  }
  return width;
}

/* The columns that the terminal has room for. */
static size_t
fitting_columns(const struct table *table, const struct look *look, const size_t *widths) {
  size_t column = 0, used = 0;

  while (column < table->columns && (look->columns == 0 || column == 0 || used + widths[column] <= look->columns))
    used += widths[column++] + GAP;
  return column + 1 == table->columns && used + BEGUN_MIN <= look->columns ? table->columns : column;
}

void
table_print(const struct table *table, const struct look *look, size_t rows_max, FILE *out) {
  size_t rows = table->count / table->columns, shown = rows < rows_max ? rows : rows_max, columns;
  size_t *widths = calloc(table->columns, sizeof(*widths));

  if (widths == NULL)
    abort();
  for (size_t column = 0; column < table->columns; column++)
    widths[column] = column_width(table, column, shown);
  columns = fitting_columns(table, look, widths);
  for (size_t column = 0; column < columns; column++)
    print_cell(table, column, widths[column], column + 1 == columns, title(table, column), STYLE_HEAD, look, out);
  fputc('\n', out);
  for (size_t row = 0; row < shown; row++) {
    for (size_t column = 0; column < columns; column++) {
      const struct cell *cell = &table->cells[row * table->columns + column];
      print_cell(table, column, widths[column], column + 1 == columns, cell->text, cell->style, look, out);
    }
    fputc('\n', out);
  }
  if (shown < rows)
    fprintf(out, "%s%zu more%s\n", style_begin(look, STYLE_FAINT), rows - shown, style_end(look, STYLE_FAINT));
  free(widths);
}

void
table_free(struct table *table) {
  for (size_t i = 0; i < table->count; i++)
    free(table->cells[i].text);
  free(table->cells);
  *table = (struct table){.columns = 0};
}

void
bar(const struct look *look, double part, size_t width, char *out) {
  size_t full = part <= 0 ? 0 : part >= 1 ? width : (size_t)(part * (double)width + 0.5);
  const char *pieces[] = {look->utf8 ? "·" : ".", look->utf8 ? "█" : "#"};

  out[0] = '\0';
  for (size_t i = 0; i < width; i++)
    out = stpcpy(out, pieces[i < full]);
}
