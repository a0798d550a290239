/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_dataplane.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct fake_connection {
  struct fake_connection *next;
  struct fake_dataplane *fake;
  int fd;
  struct event *readable;
  uint8_t *bytes;
  size_t length;
};

static const struct copse_api_limits limits = {.labels = 4096,
                                               .trees = FAKE_TREES,
                                               .members = FAKE_MEMBERS,
                                               .links = FAKE_LINKS,
                                               .fan_out = FAKE_HOPS,
                                               .workers = 1};

static void
make_counters(struct fake_dataplane *fake) {
  size_t tree = (sizeof(struct copse_shm) + 63) & ~63UL, link = tree + FAKE_TREES * sizeof(struct copse_tree_counters);
  size_t member = link + FAKE_LINKS * sizeof(struct copse_link_counters);
  size_t worker = member + FAKE_MEMBERS * sizeof(struct copse_member_counters);
  size_t tree_state = worker + sizeof(struct copse_worker_counters);
  size_t member_state = tree_state + FAKE_TREES * sizeof(struct copse_tree_state);
  size_t target_state = member_state + FAKE_MEMBERS * sizeof(struct copse_member_state);
  size_t stamp = target_state + FAKE_LINKS * sizeof(struct copse_target_state);
  size_t bytes = stamp + sizeof(struct copse_stamp_counters);

  fake->shm_fd = memfd_create("fake", MFD_CLOEXEC);
  if (ftruncate(fake->shm_fd, (off_t)bytes) < 0)
    abort();
  fake->shm = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fake->shm_fd, 0);
  *fake->shm = (struct copse_shm){.magic = COPSE_SHM_MAGIC,
                                  .bytes = bytes,
                                  .instance = fake->instance,
                                  .tsc_hz = 1000000000,
                                  .limits = limits,
                                  .worker_offset = worker,
                                  .tree_offset = tree,
                                  .link_offset = link,
                                  .member_offset = member,
                                  .tree_state_offset = tree_state,
                                  .member_state_offset = member_state,
                                  .target_state_offset = target_state,
                                  .stamp_offset = stamp};
}

struct copse_tree_counters *
fake_tree_counters(struct fake_dataplane *fake, uint32_t slot) {
  return (struct copse_tree_counters *)((uint8_t *)fake->shm + fake->shm->tree_offset) + slot;
}

struct copse_tree_state *
fake_tree_state(struct fake_dataplane *fake, uint32_t slot) {
  return (struct copse_tree_state *)((uint8_t *)fake->shm + fake->shm->tree_state_offset) + slot;
}

struct copse_worker_counters *
fake_worker_counters(struct fake_dataplane *fake) {
  return (struct copse_worker_counters *)((uint8_t *)fake->shm + fake->shm->worker_offset);
}

struct copse_link_counters *
fake_link_counters(struct fake_dataplane *fake, uint32_t slot) {
  return (struct copse_link_counters *)((uint8_t *)fake->shm + fake->shm->link_offset) + slot;
}

struct copse_member_counters *
fake_member_counters(struct fake_dataplane *fake, uint32_t slot) {
  return (struct copse_member_counters *)((uint8_t *)fake->shm + fake->shm->member_offset) + slot;
}

struct copse_member_state *
fake_member_state(struct fake_dataplane *fake, uint32_t slot) {
  return (struct copse_member_state *)((uint8_t *)fake->shm + fake->shm->member_state_offset) + slot;
}

struct fake_tree *
fake_tree_find(struct fake_dataplane *fake, uint64_t id) {
  for (size_t i = 0; i < FAKE_TREES; i++)
    if (fake->trees[i].set.id == id)
      return &fake->trees[i];
  return NULL;
}

struct copse_api_member *
fake_member_find(struct fake_dataplane *fake, uint64_t id) {
  for (size_t i = 0; i < FAKE_MEMBERS; i++)
    if (fake->members[i].id == id)
      return &fake->members[i];
  return NULL;
}

