/* SPDX-License-Identifier: Apache-2.0 */
/* Takes DATA packets from trees: authenticates, drops what was seen before, puts blocks together, verifies, stores. */
#ifndef PEER_RECEIVE_H
#define PEER_RECEIVE_H

#include "assemble.h"
#include "blocks.h"
#include "packet.h"
#include "replay.h"
#include "thinning.h"

#define RECEIVE_LABELS 256

struct receiver {
  struct blocks *blocks;
  struct assembler *assembler;
  uint8_t area_key[COPSE_KEY_BYTES];
  bool member; /* there is an area key */
  struct label {
    bool used;
    uint32_t label;
    uint64_t last_ns;
    struct replay replay;
  } labels[RECEIVE_LABELS];
  uint64_t last_ns;                              /* when the last authentic packet came */
  uint64_t bytes;                                /* of content that came through trees, each byte once */
  double loss;                                   /* part of the symbols that trees lose, of the last blocks */
  uint32_t measured;                             /* blocks it is of */
  struct thinning thinning;                      /* of what trees bring */
  uint64_t forged, repeated, malformed, damaged; /* packets, packets, packets, blocks */
};

/* -ENOMEM. */
int receiver_init(struct receiver *receiver, struct blocks *blocks, uint64_t size);
void receiver_free(struct receiver *receiver);
/* A new member: another area's key and label, no sequence numbers seen yet. */
void receiver_member(struct receiver *receiver, const uint8_t area_key[COPSE_KEY_BYTES], uint32_t label);

enum received { RECEIVED_NOTHING, RECEIVED_SYMBOL, RECEIVED_BLOCK, RECEIVED_DISK_FAILED };
/* A packet checked by copse_header_check. RECEIVED_BLOCK: one more block is stored. */
enum received receiver_packet(struct receiver *receiver, const uint8_t *packet, uint64_t now);

/* The same for a symbol that needs no proof any more. */
enum received receiver_symbol(struct receiver *receiver, const struct symbol *symbol, uint64_t now);

/* Bytes [first, end) of a block, whole symbols in their place in `data`, came another way. */
enum received receiver_fill(struct receiver *receiver, uint32_t block, const uint8_t *data, uint32_t first,
                            uint32_t end, uint64_t now);
/* Fills the bitmap with the blocks that trees need not bring: those that are here, and those that are not asked for. */
void receiver_declined(const struct receiver *receiver, uint8_t *bitmap);
/* The block came another way: its parts are not needed. */
void receiver_drop(struct receiver *receiver, uint32_t block);

/* Thins trees by what they lose; to be called often. `quiet_ns` as below. */
void receiver_weigh(struct receiver *receiver, uint64_t now, uint64_t quiet_ns);

/* Marks in the bitmap every partial block whose missing symbols are late: none came for `quiet_ns`, while later
 * packets of the same tree did. */
void receiver_stalled(struct receiver *receiver, uint64_t now, uint64_t quiet_ns, uint8_t *bitmap);

#endif
