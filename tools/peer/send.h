/* SPDX-License-Identifier: Apache-2.0 */
/* Injects ordered blocks into the tree, packet by packet, as the uplink allows. */
#ifndef PEER_SEND_H
#define PEER_SEND_H

#include "blocks.h"
#include "orders.h"
#include "packet.h"
#include "parity.h"
#include "uplink.h"
#include <sys/socket.h>

#define SEND_BATCH 64

struct sender {
  const struct content *content;
  const struct blocks *blocks;
  struct uplink *uplink;
  struct orders orders;
  uint64_t sequence;   /* last one used, by handshakes as well */
  uint64_t sent_bytes; /* payload handed to the kernel */

  int fd;
  struct sockaddr_storage destination;
  socklen_t destination_bytes;
  uint32_t label;
  uint8_t key[COPSE_KEY_BYTES];

  uint32_t parity; /* symbols sent with each block, at most PARITY_MAX */
  bool loaded;     /* `block` is in `data` and not sent to its end */
  uint32_t block, block_bytes;
  uint32_t symbol, symbols, with_parity; /* next one; of the block; and in all */
  uint8_t data[PARITY_BUFFER_BYTES];

  /* Packets that are paid for and not yet taken by the kernel: [head, tail). */
  unsigned head, tail;
  struct prepared {
    uint32_t block;
    bool last; /* of its block */
    uint16_t bytes;
    uint8_t packet[PACKET_BYTES];
  } batch[SEND_BATCH];
};

/* `sequence` must be larger than any used before: nanoseconds of real time. -ENOMEM. */
int sender_init(struct sender *sender, const struct blocks *blocks, const struct content *content,
                struct uplink *uplink, int fd, uint64_t sequence);
void sender_free(struct sender *sender);
/* A new member: where to send, with which label and key. Earlier orders are void. */
void sender_member(struct sender *sender, const struct sockaddr_storage *destination, socklen_t bytes, uint32_t label,
                   const uint8_t key[COPSE_KEY_BYTES]);
/* Sends what is due. 0, -EIO when a block cannot be read, -ENOMEM. A busy or failing network is not an error: what
 * could not be sent goes first the next time. */
int sender_run(struct sender *sender, uint64_t now);
/* True while there is anything to send. */
bool sender_pending(const struct sender *sender);

#endif
