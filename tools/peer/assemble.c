/* SPDX-License-Identifier: Apache-2.0 */
#include "assemble.h"
#include "packet.h"
#include "parity.h"
#include <stdlib.h>

static_assert(COPSE_SYMBOLS_PER_BLOCK + PARITY_MAX <= 32, "a block's symbols fit the mask");

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

struct partial *
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
begin(struct assembler *assembler, uint32_t block, uint64_t now) {
  if (assembler->count == assembler->limit)
    drop_oldest(assembler);
  struct partial **slot = &assembler->slots[assembler->count];
  if (!*slot)
    *slot = malloc(sizeof(struct partial) + PARITY_BUFFER_BYTES);
  if (!*slot)
    return NULL;
  **slot = (struct partial){.block = block, .bytes = block_bytes(assembler, block), .begun_ns = now};
  assembler->slot_of[block] = (uint16_t)++assembler->count;
  return *slot;
}

static uint32_t
data_symbols(const struct partial *partial) {
  return partial->symbols & ((1U << symbol_count(partial->bytes)) - 1);
}

/* 0 when a block of so many bytes has no such symbol. */
static uint32_t
expected_length(uint32_t bytes, uint32_t symbol) {
  if (symbol < COPSE_SYMBOLS_PER_BLOCK)
    return symbol_length(bytes, symbol);
  return symbol < COPSE_SYMBOLS_PER_BLOCK + PARITY_MAX ? COPSE_SYMBOL_BYTES : 0;
}

static void
keep(struct partial *partial, const struct symbol *symbol) {
  uint8_t *place = partial->data + (size_t)symbol->symbol * COPSE_SYMBOL_BYTES;

  memcpy(place, symbol->payload, symbol->length);
  memset(place + symbol->length, 0, COPSE_SYMBOL_BYTES - (size_t)symbol->length);
  partial->symbols |= 1U << symbol->symbol;
}

enum assembled
assembler_put(struct assembler *assembler, const struct symbol *symbol, uint64_t now) {
  if (symbol->block >= assembler->blocks ||
      symbol->length != expected_length(block_bytes(assembler, symbol->block), symbol->symbol) || symbol->length == 0)
    return ASSEMBLED_WRONG;
  struct partial *partial = assembler_find(assembler, symbol->block);
  if (partial && (partial->symbols >> symbol->symbol & 1))
    return ASSEMBLED_AGAIN;
  if (!partial && !(partial = begin(assembler, symbol->block, now)))
    return ASSEMBLED_NO_MEMORY;
  keep(partial, symbol);
  partial->label = symbol->label;
  partial->last_ns = now;
  uint32_t count = symbol_count(partial->bytes);
  if ((uint32_t)__builtin_popcount(partial->symbols) < count)
    return ASSEMBLED_NEW;
  if (data_symbols(partial) != (1U << count) - 1)
    parity_recover(partial->data, count, partial->symbols);
  return ASSEMBLED_COMPLETE;
}

size_t
assembler_count(const struct assembler *assembler) {
  return assembler->count;
}

struct partial *
assembler_at(const struct assembler *assembler, size_t index) {
  return assembler->slots[index];
}

uint32_t
partial_come(const struct partial *partial) {
  uint32_t bytes = 0;

  for (uint32_t s = 0; s < symbol_count(partial->bytes); s++)
    if (partial->symbols >> s & 1)
      bytes += symbol_length(partial->bytes, s);
  return bytes;
}

/* End of the smallest run from `first` that has so many missing symbols; 0 when there is none. */
static uint32_t
run_end(const struct partial *partial, uint32_t first, uint32_t needed) {
  for (uint32_t s = first; s < symbol_count(partial->bytes); s++)
    if (!(partial->symbols >> s & 1) && --needed == 0)
      return s + 1;
  return 0;
}

void
partial_missing(const struct partial *partial, uint32_t *first, uint32_t *end) {
  uint32_t symbols = symbol_count(partial->bytes), needed = symbols - (uint32_t)__builtin_popcount(partial->symbols);
  uint32_t best = 0, best_end = symbols;

  for (uint32_t s = 0; s < symbols; s++) {
    uint32_t stop = run_end(partial, s, needed);
    if (stop && stop - s < best_end - best) {
      best = s;
      best_end = stop;
    }
  }
  *first = best * COPSE_SYMBOL_BYTES;
  *end = best_end == symbols ? partial->bytes : best_end * COPSE_SYMBOL_BYTES;
}
