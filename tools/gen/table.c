/* SPDX-License-Identifier: Apache-2.0 */
#include "table.h"

#include "clock.h"
#include <errno.h>
#include <rte_cycles.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BURST_US 100000
#define ALLOWANCE (UINT64_MAX / 2)
#define TREES_PER_BATCH 4096
#define APPLIED_S 5

static struct copse_endpoint
endpoint_of(uint32_t address, bool ipv6) {
  struct copse_endpoint endpoint = {.address = {[10] = 0xff, [11] = 0xff}, .port = htobe16(COPSE_BLOCK_PORT)};

  if (ipv6) {
    gen_address6(address, endpoint.address);
    return endpoint;
  }
  address = htobe32(address);
  memcpy(endpoint.address + 12, &address, sizeof(address));
  return endpoint;
}

static int
write_all(int fd, const void *data, size_t bytes) {
  for (size_t done = 0; done < bytes;) {
    ssize_t wrote = send(fd, (const uint8_t *)data + done, bytes - done, MSG_NOSIGNAL);
    if (wrote <= 0)
      return -ECONNRESET;
    done += (size_t)wrote;
  }
  return 0;
}

/* Reads exactly so much; a descriptor that comes along goes to `*passed`. */
static int
read_all(int fd, void *data, size_t bytes, int *passed) {
  char control[CMSG_SPACE(sizeof(int))];

  for (size_t done = 0; done < bytes;) {
    struct iovec part = {(uint8_t *)data + done, bytes - done};
    struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    ssize_t got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (got <= 0)
      return -ECONNRESET;
    if (header != NULL && header->cmsg_type == SCM_RIGHTS && passed != NULL)
      memcpy(passed, CMSG_DATA(header), sizeof(*passed));
    done += (size_t)got;
  }
  return 0;
}

static int
ask(struct gen_table *table, uint16_t type, const void *body, size_t bytes) {
  struct copse_api_header header = {.length = (uint32_t)(sizeof(header) + bytes),
                                    .version = COPSE_API_VERSION,
                                    .type = type,
                                    .request = ++table->request};
  int status = write_all(table->fd, &header, sizeof(header));

  return status ? status : write_all(table->fd, body, bytes);
}

/* The reply begins with what this program knows of it. */
static int
hear(struct gen_table *table, void *body, size_t bytes, int *passed) {
  struct copse_api_header header;
  uint8_t rest[4096];
  int status = read_all(table->fd, &header, sizeof(header), passed);

  if (status)
    return status;
  if (header.version != COPSE_API_VERSION)
    return -EPROTONOSUPPORT;
  if (header.request != table->request || header.length < sizeof(header) + bytes)
    return -EPROTO;
  status = read_all(table->fd, body, bytes, passed);
  for (size_t left = header.length - sizeof(header) - bytes; left > 0 && !status;) {
    const size_t here = left < sizeof(rest) ? left : sizeof(rest);
    status = read_all(table->fd, rest, here, passed);
    left -= here;
  }
  return status;
}

int
gen_table_connect(struct gen_table *table, const char *path, unsigned seconds, struct copse_error *error) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int passed = -1, status;

  *table = (struct gen_table){.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  if (table->fd < 0 || strlen(path) >= sizeof(address.sun_path))
    return copse_fail(error, -EINVAL, "cannot make a socket for %s", path);
  memcpy(address.sun_path, path, strlen(path));
  for (unsigned tries = 0; connect(table->fd, (const struct sockaddr *)&address, sizeof(address)) != 0; tries++) {
    if (tries > seconds * 100)
      return copse_fail(error, -ETIMEDOUT, "no dataplane answers at %s", path);
    usleep(10000);
  }
  status = ask(table, COPSE_API_HELLO, NULL, 0);
  if (!status)
    status = hear(table, &table->hello, sizeof(table->hello), &passed);
  if (status == -EPROTONOSUPPORT)
    return copse_fail(error, status, "the dataplane at %s speaks another version of the API", path);
  if (status || passed < 0)
    return copse_fail(error, status ? status : -EPROTO, "the dataplane at %s does not answer HELLO", path);
  return copse_counters_map(passed, table->hello.shm_bytes, &table->counters, error);
}

void
gen_table_close(struct gen_table *table) {
  copse_counters_unmap(table->counters);
  table->counters = NULL;
  if (table->fd >= 0)
    close(table->fd);
  table->fd = -1;
}

int
gen_table_send(struct gen_table *table, struct copse_operations *operations, struct copse_error *error) {
  struct copse_api_batch batch = {.expected_generation = COPSE_API_ANY_GENERATION, .operations = operations->count};
  uint8_t *body = operations->failed ? NULL : malloc(sizeof(batch) + operations->length);
  int status = -ENOMEM;

  if (body != NULL) {
    memcpy(body, &batch, sizeof(batch));
    memcpy(body + sizeof(batch), operations->bytes, operations->length);
    status = ask(table, COPSE_API_BATCH, body, sizeof(batch) + operations->length);
    free(body);
  }
  copse_operations_clear(operations);
  return status ? copse_fail(error, status, "the dataplane does not take a batch: %s", strerror(-status)) : 0;
}

bool
gen_table_answered(const struct gen_table *table) {
  struct copse_api_header header;

  return recv(table->fd, &header, sizeof(header), MSG_PEEK | MSG_DONTWAIT) == sizeof(header);
}

