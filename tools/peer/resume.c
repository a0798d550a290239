/* SPDX-License-Identifier: Apache-2.0 */
#include "bits.h"
#include "blocks_state.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* FILE.part.have: this, then the bitmap. Only claims: a torn or stale one costs time, never a wrong byte. */
struct have_header {
  char magic[16];
  uint64_t size;
  uint8_t root[COPSE_HASH_BYTES];
};

static struct have_header
have_header(const struct content *content) {
  struct have_header header = {.magic = "copse have 1", .size = content->manifest.size};

  memcpy(header.root, content->manifest.root, sizeof(header.root));
  return header;
}

void
blocks_sync_directory(const char *path) {
  char *copy = strdup(path);
  int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

  if (fd >= 0) {
    fsync(fd);
    close(fd);
  }
  free(copy);
}

void
blocks_save(struct blocks *blocks) {
  struct have_header header = have_header(blocks->content);
  size_t bytes = bits_bytes(blocks->total);

  if (!blocks->unsaved || blocks->have_fd < 0)
    return;
  if (pwrite(blocks->have_fd, &header, sizeof(header), 0) == (ssize_t)sizeof(header) &&
      pwrite(blocks->have_fd, blocks->bitmap, bytes, sizeof(header)) == (ssize_t)bytes)
    blocks->unsaved = false;
  sync_file_range(blocks->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

/* Reads the claims; none when the state is of other content or cut short. */
static void
read_claims(struct blocks *blocks) {
  struct have_header header, expected = have_header(blocks->content);
  size_t bytes = bits_bytes(blocks->total);

  if (pread(blocks->have_fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header) ||
      memcmp(&header, &expected, sizeof(header)) != 0 ||
      pread(blocks->have_fd, blocks->bitmap, bytes, sizeof(header)) != (ssize_t)bytes)
    memset(blocks->bitmap, 0, bytes);
  for (uint32_t bit = blocks->total; bit < bytes * 8; bit++)
    bits_clear(blocks->bitmap, bit);
}

/* Hashes every claimed block; a claim that does not hold is dropped. */
static void
verify_claims(struct blocks *blocks, const struct content_watch *watch) {
  uint8_t buffer[COPSE_BLOCK_BYTES];

  for (uint32_t block = 0; block < blocks->total; block++) {
    if (!blocks_has(blocks, block))
      continue;
    if (blocks_verify(blocks, block, buffer))
      blocks->have++;
    else
      bits_clear(blocks->bitmap, block);
    if (watch && watch->progress && block % 256 == 0)
      watch->progress(watch->context, (uint64_t)block * COPSE_BLOCK_BYTES, blocks->content->manifest.size);
  }
}

/* Room for all of it now rather than a full disk later; where the file system cannot say, it is left sparse. */
static int
make_room(const struct blocks *blocks, struct copse_error *error) {
  off_t size = (off_t)blocks->content->manifest.size;

  if (ftruncate(blocks->fd, size) < 0 || (fallocate(blocks->fd, 0, 0, size) < 0 && errno == ENOSPC))
    return copse_fail(error, -errno, "cannot make room for %s: %s", blocks->part_path, strerror(errno));
  return 0;
}

static int
open_part(struct blocks *blocks, struct copse_error *error) {
  const int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW;

  blocks->fd = open(blocks->part_path, flags, 0666);
  if (blocks->fd < 0)
    return copse_fail(error, -errno, "cannot write %s: %s", blocks->part_path, strerror(errno));
  if (flock(blocks->fd, LOCK_EX | LOCK_NB) < 0)
    return copse_fail(error, -EBUSY, "%s: another copse-peer is writing it", blocks->part_path);
  blocks->have_fd = open(blocks->have_path, flags, 0666);
  if (blocks->have_fd < 0)
    return copse_fail(error, -errno, "cannot write %s: %s", blocks->have_path, strerror(errno));
  return 0;
}

/* The final name exists: fine if it is this content already. */
static int
accept_existing(struct blocks *blocks, const struct content_watch *watch, struct copse_error *error) {
  struct content found;
  int status;

  blocks->fd = open(blocks->path, O_RDONLY | O_CLOEXEC);
  if (blocks->fd < 0)
    return copse_fail(error, -errno, "cannot read %s: %s", blocks->path, strerror(errno));
  status = content_hash(blocks->fd, blocks->path, &found, blocks->sha256, watch, error);
  if (status < 0)
    return status;
  bool same = found.manifest.size == blocks->content->manifest.size &&
              !memcmp(found.manifest.root, blocks->content->manifest.root, COPSE_HASH_BYTES);
  content_free(&found);
  if (!same)
    return copse_fail(error, -EEXIST, "%s exists and is not the content of this session; move it away", blocks->path);
  bits_set_range(blocks->bitmap, 0, blocks->total);
  blocks->have = blocks->total;
  blocks->finished = true;
  return 0;
}

static int
open_paths(struct blocks *blocks, const char *path, const struct content_watch *watch, struct copse_error *error) {
  blocks->path = strdup(path);
  if (!blocks->path || asprintf(&blocks->part_path, "%s.part", path) < 0 ||
      asprintf(&blocks->have_path, "%s.part.have", path) < 0)
    return copse_fail(error, -ENOMEM, "no memory");
  if (access(path, F_OK) == 0)
    return accept_existing(blocks, watch, error);
  int status = open_part(blocks, error);
  if (status < 0)
    return status;
  read_claims(blocks);
  status = make_room(blocks, error);
  if (status == 0)
    verify_claims(blocks, watch);
  return status;
}

int
blocks_open_fetched(const char *path, const struct content *content, const struct content_watch *watch,
                    struct blocks **out, struct copse_error *error) {
  int status = blocks_create(-1, content, out);

  if (status < 0)
    return copse_fail(error, status, "no memory");
  status = open_paths(*out, path, watch, error);
  if (status < 0) {
    blocks_close(*out);
    *out = NULL;
  }
  return status;
}
