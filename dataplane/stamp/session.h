/* SPDX-License-Identifier: Apache-2.0 */
/* The two STAMP sessions with one target: ours to it, and its to us. Logic only: packets in and out, results into the
 * target's part of the shared memory. Times are nanoseconds since 1970 of a clock that does not jump. */
#ifndef COPSE_STAMP_SESSION_H
#define COPSE_STAMP_SESSION_H

#include "stamp/packet.h"

#include <copse/api.h>
#include <stdbool.h>

#define COPSE_STAMP_WAITING 512 /* test packets that an answer may still come to */
#define COPSE_STAMP_WINDOW 32   /* answers that delays are over */
#define COPSE_STAMP_DOUBT 64    /* test packets that are sent sooner after one was lost */
#define COPSE_STAMP_SPARE 2048  /* sent sooner at once; each that is sent at its time makes up for one */

struct copse_stamp_session {
  /* Session-Sender */
  uint32_t next; /* sequence */
  struct {
    uint64_t at, stamp;           /* when it was sent, and as the packet says it; 0: nothing waits */
  } waiting[COPSE_STAMP_WAITING]; /* by sequence modulo their number */
  bool heard;
  uint32_t newest, newest_reflected; /* both ends' sequences of the newest test packet that was answered */
  uint32_t doubt, spare;             /* test packets that are to be sent sooner, and that may be */
  bool has_transit;
  uint64_t transit;  /* of the last one on its way there, by two clocks */
  uint64_t jitter16; /* times 16 */
  uint64_t delays[COPSE_STAMP_WINDOW];
  uint32_t delay_count, next_delay; /* how many there are, and which is the oldest once all are */

  /* Session-Reflector */
  uint16_t port;      /* of the peer's Session-Sender; another: a new session */
  uint32_t reflected; /* sequence of the next reply */
  uint32_t tested;    /* the peer's sequence of the newest that was reflected */
  uint64_t stamp;     /* newest that was reflected */
  uint64_t reflected_at;
  uint64_t allowed_at; /* earliest arrival of the next test packet, were they spaced */
};

/* A new session of ours; that of the peer goes on. */
void copse_stamp_session_begin(struct copse_stamp_session *session, struct copse_target_state *state, uint64_t id);

/* Writes the next test packet and returns its size. `key` as for packets. */
size_t copse_stamp_probe(struct copse_stamp_session *session, struct copse_target_state *state, const uint8_t *key,
                         uint64_t now, uint8_t out[COPSE_STAMP_BYTES_MAX]);

/* How long after a test packet, ns, the next one is due. It is sooner while it is in doubt what a loss means, and the
 * packets sent sooner never outnumber those sent at their time by more than COPSE_STAMP_SPARE. */
uint64_t copse_stamp_wait(struct copse_stamp_session *session, const struct copse_api_target *target);

/* Takes a packet as the answer to one of ours. `received` is when the kernel had it. */
enum copse_stamp_drop copse_stamp_answer(struct copse_stamp_session *session, struct copse_target_state *state,
                                         const uint8_t *key, const uint8_t *bytes, size_t length, uint64_t received);

struct copse_stamp_arrival {
  const uint8_t *bytes;
  size_t length;
  uint16_t port; /* it came from, any order */
  uint8_t ttl;
  uint64_t received;
};
/* Answers a test packet of the peer: writes the reply, never larger than what arrived, and its size into `reply_bytes`,
 * or says why there is none. */
enum copse_stamp_drop copse_stamp_reflect(struct copse_stamp_session *session, struct copse_target_state *state,
                                          const uint8_t *key, const struct copse_stamp_arrival *arrival, uint64_t now,
                                          uint8_t out[COPSE_STAMP_BYTES_MAX], size_t *reply_bytes);

#endif