struct copse_api_link *
fake_link_find(struct fake_dataplane *fake, const char *name) {
  for (size_t i = 0; i < FAKE_LINKS; i++)
    if (fake->link_set[i] && strcmp(fake->links[i].name, name) == 0)
      return &fake->links[i];
  return NULL;
}

struct copse_api_target *
fake_target_find(struct fake_dataplane *fake, const char *name) {
  for (size_t i = 0; i < FAKE_LINKS; i++)
    if (fake->target_set[i] && strcmp(fake->targets[i].name, name) == 0)
      return &fake->targets[i];
  return NULL;
}

struct copse_target_state *
fake_target_state(struct fake_dataplane *fake, uint32_t slot) {
  return (struct copse_target_state *)((uint8_t *)fake->shm + fake->shm->target_state_offset) + slot;
}

unsigned
fake_tree_count(const struct fake_dataplane *fake) {
  unsigned count = 0;

  for (size_t i = 0; i < FAKE_TREES; i++)
    count += fake->trees[i].set.id != 0;
  return count;
}

unsigned
fake_member_count(const struct fake_dataplane *fake) {
  unsigned count = 0;

  for (size_t i = 0; i < FAKE_MEMBERS; i++)
    count += fake->members[i].id != 0;
  return count;
}

uint64_t
fake_tree_carry(struct fake_dataplane *fake, uint64_t id, uint64_t bytes) {
  struct fake_tree *tree = fake_tree_find(fake, id);
  struct copse_tree_state *state = tree == NULL ? NULL : fake_tree_state(fake, tree->set.slot);
  uint64_t edges = tree == NULL ? 0 : tree->set.charged_edges;
  uint64_t room = edges == 0 ? 0 : (state->allowance_bytes - state->charged_bytes) / edges;

  if (edges == 0 || state->allowance_bytes < state->charged_bytes)
    return 0;
  if (bytes > room)
    bytes = room;
  state->charged_bytes += bytes * edges;
  fake_tree_counters(fake, tree->set.slot)->packets++;
  fake_tree_counters(fake, tree->set.slot)->bytes += bytes;
  return bytes;
}

static int
refuse(struct fake_dataplane *fake, int status, const char *why) {
  snprintf(fake->why, sizeof(fake->why), "%s", why);
  return status;
}

static bool
label_taken(const struct fake_dataplane *fake, uint32_t label, uint64_t id) {
  for (size_t i = 0; i < FAKE_TREES; i++)
    if (fake->trees[i].set.id != 0 && fake->trees[i].set.id != id && fake->trees[i].set.label != COPSE_LABEL_NONE &&
        copse_label_slot(fake->trees[i].set.label) == copse_label_slot(label))
      return true;
  for (size_t i = 0; i < FAKE_MEMBERS; i++)
    if (fake->members[i].id != 0 && fake->members[i].id != id &&
        copse_label_slot(fake->members[i].label) == copse_label_slot(label))
      return true;
  return copse_label_slot(label) >= limits.labels;
}

/* What a subtree wants stays with its link; a new tree's wants everything. */
static void
keep_unwanted(struct fake_tree *tree, const struct copse_api_tree *set, const struct copse_api_hop *hops) {
  bool unwanted[FAKE_HOPS] = {false};

  for (uint32_t i = 0; i < set->hops; i++)
    for (uint32_t j = 0; tree->set.id == set->id && j < tree->set.hops; j++)
      if (hops[i].kind == COPSE_HOP_LINK && tree->hops[j].kind == COPSE_HOP_LINK && hops[i].slot == tree->hops[j].slot)
        unwanted[i] = tree->unwanted[j];
  memcpy(tree->unwanted, unwanted, sizeof(unwanted));
}

