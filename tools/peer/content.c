/* SPDX-License-Identifier: Apache-2.0 */
#include "content.h"
#include <copse/wire.h>
#include <errno.h>
#include <gnutls/crypto.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCKS_PER_READ 64

void
content_free(struct content *content) {
  free(content->leaves);
  content->leaves = NULL;
}

uint32_t
content_block_bytes(const struct content *content, uint32_t block) {
  uint64_t rest = content->manifest.size - (uint64_t)block * COPSE_BLOCK_BYTES;

  return rest < COPSE_BLOCK_BYTES ? (uint32_t)rest : COPSE_BLOCK_BYTES;
}

/* Reads exactly `count` bytes, or fails. */
static int
read_exactly(int fd, uint8_t *buffer, size_t count, const char *path, struct copse_error *error) {
  for (size_t at = 0; at < count;) {
    ssize_t n = read(fd, buffer + at, count - at);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return copse_fail(error, n < 0 ? -errno : -EIO, "cannot read %s: %s", path,
                        n < 0 ? strerror(errno) : "it became shorter");
    at += (size_t)n;
  }
  return 0;
}

static int
hash_blocks(int fd, const char *path, struct content *content, gnutls_hash_hd_t whole, uint8_t *buffer,
            const struct content_watch *watch, struct copse_error *error) {
  uint64_t size = content->manifest.size;
  uint32_t block = 0;

  for (uint64_t at = 0; at < size;) {
    size_t room = (size_t)BLOCKS_PER_READ * COPSE_BLOCK_BYTES, count = size - at < room ? (size_t)(size - at) : room;
    int status = read_exactly(fd, buffer, count, path, error);
    if (status < 0)
      return status;
    gnutls_hash(whole, buffer, count);
    for (size_t offset = 0; offset < count; offset += COPSE_BLOCK_BYTES, block++)
      copse_hash(buffer + offset, content_block_bytes(content, block), content->leaves[block]);
    at += count;
    if (watch && watch->progress)
      watch->progress(watch->context, at, size);
  }
  return 0;
}

static int
check_file(int fd, const char *path, struct copse_manifest *manifest, struct copse_error *error) {
  struct stat stat;
  char *copy = strdup(path);

  if (!copy)
    return copse_fail(error, -ENOMEM, "no memory");
  const char *name = basename(copy);
  int status = 0;
  if (fstat(fd, &stat) < 0)
    status = copse_fail(error, -errno, "%s: %s", path, strerror(errno));
  else if (!S_ISREG(stat.st_mode))
    status = copse_fail(error, -EINVAL, "%s: not a regular file", path);
  else if (stat.st_size == 0)
    status = copse_fail(error, -EINVAL, "%s: the file is empty", path);
  else if ((uint64_t)stat.st_size > COPSE_MANIFEST_SIZE_MAX)
    status = copse_fail(error, -EFBIG, "%s: larger than 8 GiB", path);
  else if (strlen(name) >= sizeof(manifest->name))
    status = copse_fail(error, -ENAMETOOLONG, "%s: the name is too long", path);
  else {
    *manifest = (struct copse_manifest){.size = (uint64_t)stat.st_size, .block_bytes = COPSE_BLOCK_BYTES};
    memcpy(manifest->name, name, strlen(name));
  }
  free(copy);
  return status;
}

int
content_hash(int fd, const char *path, struct content *content, uint8_t sha256[COPSE_HASH_BYTES],
             const struct content_watch *watch, struct copse_error *error) {
  gnutls_hash_hd_t whole = NULL;

  *content = (struct content){0};
  int status = check_file(fd, path, &content->manifest, error);
  if (status < 0)
    return status;
  uint32_t blocks = copse_manifest_blocks(&content->manifest);
  uint8_t *buffer = malloc((size_t)BLOCKS_PER_READ * COPSE_BLOCK_BYTES);
  content->leaves = calloc(blocks, sizeof(leaf_hash));
  if (!buffer || !content->leaves || gnutls_hash_init(&whole, GNUTLS_DIG_SHA256) < 0)
    status = copse_fail(error, -ENOMEM, "no memory to hash %s", path);
  else
    status = hash_blocks(fd, path, content, whole, buffer, watch, error);
  if (whole)
    gnutls_hash_deinit(whole, sha256);
  if (!status && copse_merkle_root((const leaf_hash *)content->leaves, blocks, content->manifest.root) < 0)
    status = copse_fail(error, -ENOMEM, "no memory to hash %s", path);
  free(buffer);
  if (status < 0)
    content_free(content);
  return status;
}
