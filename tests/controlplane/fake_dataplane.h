/* SPDX-License-Identifier: Apache-2.0 */
/* A dataplane that forwards nothing: a dataplane's own table behind its own API socket, in the test's event loop. A
 * test looks into the table, writes its counters, restarts it. */
#ifndef FAKE_DATAPLANE_H
#define FAKE_DATAPLANE_H

#include <copse/api.h>
#include <event2/event.h>
#include <stdbool.h>

#define FAKE_TREES 512
#define FAKE_MEMBERS 2048
#define FAKE_LINKS 16
#define FAKE_HOPS 2048

#define FAKE_OBJECTS 4 /* kinds of them */

struct fake_tree {
  struct copse_api_tree set; /* id 0: none */
  const struct copse_api_hop *hops;
  bool unwanted[FAKE_LINKS]; /* by hop, children come first: the subtree behind it wants nothing */
  uint64_t allowance_bytes;
};

struct fake_dataplane {
  struct event_base *base;
  char path[108];
  struct copse_table *table;
  struct copse_api_server *server; /* null: it has left */
  struct copse_shm *shm;
  uint64_t incarnations[FAKE_OBJECTS][FAKE_MEMBERS]; /* by slot, 0: none */
  /* By slot, after the last batch. Names and ids of zeros: none. */
  struct fake_tree trees[FAKE_TREES];
  struct copse_api_member members[FAKE_MEMBERS];
  uint32_t interest_words[FAKE_MEMBERS]; /* of bitmaps */
  struct copse_api_link links[FAKE_LINKS];
  struct copse_api_target targets[FAKE_LINKS];
  unsigned batches; /* applied */
  unsigned removed; /* trees, members, links */
};

/* Listens at `path`. */
struct fake_dataplane *fake_dataplane_create(struct event_base *base, const char *path);
void fake_dataplane_free(struct fake_dataplane *fake);
/* Nobody listens any more, and connections are closed. */
void fake_dataplane_leave(struct fake_dataplane *fake);
/* Another life: connections closed, table and counters empty, new instance. */
void fake_dataplane_restart(struct fake_dataplane *fake);

/* Null when there is none. */
struct fake_tree *fake_tree_find(struct fake_dataplane *fake, uint64_t id);
struct copse_api_member *fake_member_find(struct fake_dataplane *fake, uint64_t id);
struct copse_api_link *fake_link_find(struct fake_dataplane *fake, const char *name);
struct copse_api_target *fake_target_find(struct fake_dataplane *fake, const char *name);
unsigned fake_tree_count(const struct fake_dataplane *fake);
unsigned fake_member_count(const struct fake_dataplane *fake);

/* The root of a tree carries up to `bytes`, as long as its allowance lasts; returns how many, each charged once per
 * edge. */
uint64_t fake_tree_carry(struct fake_dataplane *fake, uint64_t id, uint64_t bytes);

/* Counters to write, of the only worker. */
struct copse_tree_counters *fake_tree_counters(struct fake_dataplane *fake, uint32_t slot);
struct copse_tree_state *fake_tree_state(struct fake_dataplane *fake, uint32_t slot);
struct copse_worker_counters *fake_worker_counters(struct fake_dataplane *fake);
struct copse_target_state *fake_target_state(struct fake_dataplane *fake, uint32_t slot);
struct copse_link_counters *fake_link_counters(struct fake_dataplane *fake, uint32_t slot);
struct copse_member_counters *fake_member_counters(struct fake_dataplane *fake, uint32_t slot);
struct copse_member_state *fake_member_state(struct fake_dataplane *fake, uint32_t slot);

#endif
