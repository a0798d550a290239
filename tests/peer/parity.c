/* SPDX-License-Identifier: Apache-2.0 */
/* Parity symbols: as docs/protocol.md defines them, whatever is lost, through assembly and the measure of loss. */
#include "parity.h"
#include "packet.h"
#include "receive.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SHORT_BYTES 3000U /* of the last block: three symbols, the last one short */
#define BLOCKS 80U
#define SIZE ((BLOCKS - 1) * COPSE_BLOCK_BYTES + SHORT_BYTES)

static uint8_t bytes[SIZE];

static uint8_t
multiply(uint8_t a, uint8_t b) {
  unsigned product = 0;

  for (unsigned bit = 0; bit < 8; bit++)
    if (b >> bit & 1)
      product ^= (unsigned)a << bit;
  for (unsigned bit = 14; bit >= 8; bit--)
    if (product >> bit & 1)
      product ^= 0x11dU << (bit - 8);
  return (uint8_t)product;
}

static uint8_t
inverse(uint8_t a) {
  for (unsigned b = 1; b < 256; b++)
    if (multiply(a, (uint8_t)b) == 1)
      return (uint8_t)b;
  return 0;
}

static uint32_t
bytes_of(uint32_t block) {
  return block == BLOCKS - 1 ? SHORT_BYTES : COPSE_BLOCK_BYTES;
}

/* The block and all its parity symbols. */
static void
make(uint32_t block, uint8_t *buffer) {
  memset(buffer, 0, PARITY_BUFFER_BYTES);
  memcpy(buffer, bytes + (size_t)block * COPSE_BLOCK_BYTES, bytes_of(block));
  parity_make(buffer, symbol_count(bytes_of(block)), PARITY_MAX);
}

static void
begin(void) {
  randombytes_buf(bytes, sizeof(bytes));
}

TestSuite(parity, .init = begin);

Test(parity, is_as_written_down) {
  static uint8_t buffer[PARITY_BUFFER_BYTES];

  for (uint32_t block = BLOCKS - 2; block < BLOCKS; block++) {
    make(block, buffer);
    for (uint32_t r = 0; r < PARITY_MAX; r++)
      for (uint32_t at = 0; at < COPSE_SYMBOL_BYTES; at++) {
        uint8_t sum = 0;
        for (uint32_t s = 0; s < symbol_count(bytes_of(block)); s++)
          sum ^= multiply(inverse((uint8_t)((COPSE_SYMBOLS_PER_BLOCK + r) ^ s)), buffer[s * COPSE_SYMBOL_BYTES + at]);
        cr_assert(eq(u8, buffer[(COPSE_SYMBOLS_PER_BLOCK + r) * COPSE_SYMBOL_BYTES + at], sum), "row %u byte %u", r,
                  at);
      }
  }
}

static enum assembled
put(struct assembler *assembler, uint32_t block, uint32_t place, const uint8_t *buffer) {
  uint32_t length = place < COPSE_SYMBOLS_PER_BLOCK ? symbol_length(bytes_of(block), place) : COPSE_SYMBOL_BYTES;
  struct symbol symbol = {.label = 1,
                          .block = block,
                          .symbol = (uint16_t)place,
                          .length = (uint16_t)length,
                          .payload = buffer + (size_t)place * COPSE_SYMBOL_BYTES};

  return assembler_put(assembler, &symbol, 1);
}

/* Symbols in a random order until there are enough; the last put must complete the block. */
static void
assemble(struct assembler *assembler, uint32_t block, const uint8_t *buffer) {
  uint32_t count = symbol_count(bytes_of(block)), all = count + PARITY_MAX,
           places[COPSE_SYMBOLS_PER_BLOCK + PARITY_MAX];

  for (uint32_t i = 0; i < all; i++) {
    uint32_t k = (uint32_t)rand() % (i + 1);
    places[i] = places[k];
    places[k] = i < count ? i : COPSE_SYMBOLS_PER_BLOCK + i - count;
  }
  for (uint32_t i = 0; i < count; i++)
    cr_assert(eq(int, put(assembler, block, places[i], buffer), i == count - 1 ? ASSEMBLED_COMPLETE : ASSEMBLED_NEW));
  cr_assert(eq(int, memcmp(assembler_find(assembler, block)->data, buffer, bytes_of(block)), 0));
  assembler_drop(assembler, block);
}

Test(parity, any_symbols_that_are_enough_give_the_block) {
  static uint8_t buffer[PARITY_BUFFER_BYTES];
  struct assembler *assembler = assembler_create(SIZE, 2);

  srand(5);
  for (uint32_t block = BLOCKS - 2; block < BLOCKS; block++) {
    make(block, buffer);
    for (int i = 0; i < 2000; i++)
      assemble(assembler, block, buffer);
  }
  cr_expect(eq(int, put(assembler, 0, COPSE_SYMBOLS_PER_BLOCK + PARITY_MAX, bytes), ASSEMBLED_WRONG), "no such row");
  struct symbol split = {.symbol = COPSE_SYMBOLS_PER_BLOCK, .length = COPSE_SYMBOL_BYTES - 1, .payload = bytes};
  cr_expect(eq(int, assembler_put(assembler, &split, 1), ASSEMBLED_WRONG), "parity is never short");
  assembler_free(assembler);
}

