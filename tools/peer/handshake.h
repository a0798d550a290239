/* SPDX-License-Identifier: Apache-2.0 */
/* The peer's side of the exchange that earns permission to receive (docs/protocol.md). No clock, no socket. */
#ifndef PEER_HANDSHAKE_H
#define PEER_HANDSHAKE_H

#include "packet.h"

#define HANDSHAKE_PACKET_BYTES (COPSE_HEADER_BYTES + COPSE_HELLO_PAYLOAD_BYTES)

enum handshake_state {
  HANDSHAKE_NONE,      /* no member yet */
  HANDSHAKE_HELLO,     /* waiting for the challenge, or for the time of the next HELLO */
  HANDSHAKE_CHALLENGE, /* a cookie came and must be returned */
  HANDSHAKE_RESPONSE,  /* waiting for ACCEPT */
  HANDSHAKE_ACCEPTED,  /* permitted; repeats at half of the time granted */
};

struct handshake {
  enum handshake_state state;
  uint32_t label;
  uint8_t key[COPSE_KEY_BYTES];
  uint8_t cookie[COPSE_COOKIE_BYTES];
  uint64_t sequence; /* that the answer must repeat */
  uint64_t begun;    /* the exchange under way, ns */
  uint64_t due;      /* when the next HELLO goes out, ns */
  uint64_t retry;    /* time between HELLOs that are not answered, ns */
  uint64_t until;    /* end of the permission, ns */
};

/* Begins with a new member's label and key; HELLO is due at once. */
void handshake_start(struct handshake *handshake, uint32_t label, const uint8_t key[COPSE_KEY_BYTES], uint64_t now);
/* Nothing came for long: asks again now, unless an exchange is under way. */
void handshake_hurry(struct handshake *handshake, uint64_t now);
/* Writes the packet that is due at `now` and returns its size, 0 when none is. Takes the next sequence number. */
size_t handshake_poll(struct handshake *handshake, uint64_t now, uint64_t *sequence,
                      uint8_t packet[HANDSHAKE_PACKET_BYTES]);
/* Takes a CHALLENGE or ACCEPT already checked by copse_header_check. False when it does not belong to the exchange. */
bool handshake_receive(struct handshake *handshake, const void *packet, uint64_t now);
/* True when several HELLOs in a row had no answer: the dataplane is away, whatever it granted before. */
bool handshake_unanswered(const struct handshake *handshake, uint64_t now);
bool handshake_permitted(const struct handshake *handshake, uint64_t now);

#endif
