/* SPDX-License-Identifier: Apache-2.0 */
/* The tag of a block header: SipHash-2-4 over what wire.h says. */
#ifndef COPSE_TAG_H
#define COPSE_TAG_H

#include <copse/wire.h>
#include <sodium.h>

static_assert(crypto_shorthash_siphash24_KEYBYTES == COPSE_KEY_BYTES, "keys are SipHash keys");
static_assert(crypto_shorthash_siphash24_BYTES == sizeof(uint64_t), "the tag is all of SipHash's output");

/* The tag of a header under a key, in the header's byte order. */
static inline uint64_t
copse_tag(const struct copse_header *header, const uint8_t key[COPSE_KEY_BYTES]) {
  uint8_t bytes[COPSE_TAGGED_BYTES];
  uint64_t tag;

  copse_tagged_bytes(header, bytes);
  crypto_shorthash_siphash24((uint8_t *)&tag, bytes, sizeof(bytes), key);
  return tag;
}

#endif
