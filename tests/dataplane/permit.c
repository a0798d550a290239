/* SPDX-License-Identifier: Apache-2.0 */
/* The handshake: an address that has not echoed a cookie receives nothing but the challenge. */
#include "harness.h"

TestSuite(permit, .init = harness_start, .fini = harness_stop);

#define COOKIE_PERIOD (16 * SECOND)

static const uint8_t zeros[COPSE_HELLO_PAYLOAD_BYTES];

/* Members 1 (IPv4) and 17 (IPv6) receive tree 0, and send on it; nothing is proven. */
static void
plant(void) {
  const struct copse_api_hop hops[] = {{COPSE_HOP_MEMBER, 1, 0xa001, 0}, {COPSE_HOP_MEMBER, 17, 0xa011, 0}};
  struct copse_api_member api;

  add_tree(&batch, tree(0, 0xabc), NULL, 0);
  for (uint32_t slot = 1; slot < 18; slot += 16) {
    api = usual_member(slot, 0);
    add_member(&batch, &api);
  }
  commit();
  add_tree(&batch, tree(0, 0xabc), hops, 2);
  add_proven_member(3, 0);
}

static struct frame_spec
request(uint32_t slot, uint8_t type, uint64_t sequence, const uint8_t *bytes, uint16_t length) {
  struct frame_spec spec = from_member(slot, sequence);

  spec.type = type;
  spec.block = 0;
  spec.symbol = 0;
  spec.payload = bytes;
  spec.payload_bytes = length;
  return spec;
}

/* The reply to a request, but for its payload. */
static struct frame_spec
reply_to(const struct frame_spec *in, uint8_t type, const uint8_t *bytes, uint16_t length) {
  struct frame_spec out = *in;

  out.target_mac = in->source_mac;
  out.source_mac = in->target_mac;
  out.target = in->source;
  out.source = in->target;
  out.checksum = false;
  out.type = type;
  out.hop_limit = COPSE_HOP_LIMIT;
  out.payload = bytes;
  out.payload_bytes = length;
  return out;
}

static uint32_t
port_of(uint32_t slot) {
  return slot < 16 ? 0 : 1;
}

/* Sends HELLO and takes the cookie out of the challenge, which is checked byte for byte. */
static void
get_cookie(uint32_t slot, uint64_t sequence, uint8_t cookie[COPSE_COOKIE_BYTES]) {
  const struct frame_spec hello = request(slot, COPSE_HELLO, sequence, zeros, sizeof(zeros));
  static struct frame asked, answer, expected;

  frame_build(&asked, &hello);
  send_frame(&hello);
  cr_assert(collect(port_of(slot), &answer));
  cr_assert(le(uint, answer.length, asked.length));
  memcpy(cookie, answer.bytes + answer.length - COPSE_COOKIE_BYTES, COPSE_COOKIE_BYTES);
  const struct frame_spec challenge = reply_to(&hello, COPSE_CHALLENGE, cookie, COPSE_COOKIE_BYTES);
  frame_build(&expected, &challenge);
  cr_assert(eq(uint, answer.length, expected.length));
  cr_assert(eq(int, memcmp(answer.bytes, expected.bytes, answer.length), 0));
  expect_nothing();
}

static void
respond(uint32_t slot, uint64_t sequence, const uint8_t cookie[COPSE_COOKIE_BYTES]) {
  const struct frame_spec response = request(slot, COPSE_RESPONSE, sequence, cookie, COPSE_COOKIE_BYTES);

  send_frame(&response);
}

static void
expect_accept(uint32_t slot, uint64_t sequence, const uint8_t cookie[COPSE_COOKIE_BYTES]) {
  const struct frame_spec response = request(slot, COPSE_RESPONSE, sequence, cookie, COPSE_COOKIE_BYTES);
  const struct frame_spec accept = reply_to(&response, COPSE_ACCEPT, (const uint8_t *)"\0\0\0\x3c", 4);

  expect(port_of(slot), &accept);
  expect_nothing();
}

Test(permit, hello_challenge_response_accept) {
  uint8_t cookie[COPSE_COOKIE_BYTES];

  plant();
  for (uint32_t slot = 1; slot < 18; slot += 16) {
    get_cookie(slot, 10, cookie);
    cr_assert(eq(u64, copse_table_forwarding(table)->member_states[slot].permission_until, 0), "nothing remembered");
    respond(slot, 11, cookie);
    expect_accept(slot, 11, cookie);
    cr_assert(eq(u64, copse_table_forwarding(table)->member_states[slot].permission_until, now + 60 * SECOND));
  }
  cr_assert(eq(u64, counters()->handshakes, 4));
  /* Now copies flow, and DATA is accepted. */
  const struct frame_spec in = from_member(1, 12);
  send_frame(&in);
  const struct frame_spec copy = copy_to_member(17, &in, 0xa011, TEST_SEQUENCE_BASE, 0x80);
  expect(1, &copy);
  expect_nothing();
}