static int
set_tree(struct fake_dataplane *fake, const struct copse_api_tree *set) {
  const struct copse_api_hop *hops = (const void *)(set + 1);
  struct fake_tree *tree = set->slot < FAKE_TREES ? &fake->trees[set->slot] : NULL;

  if (tree == NULL || set->id == 0 || set->hops > FAKE_HOPS)
    return refuse(fake, -EINVAL, "tree: slot, id or hops");
  if (tree->set.id != 0 && tree->set.id != set->id)
    return refuse(fake, -EEXIST, "tree: slot taken");
  if (tree->set.id != 0 &&
      (tree->set.label != set->label || memcmp(&tree->set.upstream, &set->upstream, sizeof(set->upstream)) != 0 ||
       memcmp(tree->set.tree_key, set->tree_key, 16) != 0 || memcmp(tree->set.area_key, set->area_key, 16) != 0))
    return refuse(fake, -EINVAL, "tree: label, upstream or key changed");
  if (set->label != COPSE_LABEL_NONE && label_taken(fake, set->label, set->id))
    return refuse(fake, -EEXIST, "tree: label taken");
  for (uint32_t i = 0; i < set->hops; i++) {
    bool known = hops[i].kind == COPSE_HOP_LINK ? hops[i].slot < FAKE_LINKS && fake->link_set[hops[i].slot]
                                                : hops[i].slot < FAKE_MEMBERS && fake->members[hops[i].slot].id != 0;

    if (!known || (i > 0 && hops[i - 1].kind > hops[i].kind))
      return refuse(fake, -ENOENT, "tree: unknown hop, or links after members");
  }
  if (tree->set.id == 0) {
    *fake_tree_state(fake, set->slot) = (struct copse_tree_state){.id = set->id};
    *fake_tree_counters(fake, set->slot) = (struct copse_tree_counters){0};
    tree->allowance_bytes = 0;
  }
  keep_unwanted(tree, set, hops);
  tree->set = *set;
  memcpy(tree->hops, hops, set->hops * sizeof(*hops));
  return 0;
}

static int
set_member(struct fake_dataplane *fake, const struct copse_api_member *set) {
  if (set->slot >= FAKE_MEMBERS || set->id == 0)
    return refuse(fake, -EINVAL, "member: slot or id");
  if (label_taken(fake, set->label, set->id))
    return refuse(fake, -EEXIST, "member: label taken");
  if (set->send_tree != COPSE_SLOT_NONE && (set->send_tree >= FAKE_TREES || fake->trees[set->send_tree].set.id == 0 ||
                                            fake->trees[set->send_tree].set.label != COPSE_LABEL_NONE))
    return refuse(fake, -ENOENT, "member: no such tree, or not its root");
  fake->members[set->slot] = *set;
  return 0;
}

static bool
used(const struct fake_dataplane *fake, uint32_t kind, uint32_t slot) {
  for (size_t i = 0; i < FAKE_TREES; i++)
    for (uint32_t j = 0; fake->trees[i].set.id != 0 && j < fake->trees[i].set.hops; j++)
      if (fake->trees[i].hops[j].kind == kind && fake->trees[i].hops[j].slot == slot)
        return true;
  return false;
}

/* Who sends on a tree that goes has none to send on. */
static void
release_senders(struct fake_dataplane *fake, uint32_t slot) {
  for (size_t i = 0; i < FAKE_MEMBERS; i++)
    if (fake->members[i].send_tree == slot)
      fake->members[i].send_tree = COPSE_SLOT_NONE;
}

static int
remove_slot(struct fake_dataplane *fake, uint16_t kind, uint32_t slot) {
  fake->removed++;
  if (kind == COPSE_API_TREE_REMOVE) {
    if (slot >= FAKE_TREES || fake->trees[slot].set.id == 0)
      return refuse(fake, -ENOENT, "tree: none");
    release_senders(fake, slot);
    fake->trees[slot].set.id = 0;
    fake_tree_state(fake, slot)->id = 0;
  } else if (kind == COPSE_API_MEMBER_REMOVE) {
    if (slot >= FAKE_MEMBERS || fake->members[slot].id == 0 || used(fake, COPSE_HOP_MEMBER, slot))
      return refuse(fake, -EBUSY, "member: none, or in use");
    fake->members[slot].id = 0;
  } else {
    if (slot >= FAKE_LINKS || !fake->link_set[slot] || used(fake, COPSE_HOP_LINK, slot))
      return refuse(fake, -EBUSY, "link: none, or in use");
    fake->link_set[slot] = false;
  }
  return 0;
}

