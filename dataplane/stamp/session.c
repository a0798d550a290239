/* SPDX-License-Identifier: Apache-2.0 */
#include "stamp/session.h"

#include <string.h>

#define NS_PER_MS 1000000ULL
#define NS_PER_S 1000000000ULL
/* A peer may send twice as often as a target can be told to, and make up for a pause. */
#define REFLECT_GAP_NS (COPSE_TARGET_INTERVAL_MIN_US * 1000ULL / 2)
#define REFLECT_BURST_NS (500 * NS_PER_MS)
/* After such a silence a clock that was set back is believed. */
#define SILENCE_NS (10 * NS_PER_S)

static void
set(uint64_t *value, uint64_t to) {
  __atomic_store_n(value, to, __ATOMIC_RELAXED);
}

static void
count(uint64_t *counter, uint64_t n) {
  set(counter, *counter + n);
}

void
copse_stamp_session_begin(struct copse_stamp_session *session, struct copse_target_state *state, uint64_t id) {
  const struct copse_target_state before = *state;

  *session = (struct copse_stamp_session){.port = session->port,
                                          .reflected = session->reflected,
                                          .tested = session->tested,
                                          .spare = COPSE_STAMP_SPARE,
                                          .stamp = session->stamp,
                                          .reflected_at = session->reflected_at,
                                          .allowed_at = session->allowed_at};
  __atomic_store_n(&state->id, 0, __ATOMIC_RELEASE);
  *state = (struct copse_target_state){
    .reflected = before.reflected, .reflected_at = before.reflected_at, .reflected_of = before.reflected_of};
  __atomic_store_n(&state->id, id, __ATOMIC_RELEASE);
}

/* ---- Session-Sender ---- */

size_t
copse_stamp_probe(struct copse_stamp_session *session, struct copse_target_state *state, const uint8_t *key,
                  uint64_t now, uint8_t out[COPSE_STAMP_BYTES_MAX]) {
  const struct copse_stamp_test test = {.sequence = session->next++, .sent = copse_stamp_time_of(now)};

  session->waiting[test.sequence % COPSE_STAMP_WAITING].at = now;
  session->waiting[test.sequence % COPSE_STAMP_WAITING].stamp = test.sent.stamp;
  count(&state->sent, 1);
  return copse_stamp_test_write(&test, key, out);
}

uint64_t
copse_stamp_wait(struct copse_stamp_session *session, const struct copse_api_target *target) {
  if (target->doubt_us != 0 && session->doubt > 0 && session->spare > 0) {
    session->doubt--;
    session->spare--;
    return target->doubt_us * 1000ULL;
  }
  if (session->spare < COPSE_STAMP_SPARE)
    session->spare++;
  return target->interval_us * 1000ULL;
}

/* What was lost on which way, by what both ends have counted since the newest answer before. An answer that a later one
 * has overtaken was lost on its way back. */
static void
judge(struct copse_stamp_session *session, struct copse_target_state *state, uint32_t sequence, uint32_t reflected) {
  const uint32_t sent = session->heard ? sequence - session->newest : 1;
  uint32_t arrived = session->heard ? reflected - session->newest_reflected : 1;

  if ((int32_t)sent <= 0)
    return;
  if (arrived == 0 || arrived > sent) /* the reflector counts anew: it was not there for the others */
    arrived = 1;
  count(&state->judged, sent);
  count(&state->forward_lost, sent - arrived);
  count(&state->backward_lost, arrived - 1);
  if (arrived < sent)
    session->doubt = COPSE_STAMP_DOUBT;
  session->heard = true;
  session->newest = sequence;
  session->newest_reflected = reflected;
}

/* RFC 3550, section 6.4.1 and appendix A.8: what the clocks differ by cancels out, unless one of them is set. */
static void
measure_jitter(struct copse_stamp_session *session, struct copse_target_state *state, uint64_t transit) {
  const uint64_t later = transit - session->transit, earlier = session->transit - transit;
  const uint64_t difference = later < earlier ? later : earlier;

  if (session->has_transit && difference < NS_PER_S)
    session->jitter16 += difference - session->jitter16 / 16;
  session->has_transit = true;
  session->transit = transit;
  set(&state->jitter_ns, session->jitter16 / 16);
}

