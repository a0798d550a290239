/* SPDX-License-Identifier: Apache-2.0 */
/* A local file as content: its manifest, leaf hashes and SHA-256. */
#ifndef PEER_CONTENT_H
#define PEER_CONTENT_H

#include <copse/manifest.h>

typedef uint8_t leaf_hash[COPSE_HASH_BYTES];

struct content {
  struct copse_manifest manifest;
  leaf_hash *leaves; /* one per block, owned */
};

/* Called now and then while a file is read. May be null. */
struct content_watch {
  void (*progress)(void *context, uint64_t done, uint64_t size);
  void *context;
};

/* Reads the whole open file. `path` gives the name in the manifest. Negative errno with a sentence. */
int content_hash(int fd, const char *path, struct content *content, uint8_t sha256[COPSE_HASH_BYTES],
                 const struct content_watch *watch, struct copse_error *error);
void content_free(struct content *content);
/* Bytes of one block. */
uint32_t content_block_bytes(const struct content *content, uint32_t block);

#endif
