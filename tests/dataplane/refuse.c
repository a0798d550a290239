/* SPDX-License-Identifier: Apache-2.0 */
/* Each reason for which a packet is dropped, provoked. Nothing is sent for any of them. */
#include "harness.h"

TestSuite(refuse, .init = harness_start, .fini = harness_stop);

static void
plant(void) {
  const struct copse_api_hop hops[] = {{COPSE_HOP_LINK, 0, 0x10001, 0}, {COPSE_HOP_MEMBER, 2, 0xa002, 0}};
  struct copse_api_tree child = tree(3, 0xdef);

  add_usual_link(0, 0);
  add_proven_member(1, 0);
  add_proven_member(2, COPSE_SLOT_NONE);
  add_proven_member(4, 3); /* would send on a tree whose root is elsewhere */
  add_proven_member(17, 0);
  add_tree(&batch, tree(0, 0xabc), hops, 2);
  child.label = copse_label(40, 3);
  child.upstream = ipv4(10, 0, 0, 2, COPSE_BLOCK_PORT);
  add_tree(&batch, child, hops, 2);
  commit();
}

/* Changes a good frame from member 1 (offsets of frames.h) or its mbuf. */
struct refusal {
  const char *what;
  void (*change)(struct frame *frame);
  enum copse_packet_drop drop;
};

#define CHANGE(name) static void name(struct frame *f __attribute__((unused)))

static void
set_length(struct frame *f, unsigned ip_bytes) {
  f->bytes[AT_IP + 2] = (uint8_t)(ip_bytes >> 8);
  f->bytes[AT_IP + 3] = (uint8_t)ip_bytes;
  frame_fix_ip(f);
}

static void
rebuild(struct frame *f, struct frame_spec spec) {
  frame_build(f, &spec);
}

CHANGE(ether_type) {
  f->bytes[13] = 6;
}
CHANGE(empty) {
  f->length = 0;
}
CHANGE(ethernet_cut) {
  f->length = 13;
}
CHANGE(vlan_cut) {
  memcpy(f->bytes + 12, "\x81\0", 2), f->length = 17;
}
CHANGE(vlan_twice) {
  memcpy(f->bytes + 12, "\x81\0\0\1\x81\0", 6);
}
CHANGE(ip_cut) {
  f->length = AT_IP + 19;
}
CHANGE(ip_options) {
  f->bytes[AT_IP] = 0x46, frame_fix_ip(f);
}
CHANGE(ip_version) {
  f->bytes[AT_IP] = 0x55, frame_fix_ip(f);
}
CHANGE(tcp) {
  f->bytes[AT_IP + 9] = 6, frame_fix_ip(f);
}
CHANGE(more_fragments) {
  f->bytes[AT_IP + 6] = 0x20, frame_fix_ip(f);
}
CHANGE(fragment_offset) {
  f->bytes[AT_IP + 7] = 1, frame_fix_ip(f);
}
CHANGE(ip_checksum) {
  f->bytes[AT_IP + 10] ^= 1;
}
CHANGE(ip_length_long) {
  set_length(f, f->length - AT_IP + 1);
}
CHANGE(ip_length_short) {
  set_length(f, 27);
}
CHANGE(ip_length_zero) {
  set_length(f, 0);
}
CHANGE(not_our_address) {
  f->bytes[AT_IP + 19]++, frame_fix_ip(f);
}
CHANGE(udp_cut) {
  f->length = AT_UDP + 7, set_length(f, 28);
}
CHANGE(other_port) {
  f->bytes[AT_UDP + 2] ^= 1;
}
CHANGE(udp_length_long) {
  f->bytes[AT_UDP + 5]++;
}
CHANGE(udp_length_short) {
  f->bytes[AT_UDP + 5]--;
}
CHANGE(udp_checksum) {
  f->bytes[f->length - 1] ^= 1;
}
CHANGE(header_cut) {
  f->length = AT_HEADER + 31, set_length(f, 28 + 31), memcpy(f->bytes + AT_UDP + 4, "\0\x27", 2);
}
CHANGE(bad_version) {
  f->bytes[AT_HEADER] = 2, memset(f->bytes + AT_UDP + 6, 0, 2);
}
CHANGE(type_zero) {
  f->bytes[AT_HEADER + 1] = 0, memset(f->bytes + AT_UDP + 6, 0, 2);
}
CHANGE(type_unknown) {
  f->bytes[AT_HEADER + 1] = 8, memset(f->bytes + AT_UDP + 6, 0, 2);
}
CHANGE(length_field) {
  f->bytes[AT_HEADER + 15]++, memset(f->bytes + AT_UDP + 6, 0, 2);
}

