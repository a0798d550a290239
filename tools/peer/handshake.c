/* SPDX-License-Identifier: Apache-2.0 */
#include "handshake.h"

#define MILLISECOND 1000000ULL
#define SECOND 1000000000ULL
#define RETRY_FIRST (200 * MILLISECOND)
#define RETRY_MAX SECOND
#define UNANSWERED (1400 * MILLISECOND) /* three HELLOs */
/* Beyond this a granted time is not believed: the refresh would come too late for any sane dataplane. */
#define PERMISSION_MAX_S 3600

void
handshake_start(struct handshake *handshake, uint32_t label, const uint8_t key[COPSE_KEY_BYTES], uint64_t now) {
  *handshake =
    (struct handshake){.state = HANDSHAKE_HELLO, .label = label, .begun = now, .due = now, .retry = RETRY_FIRST};
  memcpy(handshake->key, key, COPSE_KEY_BYTES);
}

void
handshake_hurry(struct handshake *handshake, uint64_t now) {
  if (handshake->state == HANDSHAKE_ACCEPTED) {
    handshake->state = HANDSHAKE_HELLO;
    handshake->begun = handshake->due = now;
  }
}

static size_t
make_packet(struct handshake *handshake, enum copse_packet_type type, uint16_t payload, uint64_t *sequence,
            uint8_t *packet) {
  struct packet_fields fields = {.type = type, .label = handshake->label, .payload = payload, .sequence = ++*sequence};

  packet_header((struct copse_header *)packet, &fields, handshake->key);
  handshake->sequence = *sequence;
  return (size_t)COPSE_HEADER_BYTES + payload;
}

size_t
handshake_poll(struct handshake *handshake, uint64_t now, uint64_t *sequence, uint8_t packet[HANDSHAKE_PACKET_BYTES]) {
  uint8_t *payload = packet + COPSE_HEADER_BYTES;

  if (handshake->state == HANDSHAKE_CHALLENGE) {
    handshake->state = HANDSHAKE_RESPONSE;
    memcpy(payload, handshake->cookie, COPSE_COOKIE_BYTES);
    return make_packet(handshake, COPSE_RESPONSE, COPSE_COOKIE_BYTES, sequence, packet);
  }
  if (handshake->state == HANDSHAKE_NONE || now < handshake->due)
    return 0;
  if (handshake->state == HANDSHAKE_ACCEPTED)
    handshake->begun = now;
  handshake->state = HANDSHAKE_HELLO;
  handshake->due = now + handshake->retry;
  handshake->retry = handshake->retry * 2 < RETRY_MAX ? handshake->retry * 2 : RETRY_MAX;
  memset(payload, 0, COPSE_HELLO_PAYLOAD_BYTES);
  return make_packet(handshake, COPSE_HELLO, COPSE_HELLO_PAYLOAD_BYTES, sequence, packet);
}

static void
accepted(struct handshake *handshake, const struct copse_accept *accept, uint64_t now) {
  uint64_t seconds = be32toh(accept->permission_s);

  if (seconds > PERMISSION_MAX_S)
    seconds = PERMISSION_MAX_S;
  handshake->state = HANDSHAKE_ACCEPTED;
  handshake->until = now + seconds * SECOND;
  handshake->due = now + (seconds ? seconds * SECOND / 2 : RETRY_MAX);
  handshake->retry = RETRY_FIRST;
}

bool
handshake_receive(struct handshake *handshake, const void *packet, uint64_t now) {
  const struct copse_header *header = packet;
  const uint8_t *payload = (const uint8_t *)packet + COPSE_HEADER_BYTES;
  uint16_t length = be16toh(header->length);

  if (handshake->state == HANDSHAKE_NONE || be32toh(header->label) != handshake->label ||
      be64toh(header->sequence) != handshake->sequence || !packet_authentic(header, handshake->key))
    return false;
  if (header->type == COPSE_CHALLENGE && handshake->state == HANDSHAKE_HELLO && length == COPSE_COOKIE_BYTES) {
    memcpy(handshake->cookie, payload, COPSE_COOKIE_BYTES);
    handshake->state = HANDSHAKE_CHALLENGE;
    return true;
  }
  if (header->type == COPSE_ACCEPT && handshake->state == HANDSHAKE_RESPONSE && length == sizeof(struct copse_accept)) {
    accepted(handshake, (const struct copse_accept *)payload, now);
    return true;
  }
  return false;
}

bool
handshake_unanswered(const struct handshake *handshake, uint64_t now) {
  return handshake->state != HANDSHAKE_ACCEPTED && now - handshake->begun >= UNANSWERED;
}

bool
handshake_permitted(const struct handshake *handshake, uint64_t now) {
  return now < handshake->until;
}
