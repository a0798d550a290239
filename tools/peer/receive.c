/* SPDX-License-Identifier: Apache-2.0 */
#include "receive.h"
#include "bits.h"
#include "parity.h"
#include <errno.h>

#define PARTIAL_BLOCKS 1024
#define LOSS_BLOCKS 64 /* over which loss is smoothed */

int
receiver_init(struct receiver *receiver, struct blocks *blocks, uint64_t size) {
  *receiver = (struct receiver){.blocks = blocks, .assembler = assembler_create(size, PARTIAL_BLOCKS)};
  thinning_init(&receiver->thinning);
  return receiver->assembler ? 0 : -ENOMEM;
}

void
receiver_free(struct receiver *receiver) {
  assembler_free(receiver->assembler);
}

void
receiver_member(struct receiver *receiver, const uint8_t area_key[COPSE_KEY_BYTES], uint32_t label) {
  memcpy(receiver->area_key, area_key, COPSE_KEY_BYTES);
  memset(receiver->labels, 0, sizeof(receiver->labels));
  receiver->thinning.number = copse_label_slot(label);
  receiver->member = true;
}

/* The state of a label; an unknown one takes a free place, or that of the label silent for longest. The label is not
 * under the tag: a replay under another label repeats packets, which blocks that are stored do not mind. */
static struct label *
find_label(struct receiver *receiver, uint32_t number) {
  struct label *oldest = &receiver->labels[0];

  for (size_t i = 0; i < RECEIVE_LABELS; i++) {
    struct label *label = &receiver->labels[i];
    if (!label->used) {
      oldest = label;
      break;
    }
    if (label->label == number)
      return label;
    if (label->last_ns < oldest->last_ns)
      oldest = label;
  }
  *oldest = (struct label){.used = true, .label = number};
  return oldest;
}

static const struct label *
known_label(const struct receiver *receiver, uint32_t number) {
  for (size_t i = 0; i < RECEIVE_LABELS && receiver->labels[i].used; i++)
    if (receiver->labels[i].label == number)
      return &receiver->labels[i];
  return NULL;
}

/* Data goes before parity: of a block that is complete or late, what has not come is lost. */
static double
part_lost(const struct partial *partial) {
  return 1 - (double)partial_come(partial) / partial->bytes;
}

/* Once less is asked for, loss is measured anew. */
static void
weigh_loss(struct receiver *receiver, struct partial *partial) {
  if (partial->weighed || !thinning_counts(&receiver->thinning, partial->block, partial->begun_ns))
    return;
  partial->weighed = true;
  if (thinning_measured(&receiver->thinning, part_lost(partial), receiver->last_ns)) {
    receiver->measured = 0;
    receiver->loss = 0;
  }
}

static void
measure_loss(struct receiver *receiver, struct partial *partial) {
  weigh_loss(receiver, partial);
  if (partial->measured || !thinning_counts(&receiver->thinning, partial->block, partial->begun_ns))
    return;
  partial->measured = true;
  receiver->measured += receiver->measured < LOSS_BLOCKS;
  receiver->loss += (part_lost(partial) - receiver->loss) / receiver->measured;
}

void
receiver_declined(const struct receiver *receiver, uint8_t *bitmap) {
  const uint32_t blocks = blocks_total(receiver->blocks);

  memcpy(bitmap, blocks_bitmap(receiver->blocks), bits_bytes(blocks));
  for (uint32_t block = 0; receiver->thinning.fraction < 1 && block < blocks; block++)
    if (!thinning_takes(&receiver->thinning, block))
      bits_set(bitmap, block);
}

void
receiver_drop(struct receiver *receiver, uint32_t block) {
  struct partial *partial = assembler_find(receiver->assembler, block);

  if (!partial)
    return;
  measure_loss(receiver, partial);
  assembler_drop(receiver->assembler, block);
}

static enum received
store(struct receiver *receiver, uint32_t block) {
  enum put put = blocks_put(receiver->blocks, block, assembler_find(receiver->assembler, block)->data);

  receiver_drop(receiver, block);
  if (put == PUT_FAILED)
    return RECEIVED_DISK_FAILED;
  if (put == PUT_BAD)
    receiver->damaged++;
  return put == PUT_STORED ? RECEIVED_BLOCK : RECEIVED_NOTHING;
}

