/* SPDX-License-Identifier: Apache-2.0 */
#include <copse/manifest.h>
#include <errno.h>
#include <gnutls/crypto.h>
#include <stdlib.h>
#include <string.h>

void
copse_hash(const void *bytes, size_t length, uint8_t out[COPSE_HASH_BYTES]) {
  /* Fails only where the library itself is not able to do SHA-256: nothing could be verified then. */
  if (gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes, length, out) < 0)
    abort();
}

int
copse_merkle_root(const uint8_t (*leaves)[COPSE_HASH_BYTES], uint32_t count, uint8_t root[COPSE_HASH_BYTES]) {
  /* One layer at a time, in place; an odd end is paired with the root of an all-zero subtree of that height. */
  uint8_t pad[2][COPSE_HASH_BYTES] = {0};
  uint8_t(*layer)[COPSE_HASH_BYTES] = malloc(((size_t)count + 1) * COPSE_HASH_BYTES);

  if (!layer)
    return -ENOMEM;
  memcpy(layer, leaves, (size_t)count * COPSE_HASH_BYTES);
  while (count > 1) {
    if (count & 1)
      memcpy(layer[count], pad[0], COPSE_HASH_BYTES);
    count = (count + 1) / 2;
    for (size_t i = 0; i < count; i++)
      copse_hash(layer[2 * i], 2UL * COPSE_HASH_BYTES, layer[i]);
    memcpy(pad[1], pad[0], COPSE_HASH_BYTES);
    copse_hash(pad, sizeof(pad), pad[0]);
  }
  memcpy(root, layer[0], COPSE_HASH_BYTES);
  free(layer);
  return 0;
}
