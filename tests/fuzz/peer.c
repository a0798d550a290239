/* SPDX-License-Identifier: Apache-2.0 */
/* What others send to copse-peer. First byte: 0 an answer to join, 1 to sync, 2 a Range header, the rest is the text;
 * 3 symbols of blocks, of which each byte triple has block, place in it, and how its length is wrong. */
#include "assemble.h"
#include "messages.h"
#include "packet.h"
#include "parity.h"
#include "range.h"
#include <stdlib.h>

#define SIZE 1000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool holds) {
  if (!holds)
    abort();
}

static void
take_joined(const json_t *json) {
  struct copse_error error;
  struct joined joined;

  if (message_joined(json, &joined, &error) < 0)
    return;
  must(joined.member[0] && !strchr(joined.member, '/') && joined.sync_ms > 0);
  must(joined.block.ss_family == AF_INET || joined.block.ss_family == AF_INET6);
}

static void
take_synced(const json_t *json) {
  struct copse_error error;
  struct synced synced;
  struct orders orders;
  uint32_t block;

  if (message_synced(json, &synced, &error) < 0)
    return;
  must(orders_init(&orders, 100) == 0);
  for (size_t i = 0; i < synced.orders.count; i++)
    orders_add(&orders, synced.orders.items[i]);
  must(orders.waiting <= 100);
  while (orders_take(&orders, &block))
    must(block < 100);
  for (size_t i = 0; i < synced.peer_count; i++)
    must(!strncmp(synced.peers[i].url, "http://", 7) && !strchr(synced.peers[i].member, '/'));
  orders_free(&orders);
  synced_free(&synced);
}

static void
take_range(const char *header) {
  uint64_t first, length;

  if (range_parse(header, SIZE, &first, &length) == 0)
    must(length > 0 && first < SIZE && length <= SIZE - first);
}

/* Whatever comes, what is complete has all bytes of the block, for all symbols say the same. */
static void
take_symbols(const uint8_t *data, size_t size) {
  static const uint8_t zeros[UINT8_MAX + COPSE_SYMBOL_BYTES];
  struct assembler *assembler = assembler_create(SIZE, 4);

  must(assembler != NULL);
  for (size_t at = 0; at + 2 < size; at += 3) {
    const uint32_t block = data[at],
                   bytes = block == SIZE / COPSE_BLOCK_BYTES ? SIZE % COPSE_BLOCK_BYTES : COPSE_BLOCK_BYTES;
    const uint32_t right =
      data[at + 1] < COPSE_SYMBOLS_PER_BLOCK ? symbol_length(bytes, data[at + 1]) : COPSE_SYMBOL_BYTES;
    const struct symbol symbol = {.label = block % 3,
                                  .block = block,
                                  .symbol = data[at + 1],
                                  .length = (uint16_t)(right + data[at + 2]),
                                  .payload = zeros};
    const enum assembled assembled = assembler_put(assembler, &symbol, at);
    if (assembled == ASSEMBLED_WRONG || assembled == ASSEMBLED_AGAIN)
      continue;
    const struct partial *partial = assembler_find(assembler, block);
    must(data[at + 2] == 0 && partial != NULL && partial->bytes == bytes);
    for (uint32_t i = 0; assembled == ASSEMBLED_COMPLETE && i < bytes; i++)
      must(partial->data[i] == 0);
    if (assembled == ASSEMBLED_COMPLETE)
      assembler_drop(assembler, block);
  }
  assembler_free(assembler);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size && data[0] == 3) {
    take_symbols(data + 1, size - 1);
    return 0;
  }
  char *text = size ? strndup((const char *)data + 1, size - 1) : NULL;
  json_t *json = text && data[0] != 2 ? json_loadb(text, strlen(text), JSON_DECODE_ANY, NULL) : NULL;

  if (text && data[0] == 2)
    take_range(text);
  else if (json && data[0] == 0)
    take_joined(json);
  else if (json)
    take_synced(json);
  json_decref(json);
  free(text);
  return 0;
}
