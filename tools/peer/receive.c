/* SPDX-License-Identifier: Apache-2.0 */
#include "receive.h"
#include "bits.h"
#include <errno.h>

#define PARTIAL_BLOCKS 1024

int
receiver_init(struct receiver *receiver, struct blocks *blocks, uint64_t size) {
  *receiver = (struct receiver){.blocks = blocks, .assembler = assembler_create(size, PARTIAL_BLOCKS)};
  return receiver->assembler ? 0 : -ENOMEM;
}

void
receiver_free(struct receiver *receiver) {
  assembler_free(receiver->assembler);
}

void
receiver_member(struct receiver *receiver, const uint8_t area_key[COPSE_KEY_BYTES]) {
  memcpy(receiver->area_key, area_key, COPSE_KEY_BYTES);
  memset(receiver->labels, 0, sizeof(receiver->labels));
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

static enum received
store(struct receiver *receiver, uint32_t block) {
  enum put put = blocks_put(receiver->blocks, block, assembler_find(receiver->assembler, block)->data);

  assembler_drop(receiver->assembler, block);
  if (put == PUT_FAILED)
    return RECEIVED_DISK_FAILED;
  if (put == PUT_BAD)
    receiver->damaged++;
  return put == PUT_STORED ? RECEIVED_BLOCK : RECEIVED_NOTHING;
}

enum received
receiver_symbol(struct receiver *receiver, const struct symbol *symbol, uint64_t now) {
  find_label(receiver, symbol->label)->last_ns = receiver->last_ns = now;
  if (symbol->block >= blocks_total(receiver->blocks)) {
    receiver->malformed++;
    return RECEIVED_NOTHING;
  }
  if (blocks_has(receiver->blocks, symbol->block))
    return RECEIVED_SYMBOL;
  switch (assembler_put(receiver->assembler, symbol, now)) {
  case ASSEMBLED_COMPLETE:
    receiver->bytes += symbol->length;
    return store(receiver, symbol->block);
  case ASSEMBLED_NEW:
    receiver->bytes += symbol->length;
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

enum received
receiver_packet(struct receiver *receiver, const uint8_t *packet, uint64_t now) {
  const struct copse_header *header = (const struct copse_header *)packet;

  if (header->type != COPSE_DATA || !receiver->member || !packet_authentic(header, receiver->area_key)) {
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
    .symbol = be16toh(header->symbol),
    .length = be16toh(header->length),
    .payload = packet + COPSE_HEADER_BYTES,
  };
  return receiver_symbol(receiver, &symbol, now);
}

void
receiver_stalled(const struct receiver *receiver, uint64_t now, uint64_t quiet_ns, uint8_t *bitmap) {
  for (size_t i = 0; i < assembler_count(receiver->assembler); i++) {
    const struct partial *partial = assembler_at(receiver->assembler, i);
    const struct label *label = known_label(receiver, partial->label);
    if (now - partial->last_ns >= quiet_ns && label && label->last_ns > partial->last_ns)
      bits_set(bitmap, partial->block);
  }
}
