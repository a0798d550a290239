/* SPDX-License-Identifier: Apache-2.0 */
/* The main thread's model of the table: records as the API gave them, and the journal that makes a batch atomic.
 *
 * An operation stages a new record; workers see nothing of it. The first time a batch touches a slot its published
 * record goes into the journal. Then either everything is published (publish.h) or the originals are put back. */
#ifndef COPSE_MODEL_H
#define COPSE_MODEL_H

#include "table/layout.h"
#include "table/map.h"

enum copse_object { COPSE_LINK, COPSE_MEMBER, COPSE_TREE, COPSE_TARGET, COPSE_OBJECTS };

/* Start of every record. In-place updates keep the incarnation, anything else gets a new one. */
struct copse_record {
  uint64_t incarnation;
};

struct copse_link_record {
  struct copse_record base;
  struct copse_api_link api;
};

struct copse_member_record {
  struct copse_record base;
  struct copse_interest *interest; /* referenced; null: everything */
  struct copse_api_member api;
};

struct copse_tree_record {
  struct copse_record base;
  uint64_t allowance;
  uint32_t links;                   /* the first of the hops */
  struct copse_interest **interest; /* [links], behind the hops; referenced */
  struct copse_api_tree api;
  struct copse_api_hop hop[];
};

struct copse_target_record {
  struct copse_record base; /* nothing but the record itself is kept of it here */
  struct copse_api_target api;
};

struct copse_journal_entry {
  enum copse_object object;
  uint32_t slot;
  struct copse_record *original; /* as published; null: the slot was free */
  struct copse_fan_out *fan_out; /* prepared for a tree */
};

/* An address that copies are sent to, and who sends there. */
struct copse_address {
  uint8_t address[16];
  uint32_t references; /* users and journal entries; 0: unused, `first` links free ones */
  uint32_t first;      /* destination that uses it */
  struct copse_adjacency adjacency;
};

struct copse_user { /* of an address, by destination */
  uint32_t address; /* COPSE_MAP_NONE: none */
  uint32_t next, previous;
};

struct copse_table {
  struct copse_forwarding view;
  struct copse_table_config config;
  size_t shm_bytes;
  int shm_fd;

  struct copse_record **records[COPSE_OBJECTS];
  uint64_t *touched[COPSE_OBJECTS]; /* number of the batch that last staged the slot */
  uint32_t counts[COPSE_OBJECTS];   /* slots of each kind */
  uint32_t *users[COPSE_OBJECTS];   /* links, members: hops that use them; trees: members that send on them */
  uint8_t *label_used;              /* by slot of the label */
  uint64_t *hop_seen;               /* by destination: to find a hop given twice */
  uint64_t hop_seen_last;
  struct copse_map ids[COPSE_OBJECTS]; /* of members and trees; addresses of targets */

  struct copse_map address_index;
  struct copse_address *addresses;
  uint32_t address_free;
  struct copse_user *address_users;
  uint64_t address_generation;

  uint64_t batch; /* number of the one being applied */
  uint64_t incarnations;
  struct copse_journal_entry *journal;
  size_t journal_length, journal_room;

  struct copse_destination *destination_buffers; /* two per destination */
  uint64_t sequence_floor;                       /* where the next root starts to number */
  uint64_t change_token;                         /* of rcu: when everything published so far is all that is seen */
  struct copse_retired *retired_first, **retired_last;
  uint64_t caught_up; /* TSC of the last copse_bucket_catch_up of all */
};

static inline struct copse_link_record *
copse_link_at(const struct copse_table *table, uint32_t slot) {
  return (struct copse_link_record *)table->records[COPSE_LINK][slot];
}

static inline struct copse_member_record *
copse_member_at(const struct copse_table *table, uint32_t slot) {
  return (struct copse_member_record *)table->records[COPSE_MEMBER][slot];
}

static inline struct copse_tree_record *
copse_tree_at(const struct copse_table *table, uint32_t slot) {
  return (struct copse_tree_record *)table->records[COPSE_TREE][slot];
}

static inline struct copse_target_record *
copse_target_at(const struct copse_table *table, uint32_t slot) {
  return (struct copse_target_record *)table->records[COPSE_TARGET][slot];
}

static inline uint32_t
copse_destination_of(const struct copse_table *table, enum copse_object object, uint32_t slot) {
  return object == COPSE_LINK ? slot : table->config.limits.links + slot;
}

static inline enum copse_object
copse_hop_object(const struct copse_api_hop *hop) {
  return hop->kind == COPSE_HOP_LINK ? COPSE_LINK : COPSE_MEMBER;
}

/* A zeroed tree record with room for hops and interests; null when memory is short. */
struct copse_tree_record *copse_tree_record_new(uint32_t hops, uint32_t links);
/* Frees a record (null is allowed) and drops its references to bitmaps. */
void copse_record_free(struct copse_table *table, enum copse_object object, struct copse_record *record);

/* Makes room in the journal for one more slot; -ENOMEM. */
int copse_journal_reserve(struct copse_table *table);
/* Puts a record, owned from now on, or null into a slot. Room must have been reserved. */
void copse_stage(struct copse_table *table, enum copse_object object, uint32_t slot, struct copse_record *record);
/* Whether the slot's record was made by the batch being applied, so that it may be changed in place. */
bool copse_is_staged(const struct copse_table *table, enum copse_object object, uint32_t slot);

/* Puts every original back. */
void copse_journal_rollback(struct copse_table *table);
/* Forgets the originals once everything is published. */
void copse_journal_commit(struct copse_table *table);

/* Bitmaps are shared by record versions; the last reference retires. */
struct copse_interest *copse_interest_hold(struct copse_interest *interest);
void copse_interest_drop(struct copse_table *table, struct copse_interest *interest);

#endif
