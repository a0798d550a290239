/* SPDX-License-Identifier: Apache-2.0 */
#include "table/destination.h"

#include "table/addresses.h"
#include "table/retire.h"

#include <netinet/in.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#define HOPS_IN_IP 64 /* TTL, hop limit */

static uint8_t *
build_ethernet(struct copse_destination *destination, const struct copse_adjacency *adjacency) {
  const uint16_t type = rte_cpu_to_be_16(destination->ipv6 ? RTE_ETHER_TYPE_IPV6 : RTE_ETHER_TYPE_IPV4);
  struct rte_ether_hdr *ethernet = (struct rte_ether_hdr *)destination->header;
  struct rte_vlan_hdr *vlan = (struct rte_vlan_hdr *)(ethernet + 1);

  memcpy(&ethernet->dst_addr, adjacency->next_mac, sizeof(adjacency->next_mac));
  memcpy(&ethernet->src_addr, adjacency->source_mac, sizeof(adjacency->source_mac));
  if (adjacency->vlan == 0) {
    ethernet->ether_type = type;
    return (uint8_t *)(ethernet + 1);
  }
  ethernet->ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_VLAN);
  vlan->vlan_tci = rte_cpu_to_be_16(adjacency->vlan);
  vlan->eth_proto = type;
  return (uint8_t *)(vlan + 1);
}

/* Length, DSCP and checksum are left zero: they are each copy's own. */
static uint8_t *
build_ipv4(struct copse_destination *destination, uint8_t *at, const uint8_t *source, const uint8_t *target) {
  struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)at;

  ip->version_ihl = RTE_IPV4_VHL_DEF;
  ip->fragment_offset = rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG);
  ip->time_to_live = HOPS_IN_IP;
  ip->next_proto_id = IPPROTO_UDP;
  memcpy(&ip->src_addr, source + 12, 4);
  memcpy(&ip->dst_addr, target + 12, 4);
  destination->checksum = rte_raw_cksum(ip, sizeof(*ip));
  return (uint8_t *)(ip + 1);
}

static uint8_t *
build_ipv6(struct copse_destination *destination, uint8_t *at, const struct copse_endpoint *source,
           const struct copse_endpoint *target) {
  struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)at;

  ip->vtc_flow = rte_cpu_to_be_32(6U << 28);
  ip->proto = IPPROTO_UDP;
  ip->hop_limits = HOPS_IN_IP;
  memcpy(ip->src_addr, source->address, sizeof(ip->src_addr));
  memcpy(ip->dst_addr, target->address, sizeof(ip->dst_addr));
  destination->checksum =
    rte_raw_cksum(ip->src_addr, 32) + rte_cpu_to_be_16(IPPROTO_UDP) + (uint32_t)source->port + target->port;
  return (uint8_t *)(ip + 1);
}

/* How many sizes of payload fit, none included. */
static uint16_t
payload_room(const struct copse_destination *destination, uint16_t mtu) {
  const uint32_t headers = destination->header_bytes - destination->l3_offset + COPSE_HEADER_BYTES;

  return mtu < headers ? 0 : (uint16_t)(mtu - headers + 1);
}

static void
build(struct copse_destination *destination, const struct copse_table *table, const struct copse_endpoint *target,
      const struct copse_adjacency *adjacency) {
  const bool ipv4 = IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)target->address);
  const struct copse_endpoint *source = ipv4 ? &table->config.local4 : &table->config.local6;
  uint8_t *at;

  destination->ipv6 = !ipv4;
  at = build_ethernet(destination, adjacency);
  destination->l3_offset = (uint8_t)(at - destination->header);
  at =
    ipv4 ? build_ipv4(destination, at, source->address, target->address) : build_ipv6(destination, at, source, target);
  struct rte_udp_hdr *udp = (struct rte_udp_hdr *)at;
  udp->src_port = source->port;
  udp->dst_port = target->port;
  destination->header_bytes = (uint8_t)((uint8_t *)(udp + 1) - destination->header);
  destination->port = COPSE_PORT_NONE;
  if (adjacency->resolved && adjacency->port < COPSE_PORTS_MAX) {
    destination->port = adjacency->port;
    destination->room = payload_room(destination, table->config.mtu[adjacency->port]);
  }
}

/* The one of the two buffers that is not published, once no worker reads it. */
static struct copse_destination *
spare_buffer(struct copse_table *table, uint32_t index) {
  struct copse_destination_slot *slot = &table->view.destinations[index];
  struct copse_destination *buffer = &table->destination_buffers[2UL * index];

  copse_await_workers(table, slot->token);
  return slot->published == buffer ? buffer + 1 : buffer;
}

static void
publish(struct copse_table *table, uint32_t index, struct copse_destination *destination) {
  struct copse_destination_slot *slot = &table->view.destinations[index];

  __atomic_store_n(&slot->published, destination, __ATOMIC_RELEASE);
  slot->token = rte_rcu_qsbr_start(table->view.rcu);
}

void
copse_destination_publish(struct copse_table *table, enum copse_object object, uint32_t slot) {
  const uint32_t index = copse_destination_of(table, object, slot);
  const struct copse_adjacency *adjacency = &table->addresses[table->address_users[index].address].adjacency;
  struct copse_destination *destination = spare_buffer(table, index);

  *destination = (struct copse_destination){.slot = slot};
  if (object == COPSE_LINK) {
    const struct copse_api_link *link = &copse_link_at(table, slot)->api;
    destination->kind = COPSE_HOP_LINK;
    copse_rate_set(&destination->rate, link->budget_bps, link->burst_us, table->config.tsc_hz);
    build(destination, table, &link->remote, adjacency);
  } else {
    const struct copse_api_member *member = &copse_member_at(table, slot)->api;
    destination->kind = COPSE_HOP_MEMBER;
    copse_rate_set(&destination->rate, member->egress_bps, member->burst_us, table->config.tsc_hz);
    copse_rate_deepen(&destination->rate, COPSE_MEMBER_BURST_BYTES);
    build(destination, table, &member->address, adjacency);
  }
  publish(table, index, destination);
}

void
copse_destination_unpublish(struct copse_table *table, enum copse_object object, uint32_t slot) {
  const uint32_t index = copse_destination_of(table, object, slot);

  copse_await_workers(table, table->view.destinations[index].token);
  publish(table, index, NULL);
}

static bool
same_adjacency(const struct copse_adjacency *a, const struct copse_adjacency *b) {
  return a->resolved == b->resolved && a->port == b->port && a->vlan == b->vlan &&
         memcmp(a->source_mac, b->source_mac, sizeof(a->source_mac)) == 0 &&
         memcmp(a->next_mac, b->next_mac, sizeof(a->next_mac)) == 0;
}

void
copse_table_adjacency(struct copse_table *table, const uint8_t bytes[16], const struct copse_adjacency *adjacency) {
  const uint32_t index = copse_address_find(table, bytes), links = table->config.limits.links;

  if (index == COPSE_MAP_NONE)
    return;
  struct copse_address *address = &table->addresses[index];
  if (same_adjacency(&address->adjacency, adjacency))
    return;
  address->adjacency = *adjacency;
  for (uint32_t user = address->first; user != COPSE_MAP_NONE; user = table->address_users[user].next)
    if (user < links)
      copse_destination_publish(table, COPSE_LINK, user);
    else
      copse_destination_publish(table, COPSE_MEMBER, user - links);
}
