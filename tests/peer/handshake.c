/* SPDX-License-Identifier: Apache-2.0 */
/* The peer's side of the handshake, time as an argument. */
#include "handshake.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdbool.h>

#define MS 1000000ULL
#define SECOND 1000000000ULL
#define LABEL 0x00000501U

static const uint8_t key[COPSE_KEY_BYTES] = "0123456789abcdef";
static const uint8_t cookie[COPSE_COOKIE_BYTES] = "cookie of 16 byt";

static struct handshake handshake;
static uint64_t sequence;
static uint8_t sent[HANDSHAKE_PACKET_BYTES];

static void
begin(void) {
  sequence = 1000;
  handshake = (struct handshake){0};
  handshake_start(&handshake, LABEL, key, 10 * SECOND);
}

/* Type of the packet due at `now`, 0 when none is. */
static int
poll_type(uint64_t now) {
  size_t bytes = handshake_poll(&handshake, now, &sequence, sent);

  if (bytes == 0)
    return 0;
  const struct copse_header *header = (const struct copse_header *)sent;
  cr_expect(eq(int, copse_header_check(sent, bytes), 0));
  cr_expect(packet_authentic(header, key));
  cr_expect(eq(u32, be32toh(header->label), LABEL));
  cr_expect(eq(u64, be64toh(header->sequence), sequence));
  return header->type;
}

/* An answer as a dataplane would make it; `of` is the sequence it repeats. */
static bool
answer(enum copse_packet_type type, const void *payload, uint16_t length, uint64_t of, const uint8_t *with,
       uint64_t now) {
  uint8_t packet[COPSE_HEADER_BYTES + 64];
  struct packet_fields fields = {.type = type, .label = LABEL, .payload = length, .sequence = of};

  packet_header((struct copse_header *)packet, &fields, with);
  memcpy(packet + COPSE_HEADER_BYTES, payload, length);
  return handshake_receive(&handshake, packet, now);
}

static bool
accept(uint32_t seconds, uint64_t now) {
  struct copse_accept payload = {htobe32(seconds)};

  return answer(COPSE_ACCEPT, &payload, sizeof(payload), sequence, key, now);
}

static void
exchange(uint64_t now, uint32_t seconds) {
  cr_assert(eq(int, poll_type(now), COPSE_HELLO));
  cr_assert(answer(COPSE_CHALLENGE, cookie, sizeof(cookie), sequence, key, now));
  cr_assert(eq(int, poll_type(now), COPSE_RESPONSE));
  cr_assert(eq(int, memcmp(sent + COPSE_HEADER_BYTES, cookie, sizeof(cookie)), 0));
  cr_assert(accept(seconds, now));
}

Test(handshake, nothing_before_it_is_a_member) {
  struct handshake none = {0};

  cr_expect(eq(sz, handshake_poll(&none, SECOND, &sequence, sent), 0));
  cr_expect(not(handshake_permitted(&none, SECOND)));
}

Test(handshake, permission_and_its_refresh, .init = begin) {
  uint64_t now = 10 * SECOND;

  cr_expect(not(handshake_permitted(&handshake, now)));
  exchange(now, 60);
  cr_expect(handshake_permitted(&handshake, now + 59 * SECOND));
  cr_expect(not(handshake_permitted(&handshake, now + 60 * SECOND)));
  cr_expect(eq(int, poll_type(now + 30 * SECOND - 1), 0));
  exchange(now + 30 * SECOND, 60);
  cr_expect(handshake_permitted(&handshake, now + 89 * SECOND));
}

Test(handshake, hello_is_repeated_more_and_more_slowly, .init = begin) {
  static const uint64_t due[] = {0, 200, 600, 1400, 2400, 3400};
  uint64_t now = 10 * SECOND;

  for (size_t i = 0; i < sizeof(due) / sizeof(due[0]); i++) {
    if (due[i])
      cr_expect(eq(int, poll_type(now + due[i] * MS - 1), 0), "not before %lu ms", due[i]);
    cr_expect(eq(int, poll_type(now + due[i] * MS), COPSE_HELLO), "at %lu ms", due[i]);
  }
}

Test(handshake, hello_is_no_smaller_than_any_answer, .init = begin) {
  cr_expect(eq(sz, handshake_poll(&handshake, 10 * SECOND, &sequence, sent), 64));
}

