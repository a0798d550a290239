/* SPDX-License-Identifier: Apache-2.0 */
#include "orders.h"
#include "bits.h"
#include <copse/wire.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BITS (COPSE_BLOCK_BYTES * 8ULL)
#define SECOND 1e9

int
ranges_append(struct ranges *ranges, uint32_t first, uint32_t count) {
  struct range *last = ranges->count ? &ranges->items[ranges->count - 1] : NULL;

  if (last && last->first + last->count == first) {
    last->count += count;
    return 0;
  }
  if (!ranges->items || ranges->count == ranges->capacity) {
    size_t capacity = ranges->capacity ? 2 * ranges->capacity : 16;
    struct range *items = reallocarray(ranges->items, capacity, sizeof(*items));
    if (!items)
      return -ENOMEM;
    ranges->items = items;
    ranges->capacity = capacity;
  }
  ranges->items[ranges->count++] = (struct range){first, count};
  return 0;
}

void
ranges_free(struct ranges *ranges) {
  free(ranges->items);
  *ranges = (struct ranges){0};
}

int
orders_init(struct orders *orders, uint32_t blocks) {
  *orders = (struct orders){.blocks = blocks, .known = calloc(1, bits_bytes(blocks))};
  return orders->known ? 0 : -ENOMEM;
}

void
orders_free(struct orders *orders) {
  ranges_free(&orders->queue);
  ranges_free(&orders->sent);
  ranges_free(&orders->reported);
  free(orders->known);
}

void
orders_reset(struct orders *orders) {
  orders->waiting = 0;
  orders->ran_out = false;
  orders->queue.count = orders->sent.count = orders->reported.count = 0;
  memset(orders->known, 0, bits_bytes(orders->blocks));
}

int
orders_add(struct orders *orders, struct range range) {
  uint64_t end = (uint64_t)range.first + range.count;

  for (uint64_t block = range.first; block < end && block < orders->blocks; block++) {
    if (bits_get(orders->known, (uint32_t)block))
      continue;
    if (ranges_append(&orders->queue, (uint32_t)block, 1) < 0)
      return -ENOMEM;
    bits_set(orders->known, (uint32_t)block);
    orders->waiting++;
    orders->ran_out = false;
  }
  return 0;
}

bool
orders_take(struct orders *orders, uint32_t *block) {
  struct ranges *queue = &orders->queue;

  if (!queue->count)
    return false;
  *block = queue->items[0].first++;
  orders->waiting--;
  if (--queue->items[0].count == 0)
    memmove(queue->items, queue->items + 1, --queue->count * sizeof(*queue->items));
  return true;
}

int
orders_sent(struct orders *orders, uint32_t block) {
  return ranges_append(&orders->sent, block, 1);
}

/* Queued blocks last at this rate for no longer than an answer takes and `beyond`, or are at most `least`. */
static bool
few_wait(const struct orders *orders, uint64_t rate_bps, double beyond_s, uint32_t least) {
  const double lasts_s = (double)orders->waiting * BLOCK_BITS / (double)rate_bps;

  return orders->waiting <= least || lasts_s <= (double)orders->answer_ns / SECOND + beyond_s;
}

bool
orders_low(const struct orders *orders, uint64_t rate_bps) {
  return few_wait(orders, rate_bps, 0.5, 2);
}

bool
orders_running_out(struct orders *orders, uint64_t rate_bps) {
  if (orders->ran_out || rate_bps == 0 || !few_wait(orders, rate_bps, 0.125, 1))
    return false;
  orders->ran_out = true;
  return true;
}

const struct ranges *
orders_report(struct orders *orders, uint64_t now) {
  orders->asked = now;
  for (size_t i = 0; i < orders->sent.count; i++)
    if (ranges_append(&orders->reported, orders->sent.items[i].first, orders->sent.items[i].count) < 0) {
      orders->sent.count -= i;
      memmove(orders->sent.items, orders->sent.items + i, orders->sent.count * sizeof(*orders->sent.items));
      return &orders->reported;
    }
  orders->sent.count = 0;
  return &orders->reported;
}

void
orders_acknowledged(struct orders *orders, uint64_t now) {
  const uint64_t took_ns = now - orders->asked;

  orders->answer_ns = took_ns > orders->answer_ns ? took_ns : orders->answer_ns - (orders->answer_ns - took_ns) / 8;
  for (size_t i = 0; i < orders->reported.count; i++)
    for (uint32_t k = 0; k < orders->reported.items[i].count; k++)
      bits_clear(orders->known, orders->reported.items[i].first + k);
  orders->reported.count = 0;
}
