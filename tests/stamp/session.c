/* SPDX-License-Identifier: Apache-2.0 */
/* Both ends of sessions against each other, over a network and clocks that the test makes up. */
#include "stamp/session.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#define MS 1000000ULL
#define S (1000 * MS)
#define START (1700000000 * S)

static const uint8_t secret[COPSE_KEY_BYTES] = "fifteen letters";
static const uint8_t *key; /* of both */
static struct copse_stamp_session sender, reflector;
static struct copse_target_state sending, reflecting;
static uint64_t now, offset; /* the reflector's clock is ahead by so much */
static uint16_t port;

static void
set_up(void) {
  key = secret;
  now = START;
  offset = 0;
  port = 1000;
  sender = reflector = (struct copse_stamp_session){.port = 0};
  sending = reflecting = (struct copse_target_state){.id = 0};
  copse_stamp_session_begin(&sender, &sending, 1);
  copse_stamp_session_begin(&reflector, &reflecting, 2);
}

TestSuite(stamp_session, .init = set_up);

struct packet {
  uint8_t bytes[COPSE_STAMP_BYTES_MAX];
  size_t length;
};

static struct packet
send_test(void) {
  struct packet packet = {.length = 0};

  packet.length = copse_stamp_probe(&sender, &sending, key, now, packet.bytes);
  return packet;
}

/* It arrives `way` from now and is answered after `stay`. */
static enum copse_stamp_drop
reflect(const struct packet *test, uint64_t way, uint64_t stay, struct packet *reply) {
  const struct copse_stamp_arrival arrival = {
    .bytes = test->bytes, .length = test->length, .port = port, .ttl = 61, .received = now + way + offset};

  return copse_stamp_reflect(&reflector, &reflecting, key, &arrival, arrival.received + stay, reply->bytes,
                             &reply->length);
}

static enum copse_stamp_drop
answer(const struct packet *reply, uint64_t received) {
  return copse_stamp_answer(&sender, &sending, key, reply->bytes, reply->length, received);
}

/* A whole round trip; the clock goes on by 100 ms. */
static void
round_trip(uint64_t there, uint64_t stay, uint64_t back) {
  struct packet test = send_test(), reply;

  cr_assert(eq(int, reflect(&test, there, stay, &reply), COPSE_STAMP_TAKEN));
  cr_assert(eq(int, answer(&reply, now + there + stay + back), COPSE_STAMP_TAKEN));
  now += 100 * MS;
}

static void
expect_near(uint64_t value, uint64_t expected) {
  cr_expect(value >= expected - 4 && value <= expected + 4, "%lu is not %lu", value, expected);
}

Test(stamp_session, the_stay_in_the_reflector_is_not_in_the_delay) {
  for (int authenticated = 0; authenticated < 2; authenticated++) {
    set_up();
    key = authenticated ? secret : NULL;
    round_trip(2 * MS, 40 * MS, 3 * MS);
    expect_near(sending.delay_mean_ns, 5 * MS);
    round_trip(4 * MS, 0, 5 * MS);
    round_trip(1 * MS, 900 * MS, 3 * MS);
    expect_near(sending.delay_min_ns, 4 * MS);
    expect_near(sending.delay_mean_ns, 6 * MS);
    expect_near(sending.delay_max_ns, 9 * MS);
    cr_expect(eq(u64, sending.sent, 3));
    cr_expect(eq(u64, sending.answered, 3));
    cr_expect(eq(u64, reflecting.reflected, 3));
  }
}

Test(stamp_session, delays_are_over_the_last_answers) {
  round_trip(500 * MS, 0, 0);
  for (int i = 0; i < COPSE_STAMP_WINDOW; i++)
    round_trip(2 * MS, 0, 0);
  expect_near(sending.delay_max_ns, 2 * MS);
}

