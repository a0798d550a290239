/* SPDX-License-Identifier: Apache-2.0 */
/* What a session distributes: name, size, and the root of a SHA-256 Merkle tree over 16 KiB leaves (BEP 52: leaves of
 * the file's bytes, the last one as short as it is, padded to a power of two with zero hashes). */
#ifndef COPSE_MANIFEST_H
#define COPSE_MANIFEST_H

#include <copse/error.h>
#include <jansson.h>
#include <stdint.h>

#define COPSE_HASH_BYTES 32
#define COPSE_MANIFEST_NAME_BYTES 256
#define COPSE_MANIFEST_SIZE_MAX (1ULL << 33) /* 8 GiB: 16 MiB of leaf hashes */

struct copse_manifest {
  char name[COPSE_MANIFEST_NAME_BYTES]; /* a file name, never a path */
  uint64_t size;                        /* bytes, > 0 */
  uint32_t block_bytes;                 /* 16384 */
  uint8_t root[COPSE_HASH_BYTES];
};

/* Number of blocks (leaves). */
uint32_t copse_manifest_blocks(const struct copse_manifest *manifest);
/* Reads the JSON object of docs/api.md. -EINVAL with a sentence; `field` (may be null) receives the wrong field's name.
 */
int copse_manifest_parse(const json_t *json, struct copse_manifest *manifest, const char **field,
                         struct copse_error *error);
json_t *copse_manifest_json(const struct copse_manifest *manifest);

/* SHA-256 of bytes. */
void copse_hash(const void *bytes, size_t length, uint8_t out[COPSE_HASH_BYTES]);
/* Root over `count` leaf hashes, count > 0. -ENOMEM. */
int copse_merkle_root(const uint8_t (*leaves)[COPSE_HASH_BYTES], uint32_t count, uint8_t root[COPSE_HASH_BYTES]);

#endif
