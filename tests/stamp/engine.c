/* SPDX-License-Identifier: Apache-2.0 */
/* Two dataplanes' engines on loopback: targets come and go with batches, results are in shared memory. */
#include "../dataplane/builder.h"
#include "stamp/packet.h"
#include "stamp/socket.h"
#include "stamp/stamp.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <time.h>
#include <unistd.h>

struct end {
  struct copse_endpoint local;
  struct copse_table *table;
  struct copse_stamp_sockets sockets;
  struct copse_stamp *stamp;
  struct builder batch;
};

static struct event_base *base;
static struct end a, b;

static uint16_t
port_of(int fd) {
  struct sockaddr_storage address;
  socklen_t size = sizeof(address);

  cr_assert(eq(int, getsockname(fd, (struct sockaddr *)&address, &size), 0));
  return ((struct sockaddr_in *)&address)->sin_port; /* at the same place in both families */
}

static void
end_start(struct end *end, struct copse_endpoint local) {
  static const struct copse_endpoint none;
  struct copse_table_config config = test_config(1);
  const bool v6 = copse_stamp_is_ipv6(&local);
  struct copse_error error;

  end->local = local;
  config.local4 = v6 ? none : local;
  config.local6 = v6 ? local : none;
  config.local4.port = config.local6.port = htons(COPSE_BLOCK_PORT);
  end->table = copse_table_create(&config);
  end->batch = builder_new();
  end->sockets = (struct copse_stamp_sockets){.reflector = {-1, -1}, .sender = {-1, -1}};
  /* Any free port instead of the configured one: tests run side by side. */
  end->sockets.reflector[v6] = copse_stamp_socket(&local, 0, &error);
  end->sockets.sender[v6] = copse_stamp_socket(&local, 0, &error);
  cr_assert(end->sockets.reflector[v6] >= 0 && end->sockets.sender[v6] >= 0, "%s", error.text);
  end->local.port = port_of(end->sockets.reflector[v6]);
  end->stamp = copse_stamp_create(base, end->table, &end->sockets, &error);
  cr_assert(ne(ptr, end->stamp, NULL), "%s", error.text);
}

static void
end_stop(struct end *end) {
  copse_stamp_destroy(end->stamp);
  copse_stamp_sockets_close(&end->sockets);
  copse_table_destroy(end->table);
  builder_free(&end->batch);
}

static void
start(struct copse_endpoint first, struct copse_endpoint second) {
  base = event_base_new();
  end_start(&a, first);
  end_start(&b, second);
}

static void
set_up(void) {
  start(ipv4(127, 0, 86, 1, 0), ipv4(127, 0, 86, 2, 0));
}

static void
tear_down(void) {
  end_stop(&a);
  end_stop(&b);
  event_base_free(base);
}

TestSuite(stamp_engine, .init = set_up, .fini = tear_down, .timeout = 30);

/* Keys: 1 from A to B, 2 from B to A; 0: none. */
static void
set_target(struct end *end, uint32_t slot, struct copse_endpoint remote, uint32_t interval_us, uint8_t sender_key,
           uint8_t reflector_key) {
  struct copse_api_target target = {.slot = slot, .interval_us = interval_us, .remote = remote, .name = "other"};

  if (sender_key != 0)
    fill_key(target.sender_key, sender_key);
  if (reflector_key != 0)
    fill_key(target.reflector_key, reflector_key);
  builder_add(&end->batch, COPSE_API_TARGET_SET, &target, sizeof(target), NULL, 0);
  builder_commit(&end->batch, end->table);
  copse_stamp_update(end->stamp);
}

static const struct copse_target_state *
state_of(const struct end *end, uint32_t slot) {
  const struct copse_shm *shm = copse_table_shm(end->table);

  return (const struct copse_target_state *)((const char *)shm + shm->target_state_offset) + slot;
}

static const struct copse_stamp_counters *
counters_of(const struct end *end) {
  const struct copse_shm *shm = copse_table_shm(end->table);

  return (const struct copse_stamp_counters *)((const char *)shm + shm->stamp_offset);
}

static void
run(unsigned ms) {
  const struct timeval time = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};

  event_base_loopexit(base, &time);
  event_base_dispatch(base);
}

