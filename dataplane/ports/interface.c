/* SPDX-License-Identifier: Apache-2.0 */
#include "ports/interface.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* A device that knows no channels has one queue. */
static void
read_queues(int fd, struct ifreq *request, struct copse_interface *out) {
  struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};

  request->ifr_data = (char *)&channels;
  out->queues = 1;
  if (ioctl(fd, SIOCETHTOOL, request) != 0)
    return;
  out->combined = channels.combined_count > 0;
  if (channels.combined_count + channels.rx_count > 0)
    out->queues = channels.combined_count + channels.rx_count;
}

static int
read_with(int fd, const char *name, struct copse_interface *out) {
  struct ifreq request = {.ifr_name = ""};

  snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
  if (ioctl(fd, SIOCGIFINDEX, &request) != 0)
    return -errno;
  out->index = (unsigned)request.ifr_ifindex;
  if (ioctl(fd, SIOCGIFFLAGS, &request) != 0)
    return -errno;
  out->up = request.ifr_flags & IFF_UP;
  if (ioctl(fd, SIOCGIFMTU, &request) != 0)
    return -errno;
  out->mtu = (uint32_t)request.ifr_mtu;
  read_queues(fd, &request, out);
  return 0;
}

int
copse_interface_read(const char *name, struct copse_interface *out, struct copse_error *error) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), status;

  if (fd < 0)
    return copse_fail(error, -errno, "cannot make a socket: %s", strerror(errno));
  status = read_with(fd, name, out);
  close(fd);
  if (status == -ENODEV)
    return copse_fail(error, status, "there is no interface %s here", name);
  return status ? copse_fail(error, status, "interface %s: %s", name, strerror(-status)) : 0;
}