static struct frame_spec
good(void) {
  return from_member(1, 100);
}

CHANGE(forged) {
  struct frame_spec s = good();
  s.key[7] ^= 1;
  rebuild(f, s);
}
CHANGE(changed_block) {
  f->bytes[AT_HEADER + 11]++, memset(f->bytes + AT_UDP + 6, 0, 2);
}
CHANGE(changed_hop_limit) {
  f->bytes[AT_HEADER + 3]++, memset(f->bytes + AT_UDP + 6, 0, 2);
}

CHANGE(probe) {
  struct frame_spec s = good();
  s.type = COPSE_PROBE;
  rebuild(f, s);
}

CHANGE(challenge) {
  struct frame_spec s = good();
  s.type = COPSE_CHALLENGE;
  rebuild(f, s);
}

CHANGE(label_free) {
  struct frame_spec s = good();
  s.label = copse_label(50, 0);
  rebuild(f, s);
}

CHANGE(label_beyond) {
  struct frame_spec s = good();
  s.label = copse_label(64, 7);
  rebuild(f, s);
}

CHANGE(label_none) {
  struct frame_spec s = good();
  s.label = COPSE_LABEL_NONE;
  rebuild(f, s);
}

CHANGE(label_stale) {
  struct frame_spec s = good();
  s.label = copse_label(1, 6);
  rebuild(f, s);
}

CHANGE(other_address) {
  struct frame_spec s = good();
  s.source = ipv4(10, 0, 1, 99, 4001);
  rebuild(f, s);
}

CHANGE(other_source_port) {
  struct frame_spec s = good();
  s.source.port ^= 1;
  rebuild(f, s);
}

CHANGE(other_members_label) {
  struct frame_spec s = good();
  s.label = copse_label(2, 7);
  rebuild(f, s);
}

CHANGE(no_hops_left) {
  struct frame_spec s = good();
  s.hop_limit = 0;
  rebuild(f, s);
}

CHANGE(no_tree_to_send_on) {
  rebuild(f, from_member(2, 100));
}
CHANGE(not_the_root) {
  rebuild(f, from_member(4, 100));
}

CHANGE(hello_from_parent) {
  struct frame_spec s = good();
  s.type = COPSE_HELLO;
  s.source = ipv4(10, 0, 0, 2, COPSE_BLOCK_PORT);
  s.label = copse_label(40, 3);
  rebuild(f, s);
}

CHANGE(hello_too_short) {
  struct frame_spec s = from_member(1, 101);
  s.type = COPSE_HELLO;
  s.payload_bytes = 31;
  rebuild(f, s);
}

CHANGE(response_too_long) {
  struct frame_spec s = from_member(1, 102);
  s.type = COPSE_RESPONSE;
  s.payload_bytes = 17;
  rebuild(f, s);
}

CHANGE(wrong_cookie) {
  struct frame_spec s = from_member(1, 103);
  s.type = COPSE_RESPONSE;
  s.payload_bytes = 16;
  rebuild(f, s);
}