static void
measure_delay(struct copse_stamp_session *session, struct copse_target_state *state, uint64_t delay) {
  uint64_t least = UINT64_MAX, most = 0, sum = 0;

  session->delays[session->next_delay] = delay;
  session->next_delay = (session->next_delay + 1) % COPSE_STAMP_WINDOW;
  if (session->delay_count < COPSE_STAMP_WINDOW)
    session->delay_count++;
  for (uint32_t i = 0; i < session->delay_count; i++) {
    least = session->delays[i] < least ? session->delays[i] : least;
    most = session->delays[i] > most ? session->delays[i] : most;
    sum += session->delays[i];
  }
  set(&state->delay_min_ns, least);
  set(&state->delay_mean_ns, sum / session->delay_count);
  set(&state->delay_max_ns, most);
}

enum copse_stamp_drop
copse_stamp_answer(struct copse_stamp_session *session, struct copse_target_state *state, const uint8_t *key,
                   const uint8_t *bytes, size_t length, uint64_t received) {
  struct copse_stamp_reply reply;
  const enum copse_stamp_drop drop = copse_stamp_reply_read(bytes, length, key, &reply);
  uint64_t sent, there, back;

  if (drop != COPSE_STAMP_TAKEN)
    return drop;
  const uint32_t place = reply.test.sequence % COPSE_STAMP_WAITING;
  if (session->next - reply.test.sequence - 1 >= COPSE_STAMP_WAITING || session->waiting[place].at == 0 ||
      session->waiting[place].stamp != reply.test.sent.stamp)
    return COPSE_STAMP_DROP_UNEXPECTED;
  sent = session->waiting[place].at;
  session->waiting[place].at = 0;
  judge(session, state, reply.test.sequence, reply.sequence);
  count(&state->answered, 1);
  there = copse_stamp_ns(reply.received, reply.sent.error_estimate);
  back = copse_stamp_ns(reply.sent.stamp, reply.sent.error_estimate);
  if (received >= sent && back >= there && back - there <= received - sent) { /* else a clock was set meanwhile */
    measure_delay(session, state, received - sent - (back - there));
    measure_jitter(session, state, there - sent);
  }
  return COPSE_STAMP_TAKEN;
}

/* ---- Session-Reflector ---- */

/* A new session of the peer, or of ours, knows nothing of what was sent before. */
static void
note_test(struct copse_stamp_session *session, struct copse_target_state *state, const struct copse_stamp_test *test,
          const struct copse_stamp_arrival *arrival) {
  const bool goes_on = arrival->port == session->port && session->reflected_at != 0;
  const int32_t more = (int32_t)(test->sequence - session->tested);

  count(&state->reflected, 1);
  count(&state->reflected_of, goes_on && more > 0 ? (uint64_t)more : 1);
  if (arrival->port != session->port)
    session->reflected = 0;
  session->port = arrival->port;
  session->tested = test->sequence;
  session->stamp = test->sent.stamp;
  session->reflected_at = arrival->received;
}

/* Spacing by the arrival, as the kernel has seen it: a pause of ours is not the peer's fault. */
static bool
is_too_often(struct copse_stamp_session *session, uint64_t received) {
  if (session->allowed_at < received)
    session->allowed_at = received;
  if (session->allowed_at - received > REFLECT_BURST_NS)
    return true;
  session->allowed_at += REFLECT_GAP_NS;
  return false;
}

enum copse_stamp_drop
copse_stamp_reflect(struct copse_stamp_session *session, struct copse_target_state *state, const uint8_t *key,
                    const struct copse_stamp_arrival *arrival, uint64_t now, uint8_t out[COPSE_STAMP_BYTES_MAX],
                    size_t *reply_bytes) {
  struct copse_stamp_reply reply = {.ttl = arrival->ttl};
  const enum copse_stamp_drop drop = copse_stamp_test_read(arrival->bytes, arrival->length, key, &reply.test);

  if (drop != COPSE_STAMP_TAKEN)
    return drop;
  /* A copy of an earlier packet must not count as a packet that arrived. */
  if ((int64_t)(reply.test.sent.stamp - session->stamp) <= 0 && session->reflected_at != 0 &&
      (int64_t)(arrival->received - session->reflected_at) < (int64_t)SILENCE_NS)
    return COPSE_STAMP_DROP_REPLAY;
  if (is_too_often(session, arrival->received))
    return COPSE_STAMP_DROP_RATE;
  note_test(session, state, &reply.test, arrival);
  reply.sequence = session->reflected++;
  reply.sent = copse_stamp_time_of(now);
  reply.received = copse_stamp_time_of(arrival->received).stamp;
  *reply_bytes = copse_stamp_reply_write(&reply, key, out);
  return COPSE_STAMP_TAKEN;
}
