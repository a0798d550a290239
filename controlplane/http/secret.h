/* SPDX-License-Identifier: Apache-2.0 */
/* Small text files that only their owner may read. */
#ifndef COPSE_HTTP_SECRET_H
#define COPSE_HTTP_SECRET_H

#include <copse/error.h>
#include <stddef.h>

/* The whole file as text, to be freed with copse_secret_free. -ENOENT; -EACCES when it may not be read, or may be read
 * by others; -EFBIG above `limit` bytes. */
int copse_secret_read(const char *path, size_t limit, char **text, struct copse_error *error);
/* Puts the text there at once or not at all: written aside with mode 0600, synced, renamed. */
int copse_secret_write(const char *path, const char *text, struct copse_error *error);
/* The same, but never in place of another: -EEXIST when somebody, perhaps at this moment, made the file. */
int copse_secret_create(const char *path, const char *text, struct copse_error *error);
/* Wipes, then frees. Null is allowed. */
void copse_secret_free(char *text);

#endif
