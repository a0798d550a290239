/* SPDX-License-Identifier: Apache-2.0 */
/* Frames for tests, built and checked by hand: nothing here uses the code that is tested, but for wire.h. */
#ifndef COPSE_TEST_FRAMES_H
#define COPSE_TEST_FRAMES_H

#include <copse/api.h>
#include <stdbool.h>

#define FRAME_MAX 10000

struct frame {
  uint8_t bytes[FRAME_MAX];
  uint32_t length;
};

/* Everything a frame is made of. IPv4 unless the addresses are not v4-mapped. */
struct frame_spec {
  uint8_t target_mac, source_mac; /* last byte of 02:00:00:00:00:xx */
  uint16_t vlan;                  /* 0: untagged */
  struct copse_endpoint source, target;
  uint8_t dscp;
  uint8_t hops;  /* TTL; 0: 64 */
  bool checksum; /* UDP over IPv4; IPv6 always has one */
  /* block header; the tag is made with `key` */
  uint8_t type, hop_limit;
  uint32_t label, block;
  uint16_t symbol;
  uint64_t sequence;
  uint8_t key[COPSE_KEY_BYTES];
  const uint8_t *payload;
  uint16_t payload_bytes;
};

void frame_build(struct frame *frame, const struct frame_spec *spec);

/* Offsets in a frame that was built untagged over IPv4. */
#define AT_IP 14
#define AT_UDP 34
#define AT_HEADER 42

/* Makes the IPv4 header checksum right again after a change. */
void frame_fix_ip(struct frame *frame);

#endif
