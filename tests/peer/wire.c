/* SPDX-License-Identifier: Apache-2.0 */
/* Symbols, tags, replay window, assembly. */
#include "assemble.h"
#include "packet.h"
#include "replay.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <sodium.h>
#include <stdlib.h>

Test(symbols, cover_every_block_exactly) {
  static const uint32_t sizes[] = {1, 2, 1260, 1261, 1262, 2522, 2523, 16383, 16384};

  for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
    uint32_t total = 0;
    for (uint32_t s = 0; s < symbol_count(sizes[i]); s++) {
      cr_expect(eq(u32, s * COPSE_SYMBOL_BYTES, total));
      cr_expect(gt(u32, symbol_length(sizes[i], s), 0));
      total += symbol_length(sizes[i], s);
    }
    cr_expect(eq(u32, total, sizes[i]));
    cr_expect(eq(u32, symbol_length(sizes[i], symbol_count(sizes[i])), 0));
    cr_expect(eq(u32, symbol_length(sizes[i], UINT16_MAX), 0));
  }
  cr_expect(eq(u32, symbol_count(COPSE_BLOCK_BYTES), COPSE_SYMBOLS_PER_BLOCK));
}

static void
key_of(uint8_t first, uint8_t key[COPSE_KEY_BYTES]) {
  for (unsigned i = 0; i < COPSE_KEY_BYTES; i++)
    key[i] = (uint8_t)(first + i);
}

Test(packet, header_is_as_drawn) {
  /* Tag computed by the Python implementation in fake/pop.py. */
  static const uint8_t expected[COPSE_HEADER_BYTES] = {
    1,    1,    0,    16,   0x01, 0x02, 0x03, 0x04, 0x0a, 0x0b, 0x0c, 0x0d, 0x00, 0x07, 0x04, 0xed,
    0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x03, 0x37, 0x16, 0x2f, 0xd2, 0x7a, 0xc0, 0x8c,
  };
  struct packet_fields fields = {.type = COPSE_DATA,
                                 .label = 0x01020304,
                                 .block = 0x0a0b0c0d,
                                 .symbol = 7,
                                 .payload = 1261,
                                 .sequence = 0x1122334455667788};
  struct copse_header header;
  uint8_t key[COPSE_KEY_BYTES];

  key_of(0, key);
  packet_header(&header, &fields, key);
  cr_expect(eq(int, memcmp(&header, expected, sizeof(header)), 0));
  cr_expect(packet_authentic(&header, key));
}

Test(packet, tag_covers_all_but_the_label) {
  struct packet_fields fields = {.type = COPSE_DATA, .label = 5, .block = 6, .symbol = 1, .payload = 9, .sequence = 3};
  struct copse_header header;
  uint8_t key[COPSE_KEY_BYTES], other[COPSE_KEY_BYTES];

  key_of(1, key);
  key_of(2, other);
  packet_header(&header, &fields, key);
  cr_expect(not(packet_authentic(&header, other)));
  for (size_t bit = 0; bit < sizeof(header) * 8; bit++) {
    struct copse_header changed = header;
    ((uint8_t *)&changed)[bit / 8] ^= (uint8_t)(1U << (bit % 8));
    bool label = bit / 8 >= 4 && bit / 8 < 8;
    cr_expect(eq(int, packet_authentic(&changed, key), label), "bit %zu", bit);
  }
}

Test(replay, each_number_once) {
  struct replay replay = {0};

  cr_expect(replay_accept(&replay, 5000));
  cr_expect(not(replay_accept(&replay, 5000)));
  cr_expect(replay_accept(&replay, 5000 - 959));
  cr_expect(not(replay_accept(&replay, 5000 - 959)));
  cr_expect(not(replay_accept(&replay, 5000 - 960)));
  cr_expect(replay_accept(&replay, 5002));
  cr_expect(replay_accept(&replay, 5001));
  cr_expect(not(replay_accept(&replay, 5001)));
}

Test(replay, first_may_be_anything) {
  struct replay zero = {0}, last = {0};

  cr_expect(replay_accept(&zero, 0));
  cr_expect(not(replay_accept(&zero, 0)));
  cr_expect(replay_accept(&last, UINT64_MAX));
  cr_expect(not(replay_accept(&last, UINT64_MAX)));
  cr_expect(not(replay_accept(&last, 3)));
}

/* Against a list of everything seen. */
Test(replay, random_order) {
  static bool seen[20000];
  struct replay replay = {0};
  uint64_t highest = 0;

  srand(1);
  for (int i = 0; i < 100000; i++) {
    uint64_t middle = (uint64_t)i * 19000 / 100000, number = middle + (uint64_t)(rand() % 1500);
    number = number > 1200 ? number - 1200 : 1;
    if (rand() % 1000 == 0)
      number += 1000;
    if (number >= 20000)
      continue;
    bool expected = number > highest || (highest - number < REPLAY_WINDOW && !seen[number]);
    cr_assert(eq(int, replay_accept(&replay, number), expected), "number %lu", number);
    seen[number] |= expected;
    highest = number > highest ? number : highest;
  }
}

/* ---- assembly ---- */

#define SIZE (3ULL * COPSE_BLOCK_BYTES + 3000)

static uint8_t content[SIZE];

