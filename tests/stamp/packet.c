/* SPDX-License-Identifier: Apache-2.0 */
/* Test packets against bytes written by hand from RFC 8762, figures 2, 4, 5 and 6; HMACs made with another program. */
#include "stamp/packet.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#define NOON 1704164645ULL /* 2024-01-02 03:04:05 UTC: 0xe93dfba5 seconds since 1900 */
#define NS 1000000000ULL

static const uint8_t key[] = {0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17,
                              0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f};

/* clang-format off */
static const uint8_t plain_test[44] = {
  0x01, 0x02, 0x03, 0x04,                           /* sequence number */
  0xe9, 0x3d, 0xfb, 0xa5, 0x80, 0x00, 0x00, 0x00,   /* timestamp: half past */
  0x05, 0x86,                                       /* error estimate; 30 octets that must be zero */
};
static const uint8_t keyed_test[112] = {
  0x01, 0x02, 0x03, 0x04, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0xe9, 0x3d, 0xfb, 0xa5, 0x80, 0x00, 0x00, 0x00,
  0x05, 0x86,
  [96] = 0x4d, 0x58, 0x48, 0x30, 0x26, 0xd1, 0x0f, 0xd7, 0xdc, 0x14, 0xfb, 0x6d, 0xee, 0xc6, 0x20, 0x82,
};
static const uint8_t plain_reply[44] = {
  0x00, 0x00, 0x00, 0x07,                           /* sequence number */
  0xe9, 0x3d, 0xfb, 0xa6, 0x40, 0x00, 0x00, 0x00,   /* timestamp */
  0x05, 0x86, 0, 0,                                 /* error estimate, zero */
  0xe9, 0x3d, 0xfb, 0xa5, 0xc0, 0x00, 0x00, 0x00,   /* receive timestamp */
  0x01, 0x02, 0x03, 0x04,                           /* Session-Sender: sequence number, */
  0xe9, 0x3d, 0xfb, 0xa5, 0x80, 0x00, 0x00, 0x00,   /* timestamp, */
  0x81, 0x05, 0, 0,                                 /* error estimate, zero, */
  63, 0, 0, 0,                                      /* TTL, zero */
};
static const uint8_t keyed_reply[112] = {
  0x00, 0x00, 0x00, 0x07, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0xe9, 0x3d, 0xfb, 0xa6, 0x40, 0x00, 0x00, 0x00,
  0x05, 0x86, 0, 0, 0, 0, 0, 0,
  0xe9, 0x3d, 0xfb, 0xa5, 0xc0, 0x00, 0x00, 0x00, 0, 0, 0, 0, 0, 0, 0, 0,
  0x01, 0x02, 0x03, 0x04, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0xe9, 0x3d, 0xfb, 0xa5, 0x80, 0x00, 0x00, 0x00,
  0x81, 0x05, 0, 0, 0, 0, 0, 0,
  63,
  [96] = 0x35, 0xe0, 0xfa, 0xe8, 0x29, 0xd1, 0x8e, 0x7e, 0x6d, 0x12, 0x5c, 0x95, 0x64, 0x39, 0x0f, 0x03,
};
/* clang-format on */

static struct copse_stamp_test
a_test(void) {
  return (struct copse_stamp_test){.sequence = 0x01020304, .sent = copse_stamp_time_of(NOON * NS + NS / 2)};
}

static struct copse_stamp_reply
a_reply(void) {
  return (struct copse_stamp_reply){.sequence = 7,
                                    .sent = copse_stamp_time_of((NOON + 1) * NS + NS / 4),
                                    .received = copse_stamp_time_of(NOON * NS + 3 * NS / 4).stamp,
                                    .test = {.sequence = 0x01020304, .sent = {a_test().sent.stamp, 0x8105}},
                                    .ttl = 63};
}

static void
expect_bytes(const uint8_t *bytes, size_t length, const uint8_t *expected, size_t size) {
  cr_assert(eq(sz, length, size));
  for (size_t i = 0; i < size; i++)
    cr_expect(eq(u8, bytes[i], expected[i]), "octet %zu", i);
}

Test(stamp_packet, is_written_as_the_rfc_draws_it) {
  const struct copse_stamp_test test = a_test();
  const struct copse_stamp_reply reply = a_reply();
  uint8_t out[COPSE_STAMP_BYTES_MAX];

  memset(out, 0xff, sizeof(out));
  expect_bytes(out, copse_stamp_test_write(&test, NULL, out), plain_test, sizeof(plain_test));
  memset(out, 0xff, sizeof(out));
  expect_bytes(out, copse_stamp_test_write(&test, key, out), keyed_test, sizeof(keyed_test));
  memset(out, 0xff, sizeof(out));
  expect_bytes(out, copse_stamp_reply_write(&reply, NULL, out), plain_reply, sizeof(plain_reply));
  memset(out, 0xff, sizeof(out));
  expect_bytes(out, copse_stamp_reply_write(&reply, key, out), keyed_reply, sizeof(keyed_reply));
}

