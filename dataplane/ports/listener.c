/* SPDX-License-Identifier: Apache-2.0 */
#include "ports/listener.h"
#include "config.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static bool
is_set(const char *device, const char *key) {
  char value[8];

  return copse_device_argument(device, key, value, sizeof(value)) && strcmp(value, "1") == 0;
}

/* Where the device listens; false if it does not. */
static bool
listens_at(const char *device, char *path, size_t size) {
  if (strncmp(device, "net_virtio_user", 15) == 0)
    return is_set(device, "server") && copse_device_argument(device, "path", path, size);
  if (strncmp(device, "net_vhost", 9) == 0)
    return !is_set(device, "client") && copse_device_argument(device, "iface", path, size);
  return false;
}

void
copse_listener_clear(const char *device) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  struct stat file;
  int fd;

  if (!listens_at(device, address.sun_path, sizeof(address.sun_path)) || lstat(address.sun_path, &file) != 0 ||
      !S_ISSOCK(file.st_mode))
    return;
  fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return;
  if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 && errno == ECONNREFUSED)
    unlink(address.sun_path);
  close(fd);
}
