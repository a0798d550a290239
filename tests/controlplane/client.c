/* SPDX-License-Identifier: Apache-2.0 */
/* The client of the dataplane's API socket. */
#include "dataplane/client.h"
#include "fake_dataplane.h"
#include <copse/log.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char folder[] = "/tmp/copse-client-XXXXXX";
static char path[64];
static struct event_base *base;
static struct fake_dataplane *fake;
static struct copse_dataplane *client;
static unsigned ups, downs;
static struct copse_api_result last;
static unsigned results;
static struct copse_operations operations;

static void
on_up(void *context) {
  (void)context;
  ups++;
}

static void
on_down(void *context) {
  (void)context;
  downs++;
}

static void
on_result(void *context, const struct copse_api_result *result) {
  (void)context;
  last = *result;
  results++;
}

static void
setup(void) {
  static const struct copse_dataplane_hooks hooks = {.up = on_up, .down = on_down};
  struct copse_error error;

  copse_log_set_level(COPSE_LOG_ERROR);
  cr_assert_not_null(mkdtemp(folder));
  snprintf(path, sizeof(path), "%s/api.sock", folder);
  base = event_base_new();
  fake = fake_dataplane_create(base, path);
  cr_assert_eq(copse_dataplane_create(base, path, &hooks, &client, &error), 0, "%s", error.text);
}

static void
teardown(void) {
  copse_dataplane_free(client);
  if (fake != NULL)
    fake_dataplane_free(fake);
  event_base_free(base);
  copse_operations_free(&operations);
  rmdir(folder);
}

TestSuite(client, .init = setup, .fini = teardown, .timeout = 20);

/* Runs the loop until the number is reached, at most five seconds. */
static void
until(const unsigned *counter, unsigned value) {
  for (int i = 0; i < 5000 && *counter < value; i++) {
    event_base_loop(base, EVLOOP_NONBLOCK);
    usleep(1000);
  }
  cr_assert_geq(*counter, value);
}

static void
send_link(uint32_t slot, const char *name) {
  struct copse_api_link link = {
    .slot = slot, .burst_us = 1000, .remote = {.address = {[10] = 0xff, 0xff, 198, 18, 0, 2}, .port = 1}};

  snprintf(link.name, sizeof(link.name), "%s", name);
  copse_operations_clear(&operations);
  copse_operations_link(&operations, &link);
  cr_assert_eq(copse_dataplane_batch(client, COPSE_API_ANY_GENERATION, &operations, on_result, NULL), 0);
}

Test(client, says_hello_and_maps_counters) {
  struct copse_worker_counters counters;
  struct copse_tree_state state;

  cr_expect_not(copse_dataplane_connected(client));
  cr_expect_eq(copse_dataplane_batch(client, COPSE_API_ANY_GENERATION, &operations, on_result, NULL), -ENOTCONN);
  until(&ups, 1);
  cr_expect(copse_dataplane_connected(client));
  cr_expect_eq(copse_dataplane_hello(client)->instance, fake->shm->instance);
  cr_expect_eq(copse_dataplane_hello(client)->limits.trees, FAKE_TREES);
  fake_worker_counters(fake)->rx_packets = 7;
  fake_worker_counters(fake)->copy_drops[COPSE_DROP_RED] = 3;
  fake_tree_state(fake, 5)->charged_bytes = 99;
  copse_counters_workers(copse_dataplane_counters(client), &counters);
  cr_expect_eq(counters.rx_packets, 7);
  cr_expect_eq(counters.copy_drops[COPSE_DROP_RED], 3);
  copse_counters_tree_state(copse_dataplane_counters(client), 5, &state);
  cr_expect_eq(state.charged_bytes, 99);
  copse_counters_tree_state(copse_dataplane_counters(client), FAKE_TREES, &state);
  cr_expect_eq(state.charged_bytes, 0, "beyond the table");
}

Test(client, batches_are_answered_in_order) {
  until(&ups, 1);
  send_link(0, "N2");
  send_link(1, "N3");
  cr_expect_eq(results, 0, "never from within the call");
  until(&results, 2);
  cr_expect_eq(last.status, 0);
  cr_expect_eq(last.generation, 2);
  cr_expect_not_null(fake_link_find(fake, "N3"));
  send_link(FAKE_LINKS, "N4");
  until(&results, 3);
  cr_expect_eq(last.status, -ERANGE);
  cr_expect_neq(last.text[0], '\0');
}

struct dumped {
  unsigned done, links;
};

static int
count_link(void *context, uint16_t kind, const void *record, size_t length) {
  struct dumped *dumped = context;

  (void)length;
  dumped->links += kind == COPSE_API_LINK_SET && ((const struct copse_api_link *)record)->slot == 3;
  return 0;
}

static void
on_dump(void *context, int status, const void *body, size_t bytes) {
  struct dumped *dumped = context;

  dumped->done++;
  if (status == 0)
    cr_expect_eq(copse_operations_read(body, bytes, count_link, dumped), 0);
}

