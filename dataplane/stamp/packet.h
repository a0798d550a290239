/* SPDX-License-Identifier: Apache-2.0 */
/* Test packets of STAMP, the Simple Two-Way Active Measurement Protocol (RFC 8762): sections 4.2.1 and 4.3.1 without
 * authentication, 4.2.2 and 4.3.2 with HMAC-SHA-256 cut to 16 bytes over the 96 before it. */
#ifndef COPSE_STAMP_PACKET_H
#define COPSE_STAMP_PACKET_H

#include <copse/drops.h>
#include <stddef.h>
#include <stdint.h>

#define COPSE_STAMP_PLAIN_BYTES 44
#define COPSE_STAMP_HMAC_BYTES 16
#define COPSE_STAMP_KEYED_BYTES (96 + COPSE_STAMP_HMAC_BYTES)
#define COPSE_STAMP_BYTES_MAX COPSE_STAMP_KEYED_BYTES

/* A time and the error estimate beside it, as they are on the wire: 64 bits of NTP (RFC 5905) or, where the estimate
 * says so, of truncated PTPv2 (RFC 8186). */
struct copse_stamp_time {
  uint64_t stamp;
  uint16_t error_estimate;
};

/* What a Session-Sender sends. */
struct copse_stamp_test {
  uint32_t sequence;
  struct copse_stamp_time sent;
};

/* What a Session-Reflector makes of it. */
struct copse_stamp_reply {
  uint32_t sequence; /* its own, counting what it has reflected */
  struct copse_stamp_time sent;
  uint64_t received;            /* same format as `sent` */
  struct copse_stamp_test test; /* as it arrived */
  uint8_t ttl;                  /* it arrived with */
};

/* What became of a packet that was received: it is as it should be, or the reason why it is dropped. */
#define COPSE_STAMP_TAKEN COPSE_STAMP_DROP_COUNT

/* NTP time, from an unsynchronised clock that is right to a microsecond, of nanoseconds since 1970; and back, from
 * either format. */
struct copse_stamp_time copse_stamp_time_of(uint64_t ns);
uint64_t copse_stamp_ns(uint64_t stamp, uint16_t error_estimate);

/* Writes a packet and returns its size. `key` has COPSE_KEY_BYTES bytes; null: unauthenticated mode. */
size_t copse_stamp_test_write(const struct copse_stamp_test *test, const uint8_t *key,
                              uint8_t out[COPSE_STAMP_BYTES_MAX]);
size_t copse_stamp_reply_write(const struct copse_stamp_reply *reply, const uint8_t *key,
                               uint8_t out[COPSE_STAMP_BYTES_MAX]);

/* Read a packet in the mode that `key` says. What follows the packet (padding, extensions of RFC 8972) is ignored.
 * COPSE_STAMP_TAKEN, or why it is none; then `out` is undefined. */
enum copse_stamp_drop copse_stamp_test_read(const uint8_t *bytes, size_t length, const uint8_t *key,
                                            struct copse_stamp_test *out);
enum copse_stamp_drop copse_stamp_reply_read(const uint8_t *bytes, size_t length, const uint8_t *key,
                                             struct copse_stamp_reply *out);

#endif