/* Turns the loop until the target has had so many answers. */
static void
run_until_answered(const struct end *end, uint32_t slot, uint64_t answers) {
  for (int i = 0; i < 500 && state_of(end, slot)->answered < answers; i++)
    run(10);
  cr_assert(ge(u64, state_of(end, slot)->answered, answers));
}

static void
expect_conserved(const struct end *end) {
  const struct copse_stamp_counters *counters = counters_of(end);
  uint64_t sum = counters->reflected + counters->answers;

  for (int i = 0; i < COPSE_STAMP_DROP_COUNT; i++)
    sum += counters->drops[i];
  cr_expect(eq(u64, counters->received, sum));
}

static void
expect_measured(void) {
  const struct copse_target_state *state = state_of(&a, 3);
  struct timespec now;

  clock_gettime(CLOCK_MONOTONIC, &now);
  cr_expect(ne(u64, state->id, 0));
  cr_expect(eq(u64, state->forward_lost, 0));
  cr_expect(eq(u64, state->backward_lost, 0));
  cr_expect(state->delay_min_ns > 0 && state->delay_min_ns <= state->delay_mean_ns &&
            state->delay_mean_ns <= state->delay_max_ns);
  cr_expect(lt(u64, state->delay_min_ns, 50000000));
  const uint64_t ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
  cr_expect(state->answered_at <= ns && ns - state->answered_at < 1000000000);
  expect_conserved(&a);
  expect_conserved(&b);
}

Test(stamp_engine, both_ends_measure_each_other_with_keys) {
  set_target(&a, 3, b.local, 20000, 1, 2);
  set_target(&b, 5, a.local, 20000, 2, 1);
  run_until_answered(&a, 3, 10);
  run_until_answered(&b, 5, 10);
  expect_measured();
  cr_expect(ge(u64, state_of(&b, 5)->reflected, 10));
  cr_expect(ge(u64, counters_of(&b)->reflected, 10));
}

Test(stamp_engine, without_keys_and_only_answering) {
  set_target(&b, 5, a.local, 0, 0, 0);
  set_target(&a, 3, b.local, 20000, 0, 0);
  run_until_answered(&a, 3, 5);
  expect_measured();
  cr_expect(eq(u64, state_of(&b, 5)->sent, 0));
}

Test(stamp_engine, ipv6) {
  tear_down();
  struct copse_endpoint loopback = {.address = {[15] = 1}};
  struct copse_error error;
  int fd = copse_stamp_socket(&loopback, 0, &error);

  cr_assert(ge(int, fd, 0), "%s", error.text);
  close(fd);
  /* One address: each end is the other's target through its port. */
  start(loopback, loopback);
  set_target(&b, 5, a.local, 0, 2, 1);
  set_target(&a, 3, b.local, 20000, 1, 2);
  run_until_answered(&a, 3, 5);
  expect_measured();
}

Test(stamp_engine, strangers_get_no_answer) {
  set_target(&a, 3, b.local, 20000, 1, 2);
  for (int i = 0; i < 100 && counters_of(&b)->received < 3; i++)
    run(10);
  cr_expect(ge(u64, counters_of(&b)->drops[COPSE_STAMP_DROP_UNKNOWN_PEER], 3));
  cr_expect(eq(u64, counters_of(&b)->reflected, 0));
  cr_expect(eq(u64, state_of(&a, 3)->answered, 0));
  set_target(&b, 5, a.local, 0, 2, 7); /* and not with another key */
  for (int i = 0; i < 100 && counters_of(&b)->drops[COPSE_STAMP_DROP_BAD_HMAC] < 3; i++)
    run(10);
  cr_expect(ge(u64, counters_of(&b)->drops[COPSE_STAMP_DROP_BAD_HMAC], 3));
  cr_expect(eq(u64, counters_of(&b)->reflected, 0));
  expect_conserved(&b);
}

