/* SPDX-License-Identifier: Apache-2.0 */
#include "secret.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int
fail_errno(struct copse_error *error, const char *path) {
  int code = errno;

  return copse_fail(error, -code, "%s: %s", path, strerror(code));
}

void
copse_secret_free(char *text) {
  if (text != NULL) {
    sodium_memzero(text, strlen(text));
    free(text);
  }
}

static int
read_all(int file, const char *path, size_t limit, char **text, struct copse_error *error) {
  char *buffer = calloc(1, limit + 2);
  size_t length = 0;
  ssize_t got = 1;

  if (buffer == NULL)
    return copse_fail(error, -ENOMEM, "%s: no memory", path);
  while (length <= limit && got > 0) {
    got = read(file, buffer + length, limit + 1 - length);
    length += got > 0 ? (size_t)got : 0;
  }
  if (got < 0 || length > limit) {
    int result =
      got < 0 ? fail_errno(error, path) : copse_fail(error, -EFBIG, "%s: longer than %zu bytes", path, limit);
    copse_secret_free(buffer);
    return result;
  }
  *text = buffer;
  return 0;
}

int
copse_secret_read(const char *path, size_t limit, char **text, struct copse_error *error) {
  struct stat status;
  int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  int result;

  if (file < 0)
    return fail_errno(error, path);
  if (fstat(file, &status) != 0) {
    result = fail_errno(error, path);
  } else if (!S_ISREG(status.st_mode)) {
    result = copse_fail(error, -EINVAL, "%s: not a regular file", path);
  } else if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    result = copse_fail(error, -EACCES, "%s: others may read it (mode %04o); it must be 0600", path,
                        (unsigned)status.st_mode & 07777);
  } else {
    result = read_all(file, path, limit, text, error);
  }
  close(file);
  return result;
}

static int
write_all(int file, const char *text) {
  size_t length = strlen(text);

  while (length > 0) {
    ssize_t put = write(file, text, length);
    if (put < 0)
      return -1;
    text += put;
    length -= (size_t)put;
  }
  return fsync(file);
}

/* A rename is durable when its directory is. */
static int
sync_directory(const char *path) {
  char copy[PATH_MAX];
  int result;
  int directory;

  snprintf(copy, sizeof(copy), "%s", path);
  directory = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0)
    return -1;
  result = fsync(directory);
  close(directory);
  return result;
}

/* A file of its own beside `path`, with the text; its name is left in `aside`. */
static int
write_aside(const char *path, const char *text, char aside[PATH_MAX], struct copse_error *error) {
  int result = 0;
  int file;

  if (snprintf(aside, PATH_MAX, "%s.XXXXXX", path) >= PATH_MAX)
    return copse_fail(error, -ENAMETOOLONG, "%s: path too long", path);
  file = mkostemp(aside, O_CLOEXEC);
  if (file < 0)
    return fail_errno(error, path);
  if (write_all(file, text) != 0) {
    result = fail_errno(error, path);
    unlink(aside);
  }
  close(file);
  return result;
}

int
copse_secret_write(const char *path, const char *text, struct copse_error *error) {
  char aside[PATH_MAX];
  int result = write_aside(path, text, aside, error);

  if (result != 0)
    return result;
  if (rename(aside, path) != 0 || sync_directory(path) != 0) {
    result = fail_errno(error, path);
    unlink(aside);
  }
  return result;
}

int
copse_secret_create(const char *path, const char *text, struct copse_error *error) {
  char aside[PATH_MAX];
  int result = write_aside(path, text, aside, error);

  if (result != 0)
    return result;
  if (link(aside, path) != 0 || sync_directory(path) != 0)
    result = fail_errno(error, path);
  unlink(aside);
  return result;
}