static const struct refusal refusals[] = {
  {"another EtherType", ether_type, COPSE_DROP_NOT_BLOCK},
  {"empty frame", empty, COPSE_DROP_TRUNCATED},
  {"cut Ethernet header", ethernet_cut, COPSE_DROP_TRUNCATED},
  {"cut VLAN tag", vlan_cut, COPSE_DROP_TRUNCATED},
  {"two VLAN tags", vlan_twice, COPSE_DROP_NOT_BLOCK},
  {"cut IP header", ip_cut, COPSE_DROP_TRUNCATED},
  {"IP options", ip_options, COPSE_DROP_NOT_BLOCK},
  {"IP version", ip_version, COPSE_DROP_NOT_BLOCK},
  {"TCP", tcp, COPSE_DROP_NOT_BLOCK},
  {"first fragment", more_fragments, COPSE_DROP_FRAGMENT},
  {"later fragment", fragment_offset, COPSE_DROP_FRAGMENT},
  {"IP checksum", ip_checksum, COPSE_DROP_BAD_CHECKSUM},
  {"IP length beyond the frame", ip_length_long, COPSE_DROP_TRUNCATED},
  {"IP length below UDP", ip_length_short, COPSE_DROP_TRUNCATED},
  {"IP length zero", ip_length_zero, COPSE_DROP_TRUNCATED},
  {"not our address", not_our_address, COPSE_DROP_NOT_BLOCK},
  {"cut UDP header", udp_cut, COPSE_DROP_TRUNCATED},
  {"another port", other_port, COPSE_DROP_NOT_BLOCK},
  {"UDP length too long", udp_length_long, COPSE_DROP_BAD_LENGTH},
  {"UDP length too short", udp_length_short, COPSE_DROP_BAD_LENGTH},
  {"UDP checksum", udp_checksum, COPSE_DROP_BAD_CHECKSUM},
  {"cut block header", header_cut, COPSE_DROP_TRUNCATED},
  {"version", bad_version, COPSE_DROP_BAD_VERSION},
  {"type 0", type_zero, COPSE_DROP_BAD_TYPE},
  {"unknown type", type_unknown, COPSE_DROP_BAD_TYPE},
  {"length field", length_field, COPSE_DROP_BAD_LENGTH},
  {"forged", forged, COPSE_DROP_BAD_TAG},
  {"changed block number", changed_block, COPSE_DROP_BAD_TAG},
  {"changed hop limit", changed_hop_limit, COPSE_DROP_BAD_TAG},
  {"probe", probe, COPSE_DROP_BAD_TYPE},
  {"challenge", challenge, COPSE_DROP_BAD_TYPE},
  {"free label", label_free, COPSE_DROP_UNKNOWN_LABEL},
  {"label beyond the table", label_beyond, COPSE_DROP_UNKNOWN_LABEL},
  {"no label", label_none, COPSE_DROP_UNKNOWN_LABEL},
  {"stale label", label_stale, COPSE_DROP_STALE_LABEL},
  {"another address", other_address, COPSE_DROP_BAD_UPSTREAM},
  {"another source port", other_source_port, COPSE_DROP_BAD_UPSTREAM},
  {"another member's label", other_members_label, COPSE_DROP_BAD_UPSTREAM},
  {"no hops left", no_hops_left, COPSE_DROP_HOP_LIMIT},
  {"no tree to send on", no_tree_to_send_on, COPSE_DROP_NOT_SENDER},
  {"tree rooted elsewhere", not_the_root, COPSE_DROP_NOT_SENDER},
  {"HELLO of a parent", hello_from_parent, COPSE_DROP_BAD_TYPE},
  {"HELLO too short", hello_too_short, COPSE_DROP_BAD_LENGTH},
  {"RESPONSE too long", response_too_long, COPSE_DROP_BAD_LENGTH},
  {"wrong cookie", wrong_cookie, COPSE_DROP_BAD_COOKIE},
};

Test(refuse, each_with_its_name_and_without_a_copy) {
  const size_t count = sizeof(refusals) / sizeof(*refusals);
  uint64_t before[COPSE_PACKET_DROP_COUNT];

  plant();
  for (size_t i = 0; i < count; i++) {
    static struct frame frame;
    struct frame_spec spec = good();
    frame_build(&frame, &spec);
    refusals[i].change(&frame);
    memcpy(before, counters()->packet_drops, sizeof(before));
    inject(0, &frame, 0);
    run_once();
    for (int drop = 0; drop < COPSE_PACKET_DROP_COUNT; drop++)
      cr_assert(eq(u64, counters()->packet_drops[drop] - before[drop], drop == (int)refusals[i].drop), "%s: %s",
                refusals[i].what, copse_packet_drop_names[drop]);
    expect_nothing();
  }
  cr_assert(eq(u64, counters()->rx_packets, count));
  cr_assert(eq(u64, counters()->tx_packets, 0));
  cr_assert(eq(u64, counters()->copies_due, 0));
  /* What was not authenticated has not moved the replay window: the packet that was forged still goes. */
  const struct frame_spec spec = good();
  send_frame(&spec);
  cr_assert(eq(u64, counters()->copies_sent, 2));
}