static void
expect_reply(const struct copse_stamp_reply *reply) {
  cr_expect(eq(uint, reply->sequence, 7));
  cr_expect(eq(u64, copse_stamp_ns(reply->sent.stamp, reply->sent.error_estimate), (NOON + 1) * NS + NS / 4));
  cr_expect(eq(u64, copse_stamp_ns(reply->received, reply->sent.error_estimate), NOON * NS + 3 * NS / 4));
  cr_expect(eq(uint, reply->test.sequence, 0x01020304));
  cr_expect(eq(u64, reply->test.sent.stamp, 0xe93dfba580000000));
  cr_expect(eq(uint, reply->test.sent.error_estimate, 0x8105));
  cr_expect(eq(uint, reply->ttl, 63));
}

Test(stamp_packet, is_read_as_it_was_written) {
  struct copse_stamp_test test;
  struct copse_stamp_reply reply;

  cr_assert(eq(int, copse_stamp_test_read(plain_test, sizeof(plain_test), NULL, &test), COPSE_STAMP_TAKEN));
  cr_expect(eq(uint, test.sequence, 0x01020304));
  cr_expect(eq(u64, test.sent.stamp, 0xe93dfba580000000));
  cr_assert(eq(int, copse_stamp_test_read(keyed_test, sizeof(keyed_test), key, &test), COPSE_STAMP_TAKEN));
  cr_expect(eq(u64, test.sent.stamp, 0xe93dfba580000000));
  cr_assert(eq(int, copse_stamp_reply_read(plain_reply, sizeof(plain_reply), NULL, &reply), COPSE_STAMP_TAKEN));
  expect_reply(&reply);
  cr_assert(eq(int, copse_stamp_reply_read(keyed_reply, sizeof(keyed_reply), key, &reply), COPSE_STAMP_TAKEN));
  expect_reply(&reply);
}

Test(stamp_packet, what_is_too_short_is_none_and_what_follows_is_ignored) {
  uint8_t longer[200] = {0};
  struct copse_stamp_test test;
  struct copse_stamp_reply reply;

  for (size_t length = 0; length < 44; length++) {
    cr_expect(eq(int, copse_stamp_test_read(plain_test, length, NULL, &test), COPSE_STAMP_DROP_SHORT));
    cr_expect(eq(int, copse_stamp_reply_read(plain_reply, length, NULL, &reply), COPSE_STAMP_DROP_SHORT));
  }
  for (size_t length = 0; length < 112; length++) {
    cr_expect(eq(int, copse_stamp_test_read(keyed_test, length, key, &test), COPSE_STAMP_DROP_SHORT));
    cr_expect(eq(int, copse_stamp_reply_read(keyed_reply, length, key, &reply), COPSE_STAMP_DROP_SHORT));
  }
  memcpy(longer, keyed_test, sizeof(keyed_test));
  memset(longer + sizeof(keyed_test), 0x5a, sizeof(longer) - sizeof(keyed_test));
  cr_expect(eq(int, copse_stamp_test_read(longer, sizeof(longer), key, &test), COPSE_STAMP_TAKEN));
}

Test(stamp_packet, every_octet_is_under_the_hmac) {
  uint8_t other[sizeof(key)];
  struct copse_stamp_reply reply;

  for (size_t i = 0; i < sizeof(keyed_reply); i++) {
    uint8_t bytes[sizeof(keyed_reply)];

    memcpy(bytes, keyed_reply, sizeof(bytes));
    bytes[i] ^= 1;
    cr_expect(eq(int, copse_stamp_reply_read(bytes, sizeof(bytes), key, &reply), COPSE_STAMP_DROP_BAD_HMAC),
              "octet %zu", i);
  }
  memcpy(other, key, sizeof(other));
  other[15] ^= 1;
  cr_expect(
    eq(int, copse_stamp_reply_read(keyed_reply, sizeof(keyed_reply), other, &reply), COPSE_STAMP_DROP_BAD_HMAC));
}

Test(stamp_packet, an_error_estimate_without_a_multiplier_is_corrupt) {
  uint8_t bytes[sizeof(plain_test)];
  struct copse_stamp_test test;

  memcpy(bytes, plain_test, sizeof(bytes));
  bytes[13] = 0;
  cr_expect(eq(int, copse_stamp_test_read(bytes, sizeof(bytes), NULL, &test), COPSE_STAMP_DROP_CORRUPT));
}

Test(stamp_time, goes_there_and_back_to_a_nanosecond) {
  const uint64_t times[] = {0, 1, NOON * NS + 999999999, 2085978496ULL * NS - 1, 2085978496ULL * NS + 5 * NS};

  for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
    const struct copse_stamp_time time = copse_stamp_time_of(times[i]);
    cr_expect(le(u64, times[i] - copse_stamp_ns(time.stamp, time.error_estimate), 1), "%zu", i);
  }
  cr_expect(eq(u64, copse_stamp_time_of(2085978496ULL * NS).stamp, 0), "NTP's second era begins in 2036");
}

Test(stamp_time, truncated_ptp_is_seconds_and_nanoseconds) {
  cr_expect(eq(u64, copse_stamp_ns(NOON << 32 | 123456789, 0x4001), NOON * NS + 123456789));
}