static enum assembled
put(struct assembler *assembler, uint32_t block, uint16_t index, uint32_t label, uint64_t now) {
  uint64_t start = (uint64_t)block * COPSE_BLOCK_BYTES, rest = SIZE - start;
  struct symbol symbol = {
    .label = label,
    .block = block,
    .symbol = index,
    .length = (uint16_t)symbol_length(rest < COPSE_BLOCK_BYTES ? (uint32_t)rest : COPSE_BLOCK_BYTES, index),
    .payload = content + start + (size_t)index * COPSE_SYMBOL_BYTES,
  };

  return assembler_put(assembler, &symbol, now);
}

Test(assembler, any_order_and_a_short_last_block) {
  struct assembler *assembler = assembler_create(SIZE, 8);

  randombytes_buf(content, sizeof(content));
  for (uint32_t block = 0; block < 4; block++) {
    uint16_t count = block == 3 ? 3 : 13;
    for (uint16_t i = 0; i < count; i++) {
      uint16_t index = (uint16_t)(i * 5 % count + (count == 3 ? 0 : 0));
      enum assembled expected = i == count - 1 ? ASSEMBLED_COMPLETE : ASSEMBLED_NEW;
      if (count == 3)
        index = (uint16_t)(2 - i);
      cr_assert(eq(int, put(assembler, block, index, 1, 1), expected), "block %u symbol %u", block, index);
    }
    const struct partial *partial = assembler_find(assembler, block);
    cr_assert(ne(ptr, (void *)partial, NULL));
    cr_expect(eq(u32, partial->bytes, block == 3 ? 3000 : COPSE_BLOCK_BYTES));
    cr_expect(eq(int, memcmp(partial->data, content + (size_t)block * COPSE_BLOCK_BYTES, partial->bytes), 0));
    assembler_drop(assembler, block);
    cr_expect(eq(ptr, (void *)assembler_find(assembler, block), NULL));
  }
  cr_expect(eq(sz, assembler_count(assembler), 0));
  assembler_free(assembler);
}

Test(assembler, repeats_and_rubbish) {
  struct assembler *assembler = assembler_create(SIZE, 8);
  struct symbol wrong = {.block = 0, .symbol = 0, .length = 1260, .payload = content};

  cr_expect(eq(int, put(assembler, 0, 4, 1, 1), ASSEMBLED_NEW));
  cr_expect(eq(int, put(assembler, 0, 4, 1, 2), ASSEMBLED_AGAIN));
  cr_expect(eq(int, assembler_put(assembler, &wrong, 1), ASSEMBLED_WRONG), "too short");
  wrong.length = 1262;
  cr_expect(eq(int, assembler_put(assembler, &wrong, 1), ASSEMBLED_WRONG), "too long");
  wrong = (struct symbol){.block = 0, .symbol = 13, .length = 0, .payload = content};
  cr_expect(eq(int, assembler_put(assembler, &wrong, 1), ASSEMBLED_WRONG), "no such symbol");
  wrong = (struct symbol){.block = 4, .symbol = 0, .length = 1261, .payload = content};
  cr_expect(eq(int, assembler_put(assembler, &wrong, 1), ASSEMBLED_WRONG), "no such block");
  wrong = (struct symbol){.block = 3, .symbol = 3, .length = 1261, .payload = content};
  cr_expect(eq(int, assembler_put(assembler, &wrong, 1), ASSEMBLED_WRONG), "beyond the short last block");
  wrong = (struct symbol){.block = 3, .symbol = 2, .length = 1261, .payload = content};
  cr_expect(eq(int, assembler_put(assembler, &wrong, 1), ASSEMBLED_WRONG), "the last symbol is short");
  cr_expect(eq(sz, assembler_count(assembler), 1));
  assembler_free(assembler);
}

Test(assembler, bounded_and_drops_the_oldest) {
  struct assembler *assembler = assembler_create(SIZE, 2);

  put(assembler, 0, 0, 1, 100);
  put(assembler, 1, 0, 1, 50);
  put(assembler, 2, 0, 1, 200);
  cr_expect(eq(sz, assembler_count(assembler), 2));
  cr_expect(eq(ptr, (void *)assembler_find(assembler, 1), NULL), "block 1 waited longest");
  cr_expect(ne(ptr, (void *)assembler_find(assembler, 0), NULL));
  cr_expect(eq(u32, assembler_find(assembler, 2)->block, 2));
  assembler_free(assembler);
}

Test(assembler, what_is_missing) {
  struct assembler *assembler = assembler_create(SIZE, 4);
  uint32_t first, end;

  for (uint16_t i = 0; i < 13; i++)
    if (i != 3 && i != 7)
      put(assembler, 0, i, 1, 1);
  partial_missing(assembler_find(assembler, 0), &first, &end);
  cr_expect(eq(u32, first, 3 * COPSE_SYMBOL_BYTES));
  cr_expect(eq(u32, end, 8 * COPSE_SYMBOL_BYTES));
  for (uint16_t i = 0; i < 12; i++)
    put(assembler, 1, i, 1, 1);
  partial_missing(assembler_find(assembler, 1), &first, &end);
  cr_expect(eq(u32, first, 12 * COPSE_SYMBOL_BYTES));
  cr_expect(eq(u32, end, COPSE_BLOCK_BYTES));
  put(assembler, 3, 1, 1, 1);
  partial_missing(assembler_find(assembler, 3), &first, &end);
  cr_expect(eq(u32, first, 0));
  cr_expect(eq(u32, end, 3000));
  assembler_free(assembler);
}
