/* SPDX-License-Identifier: Apache-2.0 */
#include "api/server.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static void
lock_path(const char *path, char out[PATH_MAX]) {
  snprintf(out, PATH_MAX, "%s.lock", path);
}

/* The last directory of the path only: a missing parent above it is a mistake in the configuration. */
static int
make_directory(const char *path, struct copse_error *error) {
  const char *slash = strrchr(path, '/');
  char directory[PATH_MAX];

  if (!slash || slash == path)
    return 0;
  snprintf(directory, sizeof(directory), "%.*s", (int)(slash - path), path);
  if (mkdir(directory, 0750) != 0 && errno != EEXIST)
    return copse_fail(error, -errno, "cannot make %s: %s", directory, strerror(errno));
  return 0;
}

/* The file may have been removed by its last owner between our open and our lock. */
static bool
is_still_there(const char *file, int lock) {
  struct stat ours, theirs;

  return fstat(lock, &ours) == 0 && stat(file, &theirs) == 0 && ours.st_ino == theirs.st_ino &&
         ours.st_dev == theirs.st_dev;
}

int
copse_api_lock(const char *path, struct copse_error *error) {
  char file[PATH_MAX];
  int lock, status = make_directory(path, error);

  if (status)
    return status;
  lock_path(path, file);
  do {
    lock = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock < 0)
      return copse_fail(error, -errno, "cannot open %s: %s", file, strerror(errno));
    if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
      status = errno == EWOULDBLOCK ? -EADDRINUSE : -errno;
      close(lock);
      return status == -EADDRINUSE ? copse_fail(error, status, "another dataplane serves %s", path)
                                   : copse_fail(error, status, "cannot lock %s: %s", file, strerror(-status));
    }
    if (is_still_there(file, lock))
      return lock;
    close(lock);
  } while (true);
}

void
copse_api_unlock(const char *path, int lock) {
  char file[PATH_MAX];

  lock_path(path, file);
  unlink(file);
  close(lock);
}