int
gen_table_take_answer(struct gen_table *table, struct copse_api_result *result, struct copse_error *error) {
  const int status = hear(table, result, sizeof(*result), NULL);

  if (status)
    return copse_fail(error, status, "the dataplane does not answer a batch: %s", strerror(-status));
  return result->status ? copse_fail(error, result->status, "the dataplane refuses: %s", result->text) : 0;
}

/* Sends what there is and waits until it is applied; to the table's generation then. */
static int
commit(struct gen_table *table, struct copse_operations *operations, uint64_t *generation, struct copse_error *error) {
  struct copse_api_result result = {0};
  int status = gen_table_send(table, operations, error);

  if (!status)
    status = gen_table_take_answer(table, &result, error);
  *generation = result.generation;
  return status;
}

void
gen_table_add_links(struct gen_table *table, uint32_t links, struct copse_operations *operations) {
  for (; table->links < links; table->links++) {
    struct copse_api_link link = {.slot = table->links,
                                  .burst_us = BURST_US,
                                  .budget_bps = COPSE_RATE_MAX_BPS,
                                  .remote = endpoint_of(gen_hop_address(GEN_LINK, table->links), table->ipv6),
                                  .name = "bench"};
    copse_operations_link(operations, &link);
  }
}

static void
add_members(struct gen_table *table, uint32_t wanted, struct copse_operations *operations) {
  for (; table->members < wanted; table->members++) {
    struct copse_api_member member = {.id = table->members + 1,
                                      .slot = table->members,
                                      .label = gen_member_label(table->hello.limits.trees, table->members),
                                      .send_tree = COPSE_SLOT_NONE,
                                      .burst_us = BURST_US,
                                      .egress_bps = COPSE_RATE_MAX_BPS,
                                      .address = endpoint_of(gen_hop_address(GEN_MEMBER, table->members), false)};
    gen_key(GEN_MEMBER_KEY, table->members, member.key);
    copse_operations_member(operations, &member);
  }
}

void
gen_table_add_tree(const struct gen_table *table, const struct gen_forest *forest, uint32_t number,
                   struct copse_operations *operations) {
  struct copse_api_hop list[GEN_HOPS_MAX];
  struct copse_api_tree tree = {.id = number + 1,
                                .slot = number,
                                .label = gen_tree_label(number),
                                .upstream = endpoint_of(GEN_PARENT, table->ipv6),
                                .committed_bps = forest->bps ? forest->bps : COPSE_RATE_MAX_BPS,
                                .peak_bps = forest->bps ? forest->bps : COPSE_RATE_MAX_BPS,
                                .burst_us = forest->bps ? forest->burst_us : BURST_US,
                                .charged_edges = forest->kind == GEN_LINK ? forest->hops : 1,
                                .hops = forest->hops};

  gen_key(GEN_TREE_KEY, number, tree.tree_key);
  gen_key(GEN_AREA_KEY, number, tree.area_key);
  for (uint32_t hop = 0; hop < forest->hops; hop++)
    list[hop] =
      (struct copse_api_hop){.kind = (uint32_t)forest->kind, .slot = hop, .label = gen_hop_label(number, hop)};
  copse_operations_tree(operations, &tree, list);
  copse_operations_allowance(operations, number, ALLOWANCE);
}

/* Until workers have seen the table; they look at it with every poll. */
static int
await_generation(const struct gen_table *table, uint64_t generation, struct copse_error *error) {
  const uint64_t end = rte_rdtsc() + (uint64_t)(APPLIED_S * gen_clock_hz());
  struct copse_worker_counters workers;

  do
    copse_counters_workers(table->counters, &workers);
  while (workers.applied_generation < generation && rte_rdtsc() < end);
  return workers.applied_generation < generation
           ? copse_fail(error, -ETIMEDOUT, "a worker does not take over the table within %d s", APPLIED_S)
           : 0;
}

static int
set_trees(struct gen_table *table, const struct gen_forest *forest, struct copse_operations *operations,
          struct copse_error *error) {
  const uint32_t most = forest->trees > table->forest.trees ? forest->trees : table->forest.trees;
  uint64_t generation = 0;
  int status = 0;

  for (uint32_t tree = 0; tree < most && !status; tree++) {
    if (tree < forest->trees)
      gen_table_add_tree(table, forest, tree, operations);
    else
      copse_operations_remove(operations, COPSE_API_TREE_REMOVE, tree);
    if (tree + 1 == most || (tree + 1) % TREES_PER_BATCH == 0)
      status = commit(table, operations, &generation, error);
  }
  return status ? status : await_generation(table, generation, error);
}

static bool
same_forest(const struct gen_forest *a, const struct gen_forest *b) {
  return a->trees == b->trees && a->hops == b->hops && a->kind == b->kind && a->bps == b->bps &&
         a->burst_us == b->burst_us;
}

int
gen_table_set(struct gen_table *table, const struct gen_forest *forest, double *seconds, struct copse_error *error) {
  struct copse_operations operations = {.bytes = NULL};
  uint64_t generation;
  int status = 0;

  *seconds = 0;
  if (same_forest(&table->forest, forest))
    return 0;
  if (forest->kind == GEN_LINK)
    gen_table_add_links(table, forest->hops, &operations);
  else
    add_members(table, forest->hops, &operations);
  if (operations.count > 0)
    status = commit(table, &operations, &generation, error);
  const uint64_t start = rte_rdtsc();
  if (!status)
    status = set_trees(table, forest, &operations, error);
  *seconds = (double)(rte_rdtsc() - start) / gen_clock_hz();
  copse_operations_free(&operations);
  if (!status)
    table->forest = *forest;
  return status;
}
