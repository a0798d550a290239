/* SPDX-License-Identifier: Apache-2.0 */
/* The API server over a table that is a stand-in: what is tested here are frames, not what they do. */
#include "api/connection.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE_MS 400

/* ---- the stand-in ---- */

static struct copse_shm shm = {.magic = COPSE_SHM_MAGIC,
                               .bytes = sizeof(shm),
                               .instance = 77,
                               .generation = 5,
                               .limits = {.trees = 3, .workers = 1}};
static size_t batch_bytes, dump_bytes = 64;
static uint8_t batch_last;
static unsigned batches, applied;

struct copse_shm *
copse_table_shm(const struct copse_table *table) {
  (void)table;
  return &shm;
}

int
copse_table_shm_fd(const struct copse_table *table) {
  int fd = memfd_create("counters", MFD_CLOEXEC);

  (void)table;
  cr_assert_eq(write(fd, &shm, sizeof(shm)), sizeof(shm));
  return fd;
}

int
copse_table_batch(struct copse_table *table, const void *body, size_t bytes, struct copse_api_result *result) {
  (void)table;
  batches++;
  batch_bytes = bytes;
  batch_last = bytes ? ((const uint8_t *)body)[bytes - 1] : 0;
  *result = (struct copse_api_result){.status = bytes ? 0 : -EINVAL, .generation = ++shm.generation};
  return result->status;
}

int
copse_table_dump(const struct copse_table *table, void **body, size_t *bytes) {
  (void)table;
  *bytes = dump_bytes;
  *body = malloc(dump_bytes);
  memset(*body, 0xd5, dump_bytes);
  return 0;
}

/* ---- the server under test, in this process, and clients on the same loop ---- */

static char directory[] = "/tmp/copse-api-XXXXXX";
static char path[64];
static struct event_base *base;
static struct copse_api_server *server;
static struct copse_error error;

static void
count_applied(void *context) {
  (void)context;
  applied++;
}

static struct copse_api_server *
create(void) {
  base = event_base_new();
  return copse_api_server_create(
    &(struct copse_api_server_config){.base = base, .path = path, .patience_ms = PATIENCE_MS, .applied = count_applied},
    &error);
}

static void
start(void) {
  cr_assert_not_null(mkdtemp(directory));
  snprintf(path, sizeof(path), "%s/run/dataplane.sock", directory);
  int lock = copse_api_lock(path, &error);
  cr_assert_geq(lock, 0, "%s", error.text);
  server = create();
  cr_assert_not_null(server, "%s", error.text);
}

static void
stop(void) {
  copse_api_server_destroy(server);
  event_base_free(base);
  cr_expect_neq(access(path, F_OK), 0, "the socket is still there");
  copse_api_unlock(path, dup(0));
  *strrchr(path, '/') = '\0';
  cr_expect_eq(rmdir(path), 0);
  cr_expect_eq(rmdir(directory), 0);
}

static int
dial(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

  snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
  cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
  return fd;
}

static void
turn(void) {
  event_base_loop(base, EVLOOP_NONBLOCK);
}

static void
send_frame(int fd, uint32_t length, uint16_t version, uint16_t type, size_t body) {
  struct copse_api_header header = {.length = length, .version = version, .type = type, .request = 4711};
  uint8_t *bytes = calloc(1, sizeof(header) + body);

  memcpy(bytes, &header, sizeof(header));
  memset(bytes + sizeof(header), 0xab, body);
  for (size_t sent = 0; sent < sizeof(header) + body;) {
    ssize_t now = send(fd, bytes + sent, sizeof(header) + body - sent, MSG_NOSIGNAL);
    if (now < 0 && errno != EAGAIN)
      break;
    sent += now > 0 ? (size_t)now : 0;
    turn();
  }
  free(bytes);
}

