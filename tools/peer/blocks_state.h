/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of blocks.h, shared by blocks.c (the content) and resume.c (opening, and the state on disk). */
#ifndef PEER_BLOCKS_STATE_H
#define PEER_BLOCKS_STATE_H

#include "blocks.h"
#include <copse/wire.h>
#include <gnutls/crypto.h>

struct blocks {
  const struct content *content;
  int fd, have_fd; /* of FILE.part and FILE.part.have; -1: none */
  char *path, *part_path, *have_path;
  uint32_t total, have;
  uint8_t *bitmap;
  bool unsaved;           /* FILE.part.have is behind the bitmap */
  bool finished;          /* the file has its final name */
  gnutls_hash_hd_t whole; /* of the blocks blocks_finish has verified */
  uint32_t next;          /* block it verifies next */
  uint8_t sha256[COPSE_HASH_BYTES];
};

/* Empty; takes the descriptor. -ENOMEM. */
int blocks_create(int fd, const struct content *content, struct blocks **blocks);
/* True when the block is on disk as it should be; its bytes are left in the buffer. */
bool blocks_verify(const struct blocks *blocks, uint32_t block, uint8_t buffer[COPSE_BLOCK_BYTES]);
/* Makes a rename in the directory of `path` durable. */
void blocks_sync_directory(const char *path);

#endif
