/* SPDX-License-Identifier: Apache-2.0 */
/* What others send to copse-peer. First byte: 0 an answer to join, 1 to sync, 2 a Range header; the rest is the text.
 */
#include "messages.h"
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

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
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