Test(stamp_session, clocks_may_differ) {
  offset = 3600 * S;
  round_trip(2 * MS, 1 * MS, 3 * MS);
  offset = 7200 * S; /* it has another clock all of a sudden */
  round_trip(2 * MS, 1 * MS, 3 * MS);
  expect_near(sending.delay_max_ns, 5 * MS);
  cr_expect(lt(u64, sending.jitter_ns, 10), "a clock that is set is no jitter");
}

/* RFC 3550: J += (|D| - J) / 16 with D the change of the transit time. */
Test(stamp_session, jitter_is_that_of_rfc_3550) {
  double expected = 0;

  offset = 12345 * S;
  for (int i = 0; i < 100; i++) {
    round_trip((uint64_t)(i % 2 ? 3 : 1) * MS, 0, (uint64_t)(i % 5) * MS);
    if (i > 0)
      expected += ((double)(2 * MS) - expected) / 16;
  }
  cr_expect(epsilon_eq(dbl, (double)sending.jitter_ns, expected, 20.0));
}

Test(stamp_session, losses_are_told_apart_by_direction) {
  struct packet test, reply;

  round_trip(MS, 0, MS);
  for (int i = 0; i < 3; i++)
    send_test(); /* lost on their way there */
  for (int i = 0; i < 2; i++) {
    test = send_test();
    cr_assert(eq(int, reflect(&test, MS, 0, &reply), COPSE_STAMP_TAKEN)); /* lost on its way back */
    now += 100 * MS;
  }
  cr_expect(eq(u64, sending.judged, 1), "nothing is known until an answer comes");
  round_trip(MS, 0, MS);
  cr_expect(eq(u64, sending.judged, 7));
  cr_expect(eq(u64, sending.forward_lost, 3));
  cr_expect(eq(u64, sending.backward_lost, 2));
  cr_expect(eq(u64, sending.answered, 2));
}

Test(stamp_session, a_reflector_that_began_anew_lost_what_came_before) {
  round_trip(MS, 0, MS);
  round_trip(MS, 0, MS);
  send_test();
  reflector = (struct copse_stamp_session){.port = 0};
  round_trip(MS, 0, MS);
  cr_expect(eq(u64, sending.judged, 4));
  cr_expect(eq(u64, sending.forward_lost, 1));
  cr_expect(eq(u64, sending.backward_lost, 0));
  round_trip(MS, 0, MS);
  cr_expect(eq(u64, sending.forward_lost, 1));
}

Test(stamp_session, sequences_wrap_around) {
  sender.next = reflector.reflected = UINT32_MAX - 1;
  reflector.port = port;
  for (int i = 0; i < 5; i++)
    round_trip(MS, 0, MS);
  cr_expect(eq(u64, sending.judged, 5));
  cr_expect(eq(u64, sending.forward_lost, 0));
  cr_expect(eq(u64, sending.backward_lost, 0));
}

Test(stamp_session, another_port_is_another_session_of_the_peer) {
  struct packet test, reply;

  for (int i = 0; i < 3; i++)
    round_trip(MS, 0, MS);
  cr_expect(eq(uint, reflector.reflected, 3));
  port = 2000;
  test = send_test();
  cr_assert(eq(int, reflect(&test, MS, 0, &reply), COPSE_STAMP_TAKEN));
  cr_expect(eq(uint, reflector.reflected, 1));
}

