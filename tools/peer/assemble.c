/* SPDX-License-Identifier: Apache-2.0 */
#include "assemble.h"
#include "packet.h"
#include <stdlib.h>

static_assert(COPSE_SYMBOLS_PER_BLOCK <= 16, "a block's symbols fit the mask");

struct assembler {
  uint64_t size;
  uint32_t blocks, limit, count;
  uint16_t *slot_of; /* by block: slot + 1, 0 for none */
  struct partial **slots;
};

struct assembler *
assembler_create(uint64_t size, uint32_t limit) {
  struct assembler *assembler = calloc(1, sizeof(*assembler));

  if (!assembler)
    return NULL;
  assembler->size = size;
  assembler->limit = limit < UINT16_MAX ? limit : UINT16_MAX - 1;
  assembler->blocks = (uint32_t)((size + COPSE_BLOCK_BYTES - 1) / COPSE_BLOCK_BYTES);
  assembler->slot_of = calloc(assembler->blocks, sizeof(*assembler->slot_of));
  assembler->slots = calloc(assembler->limit, sizeof(struct partial *));
  if (!assembler->slot_of || !assembler->slots) {
    assembler_free(assembler);
    return NULL;
  }
  return assembler;
}

void
assembler_free(struct assembler *assembler) {
  if (!assembler)
    return;
  for (uint32_t i = 0; assembler->slots && i < assembler->limit; i++)
    free(assembler->slots[i]);
  free(assembler->slots);
  free(assembler->slot_of);
  free(assembler);
}

static uint32_t
block_bytes(const struct assembler *assembler, uint32_t block) {
  uint64_t start = (uint64_t)block * COPSE_BLOCK_BYTES, rest = assembler->size - start;

  return rest < COPSE_BLOCK_BYTES ? (uint32_t)rest : COPSE_BLOCK_BYTES;
}

const struct partial *
assembler_find(const struct assembler *assembler, uint32_t block) {
  return block < assembler->blocks && assembler->slot_of[block] ? assembler->slots[assembler->slot_of[block] - 1]
                                                                : NULL;
}

/* Used slots come first; memory of freed ones is kept behind them. */
void
assembler_drop(struct assembler *assembler, uint32_t block) {
  if (!assembler_find(assembler, block))
    return;
  uint16_t slot = (uint16_t)(assembler->slot_of[block] - 1);
  struct partial *freed = assembler->slots[slot], *last = assembler->slots[--assembler->count];
  assembler->slots[slot] = last;
  assembler->slots[assembler->count] = freed;
  assembler->slot_of[last->block] = (uint16_t)(slot + 1);
  assembler->slot_of[block] = 0;
}

static void
drop_oldest(struct assembler *assembler) {
  const struct partial *oldest = assembler->slots[0];

  for (uint32_t i = 1; i < assembler->count; i++)
    if (assembler->slots[i]->last_ns < oldest->last_ns)
      oldest = assembler->slots[i];
  assembler_drop(assembler, oldest->block);
}

static struct partial *
begin(struct assembler *assembler, uint32_t block) {
  if (assembler->count == assembler->limit)
    drop_oldest(assembler);
  struct partial **slot = &assembler->slots[assembler->count];
  if (!*slot)
    *slot = malloc(sizeof(struct partial) + COPSE_BLOCK_BYTES);
  if (!*slot)
    return NULL;
  **slot = (struct partial){.block = block, .bytes = block_bytes(assembler, block)};
  assembler->slot_of[block] = (uint16_t)++assembler->count;
  return *slot;
}

enum assembled
assembler_put(struct assembler *assembler, const struct symbol *symbol, uint64_t now) {
  if (symbol->block >= assembler->blocks ||
      symbol->length != symbol_length(block_bytes(assembler, symbol->block), symbol->symbol) || symbol->length == 0)
    return ASSEMBLED_WRONG;
  struct partial *partial = (struct partial *)assembler_find(assembler, symbol->block);
  uint16_t bit = (uint16_t)(1U << symbol->symbol);
  if (partial && (partial->symbols & bit))
    return ASSEMBLED_AGAIN;
  if (!partial && !(partial = begin(assembler, symbol->block)))
    return ASSEMBLED_NO_MEMORY;
  memcpy(partial->data + (size_t)symbol->symbol * COPSE_SYMBOL_BYTES, symbol->payload, symbol->length);
  partial->symbols |= bit;
  partial->label = symbol->label;
  partial->last_ns = now;
  return partial->symbols == (1U << symbol_count(partial->bytes)) - 1 ? ASSEMBLED_COMPLETE : ASSEMBLED_NEW;
}

size_t
assembler_count(const struct assembler *assembler) {
  return assembler->count;
}

const struct partial *
assembler_at(const struct assembler *assembler, size_t index) {
  return assembler->slots[index];
}

void
partial_missing(const struct partial *partial, uint32_t *first, uint32_t *end) {
  uint32_t symbols = symbol_count(partial->bytes), low = 0, high = symbols;

  while (low < symbols && (partial->symbols >> low & 1))
    low++;
  while (high > low && (partial->symbols >> (high - 1) & 1))
    high--;
  *first = low * COPSE_SYMBOL_BYTES;
  *end = high == symbols ? partial->bytes : high * COPSE_SYMBOL_BYTES;
}
