/* SPDX-License-Identifier: Apache-2.0 */
#include "packet.h"
#include <sodium.h>

static_assert(crypto_shorthash_siphash24_BYTES == sizeof(uint64_t), "a tag is 8 bytes");
static_assert(crypto_shorthash_siphash24_KEYBYTES == COPSE_KEY_BYTES, "a key is 16 bytes");

static void
make_tag(const struct copse_header *header, const uint8_t key[COPSE_KEY_BYTES], uint64_t *tag) {
  uint8_t covered[COPSE_TAGGED_BYTES];

  copse_tagged_bytes(header, covered);
  crypto_shorthash_siphash24((uint8_t *)tag, covered, sizeof(covered), key);
}

void
packet_header(struct copse_header *header, const struct packet_fields *fields, const uint8_t key[COPSE_KEY_BYTES]) {
  uint64_t tag;

  *header = (struct copse_header){
    .version = COPSE_WIRE_VERSION,
    .type = (uint8_t)fields->type,
    .hop_limit = COPSE_HOP_LIMIT,
    .label = htobe32(fields->label),
    .block = htobe32(fields->block),
    .symbol = htobe16(fields->symbol),
    .length = htobe16(fields->payload),
    .sequence = htobe64(fields->sequence),
  };
  make_tag(header, key, &tag);
  header->tag = tag;
}

bool
packet_authentic(const struct copse_header *header, const uint8_t key[COPSE_KEY_BYTES]) {
  uint64_t tag;

  make_tag(header, key, &tag);
  return sodium_memcmp(&tag, (const uint8_t *)header + offsetof(struct copse_header, tag), sizeof(tag)) == 0;
}