Test(client, dump_is_read_back) {
  struct dumped dumped = {0};

  until(&ups, 1);
  send_link(3, "N3");
  cr_assert_eq(copse_dataplane_dump(client, on_dump, &dumped), 0);
  until(&dumped.done, 1);
  cr_expect_eq(dumped.links, 1);
}

Test(client, a_lost_connection_answers_everything_and_comes_back) {
  until(&ups, 1);
  send_link(0, "N2");
  fake_dataplane_restart(fake);
  until(&downs, 1);
  cr_expect_eq(results, 1);
  cr_expect_eq(last.status, -ECONNRESET);
  cr_expect_null(copse_dataplane_counters(client));
  until(&ups, 2);
  cr_expect_eq(copse_dataplane_hello(client)->instance, fake->shm->instance);
}

Test(client, a_dataplane_that_comes_late_is_found) {
  fake_dataplane_free(fake);
  for (int i = 0; i < 100; i++) {
    event_base_loop(base, EVLOOP_NONBLOCK);
    usleep(1000);
  }
  cr_expect_eq(ups, 0);
  fake = fake_dataplane_create(base, path);
  until(&ups, 1);
}

static int
listen_in_its_place(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

  fake_dataplane_free(fake);
  fake = NULL;
  memcpy(address.sun_path, path, strlen(path));
  cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
  cr_assert_eq(listen(fd, 1), 0);
  return fd;
}

/* Turns the loop until the client has connected, or has closed. */
static int
turn_until(int (*done)(int fd), int fd) {
  int result = -1;

  for (int i = 0; i < 5000 && (result = done(fd)) < 0; i++) {
    event_base_loop(base, EVLOOP_NONBLOCK);
    usleep(1000);
  }
  return result;
}

static int
accepted(int fd) {
  return accept4(fd, NULL, NULL, SOCK_NONBLOCK);
}

static int
closed(int fd) {
  uint8_t rest;

  return recv(fd, &rest, 1, 0) == 0 ? 0 : -1;
}

Test(client, a_dataplane_of_another_version_is_refused_in_words) {
  struct copse_api_header hello, answer;
  int listener = listen_in_its_place(), words[2], fd;
  char said[512] = "";

  cr_assert_eq(pipe(words), 0);
  dup2(words[1], STDERR_FILENO);
  copse_log_set_level(COPSE_LOG_WARNING);
  fd = turn_until(accepted, listener);
  cr_assert_geq(fd, 0);
  cr_assert_eq(recv(fd, &hello, sizeof(hello), 0), sizeof(hello));
  answer = (struct copse_api_header){
    .length = sizeof(answer), .version = COPSE_API_VERSION + 1, .type = hello.type, .request = hello.request};
  cr_assert_eq(send(fd, &answer, sizeof(answer), 0), sizeof(answer));
  cr_expect_eq(turn_until(closed, fd), 0);
  cr_expect_eq(ups, 0);
  cr_assert_gt(read(words[0], said, sizeof(said) - 1), 0);
  cr_expect_not_null(strstr(said, "is away: it speaks version 3 of the API, this program version 2"), "%s", said);
  close(fd);
  close(listener);
  unlink(path);
  fake = fake_dataplane_create(base, path);
  until(&ups, 1);
}

Test(client, wrong_counters_are_refused) {
  uint64_t offset = fake->shm->tree_offset;

  fake->shm->tree_offset = fake->shm->bytes - 8;
  for (int i = 0; i < 200; i++) {
    event_base_loop(base, EVLOOP_NONBLOCK);
    usleep(1000);
  }
  cr_expect_eq(ups, 0, "an array that leaves the mapping");
  fake->shm->tree_offset = offset;
  until(&ups, 1);
}

Test(client, malformed_dumps_are_refused) {
  struct copse_api_link link = {.slot = 3};
  struct dumped dumped = {0};
  struct copse_api_batch batch = {.operations = 1};
  uint8_t body[512] = {0};
  size_t bytes;

  copse_operations_link(&operations, &link);
  memcpy(body, &batch, sizeof(batch));
  memcpy(body + sizeof(batch), operations.bytes, operations.length);
  bytes = sizeof(batch) + operations.length;
  cr_expect_eq(copse_operations_read(body, bytes, count_link, &dumped), 0);
  cr_expect_eq(dumped.links, 1);
  cr_expect_eq(copse_operations_read(body, bytes - 8, count_link, &dumped), -EBADMSG, "cut");
  cr_expect_eq(copse_operations_read(body, bytes + 8, count_link, &dumped), -EBADMSG, "tail");
  cr_expect_eq(copse_operations_read(body, 8, count_link, &dumped), -EBADMSG, "no header");
  ((struct copse_api_operation *)(body + sizeof(batch)))->length = sizeof(link) - 8;
  cr_expect_eq(copse_operations_read(body, bytes - 8, count_link, &dumped), -EBADMSG, "short record");
}
