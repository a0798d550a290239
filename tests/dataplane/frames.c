/* SPDX-License-Identifier: Apache-2.0 */
#include "frames.h"

#include <sodium.h>

static void
put(struct frame *frame, const void *bytes, size_t length) {
  memcpy(frame->bytes + frame->length, bytes, length);
  frame->length += (uint32_t)length;
}

static void
put8(struct frame *frame, unsigned value) {
  frame->bytes[frame->length++] = (uint8_t)value;
}

static void
put16(struct frame *frame, unsigned value) {
  put8(frame, value >> 8);
  put8(frame, value & 0xff);
}

/* RFC 1071, byte by byte. */
static uint32_t
sum(const uint8_t *bytes, size_t length, uint32_t start) {
  for (size_t i = 0; i < length; i++)
    start += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
  return start;
}

static uint16_t
fold(uint32_t value) {
  while (value >> 16)
    value = (value & 0xffff) + (value >> 16);
  return (uint16_t)~value;
}

static void
set16(uint8_t *at, unsigned value) {
  at[0] = (uint8_t)(value >> 8);
  at[1] = (uint8_t)value;
}

void
frame_fix_ip(struct frame *frame) {
  set16(frame->bytes + AT_IP + 10, 0);
  set16(frame->bytes + AT_IP + 10, fold(sum(frame->bytes + AT_IP, 20, 0)));
}

static void
put_mac(struct frame *frame, uint8_t last) {
  put(frame, (uint8_t[]){2, 0, 0, 0, 0, last}, 6);
}

static bool
is_ipv4(const struct frame_spec *spec) {
  return spec->target.address[0] == 0 && spec->target.address[10] == 0xff;
}

static void
put_ip(struct frame *frame, const struct frame_spec *spec, unsigned udp_bytes) {
  const uint32_t start = frame->length;

  if (is_ipv4(spec)) {
    put16(frame, 0x4500 | (unsigned)spec->dscp << 2);
    put16(frame, 20 + udp_bytes);
    put16(frame, 0);
    put16(frame, 0x4000);
    put8(frame, spec->hops ? spec->hops : 64);
    put8(frame, 17);
    put16(frame, 0);
    put(frame, spec->source.address + 12, 4);
    put(frame, spec->target.address + 12, 4);
    set16(frame->bytes + start + 10, fold(sum(frame->bytes + start, 20, 0)));
  } else {
    put16(frame, 0x6000 | (unsigned)spec->dscp << 6);
    put16(frame, 0);
    put16(frame, udp_bytes);
    put8(frame, 17);
    put8(frame, spec->hops ? spec->hops : 64);
    put(frame, spec->source.address, 16);
    put(frame, spec->target.address, 16);
  }
}

static void
put_header(struct frame *frame, const struct frame_spec *spec) {
  struct copse_header header = {
    .version = COPSE_WIRE_VERSION,
    .type = spec->type,
    .hop_limit = spec->hop_limit,
    .label = htobe32(spec->label),
    .block = htobe32(spec->block),
    .symbol = htobe16(spec->symbol),
    .length = htobe16(spec->payload_bytes),
    .sequence = htobe64(spec->sequence),
  };
  uint8_t tagged[COPSE_TAGGED_BYTES];

  copse_tagged_bytes(&header, tagged);
  crypto_shorthash_siphash24((uint8_t *)&header.tag, tagged, sizeof(tagged), spec->key);
  put(frame, &header, sizeof(header));
}

void
frame_build(struct frame *frame, const struct frame_spec *spec) {
  const unsigned udp_bytes = 8 + COPSE_HEADER_BYTES + spec->payload_bytes;

  frame->length = 0;
  put_mac(frame, spec->target_mac);
  put_mac(frame, spec->source_mac);
  if (spec->vlan) {
    put16(frame, 0x8100);
    put16(frame, spec->vlan);
  }
  put16(frame, is_ipv4(spec) ? 0x0800 : 0x86dd);
  put_ip(frame, spec, udp_bytes);
  const uint32_t udp = frame->length;
  put(frame, &spec->source.port, 2);
  put(frame, &spec->target.port, 2);
  put16(frame, udp_bytes);
  put16(frame, 0);
  put_header(frame, spec);
  put(frame, spec->payload, spec->payload_bytes);
  if (spec->checksum || !is_ipv4(spec)) {
    /* The pseudo header: addresses are the bytes before UDP, 8 or 32 of them. */
    const uint32_t addresses = is_ipv4(spec) ? 8 : 32;
    const uint16_t value = fold(sum(frame->bytes + udp - addresses, addresses + udp_bytes, 17 + udp_bytes));
    set16(frame->bytes + udp + 6, value ? value : 0xffff);
  }
}
