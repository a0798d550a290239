// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
/* Hands whole UDP datagrams to the block port to DPDK's AF_XDP sockets and leaves everything else to the kernel. */
#include "copse_xdp.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <stdbool.h>

#define DEFAULT_PORT bpf_htons(7117)
#define IPV4_FRAGMENT bpf_htons(0x3fff) /* more fragments, or an offset */

struct vlan_header {
  __be16 tci;
  __be16 protocol;
};

/* The PMD finds this map by its name and puts one socket per queue into it. */
struct {
  __uint(type, BPF_MAP_TYPE_XSKMAP);
  __uint(max_entries, COPSE_XDP_QUEUES);
  __type(key, __u32);
  __type(value, __u32);
} xsks_map SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct copse_xdp_config);
} copse_config SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct copse_xdp_counters);
} copse_counters SEC(".maps");

static __always_inline bool
is_block_port(const struct copse_xdp_config *config, const void *layer4, const void *end) {
  const struct udphdr *udp = layer4;

  return (const void *)(udp + 1) <= end && udp->dest == (config->port ? config->port : DEFAULT_PORT);
}

static __always_inline bool
is_block_ipv4(const struct copse_xdp_config *config, const void *layer3, const void *end) {
  const struct iphdr *ip = layer3;

  if ((const void *)(ip + 1) > end || ip->version != 4 || ip->ihl < 5)
    return false;
  if (ip->protocol != IPPROTO_UDP || ip->frag_off & IPV4_FRAGMENT)
    return false;
  if (config->port && (!config->address4 || config->address4 != ip->daddr))
    return false;
  return is_block_port(config, layer3 + ip->ihl * 4, end);
}

static __always_inline bool
is_our_address6(const struct copse_xdp_config *config, const struct in6_addr *address) {
  const __be32 *ours = config->address6, *theirs = address->in6_u.u6_addr32;

  if (!config->port)
    return true;
  if (!(ours[0] | ours[1] | ours[2] | ours[3]))
    return false;
  return ours[0] == theirs[0] && ours[1] == theirs[1] && ours[2] == theirs[2] && ours[3] == theirs[3];
}

/* A packet with any extension header, a fragment's included, is the kernel's. */
static __always_inline bool
is_block_ipv6(const struct copse_xdp_config *config, const void *layer3, const void *end) {
  const struct ipv6hdr *ip = layer3;

  if ((const void *)(ip + 1) > end || ip->version != 6 || ip->nexthdr != IPPROTO_UDP)
    return false;
  return is_our_address6(config, &ip->daddr) && is_block_port(config, ip + 1, end);
}

static __always_inline int
hand_over(struct xdp_md *ctx, __u64 *redirected, __u64 *unclaimed) {
  int verdict = (int)bpf_redirect_map(&xsks_map, ctx->rx_queue_index, XDP_PASS);

  if (verdict == XDP_REDIRECT)
    ++*redirected;
  else
    ++*unclaimed;
  return verdict;
}

/* EtherType behind at most one VLAN tag, and where its header begins; zero for a frame cut short. */
static __always_inline __be16
ethertype(const void *data, const void *end, const void **layer3) {
  const struct ethhdr *ethernet = data;
  const struct vlan_header *vlan = (const void *)(ethernet + 1);

  *layer3 = vlan;
  if ((const void *)vlan > end)
    return 0;
  if (ethernet->h_proto != bpf_htons(ETH_P_8021Q) && ethernet->h_proto != bpf_htons(ETH_P_8021AD))
    return ethernet->h_proto;
  *layer3 = vlan + 1;
  return *layer3 <= end ? vlan->protocol : 0;
}

SEC("xdp")
int
copse_xdp(struct xdp_md *ctx) {
  const void *end = (const void *)(long)ctx->data_end, *layer3;
  const __u32 zero = 0;
  const struct copse_xdp_config *config = bpf_map_lookup_elem(&copse_config, &zero);
  struct copse_xdp_counters *counters = bpf_map_lookup_elem(&copse_counters, &zero);

  if (!config || !counters)
    return XDP_PASS;
  switch (ethertype((const void *)(long)ctx->data, end, &layer3)) {
  case bpf_htons(ETH_P_IP):
    if (is_block_ipv4(config, layer3, end))
      return hand_over(ctx, &counters->redirected_ipv4, &counters->unclaimed_ipv4);
    counters->passed_ipv4++;
    break;
  case bpf_htons(ETH_P_IPV6):
    if (is_block_ipv6(config, layer3, end))
      return hand_over(ctx, &counters->redirected_ipv6, &counters->unclaimed_ipv6);
    counters->passed_ipv6++;
    break;
  default:
    counters->passed_other++;
  }
  return XDP_PASS;
}

char copse_license[] SEC("license") = "GPL";
