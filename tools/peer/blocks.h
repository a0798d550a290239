/* SPDX-License-Identifier: Apache-2.0 */
/* The content on disk, block by block. What is being fetched lies in FILE.part; FILE.part.have claims which blocks
 * are there, and is believed only after they were hashed again. FILE appears when every block was verified. */
#ifndef PEER_BLOCKS_H
#define PEER_BLOCKS_H

#include "content.h"
#include <stdbool.h>

struct blocks;

/* A file that was hashed: all blocks are there. Takes the descriptor over. -ENOMEM. */
int blocks_open_shared(int fd, const struct content *content, struct blocks **blocks);
/* The file to fetch into: new, or as far as an earlier run came. When `path` exists already it is accepted if it is
 * this content. `content` must outlive the blocks. Negative errno with a sentence. */
int blocks_open_fetched(const char *path, const struct content *content, const struct content_watch *watch,
                        struct blocks **blocks, struct copse_error *error);
/* Writes the state and closes. Null is allowed. */
void blocks_close(struct blocks *blocks);

uint32_t blocks_total(const struct blocks *blocks);
uint32_t blocks_have(const struct blocks *blocks);
bool blocks_has(const struct blocks *blocks, uint32_t block);
/* Bitmap of blocks_total bits. */
const uint8_t *blocks_bitmap(const struct blocks *blocks);
/* All blocks are here and the file has its final name. */
bool blocks_finished(const struct blocks *blocks);
/* True when every block in the bytes [first, first + length) is here. */
bool blocks_cover(const struct blocks *blocks, uint64_t first, uint64_t length);

enum put { PUT_STORED, PUT_KNOWN, PUT_BAD, PUT_FAILED };
/* Verifies a whole block against its leaf and writes it. PUT_FAILED: the disk refused, errno says why. */
enum put blocks_put(struct blocks *blocks, uint32_t block, const uint8_t *bytes);
/* Reads `count` bytes of content from `offset`. Negative errno; -EIO also when the file became shorter. */
int blocks_read(const struct blocks *blocks, uint64_t offset, void *buffer, size_t count);

/* Writes FILE.part.have if it is behind, and starts writing data back to the disk. */
void blocks_save(struct blocks *blocks);

enum finish { FINISH_MORE, FINISH_WAITING, FINISH_DONE, FINISH_BAD_BLOCK, FINISH_FAILED };
/* Verifies some more blocks as they are on disk, in their order, and after the last one renames the file. To be called
 * again at once after FINISH_MORE, after FINISH_WAITING when more blocks are here, and after FINISH_BAD_BLOCK, when the
 * damaged block is missing again, too. FINISH_FAILED has a sentence. */
enum finish blocks_finish(struct blocks *blocks, struct copse_error *error);
/* SHA-256 of the content; valid once finished by blocks_finish or when opened complete. */
const uint8_t *blocks_sha256(const struct blocks *blocks);

#endif