Test(stamp_engine, answers_come_from_the_reflectors_port_only) {
  struct copse_endpoint sender = a.local;
  uint8_t noise[COPSE_STAMP_BYTES_MAX] = {0};

  set_target(&a, 3, b.local, 0, 1, 2);
  sender.port = port_of(a.sockets.sender[0]);
  cr_assert(copse_stamp_send(b.sockets.sender[0], &sender, noise, sizeof(noise)));
  cr_assert(copse_stamp_send(b.sockets.reflector[0], &sender, noise, sizeof(noise)));
  for (int i = 0; i < 100 && counters_of(&a)->received < 2; i++)
    run(10);
  cr_expect(eq(u64, counters_of(&a)->drops[COPSE_STAMP_DROP_UNEXPECTED], 1));
  cr_expect(eq(u64, counters_of(&a)->drops[COPSE_STAMP_DROP_BAD_HMAC], 1));
  expect_conserved(&a);
}

Test(stamp_engine, a_session_goes_on_unless_address_or_key_change) {
  const struct copse_api_slot slot = {.slot = 3};
  uint64_t id, sent;

  set_target(&b, 5, a.local, 0, 2, 1);
  set_target(&a, 3, b.local, 20000, 1, 2);
  run_until_answered(&a, 3, 3);
  id = state_of(&a, 3)->id;
  sent = state_of(&a, 3)->sent;
  set_target(&a, 3, b.local, 40000, 1, 2);
  cr_expect(eq(u64, state_of(&a, 3)->id, id));
  cr_expect(eq(u64, state_of(&a, 3)->sent, sent));
  set_target(&a, 3, b.local, 20000, 9, 2);
  cr_expect(ne(u64, state_of(&a, 3)->id, id));
  cr_expect(eq(u64, state_of(&a, 3)->sent, 0));
  builder_add(&a.batch, COPSE_API_TARGET_REMOVE, &slot, sizeof(slot), NULL, 0);
  builder_commit(&a.batch, a.table);
  copse_stamp_update(a.stamp);
  cr_expect(eq(u64, state_of(&a, 3)->id, 0));
  run(60);
  cr_expect(eq(u64, state_of(&a, 3)->sent, 0), "nothing is sent any more");
}

Test(stamp_engine, what_reaches_nobody_is_lost_and_no_trouble) {
  set_target(&a, 3, ipv4(127, 0, 86, 9, 1), 20000, 1, 2); /* nobody is there */
  for (int i = 0; i < 100 && state_of(&a, 3)->sent < 5; i++)
    run(10);
  cr_expect(ge(u64, state_of(&a, 3)->sent, 5));
  cr_expect(eq(u64, state_of(&a, 3)->answered, 0));
}

Test(stamp_engine, a_pause_is_not_made_up_for) {
  set_target(&b, 5, a.local, 0, 2, 1);
  set_target(&a, 3, b.local, 20000, 1, 2);
  run_until_answered(&a, 3, 2);
  const uint64_t sent = state_of(&a, 3)->sent;
  usleep(500000);
  run(5);
  cr_expect(le(u64, state_of(&a, 3)->sent, sent + 2));
  run_until_answered(&a, 3, sent + 3);
  cr_expect(eq(u64, state_of(&a, 3)->forward_lost, 0));
}

Test(stamp_sockets, a_port_that_is_taken_is_said_and_nothing_stays_open) {
  struct copse_stamp_sockets first, second;
  const struct copse_endpoint local = ipv4(127, 0, 86, 3, 0), none = {.port = 0};
  struct copse_error error = {.text = ""};
  int fd = copse_stamp_socket(&local, 0, &error);
  const uint16_t port = ntohs(port_of(fd));

  close(fd);
  cr_assert(eq(int, copse_stamp_sockets_open(&first, &local, &none, port, &error), 0), "%s", error.text);
  cr_expect(eq(int, copse_stamp_sockets_open(&second, &local, &none, port, &error), -EADDRINUSE));
  cr_expect(ne(ptr, strstr(error.text, "stamp_port"), NULL), "%s", error.text);
  cr_expect(second.reflector[0] < 0 && second.sender[0] < 0);
  copse_stamp_sockets_close(&first);
  cr_expect(eq(int, copse_stamp_sockets_open(&first, &local, &none, 0, &error), 0));
  cr_expect(lt(int, first.reflector[0], 0), "port 0: no measurement");
}
