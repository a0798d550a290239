/* SPDX-License-Identifier: Apache-2.0 */
#include "neighbour/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define REPLY_BYTES 16384
#define USABLE_STATES (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY)

static bool
is_ipv4(const uint8_t address[16]) {
  return IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)address);
}

static size_t
address_bytes(const uint8_t address[16]) {
  return is_ipv4(address) ? 4 : 16;
}

static const uint8_t *
address_start(const uint8_t address[16]) {
  return address + 16 - address_bytes(address);
}

/* An address as netlink carries it to 16 bytes; false if it is of neither size. */
static bool
take_address(const void *bytes, size_t size, uint8_t out[16]) {
  memset(out, 0, 16);
  if (size == 4)
    out[10] = out[11] = 0xff;
  else if (size != 16)
    return false;
  memcpy(out + 16 - size, bytes, size);
  return true;
}

int
copse_netlink_open(struct copse_netlink *netlink) {
  const struct timeval patience = {.tv_sec = 1};

  *netlink = (struct copse_netlink){.sequence = (uint32_t)time(NULL)};
  netlink->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
  if (!netlink->socket)
    return -errno;
  if (mnl_socket_bind(netlink->socket, 0, MNL_SOCKET_AUTOPID) != 0 ||
      setsockopt(mnl_socket_get_fd(netlink->socket), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0) {
    int status = -errno;
    copse_netlink_close(netlink);
    return status;
  }
  return 0;
}

void
copse_netlink_close(struct copse_netlink *netlink) {
  if (netlink->socket)
    mnl_socket_close(netlink->socket);
  netlink->socket = NULL;
}

/* One request and its one reply, or its acknowledgement. */
static int
ask(struct copse_netlink *netlink, struct nlmsghdr *request, mnl_cb_t take, void *context) {
  char reply[REPLY_BYTES];
  int status;

  request->nlmsg_seq = ++netlink->sequence;
  if (mnl_socket_sendto(netlink->socket, request, request->nlmsg_len) < 0)
    return -errno;
  do {
    ssize_t bytes = mnl_socket_recvfrom(netlink->socket, reply, sizeof(reply));
    if (bytes < 0)
      return errno == EAGAIN ? -ETIMEDOUT : -errno;
    /* What is left of a request that was given up has another number. */
    if (((const struct nlmsghdr *)reply)->nlmsg_seq != request->nlmsg_seq)
      continue;
    status =
      mnl_cb_run(reply, (size_t)bytes, request->nlmsg_seq, mnl_socket_get_portid(netlink->socket), take, context);
    return status < 0 ? -errno : 0;
  } while (true);
}

static int
take_route(const struct nlmsghdr *message, void *context) {
  const struct rtmsg *route = mnl_nlmsg_get_payload(message);
  struct copse_route *out = context;
  const struct nlattr *attribute;

  if (message->nlmsg_type != RTM_NEWROUTE)
    return MNL_CB_OK;
  if (route->rtm_type != RTN_UNICAST) {
    errno = EADDRNOTAVAIL;
    return MNL_CB_ERROR;
  }
  mnl_attr_for_each(attribute, message, sizeof(*route)) {
    const void *value = mnl_attr_get_payload(attribute);
    size_t size = mnl_attr_get_payload_len(attribute);
    if (mnl_attr_get_type(attribute) == RTA_OIF && size == sizeof(uint32_t))
      out->interface = mnl_attr_get_u32(attribute);
    else if (mnl_attr_get_type(attribute) == RTA_GATEWAY)
      take_address(value, size, out->next_hop);
    else if (mnl_attr_get_type(attribute) == RTA_VIA && size > sizeof(struct rtvia))
      take_address(((const struct rtvia *)value)->rtvia_addr, size - sizeof(struct rtvia), out->next_hop);
  }
  return MNL_CB_STOP;
}

int
copse_route_get(struct copse_netlink *netlink, const uint8_t address[16], struct copse_route *out) {
  char buffer[256];
  struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
  struct rtmsg *route = mnl_nlmsg_put_extra_header(request, sizeof(*route));
  int status;

  request->nlmsg_type = RTM_GETROUTE;
  request->nlmsg_flags = NLM_F_REQUEST;
  route->rtm_family = is_ipv4(address) ? AF_INET : AF_INET6;
  route->rtm_dst_len = (unsigned char)(8 * address_bytes(address));
  mnl_attr_put(request, RTA_DST, address_bytes(address), address_start(address));
  *out = (struct copse_route){.interface = 0};
  memcpy(out->next_hop, address, 16);
  status = ask(netlink, request, take_route, out);
  return !status && !out->interface ? -ENETUNREACH : status;
}

bool
copse_neighbour_parse(const struct nlmsghdr *message, struct copse_neighbour *out) {
  const struct ndmsg *entry = mnl_nlmsg_get_payload(message);
  const struct nlattr *attribute;
  bool has_address = false, has_mac = false;

  *out = (struct copse_neighbour){.interface = 0};
  if (mnl_nlmsg_get_payload_len(message) < sizeof(*entry) ||
      (entry->ndm_family != AF_INET && entry->ndm_family != AF_INET6))
    return false;
  out->interface = (unsigned)entry->ndm_ifindex;
  mnl_attr_for_each(attribute, message, sizeof(*entry)) {
    const void *value = mnl_attr_get_payload(attribute);
    size_t size = mnl_attr_get_payload_len(attribute);
    if (mnl_attr_get_type(attribute) == NDA_DST)
      has_address = take_address(value, size, out->address);
    if (mnl_attr_get_type(attribute) == NDA_LLADDR && size == sizeof(out->mac)) {
      memcpy(out->mac, value, size);
      has_mac = true;
    }
  }
  out->valid = message->nlmsg_type == RTM_NEWNEIGH && has_mac && entry->ndm_state & USABLE_STATES;
  return has_address;
}

static int
take_neighbour(const struct nlmsghdr *message, void *context) {
  copse_neighbour_parse(message, context);
  return MNL_CB_STOP;
}

static struct nlmsghdr *
neighbour_request(char *buffer, uint16_t type, uint16_t flags, unsigned interface, const uint8_t address[16]) {
  struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
  struct ndmsg *entry = mnl_nlmsg_put_extra_header(request, sizeof(*entry));

  request->nlmsg_type = type;
  request->nlmsg_flags = NLM_F_REQUEST | flags;
  entry->ndm_family = is_ipv4(address) ? AF_INET : AF_INET6;
  entry->ndm_ifindex = (int)interface;
  entry->ndm_flags = type == RTM_NEWNEIGH ? NTF_USE : 0;
  mnl_attr_put(request, NDA_DST, address_bytes(address), address_start(address));
  return request;
}

int
copse_neighbour_get(struct copse_netlink *netlink, unsigned interface, const uint8_t address[16],
                    struct copse_neighbour *out) {
  char buffer[256];

  *out = (struct copse_neighbour){.interface = 0};
  return ask(netlink, neighbour_request(buffer, RTM_GETNEIGH, 0, interface, address), take_neighbour, out);
}

int
copse_neighbour_use(struct copse_netlink *netlink, unsigned interface, const uint8_t address[16]) {
  char buffer[256];

  return ask(netlink, neighbour_request(buffer, RTM_NEWNEIGH, NLM_F_ACK | NLM_F_CREATE, interface, address), NULL,
             NULL);
}