/* Reads a whole answer; returns its size without header, or -1 when the connection ended first. */
static ssize_t
receive(int fd, struct copse_api_header *header, void *body, size_t room, int *passed) {
  char control[CMSG_SPACE(sizeof(int))];
  size_t have = 0;

  for (int i = 0; i < 200000; i++) {
    char *at = have < sizeof(*header) ? (char *)header + have : (char *)body + have - sizeof(*header);
    size_t want = have < sizeof(*header) ? sizeof(*header) - have : header->length - have;
    cr_assert(have < sizeof(*header) || header->length - sizeof(*header) <= room);
    struct iovec vector = {at, want};
    struct msghdr message = {
      .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    turn();
    ssize_t bytes = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    if (bytes == 0 || (bytes < 0 && errno != EAGAIN))
      return -1;
    if (bytes > 0 && CMSG_FIRSTHDR(&message) && passed)
      memcpy(passed, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
    have += bytes > 0 ? (size_t)bytes : 0;
    if (have >= sizeof(*header) && have == header->length)
      return (ssize_t)(have - sizeof(*header));
  }
  cr_assert_fail("no answer");
  return -1;
}

static bool
ended(int fd) {
  char byte;

  for (int i = 0; i < 100; i++) {
    turn();
    ssize_t bytes = recv(fd, &byte, 1, 0);
    if (bytes == 0 || (bytes < 0 && errno == ECONNRESET))
      return true;
  }
  return false;
}

static int
greet(void) {
  struct copse_api_header header;
  struct copse_api_hello hello;
  int fd = dial(), passed = -1;

  send_frame(fd, 16, COPSE_API_VERSION, COPSE_API_HELLO, 0);
  cr_assert_eq(receive(fd, &header, &hello, sizeof(hello), &passed), sizeof(hello));
  cr_assert_geq(passed, 0);
  close(passed);
  return fd;
}

TestSuite(api, .init = start, .fini = stop, .timeout = 30);

Test(api, hello_carries_the_counters) {
  struct copse_api_header header;
  struct copse_api_hello hello;
  struct copse_shm copy;
  int fd = dial(), passed = -1;

  send_frame(fd, 16, COPSE_API_VERSION, COPSE_API_HELLO, 0);
  cr_assert_eq(receive(fd, &header, &hello, sizeof(hello), &passed), sizeof(hello));
  cr_expect_eq(header.request, 4711);
  cr_expect_eq(header.type, COPSE_API_HELLO);
  cr_expect_eq(hello.instance, 77);
  cr_expect_eq(hello.generation, 5);
  cr_expect_eq(hello.limits.trees, 3);
  cr_expect_eq(pread(passed, &copy, sizeof(copy), 0), sizeof(copy));
  cr_expect_eq(copy.magic, COPSE_SHM_MAGIC);
  send_frame(fd, 16, COPSE_API_VERSION, COPSE_API_HELLO, 0);
  cr_expect_eq(receive(fd, &header, &(struct copse_api_result){0}, sizeof(struct copse_api_result), NULL),
               sizeof(struct copse_api_result));
  cr_expect(ended(fd), "a second HELLO was taken");
}

Test(api, socket_is_for_its_owner_alone) {
  struct stat status;

  cr_assert_eq(stat(path, &status), 0);
  cr_expect_eq(status.st_mode & 0777, 0600);
}

Test(api, one_dataplane_per_socket) {
  cr_expect_eq(copse_api_lock(path, &error), -EADDRINUSE);
  cr_expect_not_null(strstr(error.text, "another dataplane serves"));
}

Test(api, another_version_is_told_which_one_is_spoken) {
  struct copse_api_header header;
  struct copse_api_result result;
  int fd = dial();

  send_frame(fd, 16, COPSE_API_VERSION + 1, COPSE_API_HELLO, 0);
  cr_assert_eq(receive(fd, &header, &result, sizeof(result), NULL), sizeof(result));
  cr_expect_eq(header.version, COPSE_API_VERSION);
  cr_expect_eq(result.status, -EPROTO);
  cr_expect_not_null(strstr(result.text, "speaks version 2 of the API, not 3"));
  cr_expect(ended(fd));
}

Test(api, nothing_before_hello) {
  struct copse_api_header header;
  struct copse_api_result result;
  int fd = dial();

  send_frame(fd, 24, COPSE_API_VERSION, COPSE_API_BATCH, 8);
  cr_assert_eq(receive(fd, &header, &result, sizeof(result), NULL), sizeof(result));
  cr_expect_eq(result.status, -EPROTO);
  cr_expect(ended(fd));
  cr_expect_eq(batches, 0);
}

Test(api, batch_and_dump) {
  struct copse_api_header header;
  struct copse_api_result result;
  uint8_t body[64];
  int fd = greet();

  send_frame(fd, 16 + 40, COPSE_API_VERSION, COPSE_API_BATCH, 40);
  cr_assert_eq(receive(fd, &header, &result, sizeof(result), NULL), sizeof(result));
  cr_expect_eq(result.status, 0);
  cr_expect_eq(batch_bytes, 40);
  cr_expect_eq(batch_last, 0xab);
  cr_expect_eq(applied, 1);
  send_frame(fd, 16, COPSE_API_VERSION, COPSE_API_BATCH, 0);
  cr_assert_eq(receive(fd, &header, &result, sizeof(result), NULL), sizeof(result));
  cr_expect_eq(result.status, -EINVAL);
  cr_expect_eq(applied, 1, "a batch that was refused changed nothing");
  send_frame(fd, 16, COPSE_API_VERSION, COPSE_API_DUMP, 0);
  cr_assert_eq(receive(fd, &header, body, sizeof(body), NULL), sizeof(body));
  cr_expect_eq(body[63], 0xd5);
}

/* The longest batch, sent as the socket takes it, and a dump far larger than the socket's buffer. */
Test(api, large_frames) {
  const size_t body_bytes = COPSE_API_FRAME_MAX - sizeof(struct copse_api_header);
  struct copse_api_header header;
  struct copse_api_result result;
  int fd = greet();

  send_frame(fd, COPSE_API_FRAME_MAX, COPSE_API_VERSION, COPSE_API_BATCH, body_bytes);
  cr_assert_eq(receive(fd, &header, &result, sizeof(result), NULL), sizeof(result));
  cr_expect_eq(batch_bytes, body_bytes);

  dump_bytes = 8 << 20;
  uint8_t *body = malloc(dump_bytes);
  send_frame(fd, 16, COPSE_API_VERSION, COPSE_API_DUMP, 0);
  cr_expect_eq(receive(fd, &header, body, dump_bytes, NULL), (ssize_t)dump_bytes);
  cr_expect_eq(body[dump_bytes - 1], 0xd5);
  free(body);
}

Test(api, requests_sent_together_are_answered_in_order) {
  struct copse_api_header header;
  struct copse_api_result result;
  uint8_t bytes[3 * 24];
  int fd = greet();

  for (int i = 0; i < 3; i++) {
    struct copse_api_header request = {
      .length = 24, .version = COPSE_API_VERSION, .type = COPSE_API_BATCH, .request = i};
    memcpy(bytes + 24 * i, &request, 16);
  }
  cr_assert_eq(send(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
  for (unsigned i = 0; i < 3; i++) {
    cr_assert_eq(receive(fd, &header, &result, sizeof(result), NULL), sizeof(result));
    cr_expect_eq(header.request, i);
  }
}

Test(api, a_frame_may_come_byte_by_byte) {
  struct copse_api_header header = {.length = 24, .version = COPSE_API_VERSION, .type = COPSE_API_BATCH, .request = 9};
  struct copse_api_result result;
  uint8_t bytes[24] = {0};
  int fd = greet();

  memcpy(bytes, &header, sizeof(header));
  for (size_t i = 0; i < sizeof(bytes); i++) {
    cr_expect_eq(batches, 0);
    cr_assert_eq(send(fd, bytes + i, 1, 0), 1);
    turn();
  }
  cr_assert_eq(receive(fd, &header, &result, sizeof(result), NULL), sizeof(result));
  cr_expect_eq(batches, 1);
}

Test(api, unknown_request_is_answered_and_the_next_one_served) {
  struct copse_api_header header;
  struct copse_api_result result;
  int fd = greet();

  send_frame(fd, 16 + 8, COPSE_API_VERSION, 900, 8);
  cr_assert_eq(receive(fd, &header, &result, sizeof(result), NULL), sizeof(result));
  cr_expect_eq(result.status, -EOPNOTSUPP);
  send_frame(fd, 16 + 8, COPSE_API_VERSION, COPSE_API_BATCH, 8);
  cr_assert_eq(receive(fd, &header, &result, sizeof(result), NULL), sizeof(result));
  cr_expect_eq(result.status, 0);
}

Test(api, impossible_lengths_end_the_connection) {
  static const uint32_t lengths[] = {0, 1, 15, COPSE_API_FRAME_MAX + 1, UINT32_MAX};

  for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
    struct copse_api_header header;
    struct copse_api_result result;
    int fd = greet();
    send_frame(fd, lengths[i], COPSE_API_VERSION, COPSE_API_BATCH, 0);
    cr_assert_eq(receive(fd, &header, &result, sizeof(result), NULL), sizeof(result), "length %u", lengths[i]);
    cr_expect_eq(result.status, -EMSGSIZE);
    cr_expect(ended(fd));
    close(fd);
  }
  cr_expect_eq(batches, 0);
}

Test(api, garbage_harms_nobody_else) {
  unsigned seed = 1;
  int good = greet();

  for (int round = 0; round < 300; round++) {
    uint8_t bytes[256];
    int fd = round % 2 ? dial() : greet();
    for (size_t i = 0; i < sizeof(bytes); i++)
      bytes[i] = (uint8_t)rand_r(&seed);
    if (round % 3) /* a length that can be, so that the rest is looked at */
      memcpy(bytes, &(uint32_t){16 + round % 64}, 4);
    if (round % 4 < 2)
      memcpy(bytes + 4, &(uint16_t){COPSE_API_VERSION}, 2);
    if (send(fd, bytes, (size_t)(1 + rand_r(&seed) % 256), MSG_NOSIGNAL) > 0)
      turn();
    close(fd);
    turn();
  }
  struct copse_api_header header;
  uint8_t body[64];
  send_frame(good, 16, COPSE_API_VERSION, COPSE_API_DUMP, 0);
  cr_expect_eq(receive(good, &header, body, sizeof(body), NULL), sizeof(body));
}

/* One that sends half a frame and one that takes no answer are closed after the patience; the others go on. */
Test(api, slow_clients_are_closed) {
  int half = greet(), deaf = greet(), good = greet();
  const struct timeval later = {.tv_usec = 1000 * (PATIENCE_MS + 200)};
  struct pollfd gone[2] = {{.fd = half, .events = POLLRDHUP}, {.fd = deaf, .events = POLLRDHUP}};

  dump_bytes = 8 << 20;
  cr_assert_eq(send(half, &(uint32_t){64}, 4, 0), 4);
  send_frame(deaf, 16, COPSE_API_VERSION, COPSE_API_DUMP, 0);
  turn();
  cr_expect_eq(poll(gone, 2, 0), 0);

  event_base_loopexit(base, &later);
  event_base_dispatch(base);
  cr_expect_eq(poll(gone, 2, 0), 2);
  cr_expect_not(ended(good));
}

Test(api, no_more_clients_than_there_may_be) {
  int fds[COPSE_API_CLIENTS_MAX];

  for (int i = 0; i < COPSE_API_CLIENTS_MAX; i++)
    fds[i] = greet();
  int extra = dial();
  cr_expect(ended(extra));
  close(fds[0]);
  turn();
  close(greet());
}

Test(api_lock, a_dead_process_leaves_nothing_that_stops_the_next) {
  cr_assert_not_null(mkdtemp(directory));
  snprintf(path, sizeof(path), "%s/dataplane.sock", directory);
  cr_assert_eq(mknod(path, S_IFREG | 0600, 0), 0); /* what is left behind */
  close(copse_api_lock(path, &error));             /* as death does */
  int lock = copse_api_lock(path, &error);
  cr_assert_geq(lock, 0, "%s", error.text);
  server = create();
  cr_assert_not_null(server, "%s", error.text);
  close(dial());
  copse_api_server_destroy(server);
  event_base_free(base);
  copse_api_unlock(path, lock);
  cr_expect_eq(rmdir(directory), 0, "something is left");
}

Test(api_lock, missing_parent_is_said) {
  cr_expect_eq(copse_api_lock("/nonexistent/run/dataplane.sock", &error), -ENOENT);
  cr_expect_not_null(strstr(error.text, "cannot make /nonexistent/run"));
}
