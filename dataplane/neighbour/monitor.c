/* SPDX-License-Identifier: Apache-2.0 */
#include "neighbour/internal.h"

#include <copse/log.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#define EVENT_BYTES 65536
#define RECEIVE_BYTES (4 << 20)
#define READS_PER_EVENT 64

static int
take_event(const struct nlmsghdr *message, void *context) {
  struct copse_resolver *resolver = context;
  struct copse_neighbour neighbour;

  switch (message->nlmsg_type) {
  case RTM_NEWNEIGH:
  case RTM_DELNEIGH:
    if (copse_neighbour_parse(message, &neighbour))
      copse_hop_update(resolver, &neighbour);
    break;
  case RTM_NEWROUTE:
  case RTM_DELROUTE:
  case RTM_NEWLINK:
  case RTM_DELLINK:
    resolver->routes_changed = true;
    break;
  default:
    break;
  }
  return MNL_CB_OK;
}

static void
on_event(evutil_socket_t fd, short what, void *argument) {
  struct copse_resolver *resolver = argument;
  char buffer[EVENT_BYTES];

  (void)fd;
  (void)what;
  for (int i = 0; i < READS_PER_EVENT; i++) {
    ssize_t bytes = mnl_socket_recvfrom(resolver->events, buffer, sizeof(buffer));
    if (bytes < 0 && errno == ENOBUFS) {
      /* Some changes were lost: everything is looked at again. */
      copse_log(COPSE_LOG_INFO, "the kernel's routes and neighbours changed faster than we read, all are read again");
      resolver->routes_changed = true;
      copse_hops_expire(resolver);
    } else if (bytes <= 0) {
      return;
    } else {
      mnl_cb_run(buffer, (size_t)bytes, 0, 0, take_event, resolver);
    }
  }
}

int
copse_monitor_open(struct copse_resolver *resolver) {
  static const int groups[] = {RTNLGRP_LINK, RTNLGRP_NEIGH, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE};
  int bytes = RECEIVE_BYTES, fd;

  resolver->events = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (!resolver->events || mnl_socket_bind(resolver->events, 0, MNL_SOCKET_AUTOPID) != 0)
    return -errno;
  fd = mnl_socket_get_fd(resolver->events);
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) != 0)
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
  for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
    int group = groups[i];
    if (mnl_socket_setsockopt(resolver->events, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) != 0)
      return -errno;
  }
  resolver->event = event_new(resolver->config.base, fd, EV_READ | EV_PERSIST, on_event, resolver);
  return resolver->event && event_add(resolver->event, NULL) == 0 ? 0 : -ENOMEM;
}

void
copse_monitor_close(struct copse_resolver *resolver) {
  if (resolver->event)
    event_free(resolver->event);
  if (resolver->events)
    mnl_socket_close(resolver->events);
  resolver->event = NULL;
  resolver->events = NULL;
}
