/* SPDX-License-Identifier: Apache-2.0 */
#include "stamp/stamp.h"
#include "stamp/session.h"
#include "stamp/socket.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000ULL
#define DATAGRAMS_PER_TURN 64 /* of one socket, so that the rest of the main thread has its turn */
#define TOGETHER_NS                                                                                                    \
  2000000ULL /* what is due so soon is sent now: each time the thread wakes up costs more than a packet */
#define AGE_MAX (10 * NS_PER_S) /* a datagram has not waited longer, else the calendar's clock was set */

/* What is known of one slot. */
struct target {
  struct copse_api_target api; /* as last seen in the table */
  bool present;
  uint64_t due; /* of the next test packet */
  struct copse_stamp_session session;
};

struct copse_stamp {
  const struct copse_table *table;
  struct copse_shm *shm;
  struct copse_stamp_counters *counters;
  struct copse_target_state *states;
  struct copse_stamp_sockets sockets;
  struct event *timer, *events[4];
  uint64_t offset; /* from CLOCK_MONOTONIC to the time of day when we began */
  uint32_t end;    /* no target in this slot or above */
  struct target targets[];
};

static uint64_t
read_clock(clockid_t clock) {
  struct timespec time;

  clock_gettime(clock, &time);
  return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

/* The sessions' clock: it began right and does not jump. */
static uint64_t
now_of(const struct copse_stamp *stamp) {
  return read_clock(CLOCK_MONOTONIC) + stamp->offset;
}

/* When a datagram arrived, on the sessions' clock. */
static uint64_t
arrival_of(const struct copse_stamp_datagram *datagram, uint64_t now) {
  const uint64_t age = read_clock(CLOCK_REALTIME) - datagram->received;

  return datagram->received != 0 && age < AGE_MAX ? now - age : now;
}

static const uint8_t *
key_or_none(const uint8_t key[COPSE_KEY_BYTES]) {
  return sodium_is_zero(key, COPSE_KEY_BYTES) ? NULL : key;
}

/* ---- what arrives ---- */

static void
count(uint64_t *counter) {
  __atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

static struct target *
target_at(struct copse_stamp *stamp, const struct copse_endpoint *from) {
  const uint32_t slot = copse_table_target_at(stamp->table, from->address);

  return slot < stamp->end && stamp->targets[slot].present ? &stamp->targets[slot] : NULL;
}

static enum copse_stamp_drop
reflect(struct copse_stamp *stamp, int fd, const struct copse_stamp_datagram *datagram) {
  struct target *target = target_at(stamp, &datagram->from);
  uint8_t reply[COPSE_STAMP_BYTES_MAX];
  enum copse_stamp_drop drop;
  size_t bytes = 0;

  if (target == NULL)
    return COPSE_STAMP_DROP_UNKNOWN_PEER;
  const uint64_t now = now_of(stamp);
  const struct copse_stamp_arrival arrival = {.bytes = datagram->bytes,
                                              .length = datagram->length,
                                              .port = datagram->from.port,
                                              .ttl = datagram->ttl,
                                              .received = arrival_of(datagram, now)};
  struct copse_target_state *state = &stamp->states[target->api.slot];
  drop =
    copse_stamp_reflect(&target->session, state, key_or_none(target->api.reflector_key), &arrival, now, reply, &bytes);
  if (drop != COPSE_STAMP_TAKEN)
    return drop;
  __atomic_store_n(&state->reflected_at, now - stamp->offset, __ATOMIC_RELAXED);
  if (!copse_stamp_send(fd, &datagram->from, reply, bytes))
    return COPSE_STAMP_DROP_SEND_FAILED;
  count(&stamp->counters->reflected);
  return COPSE_STAMP_TAKEN;
}

static enum copse_stamp_drop
take_answer(struct copse_stamp *stamp, const struct copse_stamp_datagram *datagram) {
  struct target *target = target_at(stamp, &datagram->from);
  enum copse_stamp_drop drop;

  if (target == NULL)
    return COPSE_STAMP_DROP_UNKNOWN_PEER;
  if (datagram->from.port != target->api.remote.port)
    return COPSE_STAMP_DROP_UNEXPECTED;
  const uint64_t now = now_of(stamp);
  struct copse_target_state *state = &stamp->states[target->api.slot];
  drop = copse_stamp_answer(&target->session, state, key_or_none(target->api.sender_key), datagram->bytes,
                            datagram->length, arrival_of(datagram, now));
  if (drop != COPSE_STAMP_TAKEN)
    return drop;
  __atomic_store_n(&state->answered_at, now - stamp->offset, __ATOMIC_RELAXED);
  count(&stamp->counters->answers);
  return COPSE_STAMP_TAKEN;
}

static void
on_readable(evutil_socket_t fd, short what, void *context) {
  struct copse_stamp *stamp = context;
  const bool reflects = fd == stamp->sockets.reflector[0] || fd == stamp->sockets.reflector[1];
  struct copse_stamp_datagram datagram;

  (void)what;
  for (int i = 0; i < DATAGRAMS_PER_TURN && copse_stamp_receive(fd, &datagram); i++) {
    const enum copse_stamp_drop drop = reflects ? reflect(stamp, fd, &datagram) : take_answer(stamp, &datagram);

    count(&stamp->counters->received);
    if (drop != COPSE_STAMP_TAKEN)
      count(&stamp->counters->drops[drop]);
  }
}

/* ---- what is sent ---- */

static void
probe(struct copse_stamp *stamp, struct target *target) {
  const int fd = stamp->sockets.sender[copse_stamp_is_ipv6(&target->api.remote)];
  uint8_t packet[COPSE_STAMP_BYTES_MAX];
  const size_t bytes = copse_stamp_probe(&target->session, &stamp->states[target->api.slot],
                                         key_or_none(target->api.sender_key), now_of(stamp), packet);

  copse_stamp_send(fd, &target->api.remote, packet, bytes); /* what the kernel cannot send is lost on its way */
}

/* Waits for the target that is due first. */
static void
arm(struct copse_stamp *stamp, uint64_t now) {
  uint64_t first = UINT64_MAX;

  for (uint32_t i = 0; i < stamp->end; i++)
    if (stamp->targets[i].present && stamp->targets[i].api.interval_us != 0 && stamp->targets[i].due < first)
      first = stamp->targets[i].due;
  if (first == UINT64_MAX) {
    event_del(stamp->timer);
    return;
  }
  const uint64_t us = first <= now ? 0 : (first - now + 999) / 1000;
  const struct timeval delay = {.tv_sec = (time_t)(us / 1000000), .tv_usec = (suseconds_t)(us % 1000000)};
  event_add(stamp->timer, &delay);
}

/* What could not be sent in time is not made up for. */
static void
on_timer(evutil_socket_t fd, short what, void *context) {
  struct copse_stamp *stamp = context;
  const uint64_t now = now_of(stamp);

  (void)fd, (void)what;
  for (uint32_t i = 0; i < stamp->end; i++) {
    struct target *target = &stamp->targets[i];

    if (!target->present || target->api.interval_us == 0 || target->due > now + TOGETHER_NS)
      continue;
    probe(stamp, target);
    const uint64_t wait = copse_stamp_wait(&target->session, &target->api);
    target->due = target->due + wait > now ? target->due + wait : now + wait;
  }
  arm(stamp, now);
}

/* ---- targets ---- */

/* Whether our session with the target is another one than before. */
static bool
is_other_session(const struct copse_api_target *before, const struct copse_api_target *after) {
  return memcmp(&before->remote, &after->remote, sizeof(before->remote)) != 0 ||
         memcmp(before->sender_key, after->sender_key, sizeof(before->sender_key)) != 0 ||
         (before->interval_us == 0) != (after->interval_us == 0);
}

static void
take_over(struct copse_stamp *stamp, uint32_t slot, const struct copse_api_target *api, uint64_t now) {
  struct target *target = &stamp->targets[slot];
  uint64_t id = 0;

  if (!target->present || memcmp(target->api.remote.address, api->remote.address, sizeof(api->remote.address)) != 0) {
    target->session = (struct copse_stamp_session){.port = 0};
    stamp->states[slot] = (struct copse_target_state){.id = 0};
  }
  if (!target->present || is_other_session(&target->api, api)) {
    while (id == 0)
      randombytes_buf(&id, sizeof(id));
    copse_stamp_session_begin(&target->session, &stamp->states[slot], id);
    target->due = now;
  }
  if (target->api.interval_us != api->interval_us)
    target->due = now;
  target->present = true;
  target->api = *api;
}

void
copse_stamp_update(struct copse_stamp *stamp) {
  const uint64_t now = now_of(stamp);

  stamp->end = 0;
  for (uint32_t slot = 0; slot < stamp->shm->limits.links; slot++) {
    const struct copse_api_target *api = copse_table_target(stamp->table, slot);

    if (api == NULL && stamp->targets[slot].present) {
      stamp->states[slot] = (struct copse_target_state){.id = 0};
      stamp->targets[slot] = (struct target){.present = false};
    } else if (api != NULL) {
      stamp->end = slot + 1;
      if (!stamp->targets[slot].present || memcmp(&stamp->targets[slot].api, api, sizeof(*api)) != 0)
        take_over(stamp, slot, api, now);
    }
  }
  arm(stamp, now);
}

/* ---- begin and end ---- */

void
copse_stamp_sockets_close(struct copse_stamp_sockets *sockets) {
  for (int i = 0; i < 2; i++) {
    if (sockets->reflector[i] >= 0)
      close(sockets->reflector[i]);
    if (sockets->sender[i] >= 0)
      close(sockets->sender[i]);
    sockets->reflector[i] = sockets->sender[i] = -1;
  }
}

int
copse_stamp_sockets_open(struct copse_stamp_sockets *sockets, const struct copse_endpoint *local4,
                         const struct copse_endpoint *local6, uint16_t port, struct copse_error *error) {
  const struct copse_endpoint *const local[2] = {local4, local6};
  int status = 0;

  *sockets = (struct copse_stamp_sockets){.reflector = {-1, -1}, .sender = {-1, -1}};
  for (int i = 0; i < 2 && port != 0 && status >= 0; i++) {
    if (sodium_is_zero(local[i]->address, sizeof(local[i]->address)))
      continue;
    status = sockets->reflector[i] = copse_stamp_socket(local[i], port, error);
    if (status >= 0)
      status = sockets->sender[i] = copse_stamp_socket(local[i], 0, error);
  }
  if (status < 0)
    copse_stamp_sockets_close(sockets);
  return status < 0 ? status : 0;
}

struct copse_stamp *
copse_stamp_create(struct event_base *base, const struct copse_table *table, const struct copse_stamp_sockets *sockets,
                   struct copse_error *error) {
  const int fds[4] = {sockets->reflector[0], sockets->reflector[1], sockets->sender[0], sockets->sender[1]};
  struct copse_shm *shm = copse_table_shm(table);
  struct copse_stamp *stamp = calloc(1, sizeof(*stamp) + shm->limits.links * sizeof(struct target));
  bool complete = stamp != NULL;

  if (stamp != NULL) {
    stamp->table = table;
    stamp->shm = shm;
    stamp->counters = (struct copse_stamp_counters *)((uint8_t *)shm + shm->stamp_offset);
    stamp->states = (struct copse_target_state *)((uint8_t *)shm + shm->target_state_offset);
    stamp->sockets = *sockets;
    stamp->offset = read_clock(CLOCK_REALTIME) - read_clock(CLOCK_MONOTONIC);
    stamp->timer = event_new(base, -1, 0, on_timer, stamp);
    complete = stamp->timer != NULL;
  }
  for (int i = 0; i < 4 && complete; i++) {
    if (fds[i] < 0)
      continue;
    stamp->events[i] = event_new(base, fds[i], EV_READ | EV_PERSIST, on_readable, stamp);
    complete = stamp->events[i] != NULL && event_add(stamp->events[i], NULL) == 0;
  }
  if (complete) {
    copse_stamp_update(stamp);
    return stamp;
  }
  copse_stamp_destroy(stamp);
  copse_fail(error, -ENOMEM, "STAMP: not enough memory");
  return NULL;
}

void
copse_stamp_destroy(struct copse_stamp *stamp) {
  if (stamp == NULL)
    return;
  for (int i = 0; i < 4; i++)
    if (stamp->events[i] != NULL)
      event_free(stamp->events[i]);
  if (stamp->timer != NULL)
    event_free(stamp->timer);
  free(stamp);
}