/* ---- as packets ---- */

static char target[] = "/tmp/copse-parity-XXXXXX", part[40];
static struct content content;
static struct receiver receiver;
static uint8_t key[COPSE_KEY_BYTES];
static uint64_t sequence;

static struct blocks *
open_blocks(void) {
  struct copse_error error;
  struct blocks *blocks = NULL;
  uint8_t sha256[COPSE_HASH_BYTES];
  int fd = mkstemp(target);

  cr_assert(eq(sz, (size_t)write(fd, bytes, SIZE), SIZE));
  lseek(fd, 0, SEEK_SET);
  cr_assert(eq(int, content_hash(fd, target, &content, sha256, NULL, &error), 0), "%s", error.text);
  close(fd);
  unlink(target);
  cr_assert(eq(int, blocks_open_fetched(target, &content, NULL, &blocks, &error), 0), "%s", error.text);
  cr_assert(eq(int, receiver_init(&receiver, blocks, SIZE), 0));
  receiver_member(&receiver, key, 0);
  return blocks;
}

static void
close_blocks(struct blocks *blocks) {
  receiver_free(&receiver);
  blocks_close(blocks);
  content_free(&content);
  snprintf(part, sizeof(part), "%s.part", target);
  unlink(part);
  snprintf(part, sizeof(part), "%s.part.have", target);
  unlink(part);
}

static enum received
arrive(enum copse_packet_type type, uint32_t block, uint16_t number, const uint8_t *payload) {
  uint32_t length = type == COPSE_DATA ? symbol_length(bytes_of(block), number) : COPSE_SYMBOL_BYTES;
  struct packet_fields fields = {
    .type = type, .label = 7, .block = block, .symbol = number, .payload = (uint16_t)length, .sequence = ++sequence};
  uint8_t packet[PACKET_BYTES];

  packet_header((struct copse_header *)packet, &fields, key);
  memcpy(packet + COPSE_HEADER_BYTES, payload, length);
  return receiver_packet(&receiver, packet, sequence);
}

/* All of a block's packets with two of parity; those whose bit is set are lost. What the last that came did. */
static enum received
send_block(uint32_t block, uint32_t lost) {
  static uint8_t buffer[PARITY_BUFFER_BYTES];
  enum received last = RECEIVED_NOTHING;

  make(block, buffer);
  for (uint16_t s = 0; s < COPSE_SYMBOLS_PER_BLOCK + 2; s++) {
    bool parity = s >= COPSE_SYMBOLS_PER_BLOCK;
    enum received received = lost >> s & 1 ? RECEIVED_NOTHING
                                           : arrive(parity ? COPSE_PARITY : COPSE_DATA, block,
                                                    (uint16_t)(parity ? s - COPSE_SYMBOLS_PER_BLOCK : s),
                                                    buffer + (size_t)s * COPSE_SYMBOL_BYTES);
    last = received == RECEIVED_BLOCK ? received : last;
  }
  return last;
}

Test(parity, packets_make_blocks_and_loss_is_measured) {
  struct blocks *blocks = open_blocks();
  uint8_t late[BLOCKS / 8] = {0};
  uint32_t first, end;

  for (uint32_t block = 0; block < 39; block++) /* one or two of thirteen, and parity, or none of it */
    cr_assert(eq(int, send_block(block, block % 3 == 0 ? 0x21 : block % 3 == 1 ? 0x4010 : 0x6000), RECEIVED_BLOCK));
  cr_expect(eq(u64, receiver.bytes, 39 * COPSE_BLOCK_BYTES), "each byte once, whatever brought it");
  cr_expect(epsilon_eq(dbl, receiver.loss, 1.0 / 13, 0.001));
  cr_expect(ne(int, send_block(39, 0x1007), RECEIVED_BLOCK), "four are lost");
  cr_expect(eq(int, send_block(40, 0), RECEIVED_BLOCK));
  double before = receiver.loss;
  for (int i = 0; i < 2; i++)
    receiver_stalled(&receiver, sequence + 100, 10, late);
  cr_expect(eq(u8, late[39 / 8], 1U << 39 % 8));
  cr_expect(epsilon_eq(dbl, receiver.loss, before + (4.0 / 13 - before) / 41, 0.001), "once, though late twice");
  partial_missing(assembler_find(receiver.assembler, 39), &first, &end);
  cr_expect(eq(u32, first, 0), "with two of parity, two of the four are enough");
  cr_expect(eq(u32, end, 2 * COPSE_SYMBOL_BYTES));
  cr_expect(
    eq(int, receiver_fill(&receiver, 39, bytes + 39UL * COPSE_BLOCK_BYTES, first, end, sequence), RECEIVED_BLOCK));
  cr_expect(eq(u64, receiver.bytes, 41 * COPSE_BLOCK_BYTES - end), "all but what came another way");
  cr_expect(eq(int, arrive(COPSE_PARITY, 41, PARITY_MAX, bytes), RECEIVED_NOTHING), "no such row");
  cr_expect(eq(int, arrive(COPSE_PROBE, 41, 0, bytes), RECEIVED_NOTHING));
  close_blocks(blocks);
}
