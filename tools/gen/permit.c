/* SPDX-License-Identifier: Apache-2.0 */
#include "permit.h"

#include "clock.h"
#include <errno.h>
#include <rte_cycles.h>

#define ATTEMPTS 10
#define ANSWER_MS 100

struct member {
  uint32_t number, label;
  uint8_t key[COPSE_KEY_BYTES];
};

static uint64_t
next_sequence(void) {
  static uint64_t sequence;
  const uint64_t clock = gen_clock_sequence();

  sequence = clock > sequence ? clock : sequence + 1;
  return sequence;
}

static int
send_packet(struct gen_device *device, const struct member *member, uint8_t type, const void *payload, uint16_t bytes) {
  struct gen_ring *receive = &device->pair[0].receive;
  const uint32_t frame = GEN_FRAME_HEADERS + bytes;
  uint8_t mac[6], *out = gen_ring_waiting(receive) > 0 ? gen_device_buffer(device, receive, frame) : NULL;

  if (out == NULL)
    return -EAGAIN;
  gen_hop_mac(GEN_MEMBER, member->number, mac);
  gen_headers(out, mac, gen_hop_address(GEN_MEMBER, member->number), (uint32_t)COPSE_HEADER_BYTES + bytes);
  struct copse_header *header = (struct copse_header *)(out + GEN_FRAME_HEADERS - COPSE_HEADER_BYTES);
  *header = (struct copse_header){.version = COPSE_WIRE_VERSION,
                                  .type = type,
                                  .hop_limit = COPSE_HOP_LIMIT,
                                  .label = htobe32(member->label),
                                  .length = htobe16(bytes),
                                  .sequence = htobe64(next_sequence())};
  header->tag = gen_tag(header, member->key);
  memcpy(header + 1, payload, bytes);
  gen_ring_return(receive, GEN_VIRTIO_HEADER + frame);
  gen_ring_publish(receive);
  return 0;
}

/* Waits for a reply of this type to this member; its cookie, if any, to `cookie`. */
static bool
await(struct gen_device *device, const struct member *member, uint8_t type, uint8_t cookie[COPSE_COOKIE_BYTES]) {
  struct gen_ring *transmit = &device->pair[0].transmit;
  const uint64_t end = rte_rdtsc() + (uint64_t)(gen_clock_hz() / 1000 * ANSWER_MS);
  _Alignas(8) uint8_t frame[GEN_FRAME_MAX];

  while (rte_rdtsc() < end && gen_device_alive(device)) {
    if (gen_ring_waiting(transmit) == 0)
      continue;
    const uint32_t bytes = gen_device_gather(device, transmit, GEN_FRAME_MAX, frame);
    const struct copse_header *header = (const struct copse_header *)(frame + GEN_FRAME_HEADERS - COPSE_HEADER_BYTES);
    gen_ring_return(transmit, 0);
    gen_ring_publish(transmit);
    if (bytes < GEN_FRAME_HEADERS || header->type != type || be32toh(header->label) != member->label ||
        header->tag != gen_tag(header, member->key))
      continue;
    if (type == COPSE_CHALLENGE)
      memcpy(cookie, header + 1, COPSE_COOKIE_BYTES);
    return true;
  }
  return false;
}

static bool
permit(struct gen_device *device, const struct member *member) {
  static const uint8_t zeros[COPSE_HELLO_PAYLOAD_BYTES];
  uint8_t cookie[COPSE_COOKIE_BYTES];

  return send_packet(device, member, COPSE_HELLO, zeros, sizeof(zeros)) == 0 &&
         await(device, member, COPSE_CHALLENGE, cookie) &&
         send_packet(device, member, COPSE_RESPONSE, cookie, sizeof(cookie)) == 0 &&
         await(device, member, COPSE_ACCEPT, cookie);
}

int
gen_permit(struct gen_device *device, uint32_t trees_limit, uint32_t members, struct copse_error *error) {
  for (uint32_t i = 0; i < members; i++) {
    struct member member = {.number = i, .label = gen_member_label(trees_limit, i)};
    unsigned attempt = 0;
    gen_key(GEN_MEMBER_KEY, i, member.key);
    while (!permit(device, &member))
      if (++attempt == ATTEMPTS)
        return copse_fail(error, -ETIMEDOUT, "member %u is not permitted to receive", i);
  }
  return 0;
}