static int
set_interest(struct fake_dataplane *fake, const struct copse_api_interest *interest) {
  const uint64_t *words = (const void *)(interest + 1);
  bool wanted = interest->blocks == 0;

  for (uint32_t i = 0; i < interest->words; i++)
    wanted |= words[i] != 0;
  if (interest->kind == COPSE_HOP_MEMBER) {
    if (interest->slot >= FAKE_MEMBERS || fake->members[interest->slot].id == 0)
      return refuse(fake, -ENOENT, "interest: no member");
    fake->interest_words[interest->slot] = interest->words;
    return 0;
  }
  if (interest->slot >= FAKE_TREES || fake->trees[interest->slot].set.id == 0 ||
      interest->hop >= fake->trees[interest->slot].set.hops ||
      fake->trees[interest->slot].hops[interest->hop].kind != COPSE_HOP_LINK)
    return refuse(fake, -ENOENT, "interest: no child");
  fake->trees[interest->slot].unwanted[interest->hop] = !wanted;
  return 0;
}

static int
set_target(struct fake_dataplane *fake, const struct copse_api_target *set) {
  const struct copse_api_target *same = fake_target_find(fake, set->name);

  if (set->slot >= FAKE_LINKS || (same != NULL && same->slot != set->slot))
    return refuse(fake, -EINVAL, "target: slot, or a name twice");
  fake->targets[set->slot] = *set;
  fake->target_set[set->slot] = true;
  return 0;
}

static int
remove_target(struct fake_dataplane *fake, uint32_t slot) {
  if (slot >= FAKE_LINKS || !fake->target_set[slot])
    return refuse(fake, -ENOENT, "target: none");
  fake->target_set[slot] = false;
  fake_target_state(fake, slot)->id = 0;
  return 0;
}

static int
apply(void *context, uint16_t kind, const void *record, size_t length) {
  struct fake_dataplane *fake = context;
  const struct copse_api_allowance *allowance = record;
  const struct copse_api_link *link = record;

  (void)length;
  switch (kind) {
  case COPSE_API_LINK_SET:
    if (link->slot >= FAKE_LINKS)
      return refuse(fake, -EINVAL, "link: slot");
    fake->links[link->slot] = *link;
    fake->link_set[link->slot] = true;
    return 0;
  case COPSE_API_MEMBER_SET:
    return set_member(fake, record);
  case COPSE_API_TREE_SET:
    return set_tree(fake, record);
  case COPSE_API_ALLOWANCE:
    if (allowance->slot >= FAKE_TREES || fake->trees[allowance->slot].set.id == 0)
      return refuse(fake, -ENOENT, "allowance: no tree");
    fake->trees[allowance->slot].allowance_bytes = allowance->total_bytes;
    fake_tree_state(fake, allowance->slot)->allowance_bytes = allowance->total_bytes;
    return 0;
  case COPSE_API_INTEREST:
    return set_interest(fake, record);
  case COPSE_API_TARGET_SET:
    return set_target(fake, record);
  case COPSE_API_TARGET_REMOVE:
    return remove_target(fake, ((const struct copse_api_slot *)record)->slot);
  default:
    return remove_slot(fake, kind, ((const struct copse_api_slot *)record)->slot);
  }
}

