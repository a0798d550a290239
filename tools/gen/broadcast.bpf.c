// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
/* Replication as XDP does it: one redirect to all interfaces of a map, and on the way out of each a program that makes
 * the copy that next hop's. */
#include "broadcast.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/udp.h>

struct {
  __uint(type, BPF_MAP_TYPE_DEVMAP);
  __uint(max_entries, GEN_BROADCAST_HOPS);
  __type(key, __u32);
  __type(value, struct bpf_devmap_val);
} devices SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, GEN_BROADCAST_INTERFACES);
  __type(key, __u32);
  __type(value, struct gen_broadcast_hop);
} hops SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, GEN_BROADCAST_COUNTERS);
  __type(key, __u32);
  __type(value, __u64);
} counters SEC(".maps");

struct headers {
  struct ethhdr ethernet;
  struct iphdr ip;
  struct udphdr udp;
} __attribute__((packed));

static __always_inline __u32
folded(__u32 sum) {
  sum = (sum & 0xffff) + (sum >> 16);
  return (sum & 0xffff) + (sum >> 16);
}

static __always_inline __u32
halves(__u32 address) {
  return (address & 0xffff) + (address >> 16);
}

static __always_inline void
count(__u32 which) {
  __u64 *counter = bpf_map_lookup_elem(&counters, &which);

  if (counter)
    ++*counter;
}

SEC("xdp")
int
broadcast(struct xdp_md *ctx) {
  (void)ctx;
  return (int)bpf_redirect_map(&devices, 0, BPF_F_BROADCAST);
}

SEC("xdp/devmap")
int
rewrite(struct xdp_md *ctx) {
  struct headers *frame = (void *)(long)ctx->data;
  const __u32 interface = ctx->egress_ifindex;
  const struct gen_broadcast_hop *hop = bpf_map_lookup_elem(&hops, &interface);

  if (!hop || (void *)(frame + 1) > (void *)(long)ctx->data_end)
    return XDP_DROP;
  __builtin_memcpy(frame->ethernet.h_source, frame->ethernet.h_dest, ETH_ALEN);
  __builtin_memcpy(frame->ethernet.h_dest, hop->mac, ETH_ALEN);
  /* RFC 1624: HC' = ~(~HC + ~m + m') */
  frame->ip.check = (__u16)~folded((__u16)~frame->ip.check + halves(~frame->ip.daddr) + halves(hop->address));
  frame->ip.daddr = hop->address;
  frame->udp.dest = hop->port;
  return XDP_PASS;
}

SEC("xdp")
int
discard(struct xdp_md *ctx) {
  (void)ctx;
  count(GEN_BROADCAST_ARRIVED);
  return XDP_DROP;
}

/* The same, looking whether the copy is for who got it. */
SEC("xdp")
int
verify(struct xdp_md *ctx) {
  const struct headers *frame = (const void *)(long)ctx->data;
  const __u16 *words = (const void *)frame + sizeof(frame->ethernet);
  const __u32 interface = ctx->ingress_ifindex;
  const struct gen_broadcast_hop *hop = bpf_map_lookup_elem(&hops, &interface);
  __u32 sum = 0;

  count(GEN_BROADCAST_ARRIVED);
  if (!hop || (const void *)(frame + 1) > (const void *)(long)ctx->data_end)
    return XDP_DROP;
  for (int i = 0; i < (int)(sizeof(frame->ip) / 2); i++)
    sum += words[i];
  for (int i = 0; i < ETH_ALEN; i++)
    if (frame->ethernet.h_dest[i] != hop->mac[i])
      return XDP_DROP;
  if (folded(sum) == 0xffff && frame->ip.daddr == hop->address && frame->udp.dest == hop->port)
    count(GEN_BROADCAST_RIGHT);
  return XDP_DROP;
}

char copse_license[] SEC("license") = "GPL";
