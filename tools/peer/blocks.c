/* SPDX-License-Identifier: Apache-2.0 */
#include "blocks.h"
#include "bits.h"
#include "blocks_state.h"
#include <copse/wire.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define FINISH_STEP 64 /* blocks */

int
blocks_create(int fd, const struct content *content, struct blocks **out) {
  struct blocks *blocks = calloc(1, sizeof(*blocks));

  *out = blocks;
  if (!blocks)
    return -ENOMEM;
  *blocks = (struct blocks){.content = content, .fd = fd, .have_fd = -1};
  blocks->total = copse_manifest_blocks(&content->manifest);
  blocks->bitmap = calloc(1, bits_bytes(blocks->total));
  if (blocks->bitmap)
    return 0;
  free(blocks);
  *out = NULL;
  return -ENOMEM;
}

int
blocks_open_shared(int fd, const struct content *content, struct blocks **out) {
  int status = blocks_create(fd, content, out);

  if (status < 0)
    return status;
  bits_set_range((*out)->bitmap, 0, (*out)->total);
  (*out)->have = (*out)->total;
  (*out)->finished = true;
  return 0;
}

void
blocks_close(struct blocks *blocks) {
  if (!blocks)
    return;
  blocks_save(blocks);
  if (blocks->whole)
    gnutls_hash_deinit(blocks->whole, NULL);
  if (blocks->fd >= 0)
    close(blocks->fd);
  if (blocks->have_fd >= 0)
    close(blocks->have_fd);
  free(blocks->path);
  free(blocks->part_path);
  free(blocks->have_path);
  free(blocks->bitmap);
  free(blocks);
}

uint32_t
blocks_total(const struct blocks *blocks) {
  return blocks->total;
}

uint32_t
blocks_have(const struct blocks *blocks) {
  return blocks->have;
}

bool
blocks_has(const struct blocks *blocks, uint32_t block) {
  return bits_get(blocks->bitmap, block);
}

const uint8_t *
blocks_bitmap(const struct blocks *blocks) {
  return blocks->bitmap;
}

bool
blocks_finished(const struct blocks *blocks) {
  return blocks->finished;
}

bool
blocks_cover(const struct blocks *blocks, uint64_t first, uint64_t length) {
  if (first > blocks->content->manifest.size || length > blocks->content->manifest.size - first)
    return false;
  for (uint64_t at = first / COPSE_BLOCK_BYTES; at * COPSE_BLOCK_BYTES < first + length; at++)
    if (!blocks_has(blocks, (uint32_t)at))
      return false;
  return true;
}

int
blocks_read(const struct blocks *blocks, uint64_t offset, void *buffer, size_t count) {
  for (size_t at = 0; at < count;) {
    ssize_t n = pread(blocks->fd, (uint8_t *)buffer + at, count - at, (off_t)(offset + at));
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return n < 0 ? -errno : -EIO;
    at += (size_t)n;
  }
  return 0;
}

static bool
verified(const struct blocks *blocks, uint32_t block, const uint8_t *bytes) {
  uint8_t hash[COPSE_HASH_BYTES];

  copse_hash(bytes, content_block_bytes(blocks->content, block), hash);
  return !memcmp(hash, blocks->content->leaves[block], sizeof(hash));
}

bool
blocks_verify(const struct blocks *blocks, uint32_t block, uint8_t buffer[COPSE_BLOCK_BYTES]) {
  uint32_t bytes = content_block_bytes(blocks->content, block);

  return !blocks_read(blocks, (uint64_t)block * COPSE_BLOCK_BYTES, buffer, bytes) && verified(blocks, block, buffer);
}

enum put
blocks_put(struct blocks *blocks, uint32_t block, const uint8_t *bytes) {
  uint32_t count = content_block_bytes(blocks->content, block);

  if (blocks_has(blocks, block))
    return PUT_KNOWN;
  if (!verified(blocks, block, bytes))
    return PUT_BAD;
  for (uint32_t at = 0; at < count;) {
    ssize_t n = pwrite(blocks->fd, bytes + at, count - at, (off_t)((uint64_t)block * COPSE_BLOCK_BYTES + at));
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return PUT_FAILED;
    at += (uint32_t)n;
  }
  bits_set(blocks->bitmap, block);
  blocks->have++;
  blocks->unsaved = true;
  return PUT_STORED;
}

static void
forget(struct blocks *blocks, uint32_t block) {
  bits_clear(blocks->bitmap, block);
  blocks->have--;
  blocks->unsaved = true;
}

/* The name must not exist: what somebody put there meanwhile is not ours to replace. */
static int
take_final_name(struct blocks *blocks, struct copse_error *error) {
  int status = renameat2(AT_FDCWD, blocks->part_path, AT_FDCWD, blocks->path, RENAME_NOREPLACE);

  if (status < 0 && (errno == EINVAL || errno == ENOSYS) && access(blocks->path, F_OK) < 0)
    status = rename(blocks->part_path, blocks->path);
  if (status < 0)
    return copse_fail(error, -errno, "cannot rename %s to %s: %s", blocks->part_path, blocks->path, strerror(errno));
  unlink(blocks->have_path);
  blocks_sync_directory(blocks->path);
  blocks->finished = true;
  blocks->unsaved = false;
  return 0;
}

/* Everything is verified: on the disk, and under its name. */
static enum finish
finish_end(struct blocks *blocks, struct copse_error *error) {
  if (fsync(blocks->fd) < 0) {
    copse_fail(error, -errno, "cannot write %s: %s", blocks->part_path, strerror(errno));
    return FINISH_FAILED;
  }
  gnutls_hash_deinit(blocks->whole, blocks->sha256);
  blocks->whole = NULL;
  return take_final_name(blocks, error) < 0 ? FINISH_FAILED : FINISH_DONE;
}

enum finish
blocks_finish(struct blocks *blocks, struct copse_error *error) {
  uint8_t buffer[COPSE_BLOCK_BYTES];

  if (blocks->finished)
    return FINISH_DONE;
  if (!blocks->whole && gnutls_hash_init(&blocks->whole, GNUTLS_DIG_SHA256) < 0) {
    copse_fail(error, -ENOMEM, "no memory to verify %s", blocks->part_path);
    return FINISH_FAILED;
  }
  for (uint32_t step = 0; step < FINISH_STEP && blocks->next < blocks->total; step++, blocks->next++) {
    if (!blocks_has(blocks, blocks->next))
      return FINISH_WAITING;
    if (!blocks_verify(blocks, blocks->next, buffer)) {
      forget(blocks, blocks->next);
      return FINISH_BAD_BLOCK;
    }
    gnutls_hash(blocks->whole, buffer, content_block_bytes(blocks->content, blocks->next));
  }
  return blocks->next < blocks->total ? FINISH_MORE : finish_end(blocks, error);
}

const uint8_t *
blocks_sha256(const struct blocks *blocks) {
  return blocks->sha256;
}
