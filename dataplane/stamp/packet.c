/* SPDX-License-Identifier: Apache-2.0 */
#include "stamp/packet.h"

#include <copse/wire.h>
#include <endian.h>
#include <sodium.h>
#include <string.h>

#define NTP_EPOCH 2208988800ULL /* 1970 in seconds since 1900 */
#define NS_PER_S 1000000000ULL
#define NTP_ERA (1ULL << 32) /* seconds */

/* Error estimate (RFC 4656, section 4.1.2): S, Z, scale, multiplier; the error is multiplier * 2^(scale - 32) s. */
#define PTP_FORMAT 0x4000
#define MULTIPLIER 0x00ff
#define MICROSECOND (5 << 8 | 134)

/* Where the fields of a mode are. */
struct layout {
  uint8_t sent, estimate; /* both directions; the sequence is at 0 */
  uint8_t received;       /* the rest is of replies */
  uint8_t sequence, test_sent, test_estimate, ttl;
  uint8_t bytes;
};

static const struct layout plain = {.sent = 4,
                                    .estimate = 12,
                                    .received = 16,
                                    .sequence = 24,
                                    .test_sent = 28,
                                    .test_estimate = 36,
                                    .ttl = 40,
                                    .bytes = COPSE_STAMP_PLAIN_BYTES};
static const struct layout keyed = {.sent = 16,
                                    .estimate = 24,
                                    .received = 32,
                                    .sequence = 48,
                                    .test_sent = 64,
                                    .test_estimate = 72,
                                    .ttl = 80,
                                    .bytes = COPSE_STAMP_KEYED_BYTES};

struct copse_stamp_time
copse_stamp_time_of(uint64_t ns) {
  const uint64_t seconds = ns / NS_PER_S + NTP_EPOCH, fraction = ((ns % NS_PER_S) << 32) / NS_PER_S;

  return (struct copse_stamp_time){.stamp = seconds << 32 | fraction, .error_estimate = MICROSECOND};
}

uint64_t
copse_stamp_ns(uint64_t stamp, uint16_t error_estimate) {
  const uint64_t seconds = stamp >> 32, low = stamp & UINT32_MAX;

  if (error_estimate & PTP_FORMAT)
    return seconds * NS_PER_S + low;
  /* Seconds before 1970 are those of the era that begins in 2036. */
  return (seconds + (seconds < NTP_EPOCH ? NTP_ERA : 0) - NTP_EPOCH) * NS_PER_S + ((low * NS_PER_S) >> 32);
}

static void
put16(uint8_t *at, uint16_t value) {
  value = htobe16(value);
  memcpy(at, &value, sizeof(value));
}

static void
put32(uint8_t *at, uint32_t value) {
  value = htobe32(value);
  memcpy(at, &value, sizeof(value));
}

static void
put64(uint8_t *at, uint64_t value) {
  value = htobe64(value);
  memcpy(at, &value, sizeof(value));
}

static uint16_t
get16(const uint8_t *at) {
  uint16_t value;

  memcpy(&value, at, sizeof(value));
  return be16toh(value);
}

static uint32_t
get32(const uint8_t *at) {
  uint32_t value;

  memcpy(&value, at, sizeof(value));
  return be32toh(value);
}

static uint64_t
get64(const uint8_t *at) {
  uint64_t value;

  memcpy(&value, at, sizeof(value));
  return be64toh(value);
}

static void
hmac(const uint8_t *bytes, const uint8_t *key, uint8_t out[crypto_auth_hmacsha256_BYTES]) {
  crypto_auth_hmacsha256_state state;

  crypto_auth_hmacsha256_init(&state, key, COPSE_KEY_BYTES);
  crypto_auth_hmacsha256_update(&state, bytes, COPSE_STAMP_KEYED_BYTES - COPSE_STAMP_HMAC_BYTES);
  crypto_auth_hmacsha256_final(&state, out);
}