/* Whole or not at all: what is applied by half is put back. */
static void
batch(struct fake_dataplane *fake, const void *body, size_t bytes, struct copse_api_result *result) {
  const struct copse_api_batch *header = body;
  struct fake_dataplane *saved = malloc(sizeof(*saved));

  *saved = *fake;
  result->status = fake->refuse;
  if (result->status == 0 && header->expected_generation != COPSE_API_ANY_GENERATION &&
      header->expected_generation != fake->generation)
    result->status = -ESTALE;
  if (result->status == 0)
    result->status = copse_operations_read(body, bytes, apply, fake);
  if (result->status < 0) {
    memcpy(saved->why, fake->why, sizeof(saved->why));
    *fake = *saved;
    fake->refused++;
    snprintf(result->text, sizeof(result->text), "%.100s", fake->why);
  } else {
    fake->generation++;
    fake->batches++;
    fake->operations += header->operations;
  }
  free(saved);
  result->generation = fake->generation;
}

static void
dump(const struct fake_dataplane *fake, struct copse_operations *operations) {
  for (size_t i = 0; i < FAKE_LINKS; i++)
    if (fake->link_set[i])
      copse_operations_link(operations, &fake->links[i]);
  for (size_t i = 0; i < FAKE_LINKS; i++)
    if (fake->target_set[i])
      copse_operations_target(operations, &fake->targets[i]);
  for (size_t i = 0; i < FAKE_MEMBERS; i++) {
    struct copse_api_member member = fake->members[i];

    member.send_tree = COPSE_SLOT_NONE;
    if (member.id != 0)
      copse_operations_member(operations, &member);
  }
  for (size_t i = 0; i < FAKE_TREES; i++) {
    if (fake->trees[i].set.id == 0)
      continue;
    copse_operations_tree(operations, &fake->trees[i].set, fake->trees[i].hops);
    copse_operations_allowance(operations, (uint32_t)i, fake->trees[i].allowance_bytes);
    for (uint32_t j = 0; j < fake->trees[i].set.hops; j++) {
      struct copse_api_interest nothing = {
        .kind = COPSE_HOP_LINK, .slot = (uint32_t)i, .hop = j, .blocks = 64, .words = 1};

      if (fake->trees[i].unwanted[j])
        copse_operations_interest(operations, &nothing, (const uint64_t[]){0});
    }
  }
  for (size_t i = 0; i < FAKE_MEMBERS; i++)
    if (fake->members[i].id != 0 && fake->members[i].send_tree != COPSE_SLOT_NONE)
      copse_operations_member(operations, &fake->members[i]);
}

/* One write with everything and, for HELLO, the descriptor. */
static void
reply(struct fake_connection *connection, const struct copse_api_header *request, const void *a, size_t a_bytes,
      const void *b, size_t b_bytes, int fd) {
  struct copse_api_header header = *request;
  struct iovec parts[] = {{&header, sizeof(header)}, {(void *)(uintptr_t)a, a_bytes}, {(void *)(uintptr_t)b, b_bytes}};
  char control[CMSG_SPACE(sizeof(int))] = {0};
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};

  header.length = (uint32_t)(sizeof(header) + a_bytes + b_bytes);
  if (fd >= 0) {
    struct cmsghdr *rights = (void *)control;

    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(rights), &fd, sizeof(fd));
  }
  if (sendmsg(connection->fd, &message, MSG_NOSIGNAL) != (ssize_t)header.length)
    fprintf(stderr, "fake dataplane: reply cut short\n");
}

static void
handle(struct fake_connection *connection, const struct copse_api_header *request) {
  struct fake_dataplane *fake = connection->fake;
  const void *body = request + 1;

  if (request->type == COPSE_API_HELLO) {
    struct copse_api_hello hello = {.instance = fake->instance,
                                    .generation = fake->generation,
                                    .shm_bytes = fake->shm->bytes,
                                    .limits = limits,
                                    .permission_s = 45};

    reply(connection, request, &hello, sizeof(hello), NULL, 0, fake->shm_fd);
  } else if (request->type == COPSE_API_BATCH) {
    struct copse_api_result result = {0};

    batch(fake, body, request->length - sizeof(*request), &result);
    reply(connection, request, &result, sizeof(result), NULL, 0, -1);
  } else {
    struct copse_operations operations = {0};
    struct copse_api_batch header = {.expected_generation = fake->generation};

    dump(fake, &operations);
    header.operations = operations.count;
    reply(connection, request, &header, sizeof(header), operations.bytes, operations.length, -1);
    copse_operations_free(&operations);
  }
}