enum received
receiver_fill(struct receiver *receiver, uint32_t block, const uint8_t *data, uint32_t first, uint32_t end,
              uint64_t now) {
  struct partial *partial = assembler_find(receiver->assembler, block);
  enum assembled assembled = ASSEMBLED_AGAIN;

  if (!partial)
    return RECEIVED_NOTHING;
  measure_loss(receiver, partial);
  for (uint32_t at = first; at < end && assembled != ASSEMBLED_COMPLETE; at += COPSE_SYMBOL_BYTES) {
    const uint32_t left = end - at;
    const struct symbol symbol = {
      .label = partial->label,
      .block = block,
      .symbol = (uint16_t)(at / COPSE_SYMBOL_BYTES),
      .length = (uint16_t)(left < COPSE_SYMBOL_BYTES ? left : COPSE_SYMBOL_BYTES),
      .payload = data + at,
    };
    assembled = assembler_put(receiver->assembler, &symbol, now);
  }
  if (assembled != ASSEMBLED_COMPLETE)
    return RECEIVED_NOTHING;
  receiver->bytes += partial->bytes - partial_come(partial);
  return store(receiver, block);
}

enum received
receiver_symbol(struct receiver *receiver, const struct symbol *symbol, uint64_t now) {
  uint32_t come = symbol->symbol < COPSE_SYMBOLS_PER_BLOCK ? symbol->length : 0;
  const struct partial *partial;

  find_label(receiver, symbol->label)->last_ns = receiver->last_ns = now;
  if (symbol->block >= blocks_total(receiver->blocks)) {
    receiver->malformed++;
    return RECEIVED_NOTHING;
  }
  if (blocks_has(receiver->blocks, symbol->block))
    return RECEIVED_SYMBOL;
  switch (assembler_put(receiver->assembler, symbol, now)) {
  case ASSEMBLED_COMPLETE:
    partial = assembler_find(receiver->assembler, symbol->block);
    receiver->bytes += come + partial->bytes - partial_come(partial);
    return store(receiver, symbol->block);
  case ASSEMBLED_NEW:
    receiver->bytes += come;
    return RECEIVED_SYMBOL;
  case ASSEMBLED_WRONG:
    receiver->malformed++;
    return RECEIVED_NOTHING;
  case ASSEMBLED_AGAIN:
  case ASSEMBLED_NO_MEMORY:
    break;
  }
  return RECEIVED_NOTHING;
}

/* Where in its block the symbol of a packet belongs; false when there is no such place. */
static bool
place_of(const struct copse_header *header, uint16_t *place) {
  uint16_t symbol = be16toh(header->symbol);
  bool data = header->type == COPSE_DATA, parity = header->type == COPSE_PARITY;

  *place = (uint16_t)(symbol + (parity ? COPSE_SYMBOLS_PER_BLOCK : 0));
  return (data && symbol < COPSE_SYMBOLS_PER_BLOCK) || (parity && symbol < PARITY_MAX);
}

enum received
receiver_packet(struct receiver *receiver, const uint8_t *packet, uint64_t now) {
  const struct copse_header *header = (const struct copse_header *)packet;
  uint16_t place;

  if (!place_of(header, &place) || !receiver->member || !packet_authentic(header, receiver->area_key)) {
    receiver->forged++;
    return RECEIVED_NOTHING;
  }
  struct label *label = find_label(receiver, be32toh(header->label));
  if (!replay_accept(&label->replay, be64toh(header->sequence))) {
    receiver->repeated++;
    return RECEIVED_NOTHING;
  }
  struct symbol symbol = {
    .label = label->label,
    .block = be32toh(header->block),
    .symbol = place,
    .length = be16toh(header->length),
    .payload = packet + COPSE_HEADER_BYTES,
  };
  return receiver_symbol(receiver, &symbol, now);
}

/* No symbol of it has come for so long, while later packets of its tree have. */
static bool
is_late(const struct receiver *receiver, const struct partial *partial, uint64_t now, uint64_t quiet_ns) {
  const struct label *label = known_label(receiver, partial->label);

  return now - partial->last_ns >= quiet_ns && label && label->last_ns > partial->last_ns;
}

void
receiver_weigh(struct receiver *receiver, uint64_t now, uint64_t quiet_ns) {
  for (size_t i = 0; i < assembler_count(receiver->assembler); i++) {
    struct partial *partial = assembler_at(receiver->assembler, i);
    if (!partial->weighed && is_late(receiver, partial, now, quiet_ns))
      weigh_loss(receiver, partial);
  }
}

void
receiver_stalled(struct receiver *receiver, uint64_t now, uint64_t quiet_ns, uint8_t *bitmap) {
  for (size_t i = 0; i < assembler_count(receiver->assembler); i++) {
    struct partial *partial = assembler_at(receiver->assembler, i);
    if (!is_late(receiver, partial, now, quiet_ns))
      continue;
    measure_loss(receiver, partial);
    bits_set(bitmap, partial->block);
  }
}