Test(stamp_session, an_answer_counts_once_and_only_if_it_is_waited_for) {
  struct packet test = send_test(), reply, forged;
  struct copse_stamp_reply content;

  cr_assert(eq(int, reflect(&test, MS, 0, &reply), COPSE_STAMP_TAKEN));
  cr_assert(eq(int, copse_stamp_reply_read(reply.bytes, reply.length, key, &content), COPSE_STAMP_TAKEN));
  content.test.sent.stamp++;
  forged.length = copse_stamp_reply_write(&content, key, forged.bytes);
  cr_expect(eq(int, answer(&forged, now + 2 * MS), COPSE_STAMP_DROP_UNEXPECTED), "not the time that was sent");
  content.test.sent.stamp--;
  content.test.sequence++;
  forged.length = copse_stamp_reply_write(&content, key, forged.bytes);
  cr_expect(eq(int, answer(&forged, now + 2 * MS), COPSE_STAMP_DROP_UNEXPECTED), "not sent yet");
  cr_expect(eq(int, answer(&reply, now + 2 * MS), COPSE_STAMP_TAKEN));
  cr_expect(eq(int, answer(&reply, now + 2 * MS), COPSE_STAMP_DROP_UNEXPECTED), "a second time");
  cr_expect(eq(u64, sending.answered, 1));
  now += MS;
  test = send_test();
  cr_assert(eq(int, reflect(&test, MS, 0, &reply), COPSE_STAMP_TAKEN));
  for (int i = 0; i < COPSE_STAMP_WAITING; i++)
    send_test();
  cr_expect(eq(int, answer(&reply, now + 2 * MS), COPSE_STAMP_DROP_UNEXPECTED), "too late");
}

Test(stamp_session, a_clock_set_between_gives_no_delay) {
  struct packet test = send_test(), reply;
  struct copse_stamp_reply content;

  cr_assert(eq(int, reflect(&test, MS, 0, &reply), COPSE_STAMP_TAKEN));
  cr_assert(eq(int, copse_stamp_reply_read(reply.bytes, reply.length, key, &content), COPSE_STAMP_TAKEN));
  content.received += 1ULL << 32; /* arrived a second after it was sent back */
  reply.length = copse_stamp_reply_write(&content, key, reply.bytes);
  cr_expect(eq(int, answer(&reply, now + 2 * MS), COPSE_STAMP_TAKEN));
  cr_expect(eq(u64, sending.answered, 1));
  cr_expect(eq(u64, sending.delay_mean_ns, 0));
}

Test(stamp_session, copies_of_a_test_packet_are_not_answered) {
  struct packet first = send_test(), second, reply;

  now += 100 * MS;
  second = send_test();
  cr_expect(eq(int, reflect(&second, MS, 0, &reply), COPSE_STAMP_TAKEN));
  cr_expect(eq(int, reflect(&second, MS, 0, &reply), COPSE_STAMP_DROP_REPLAY));
  cr_expect(eq(int, reflect(&first, MS, 0, &reply), COPSE_STAMP_DROP_REPLAY));
  cr_expect(eq(u64, reflecting.reflected, 1));
}

Test(stamp_session, a_peer_whose_clock_was_set_back_is_believed_after_a_silence) {
  struct packet test, reply;

  round_trip(MS, 0, MS);
  now -= 3600 * S;
  offset += 3600 * S;
  test = send_test();
  cr_expect(eq(int, reflect(&test, MS, 0, &reply), COPSE_STAMP_DROP_REPLAY));
  now += 10 * S;
  round_trip(MS, 0, MS);
  round_trip(MS, 0, MS);
}

Test(stamp_session, a_peer_that_sends_too_much_is_answered_at_a_bounded_rate) {
  unsigned answered = 0;

  for (int i = 0; i < 25000; i++) { /* 2500 a second */
    struct packet test = send_test(), reply;

    answered += reflect(&test, MS, 0, &reply) == COPSE_STAMP_TAKEN;
    now += 2 * MS / 5;
  }
  cr_expect(answered >= 10000 && answered <= 10510, "%u in 10 s", answered);
}

Test(stamp_session, a_loss_makes_the_next_test_packets_come_sooner) {
  const struct copse_api_target target = {.interval_us = 50000, .doubt_us = 5000};
  unsigned sooner = 0;

  round_trip(MS, 0, MS);
  cr_expect(eq(u64, copse_stamp_wait(&sender, &target), 50 * MS));
  send_test(); /* lost */
  cr_expect(eq(u64, copse_stamp_wait(&sender, &target), 50 * MS), "not known yet");
  round_trip(MS, 0, MS);
  for (int i = 0; i < COPSE_STAMP_DOUBT; i++)
    cr_expect(eq(u64, copse_stamp_wait(&sender, &target), 5 * MS));
  cr_expect(eq(u64, copse_stamp_wait(&sender, &target), 50 * MS), "nothing more was lost");
  for (int i = 0; i < 2000; i++) { /* each other one is lost */
    send_test();
    round_trip(MS, 0, MS);
    sooner += copse_stamp_wait(&sender, &target) == 5 * MS;
  }
  cr_expect(sooner <= 1000 + COPSE_STAMP_SPARE && sooner >= 1000, "%u of 2000", sooner);
}