Test(permit, an_unproven_address_receives_only_the_challenge) {
  uint8_t cookie[COPSE_COOKIE_BYTES];

  plant();
  get_cookie(1, 10, cookie);
  for (uint64_t i = 0; i < 10; i++) {
    const struct frame_spec in = from_member(3, 100 + i), own = from_member(1, 100 + i);
    send_frame(&in);
    send_frame(&own);
  }
  expect_nothing();
  cr_assert(eq(u64, copy_drops(COPSE_DROP_UNPROVEN), 20));
  cr_assert(eq(u64, packet_drops(COPSE_DROP_NOT_PERMITTED), 10));
}

Test(permit, a_cookie_is_good_for_its_address_label_and_time_only) {
  uint8_t cookie[COPSE_COOKIE_BYTES], other[COPSE_COOKIE_BYTES];

  plant();
  now = 100 * COOKIE_PERIOD;
  get_cookie(1, 1, cookie);
  get_cookie(17, 1, other);
  cr_assert(ne(int, memcmp(cookie, other, sizeof(cookie)), 0));
  respond(1, 2, other);
  expect_nothing();
  now += 2 * COOKIE_PERIOD - 1; /* the last moment of the next period */
  respond(1, 3, cookie);
  expect_accept(1, 3, cookie);
  now++;
  respond(1, 4, cookie);
  expect_nothing();
  cr_assert(eq(u64, packet_drops(COPSE_DROP_BAD_COOKIE), 2));
}

Test(permit, it_must_be_refreshed) {
  uint8_t cookie[COPSE_COOKIE_BYTES];
  uint64_t sequence = 1;

  plant();
  get_cookie(1, sequence++, cookie);
  respond(1, sequence++, cookie);
  expect_accept(1, sequence - 1, cookie);
  now += 30 * SECOND;
  get_cookie(1, sequence++, cookie);
  respond(1, sequence++, cookie);
  expect_accept(1, sequence - 1, cookie);
  now += 60 * SECOND - 1;
  grant(3, now + 10 * SECOND);
  const struct frame_spec before = from_member(3, 1), after = from_member(3, 2);
  send_frame(&before);
  const struct frame_spec copy = copy_to_member(1, &before, 0xa001, TEST_SEQUENCE_BASE, 0x80);
  expect(0, &copy);
  now++;
  send_frame(&after);
  expect_nothing();
  cr_assert(eq(u64, copy_drops(COPSE_DROP_UNPROVEN), 3));
}

Test(permit, a_forged_or_replayed_request_gets_no_answer) {
  uint8_t cookie[COPSE_COOKIE_BYTES];
  struct frame_spec hello;

  plant();
  get_cookie(1, 10, cookie);
  hello = request(1, COPSE_HELLO, 10, zeros, sizeof(zeros));
  send_frame(&hello);
  hello.sequence = 11;
  hello.key[0] ^= 1;
  send_frame(&hello);
  hello = request(1, COPSE_HELLO, 12, zeros, sizeof(zeros));
  hello.source = ipv4(10, 0, 1, 77, 4001);
  send_frame(&hello);
  expect_nothing();
  cr_assert(eq(u64, packet_drops(COPSE_DROP_REPLAY), 1));
  cr_assert(eq(u64, packet_drops(COPSE_DROP_BAD_TAG), 1));
  cr_assert(eq(u64, packet_drops(COPSE_DROP_BAD_UPSTREAM), 1));
}

/* The cookie of a RESPONSE may be in another segment, the mbuf may have another owner. */
Test(permit, requests_in_segments_and_shared) {
  uint8_t cookie[COPSE_COOKIE_BYTES];
  struct rte_mbuf *mbuf;
  struct frame frame;

  plant();
  get_cookie(17, 10, cookie);
  const struct frame_spec response = request(17, COPSE_RESPONSE, 11, cookie, COPSE_COOKIE_BYTES);
  frame_build(&frame, &response);
  mbuf = mbuf_of(&frame, frame.length - 9);
  rte_pktmbuf_refcnt_update(mbuf, 1);
  inject_mbuf(1, mbuf);
  run_once();
  expect_accept(17, 11, cookie);
  rte_pktmbuf_free(mbuf);

  const struct frame_spec again = request(17, COPSE_RESPONSE, 12, cookie, COPSE_COOKIE_BYTES);
  frame_build(&frame, &again);
  inject(1, &frame, frame.length - COPSE_COOKIE_BYTES);
  run_once();
  expect_accept(17, 12, cookie);
}
