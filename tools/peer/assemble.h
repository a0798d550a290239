/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of which some symbols have come. Bounded: the one that waited longest makes room for a new one. */
#ifndef PEER_ASSEMBLE_H
#define PEER_ASSEMBLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct partial {
  uint32_t block;
  uint32_t label;             /* of the tree its last symbol came from */
  uint32_t bytes;             /* of the whole block */
  uint32_t symbols;           /* bit s: symbol s has come, parity ones included */
  bool measured;              /* what it lacks is in the measure of loss */
  bool weighed;               /* and in that of thinning */
  uint64_t begun_ns, last_ns; /* when the first symbol came, and the last */
  uint8_t data[];             /* PARITY_BUFFER_BYTES, see parity.h */
};

struct assembler;

/* Content of `size` bytes; at most `limit` blocks in parts at a time. Null when memory is short. */
struct assembler *assembler_create(uint64_t size, uint32_t limit);
void assembler_free(struct assembler *assembler);

enum assembled { ASSEMBLED_NEW, ASSEMBLED_COMPLETE, ASSEMBLED_AGAIN, ASSEMBLED_WRONG, ASSEMBLED_NO_MEMORY };

struct symbol {
  uint32_t label, block;
  uint16_t symbol, length; /* a parity symbol's number: behind all others, see parity.h */
  const uint8_t *payload;
};
/* Takes a symbol: new, the one that completes its block, here already, or not a symbol of this content. A block is
 * complete when as many symbols have come as it has; those that have not are made of parity. */
enum assembled assembler_put(struct assembler *assembler, const struct symbol *symbol, uint64_t now);
/* The parts of a block, null when there are none. Valid until the next put or drop. */
struct partial *assembler_find(const struct assembler *assembler, uint32_t block);
void assembler_drop(struct assembler *assembler, uint32_t block);
/* All partial blocks, in no order. */
size_t assembler_count(const struct assembler *assembler);
struct partial *assembler_at(const struct assembler *assembler, size_t index);
/* Bytes of the block that have come as they are. */
uint32_t partial_come(const struct partial *partial);
/* The smallest run of symbols, as bytes [*first, *end) of the block, that would complete it. */
void partial_missing(const struct partial *partial, uint32_t *first, uint32_t *end);

#endif
