/* SPDX-License-Identifier: Apache-2.0 */
#include "send.h"
#include "udp.h"
#include <errno.h>

#define ROUNDS_MAX 8 /* batches at a time: the loop has others to serve */

int
sender_init(struct sender *sender, const struct blocks *blocks, const struct content *content, struct uplink *uplink,
            int fd, uint64_t sequence) {
  *sender = (struct sender){.content = content, .blocks = blocks, .uplink = uplink, .fd = fd, .sequence = sequence};
  return orders_init(&sender->orders, blocks_total(blocks));
}

void
sender_free(struct sender *sender) {
  orders_free(&sender->orders);
}

void
sender_member(struct sender *sender, const struct sockaddr_storage *destination, socklen_t bytes, uint32_t label,
              const uint8_t key[COPSE_KEY_BYTES]) {
  orders_reset(&sender->orders);
  sender->loaded = false;
  sender->head = sender->tail = 0;
  sender->destination = *destination;
  sender->destination_bytes = bytes;
  sender->label = label;
  memcpy(sender->key, key, COPSE_KEY_BYTES);
}

bool
sender_pending(const struct sender *sender) {
  return sender->loaded || sender->head < sender->tail || sender->orders.waiting;
}

static void
prepare_block(struct sender *sender) {
  sender->symbol = 0;
  sender->symbols = symbol_count(sender->block_bytes);
  sender->with_parity = sender->symbols + sender->parity;
  sender->loaded = true;
  if (sender->parity == 0)
    return;
  memset(sender->data + sender->block_bytes, 0, (size_t)sender->symbols * COPSE_SYMBOL_BYTES - sender->block_bytes);
  parity_make(sender->data, sender->symbols, sender->parity);
}

/* Has a block with an unsent symbol at hand: 1, 0 when nothing is ordered, or -EIO. */
static int
load_block(struct sender *sender) {
  while (!sender->loaded) {
    if (!orders_take(&sender->orders, &sender->block))
      return 0;
    if (!blocks_has(sender->blocks, sender->block))
      continue;
    sender->block_bytes = content_block_bytes(sender->content, sender->block);
    if (blocks_read(sender->blocks, (uint64_t)sender->block * COPSE_BLOCK_BYTES, sender->data, sender->block_bytes) < 0)
      return -EIO;
    prepare_block(sender);
  }
  return 1;
}

static void
prepare_packet(struct sender *sender, uint32_t length) {
  struct prepared *prepared = &sender->batch[sender->tail++];
  bool parity = sender->symbol >= sender->symbols;
  uint32_t place = parity ? COPSE_SYMBOLS_PER_BLOCK + sender->symbol - sender->symbols : sender->symbol;
  struct packet_fields fields = {
    .type = parity ? COPSE_PARITY : COPSE_DATA,
    .label = sender->label,
    .block = sender->block,
    .symbol = (uint16_t)(parity ? sender->symbol - sender->symbols : sender->symbol),
    .payload = (uint16_t)length,
    .sequence = ++sender->sequence,
  };

  packet_header((struct copse_header *)prepared->packet, &fields, sender->key);
  memcpy(prepared->packet + COPSE_HEADER_BYTES, sender->data + (size_t)place * COPSE_SYMBOL_BYTES, length);
  sender->symbol++;
  prepared->block = sender->block;
  prepared->last = sender->symbol == sender->with_parity;
  prepared->bytes = (uint16_t)(COPSE_HEADER_BYTES + length);
  sender->loaded = !prepared->last;
}

/* Fills the empty batch with packets that are due. */
static int
prepare_batch(struct sender *sender) {
  uint32_t overhead = udp_overhead(&sender->destination) + COPSE_HEADER_BYTES;

  sender->head = sender->tail = 0;
  while (sender->tail < SEND_BATCH) {
    int status = load_block(sender);
    if (status <= 0)
      return status;
    uint32_t length =
      sender->symbol < sender->symbols ? symbol_length(sender->block_bytes, sender->symbol) : COPSE_SYMBOL_BYTES;
    if (!uplink_take_tree(sender->uplink, length + overhead))
      return 0;
    prepare_packet(sender, length);
  }
  return 0;
}

/* Hands the batch to the kernel; true when all of it went. */
static bool
flush(struct sender *sender) {
  struct iovec parts[SEND_BATCH];
  struct mmsghdr messages[SEND_BATCH];
  unsigned count = sender->tail - sender->head;

  for (unsigned i = 0; i < count; i++) {
    struct prepared *prepared = &sender->batch[sender->head + i];
    parts[i] = (struct iovec){.iov_base = prepared->packet, .iov_len = prepared->bytes};
    messages[i] = (struct mmsghdr){.msg_hdr = {.msg_name = &sender->destination,
                                               .msg_namelen = sender->destination_bytes,
                                               .msg_iov = &parts[i],
                                               .msg_iovlen = 1}};
  }
  int sent = count ? sendmmsg(sender->fd, messages, count, MSG_DONTWAIT) : 0;
  for (int i = 0; i < sent; i++, sender->head++) {
    const struct prepared *prepared = &sender->batch[sender->head];
    sender->sent_bytes += prepared->bytes - COPSE_HEADER_BYTES;
    if (prepared->last)
      orders_sent(&sender->orders, prepared->block);
  }
  return sender->head == sender->tail;
}

int
sender_run(struct sender *sender, uint64_t now) {
  uplink_refill(sender->uplink, now);
  for (int round = 0; round < ROUNDS_MAX && flush(sender); round++) {
    int status = prepare_batch(sender);
    if (status < 0 || sender->head == sender->tail)
      return status;
  }
  return 0;
}