static const struct layout *
begin(const uint8_t *key, uint8_t *out) {
  const struct layout *layout = key != NULL ? &keyed : &plain;

  memset(out, 0, layout->bytes);
  return layout;
}

static size_t
finish(const struct layout *layout, const uint8_t *key, uint8_t *out) {
  uint8_t whole[crypto_auth_hmacsha256_BYTES];

  if (key != NULL) {
    hmac(out, key, whole);
    memcpy(out + COPSE_STAMP_KEYED_BYTES - COPSE_STAMP_HMAC_BYTES, whole, COPSE_STAMP_HMAC_BYTES);
  }
  return layout->bytes;
}

size_t
copse_stamp_test_write(const struct copse_stamp_test *test, const uint8_t *key, uint8_t out[COPSE_STAMP_BYTES_MAX]) {
  const struct layout *layout = begin(key, out);

  put32(out, test->sequence);
  put64(out + layout->sent, test->sent.stamp);
  put16(out + layout->estimate, test->sent.error_estimate);
  return finish(layout, key, out);
}

size_t
copse_stamp_reply_write(const struct copse_stamp_reply *reply, const uint8_t *key, uint8_t out[COPSE_STAMP_BYTES_MAX]) {
  const struct layout *layout = begin(key, out);

  put32(out, reply->sequence);
  put64(out + layout->sent, reply->sent.stamp);
  put16(out + layout->estimate, reply->sent.error_estimate);
  put64(out + layout->received, reply->received);
  put32(out + layout->sequence, reply->test.sequence);
  put64(out + layout->test_sent, reply->test.sent.stamp);
  put16(out + layout->test_estimate, reply->test.sent.error_estimate);
  out[layout->ttl] = reply->ttl;
  return finish(layout, key, out);
}

/* Size, authenticity, and what a packet of either direction says first. */
static enum copse_stamp_drop
open_packet(const struct layout *layout, const uint8_t *bytes, size_t length, const uint8_t *key,
            struct copse_stamp_test *out) {
  uint8_t expected[crypto_auth_hmacsha256_BYTES];

  if (length < layout->bytes)
    return COPSE_STAMP_DROP_SHORT;
  if (key != NULL) {
    hmac(bytes, key, expected);
    if (sodium_memcmp(expected, bytes + COPSE_STAMP_KEYED_BYTES - COPSE_STAMP_HMAC_BYTES, COPSE_STAMP_HMAC_BYTES) != 0)
      return COPSE_STAMP_DROP_BAD_HMAC;
  }
  out->sequence = get32(bytes);
  out->sent.stamp = get64(bytes + layout->sent);
  out->sent.error_estimate = get16(bytes + layout->estimate);
  return (out->sent.error_estimate & MULTIPLIER) == 0 ? COPSE_STAMP_DROP_CORRUPT : COPSE_STAMP_TAKEN;
}

enum copse_stamp_drop
copse_stamp_test_read(const uint8_t *bytes, size_t length, const uint8_t *key, struct copse_stamp_test *out) {
  return open_packet(key != NULL ? &keyed : &plain, bytes, length, key, out);
}

enum copse_stamp_drop
copse_stamp_reply_read(const uint8_t *bytes, size_t length, const uint8_t *key, struct copse_stamp_reply *out) {
  const struct layout *layout = key != NULL ? &keyed : &plain;
  struct copse_stamp_test head;
  const enum copse_stamp_drop drop = open_packet(layout, bytes, length, key, &head);

  if (drop != COPSE_STAMP_TAKEN)
    return drop;
  *out = (struct copse_stamp_reply){
    .sequence = head.sequence,
    .sent = head.sent,
    .received = get64(bytes + layout->received),
    .test = {.sequence = get32(bytes + layout->sequence),
             .sent = {get64(bytes + layout->test_sent), get16(bytes + layout->test_estimate)}},
    .ttl = bytes[layout->ttl],
  };
  return COPSE_STAMP_TAKEN;
}
