/* SPDX-License-Identifier: Apache-2.0 */
/* A packet at both ends of a STAMP session. Random bytes never have a valid HMAC, nor answer what was sent, so the
 * first byte says what is put right: 1 authenticated mode, 2 the HMAC, 4 sequence and time of a test packet that waits.
 */
#include "stamp/session.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define START 1700000000000000000ULL

enum { AUTHENTICATED = 1, PUT_HMAC = 2, PUT_WAITING = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t secret[COPSE_KEY_BYTES] = "fifteen letters";

static void
put_right(uint8_t *bytes, size_t length, uint8_t what, const uint8_t *waiting) {
  const size_t base = what & AUTHENTICATED ? COPSE_STAMP_KEYED_BYTES : COPSE_STAMP_PLAIN_BYTES;
  uint8_t whole[crypto_auth_hmacsha256_BYTES];
  crypto_auth_hmacsha256_state state;

  if (length < base)
    return;
  if (what & PUT_WAITING) {
    memcpy(bytes + (what & AUTHENTICATED ? 48 : 24), waiting, 4);
    memcpy(bytes + (what & AUTHENTICATED ? 64 : 28), waiting + (what & AUTHENTICATED ? 16 : 4), 8);
  }
  if (!(what & AUTHENTICATED) || !(what & PUT_HMAC))
    return;
  crypto_auth_hmacsha256_init(&state, secret, sizeof(secret));
  crypto_auth_hmacsha256_update(&state, bytes, 96);
  crypto_auth_hmacsha256_final(&state, whole);
  memcpy(bytes + 96, whole, 16);
}

static void
check(int holds) {
  if (!holds)
    abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct copse_stamp_session session = {.port = 0};
  struct copse_target_state state = {.id = 0};
  uint8_t waiting[COPSE_STAMP_BYTES_MAX], reply[COPSE_STAMP_BYTES_MAX];
  size_t reply_bytes = 0;

  if (size == 0 || size > 1500)
    return 0;
  const uint8_t *key = data[0] & AUTHENTICATED ? secret : NULL;
  uint8_t *bytes = malloc(size); /* exact, so that a read beyond it is seen */
  memcpy(bytes, data + 1, size - 1);
  copse_stamp_session_begin(&session, &state, 1);
  for (int i = 0; i < 3; i++)
    copse_stamp_probe(&session, &state, key, START + (uint64_t)i, waiting);
  put_right(bytes, size - 1, data[0], waiting);
  bytes = realloc(bytes, size - 1 ? size - 1 : 1);

  const struct copse_stamp_arrival arrival = {
    .bytes = bytes, .length = size - 1, .port = 1, .ttl = 64, .received = START};
  const enum copse_stamp_drop reflected =
    copse_stamp_reflect(&session, &state, key, &arrival, START + 1000, reply, &reply_bytes);
  check((reflected == COPSE_STAMP_TAKEN) == (reply_bytes > 0) && reply_bytes <= size - 1);
  check(state.reflected == (reflected == COPSE_STAMP_TAKEN));

  const enum copse_stamp_drop answered = copse_stamp_answer(&session, &state, key, bytes, size - 1, START + 1000);
  check(state.answered == (answered == COPSE_STAMP_TAKEN) && state.answered <= state.sent);
  check(state.forward_lost + state.backward_lost <= state.judged && state.judged <= state.sent);
  check(state.delay_min_ns <= state.delay_mean_ns && state.delay_mean_ns <= state.delay_max_ns);
  check(state.delay_max_ns <= 1000);
  free(bytes);
  return 0;
}
