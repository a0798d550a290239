/* SPDX-License-Identifier: Apache-2.0 */
#include <copse/notify.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void
copse_notify(const char *state) {
  const char *path = getenv("NOTIFY_SOCKET");
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  size_t length = path ? strlen(path) : 0;
  int fd;

  if (!length || length >= sizeof(address.sun_path))
    return;
  memcpy(address.sun_path, path, length);
  if (path[0] == '@')
    address.sun_path[0] = '\0';
  fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return;
  sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT, (const struct sockaddr *)&address,
         (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
  close(fd);
}

uint64_t
copse_watchdog_us(void) {
  const char *text = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

  if (!text || (pid && strtol(pid, NULL, 10) != getpid()))
    return 0;
  return strtoull(text, NULL, 10);
}
