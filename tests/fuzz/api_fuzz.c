/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever a client sends to the API socket: framing, and batches against a table. */
#include "api/connection.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_MS 1000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct copse_table *
make_table(void) {
  static const struct copse_table_config config = {
    .limits = {.labels = 16, .trees = 4, .members = 8, .links = 4, .fan_out = 8, .workers = 1},
    .tsc_hz = 1000000000,
    .local4 = {.address = {[10] = 0xff, 0xff, 10, 0, 0, 1}, .port = 1},
    .mtu = {1500},
  };
  struct copse_table *table = copse_table_create(&config);

  if (!table)
    abort();
  return table;
}

static void
discard_answers(int fd) {
  static char answers[65536];

  while (recv(fd, answers, sizeof(answers), MSG_DONTWAIT) > 0)
    continue;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct copse_api_connections connections = LIST_HEAD_INITIALIZER(connections);
  struct event_base *base = event_base_new();
  struct copse_table *table = make_table();
  const struct copse_api_server_config server = {.base = base, .table = table, .patience_ms = PATIENCE_MS};
  int fds[2];

  if (!base || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) != 0 ||
      !copse_api_connection_open(&server, fds[0], &connections))
    abort();
  while (size > 0 && !LIST_EMPTY(&connections)) {
    ssize_t sent = send(fds[1], data, size, MSG_NOSIGNAL);
    if (sent > 0) {
      data += sent;
      size -= (size_t)sent;
    }
    event_base_loop(base, EVLOOP_NONBLOCK);
    discard_answers(fds[1]);
  }
  event_base_loop(base, EVLOOP_NONBLOCK);
  close(fds[1]);
  for (int i = 0; i < 4 && !LIST_EMPTY(&connections); i++)
    event_base_loop(base, EVLOOP_NONBLOCK);
  if (!LIST_EMPTY(&connections))
    abort(); /* the client is gone, its connection is not */
  copse_table_destroy(table);
  event_base_free(base);
  return 0;
}
