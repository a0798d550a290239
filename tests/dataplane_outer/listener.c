/* SPDX-License-Identifier: Apache-2.0 */
/* The socket of a killed dataplane is removed, anything else is not. */
#include "ports/listener.h"

#include <criterion/criterion.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char directory[] = "/tmp/copse-listener-XXXXXX";
static struct sockaddr_un address = {.sun_family = AF_UNIX};

static void
set_up(void) {
  cr_assert_not_null(mkdtemp(directory));
  snprintf(address.sun_path, sizeof(address.sun_path), "%s/vhost.sock", directory);
}

static void
tear_down(void) {
  unlink(address.sun_path);
  rmdir(directory);
}

TestSuite(listener, .init = set_up, .fini = tear_down);

static int
listen_there(void) {
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);

  cr_assert(fd >= 0);
  cr_assert_eq(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
  cr_assert_eq(listen(fd, 1), 0);
  return fd;
}

/* Whether it is still there when a device of this device string was to listen at it. */
static bool
stays(const char *format) {
  char device[256];

  snprintf(device, sizeof(device), format, address.sun_path);
  copse_listener_clear(device);
  return access(address.sun_path, F_OK) == 0;
}

Test(listener, socket_that_was_left_goes) {
  close(listen_there());
  cr_expect_not(stays("net_virtio_user0,path=%s,server=1"));
  close(listen_there());
  cr_expect_not(stays("net_vhost0,iface=%s,queues=1"));
}

Test(listener, socket_of_others_stays) {
  close(listen_there());
  cr_expect(stays("net_virtio_user0,path=%s"));
  cr_expect(stays("net_virtio_user0,path=%s,server=0"));
  cr_expect(stays("net_vhost0,iface=%s,client=1"));
  cr_expect(stays("net_af_packet0,iface=%s"));
}

Test(listener, socket_that_somebody_serves_stays) {
  int fd = listen_there();

  cr_expect(stays("net_virtio_user0,path=%s,server=1"));
  close(fd);
}

Test(listener, file_stays) {
  FILE *file = fopen(address.sun_path, "w");

  cr_assert_not_null(file);
  fclose(file);
  cr_expect(stays("net_virtio_user0,path=%s,server=1"));
}