/* Frames are cut after every byte of their headers; they end or go on in a second segment. */
Test(refuse, headers_cut_anywhere) {
  static struct frame whole, frame;

  plant();
  for (int v6 = 0; v6 < 2; v6++) {
    struct frame_spec spec = from_member(v6 ? 17 : 1, 5);
    spec.payload_bytes = 50;
    frame_build(&whole, &spec);
    const uint32_t headers = whole.length - 50;
    for (uint32_t cut = 1; cut < whole.length; cut++) {
      frame = whole;
      frame.length = cut;
      inject(v6, &frame, 0);
      if (cut < headers)
        inject(v6, &whole, cut);
      run_once();
    }
    expect_nothing();
  }
  cr_assert(eq(u64, counters()->admitted, 0));
  cr_assert(eq(u64, packet_drops(COPSE_DROP_TRUNCATED), counters()->rx_packets));
}

Test(refuse, ipv6_oddities) {
  static const struct {
    uint32_t at;
    uint8_t value;
    enum copse_packet_drop drop;
  } changes[] = {
    {18, 0x40, COPSE_DROP_NOT_BLOCK},     /* version 4 */
    {18 + 6, 44, COPSE_DROP_FRAGMENT},    /* fragment header */
    {18 + 6, 0, COPSE_DROP_NOT_BLOCK},    /* hop-by-hop options */
    {18 + 39, 9, COPSE_DROP_NOT_BLOCK},   /* another host */
    {18 + 4, 0xff, COPSE_DROP_TRUNCATED}, /* longer than a packet may be */
    {18 + 4, 0, COPSE_DROP_BAD_LENGTH},   {18 + 40 + 8 + 40, 0xee, COPSE_DROP_BAD_CHECKSUM},
  };
  struct frame frame;
  struct frame_spec spec = from_member(17, 5);

  plant();
  for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
    const uint64_t before = packet_drops(changes[i].drop);
    frame_build(&frame, &spec);
    frame.bytes[changes[i].at] = changes[i].value;
    inject(1, &frame, 0);
    run_once();
    cr_assert(eq(u64, packet_drops(changes[i].drop), before + 1), "change %zu", i);
  }
  frame_build(&frame, &spec); /* IPv6 has no zero checksum */
  memset(frame.bytes + 18 + 40 + 6, 0, 2);
  inject(1, &frame, 0);
  run_once();
  cr_assert(eq(u64, packet_drops(COPSE_DROP_BAD_CHECKSUM), 2));
  expect_nothing();
}

Test(refuse, checksum_the_port_found_wrong) {
  const struct frame_spec spec = good();
  struct rte_mbuf *mbuf;
  struct frame frame;

  plant();
  frame_build(&frame, &spec);
  mbuf = mbuf_of(&frame, 0);
  mbuf->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_BAD;
  inject_mbuf(0, mbuf);
  mbuf = mbuf_of(&frame, 0);
  mbuf->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_BAD;
  inject_mbuf(0, mbuf);
  run_once();
  cr_assert(eq(u64, packet_drops(COPSE_DROP_BAD_CHECKSUM), 2));
}

static void
start_ipv6_only(void) {
  harness_without_ipv4 = true;
  harness_start();
}

TestSuite(ipv6_only, .init = start_ipv6_only, .fini = harness_stop);

Test(ipv6_only, nothing_is_ours_in_a_family_without_address) {
  struct frame_spec spec = from_member(1, 5);

  spec.target = ipv4(0, 0, 0, 0, COPSE_BLOCK_PORT);
  send_frame(&spec);
  cr_assert(eq(u64, packet_drops(COPSE_DROP_NOT_BLOCK), 1));
}
