/* SPDX-License-Identifier: Apache-2.0 */
#include "source.h"
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define INCLUDE "@include"
#define INCLUDE_DEPTH 10

/* Where one file is being read. */
struct scan {
  struct copse_source *source;
  struct copse_error *error;
  const char *text, *copied, *at; /* up to `copied` it is in the source's text */
  size_t file;                    /* index */
  unsigned line;
  int depth;     /* of includes */
  bool includes; /* are allowed */
};

static int expand_file(struct copse_source *source, const char *path, int depth, struct copse_error *error);

static int
no_memory(struct copse_error *error) {
  return copse_fail(error, -ENOMEM, "not enough memory for the configuration");
}

static int
scan_fail(const struct scan *scan, unsigned line, const char *what) {
  return copse_fail(scan->error, -EINVAL, "%s:%u: %s", scan->source->files[scan->file], line, what);
}

/* The next bytes of the file are text as they are. */
static void
take(struct scan *scan, size_t bytes) {
  for (size_t i = 0; i < bytes; i++)
    if (scan->at[i] == '\n') {
      scan->line++;
      scan->source->lines++;
    }
  scan->at += bytes;
}

static void
copy_taken(struct scan *scan) {
  fwrite(scan->copied, 1, (size_t)(scan->at - scan->copied), scan->source->stream);
  scan->copied = scan->at;
}

static int
add_file(struct copse_source *source, const char *name, struct copse_error *error) {
  char **files = realloc(source->files, (source->file_count + 1) * sizeof(*files));

  if (!files)
    return no_memory(error);
  source->files = files;
  files[source->file_count] = strdup(name);
  if (!files[source->file_count])
    return no_memory(error);
  source->file_count++;
  return 0;
}

/* What is written from here on comes from the scan's line. */
static int
add_segment(struct scan *scan) {
  struct copse_source *source = scan->source;
  struct copse_source_segment *segments =
    realloc(source->segments, (source->segment_count + 1) * sizeof(*source->segments));

  if (!segments)
    return no_memory(scan->error);
  source->segments = segments;
  segments[source->segment_count++] = (struct copse_source_segment){source->lines, scan->file, scan->line};
  return 0;
}

/* Is an include directive here? It stands alone at the start of a line, as libconfig has it. `path` is its file. */
static bool
at_include(const struct scan *scan, const char **path) {
  const char *at = scan->at + strspn(scan->at, " \t");
  size_t blanks;

  if (scan->at != scan->text && scan->at[-1] != '\n')
    return false;
  if (strncmp(at, INCLUDE, strlen(INCLUDE)) != 0)
    return false;
  at += strlen(INCLUDE);
  blanks = strspn(at, " \t");
  *path = at + blanks + 1;
  return blanks > 0 && at[blanks] == '"';
}

/* Puts the file in the place of the directive. */
static int
include(struct scan *scan, const char *path) {
  const char *includer = scan->source->files[scan->file];
  const char *slash = strrchr(includer, '/');
  int folder = slash && path[0] != '/' ? (int)(slash + 1 - includer) : 0;
  size_t length = strcspn(path, "\"\n");
  char *full;
  int status;

  if (path[length] != '"')
    return scan_fail(scan, scan->line, "the name of the file to include has no closing quote");
  if (!scan->includes)
    return scan_fail(scan, scan->line, "nothing can be included here");
  if (scan->depth == INCLUDE_DEPTH)
    return scan_fail(scan, scan->line, "too many levels of includes: does a file include itself?");
  if (asprintf(&full, "%.*s%.*s", folder, includer, (int)length, path) < 0)
    return no_memory(scan->error);

  copy_taken(scan);
  status = expand_file(scan->source, full, scan->depth + 1, scan->error);
  free(full);
  if (status)
    return status;
  scan->copied = scan->at = path + length + 1;
  return add_segment(scan);
}

static int
take_string(struct scan *scan) {
  const char *end = scan->at + 1;

  while (*end && *end != '"')
    end += *end == '\\' && end[1] ? 2 : 1;
  if (!*end)
    return scan_fail(scan, scan->line, "this string has no closing quote");
  take(scan, (size_t)(end + 1 - scan->at));
  return 0;
}

static int
take_comment(struct scan *scan) {
  const char *end = strstr(scan->at + 2, "*/");

  if (!end)
    return scan_fail(scan, scan->line, "this comment has no end");
  take(scan, (size_t)(end + 2 - scan->at));
  return 0;
}