static void
connection_free(struct fake_connection *connection) {
  for (struct fake_connection **link = &connection->fake->connections; *link != NULL; link = &(*link)->next) {
    if (*link == connection) {
      *link = connection->next;
      break;
    }
  }
  event_free(connection->readable);
  close(connection->fd);
  free(connection->bytes);
  free(connection);
}

static void
on_readable(evutil_socket_t fd, short what, void *context) {
  struct fake_connection *connection = context;
  uint8_t *grown = realloc(connection->bytes, connection->length + 65536);
  ssize_t received = grown == NULL ? 0 : read(fd, grown + connection->length, 65536);

  (void)what;
  if (grown != NULL)
    connection->bytes = grown;
  if (received <= 0) {
    connection_free(connection);
    return;
  }
  connection->length += (size_t)received;
  while (connection->length >= sizeof(struct copse_api_header)) {
    struct copse_api_header *header = (void *)connection->bytes;
    size_t length = header->length;

    if (connection->length < length)
      return;
    handle(connection, header);
    connection->length -= length;
    memmove(connection->bytes, connection->bytes + length, connection->length);
  }
}

static void
on_acceptable(evutil_socket_t fd, short what, void *context) {
  struct fake_dataplane *fake = context;
  struct fake_connection *connection = calloc(1, sizeof(*connection));

  (void)what;
  connection->fake = fake;
  connection->fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
  connection->readable = event_new(fake->base, connection->fd, EV_READ | EV_PERSIST, on_readable, connection);
  event_add(connection->readable, NULL);
  connection->next = fake->connections;
  fake->connections = connection;
}

struct fake_dataplane *
fake_dataplane_create(struct event_base *base, const char *path) {
  struct fake_dataplane *fake = calloc(1, sizeof(*fake));
  struct sockaddr_un address = {.sun_family = AF_UNIX};

  fake->base = base;
  snprintf(fake->path, sizeof(fake->path), "%s", path);
  snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
  fake->instance = 1000 + (uint64_t)getpid();
  make_counters(fake);
  fake->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  unlink(path); /* of one that was killed */
  if (bind(fake->listener, (void *)&address, sizeof(address)) < 0 || listen(fake->listener, 4) < 0)
    abort();
  fake->acceptable = event_new(base, fake->listener, EV_READ | EV_PERSIST, on_acceptable, fake);
  event_add(fake->acceptable, NULL);
  return fake;
}

void
fake_dataplane_disconnect(struct fake_dataplane *fake) {
  while (fake->connections != NULL)
    connection_free(fake->connections);
}

static void
drop_counters(struct fake_dataplane *fake) {
  munmap(fake->shm, fake->shm->bytes);
  close(fake->shm_fd);
}

void
fake_dataplane_restart(struct fake_dataplane *fake) {
  fake_dataplane_disconnect(fake);
  drop_counters(fake);
  memset(fake->trees, 0, sizeof(fake->trees));
  memset(fake->members, 0, sizeof(fake->members));
  memset(fake->link_set, 0, sizeof(fake->link_set));
  memset(fake->target_set, 0, sizeof(fake->target_set));
  fake->instance++;
  fake->generation = 0;
  make_counters(fake);
}

void
fake_dataplane_free(struct fake_dataplane *fake) {
  fake_dataplane_disconnect(fake);
  drop_counters(fake);
  event_free(fake->acceptable);
  close(fake->listener);
  unlink(fake->path);
  free(fake);
}