Test(stamp_session, without_an_interval_for_doubt_nothing_comes_sooner) {
  const struct copse_api_target target = {.interval_us = 50000};

  round_trip(MS, 0, MS);
  send_test();
  round_trip(MS, 0, MS);
  cr_expect(eq(u64, copse_stamp_wait(&sender, &target), 50 * MS));
}

Test(stamp_session, what_the_peer_has_sent_is_known_by_its_sequence) {
  struct packet test, reply;

  sender.next = UINT32_MAX - 2;
  for (int i = 0; i < 3; i++) {
    send_test();
    send_test();
    round_trip(MS, 0, MS);
  }
  cr_expect(eq(u64, reflecting.reflected, 3));
  cr_expect(eq(u64, reflecting.reflected_of, 7), "those before the first are not known");
  copse_stamp_session_begin(&reflector, &reflecting, 3);
  round_trip(MS, 0, MS);
  cr_expect(eq(u64, reflecting.reflected_of, 8), "a session of ours is none of the peer's");
  sender.next = 0;
  round_trip(MS, 0, MS);
  cr_expect(eq(u64, reflecting.reflected_of, 9), "it begins anew");
  sender.next = 1000;
  port = 2000;
  test = send_test();
  cr_assert(eq(int, reflect(&test, MS, 0, &reply), COPSE_STAMP_TAKEN));
  cr_expect(eq(u64, reflecting.reflected_of, 10), "another port, another session");
}

Test(stamp_session, a_reply_is_never_larger_than_what_it_answers) {
  struct packet test, reply;

  for (int authenticated = 0; authenticated < 2; authenticated++) {
    key = authenticated ? secret : NULL;
    test = send_test();
    cr_assert(eq(int, reflect(&test, MS, 0, &reply), COPSE_STAMP_TAKEN));
    cr_expect(eq(sz, reply.length, test.length));
    now += 100 * MS;
    test = send_test();
    for (size_t length = 0; length < test.length; length++) {
      struct packet cut = test;

      cut.length = length;
      cr_expect(eq(int, reflect(&cut, MS, 0, &reply), COPSE_STAMP_DROP_SHORT));
    }
    now += 100 * MS;
  }
}

Test(stamp_session, a_key_is_of_one_direction) {
  static const uint8_t other[COPSE_KEY_BYTES] = "another secret.";
  struct packet test = send_test(), reply = {.length = 0};

  key = other;
  cr_expect(eq(int, reflect(&test, MS, 0, &reply), COPSE_STAMP_DROP_BAD_HMAC));
  key = NULL;
  cr_expect(eq(int, reflect(&test, MS, 0, &reply), COPSE_STAMP_DROP_CORRUPT),
            "an authenticated packet is none without authentication: its error estimate is elsewhere");
}

Test(stamp_session, another_session_of_ours_leaves_the_peers_alone) {
  for (int i = 0; i < 3; i++)
    round_trip(MS, 0, MS);
  copse_stamp_session_begin(&reflector, &reflecting, 9);
  cr_expect(eq(u64, reflecting.id, 9));
  cr_expect(eq(u64, reflecting.reflected, 3));
  cr_expect(eq(uint, reflector.reflected, 3));
  copse_stamp_session_begin(&sender, &sending, 10);
  cr_expect(eq(u64, sending.sent, 0));
  round_trip(MS, 0, MS);
  cr_expect(eq(u64, sending.judged, 1));
}