/* A number; an integer that needs more than 32 bits gets the L without which libconfig would cut it. */
static int
take_number(struct scan *scan) {
  bool hex = scan->at[0] == '0' && (scan->at[1] == 'x' || scan->at[1] == 'X');
  const char *digits = scan->at + (hex ? 2 : strspn(scan->at, "+-"));
  size_t count = strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789");
  const char *end = digits + count;
  unsigned long long value;

  if (!hex && *end && strchr(".eE", *end)) {
    take(scan, strspn(scan->at, "+-0123456789.eE"));
    return 0;
  }
  errno = 0;
  value = count ? strtoull(digits, NULL, hex ? 16 : 10) : 0;
  if (errno == ERANGE || value > INT64_MAX)
    return scan_fail(scan, scan->line, "this integer needs more than 64 bits");
  take(scan, (size_t)(end - scan->at));
  if (value > INT32_MAX && *end != 'L') {
    copy_taken(scan);
    fputc('L', scan->source->stream);
  }
  return 0;
}

static bool
starts_number(const char *at) {
  return isdigit((unsigned char)*at) || (*at && strchr("+-.", *at));
}

static bool
starts_name(const char *at) {
  return isalpha((unsigned char)*at) || *at == '*';
}

static size_t
name_length(const char *at) {
  size_t length = 0;

  while (isalnum((unsigned char)at[length]) || (at[length] && strchr("-_*", at[length])))
    length++;
  return length;
}

static int
take_token(struct scan *scan) {
  const char *path;

  if (at_include(scan, &path))
    return include(scan, path);
  if (scan->at[0] == '"')
    return take_string(scan);
  if (scan->at[0] == '/' && scan->at[1] == '*')
    return take_comment(scan);
  if (starts_number(scan->at))
    return take_number(scan);
  if (scan->at[0] == '#' || (scan->at[0] == '/' && scan->at[1] == '/'))
    take(scan, strcspn(scan->at, "\n"));
  else if (starts_name(scan->at))
    take(scan, name_length(scan->at));
  else
    take(scan, 1);
  return 0;
}

static int
expand(struct scan *scan) {
  int status = add_segment(scan);

  while (!status && *scan->at)
    status = take_token(scan);
  copy_taken(scan);
  /* What follows an include starts a line of its own, and libconfig wants a comment's line to end. */
  fputc('\n', scan->source->stream);
  scan->source->lines++;
  return status;
}

static int
expand_file(struct copse_source *source, const char *path, int depth, struct copse_error *error) {
  FILE *stream = fopen(path, "re");
  char *text = NULL;
  size_t capacity = 0;
  ssize_t bytes;
  int status;

  if (!stream)
    return copse_fail(error, -errno, "%s: cannot be opened: %s", path, strerror(errno));
  errno = 0;
  bytes = getdelim(&text, &capacity, '\0', stream);
  if (bytes < 0 && ferror(stream))
    status = copse_fail(error, -errno, "%s: cannot be read: %s", path, strerror(errno));
  else if (bytes > 0 && text[bytes - 1] == '\0')
    status = copse_fail(error, -EINVAL, "%s: is not text", path);
  else
    status = add_file(source, path, error);
  fclose(stream);

  if (!status) {
    struct scan scan = {.source = source,
                        .error = error,
                        .text = bytes > 0 ? text : "",
                        .file = source->file_count - 1,
                        .line = 1,
                        .depth = depth,
                        .includes = true};
    scan.at = scan.copied = scan.text;
    status = expand(&scan);
  }
  free(text);
  return status;
}

static int
begin(struct copse_source *source, struct copse_error *error) {
  *source = (struct copse_source){.lines = 1};
  source->stream = open_memstream(&source->text, &source->length);
  return source->stream ? 0 : no_memory(error);
}

static int
finish(struct copse_source *source, int status, struct copse_error *error) {
  bool written = !ferror(source->stream);

  if (fclose(source->stream) != 0 || !written)
    status = no_memory(error);
  source->stream = NULL;
  return status;
}

int
copse_source_read(struct copse_source *source, const char *path, struct copse_error *error) {
  int status = begin(source, error);

  return status ? status : finish(source, expand_file(source, path, 0, error), error);
}

int
copse_source_text(struct copse_source *source, const char *name, const char *text, struct copse_error *error) {
  struct scan scan = {.source = source, .error = error, .text = text, .copied = text, .at = text, .line = 1};
  int status = begin(source, error);

  if (status)
    return status;
  status = add_file(source, name, error);
  if (!status)
    status = expand(&scan);
  return finish(source, status, error);
}

void
copse_source_free(struct copse_source *source) {
  for (size_t i = 0; i < source->file_count; i++)
    free(source->files[i]);
  free(source->files);
  free(source->segments);
  free(source->text);
}

const char *
copse_source_at(const struct copse_source *source, unsigned line, unsigned *file_line) {
  const struct copse_source_segment *segment = source->segments;

  if (line == 0)
    line = 1; /* libconfig has no line for the root */
  for (size_t i = 1; i < source->segment_count && source->segments[i].first_line <= line; i++)
    segment = &source->segments[i];
  *file_line = segment->first_file_line + (line - segment->first_line);
  return source->files[segment->file];
}