Test(handshake, lost_accept_begins_again, .init = begin) {
  uint64_t now = 10 * SECOND;

  poll_type(now);
  answer(COPSE_CHALLENGE, cookie, sizeof(cookie), sequence, key, now);
  cr_expect(eq(int, poll_type(now + MS), COPSE_RESPONSE));
  cr_expect(eq(int, poll_type(now + 100 * MS), 0));
  cr_expect(eq(int, poll_type(now + 200 * MS), COPSE_HELLO));
  cr_expect(not(accept(60, now + 201 * MS)), "an ACCEPT to what was not sent");
}

Test(handshake, answers_must_belong, .init = begin) {
  uint64_t now = 10 * SECOND;
  static const uint8_t wrong[COPSE_KEY_BYTES] = "fedcba9876543210";

  cr_expect(not(accept(60, now)), "before any packet");
  poll_type(now);
  cr_expect(not(answer(COPSE_CHALLENGE, cookie, sizeof(cookie), sequence, wrong, now)), "tag");
  cr_expect(not(answer(COPSE_CHALLENGE, cookie, sizeof(cookie), sequence - 1, key, now)), "sequence");
  cr_expect(not(answer(COPSE_CHALLENGE, cookie, 15, sequence, key, now)), "length");
  cr_expect(not(answer(COPSE_ACCEPT, cookie, 4, sequence, key, now)), "ACCEPT to a HELLO");
  cr_expect(answer(COPSE_CHALLENGE, cookie, sizeof(cookie), sequence, key, now));
  cr_expect(not(answer(COPSE_CHALLENGE, cookie, sizeof(cookie), sequence, key, now)), "a second time");
  poll_type(now);
  cr_expect(not(answer(COPSE_ACCEPT, cookie, 5, sequence, key, now)), "length");
  cr_expect(accept(60, now));
  cr_expect(not(accept(600, now)), "a second time");
  cr_expect(not(handshake_permitted(&handshake, now + 61 * SECOND)));
}

Test(handshake, silence_asks_again_and_keeps_the_permission, .init = begin) {
  uint64_t now = 10 * SECOND;

  exchange(now, 60);
  handshake_hurry(&handshake, now + 5 * SECOND);
  cr_expect(eq(int, poll_type(now + 5 * SECOND), COPSE_HELLO));
  cr_expect(handshake_permitted(&handshake, now + 6 * SECOND));
  handshake_hurry(&handshake, now + 5 * SECOND + MS);
  cr_expect(eq(int, poll_type(now + 5 * SECOND + MS), 0), "an exchange under way is not hurried");
}

Test(handshake, a_dataplane_that_is_away_is_noticed, .init = begin) {
  uint64_t now = 10 * SECOND;

  cr_expect(not(handshake_unanswered(&handshake, now + 1399 * MS)));
  cr_expect(handshake_unanswered(&handshake, now + 1400 * MS));
  exchange(now, 60);
  cr_expect(not(handshake_unanswered(&handshake, now + 20 * SECOND)));
  handshake_hurry(&handshake, now + 20 * SECOND);
  cr_expect(not(handshake_unanswered(&handshake, now + 20 * SECOND)));
  for (uint64_t ms = 0; ms < 1400; ms++) {
    poll_type(now + 20 * SECOND + ms * MS);
    cr_assert(not(handshake_unanswered(&handshake, now + 20 * SECOND + ms * MS)));
  }
  cr_expect(handshake_unanswered(&handshake, now + 20 * SECOND + 1400 * MS));
  exchange(now + 22 * SECOND, 60);
  cr_expect(not(handshake_unanswered(&handshake, now + 22 * SECOND)));
  poll_type(now + 52 * SECOND);
  cr_expect(not(handshake_unanswered(&handshake, now + 53 * SECOND)), "the regular refresh begins anew");
}

Test(handshake, absurd_times, .init = begin) {
  uint64_t now = 10 * SECOND;

  exchange(now, UINT32_MAX);
  cr_expect(not(handshake_permitted(&handshake, now + 3601 * SECOND)));
  begin();
  exchange(now, 0);
  cr_expect(not(handshake_permitted(&handshake, now)));
  cr_expect(eq(int, poll_type(now + 500 * MS), 0), "no storm of HELLOs");
}
