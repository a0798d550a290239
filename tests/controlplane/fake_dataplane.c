/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_dataplane.h"
#include "api/server.h"
#include "table/model.h"
#include <stdio.h>
#include <stdlib.h>

#define PERMISSION_S 45

static const struct copse_table_config table_config = {
  .limits = {.labels = 4096,
             .trees = FAKE_TREES,
             .members = FAKE_MEMBERS,
             .links = FAKE_LINKS,
             .fan_out = FAKE_HOPS,
             .workers = 1},
  .tsc_hz = 1000000000,
  .local4 = {.address = {[10] = 0xff, 0xff, 198, 18, 0, 1}, .port = 1},
};

/* Counts what has gone: the slot has nothing any more, or something that is not what it was. */
static void
count_removed(struct fake_dataplane *fake) {
  for (int object = 0; object < COPSE_OBJECTS; object++)
    for (uint32_t slot = 0; slot < fake->table->counts[object]; slot++) {
      const struct copse_record *record = fake->table->records[object][slot];
      uint64_t *incarnation = &fake->incarnations[object][slot], now = record == NULL ? 0 : record->incarnation;

      fake->removed += object != COPSE_TARGET && *incarnation != 0 && *incarnation != now;
      *incarnation = now;
    }
}

static void
show_tree(const struct copse_tree_record *record, struct fake_tree *tree) {
  *tree = (struct fake_tree){0};
  if (record == NULL)
    return;
  tree->set = record->api;
  tree->hops = record->hop;
  tree->allowance_bytes = record->allowance;
  for (uint32_t i = 0; i < record->links; i++)
    tree->unwanted[i] = record->interest[i] != NULL && record->interest[i]->blocks > 0;
}

/* What the table holds now, for tests to look at. */
static void
show(struct fake_dataplane *fake) {
  for (uint32_t i = 0; i < FAKE_TREES; i++)
    show_tree(copse_tree_at(fake->table, i), &fake->trees[i]);
  for (uint32_t i = 0; i < FAKE_MEMBERS; i++) {
    const struct copse_member_record *member = copse_member_at(fake->table, i);

    fake->members[i] = member == NULL ? (struct copse_api_member){0} : member->api;
    fake->interest_words[i] = member == NULL || member->interest == NULL ? 0 : member->interest->words;
  }
  for (uint32_t i = 0; i < FAKE_LINKS; i++) {
    const struct copse_link_record *link = copse_link_at(fake->table, i);
    const struct copse_api_target *target = copse_table_target(fake->table, i);

    fake->links[i] = link == NULL ? (struct copse_api_link){0} : link->api;
    fake->targets[i] = target == NULL ? (struct copse_api_target){0} : *target;
  }
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
    if (strcmp(fake->links[i].name, name) == 0)
      return &fake->links[i];
  return NULL;
}

struct copse_api_target *
fake_target_find(struct fake_dataplane *fake, const char *name) {
  for (size_t i = 0; i < FAKE_LINKS; i++)
    if (strcmp(fake->targets[i].name, name) == 0)
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

static void
on_applied(void *context) {
  struct fake_dataplane *fake = context;

  fake->batches++;
  count_removed(fake);
  show(fake);
}

static void
serve(struct fake_dataplane *fake) {
  const struct copse_api_server_config config = {.base = fake->base,
                                                 .path = fake->path,
                                                 .table = fake->table,
                                                 .patience_ms = COPSE_API_PATIENCE_MS,
                                                 .permission_s = PERMISSION_S,
                                                 .applied = on_applied,
                                                 .context = fake};
  struct copse_error error;

  fake->server = copse_api_server_create(&config, &error);
  if (fake->server == NULL)
    abort();
}

static void
begin_life(struct fake_dataplane *fake) {
  fake->table = copse_table_create(&table_config);
  if (fake->table == NULL)
    abort();
  fake->shm = copse_table_shm(fake->table);
  memset(fake->incarnations, 0, sizeof(fake->incarnations));
  show(fake);
  serve(fake);
}

static void
end_life(struct fake_dataplane *fake) {
  fake_dataplane_leave(fake);
  copse_table_destroy(fake->table);
}

struct fake_dataplane *
fake_dataplane_create(struct event_base *base, const char *path) {
  struct fake_dataplane *fake = calloc(1, sizeof(*fake));

  fake->base = base;
  snprintf(fake->path, sizeof(fake->path), "%s", path);
  begin_life(fake);
  return fake;
}

void
fake_dataplane_leave(struct fake_dataplane *fake) {
  copse_api_server_destroy(fake->server);
  fake->server = NULL;
}

void
fake_dataplane_restart(struct fake_dataplane *fake) {
  end_life(fake);
  begin_life(fake);
}

void
fake_dataplane_free(struct fake_dataplane *fake) {
  end_life(fake);
  free(fake);
}
