/* SPDX-License-Identifier: Apache-2.0 */
#include "table/model.h"

#include "table/addresses.h"
#include "table/retire.h"

#include <errno.h>
#include <stdlib.h>

static struct copse_map_key
id_key(uint64_t id) {
  return (struct copse_map_key){{id, 0}};
}

static void
use_label(struct copse_table *table, uint32_t label, bool used) {
  if (label != COPSE_LABEL_NONE)
    table->label_used[copse_label_slot(label)] = used;
}

/* Enters a record into, or takes it out of, everything that is found by something else than its slot. */
static void
index_member(struct copse_table *table, const struct copse_member_record *member, bool enter) {
  const uint32_t destination = copse_destination_of(table, COPSE_MEMBER, member->api.slot);

  use_label(table, member->api.label, enter);
  if (member->api.send_tree != COPSE_SLOT_NONE)
    table->users[COPSE_TREE][member->api.send_tree] += enter ? 1 : -1U;
  if (enter) {
    copse_map_put(&table->ids[COPSE_MEMBER], id_key(member->api.id), member->api.slot);
    copse_address_use(table, destination, member->api.address.address);
  } else {
    copse_map_remove(&table->ids[COPSE_MEMBER], id_key(member->api.id));
    copse_address_unuse(table, destination);
  }
}

static void
index_link(struct copse_table *table, const struct copse_link_record *link, bool enter) {
  const uint32_t destination = copse_destination_of(table, COPSE_LINK, link->api.slot);

  if (enter)
    copse_address_use(table, destination, link->api.remote.address);
  else
    copse_address_unuse(table, destination);
}

static void
index_tree(struct copse_table *table, const struct copse_tree_record *tree, bool enter) {
  use_label(table, tree->api.label, enter);
  for (uint32_t i = 0; i < tree->api.hops; i++)
    table->users[copse_hop_object(&tree->hop[i])][tree->hop[i].slot] += enter ? 1 : -1U;
  if (enter)
    copse_map_put(&table->ids[COPSE_TREE], id_key(tree->api.id), tree->api.slot);
  else
    copse_map_remove(&table->ids[COPSE_TREE], id_key(tree->api.id));
}

static void
index_target(struct copse_table *table, const struct copse_target_record *target, bool enter) {
  const struct copse_map_key key = copse_address_key(target->api.remote.address);

  if (enter)
    copse_map_put(&table->ids[COPSE_TARGET], key, target->api.slot);
  else
    copse_map_remove(&table->ids[COPSE_TARGET], key);
}

static void
index_record(struct copse_table *table, enum copse_object object, const struct copse_record *record, bool enter) {
  if (record == NULL)
    return;
  if (object == COPSE_LINK)
    index_link(table, (const struct copse_link_record *)record, enter);
  else if (object == COPSE_MEMBER)
    index_member(table, (const struct copse_member_record *)record, enter);
  else if (object == COPSE_TREE)
    index_tree(table, (const struct copse_tree_record *)record, enter);
  else
    index_target(table, (const struct copse_target_record *)record, enter);
}

struct copse_tree_record *
copse_tree_record_new(uint32_t hops, uint32_t links) {
  const size_t fixed = sizeof(struct copse_tree_record) + hops * sizeof(struct copse_api_hop);
  struct copse_tree_record *tree = calloc(1, fixed + links * sizeof(struct copse_interest *));

  if (tree != NULL) {
    tree->links = links;
    tree->interest = (struct copse_interest **)((uint8_t *)tree + fixed);
  }
  return tree;
}

struct copse_interest *
copse_interest_hold(struct copse_interest *interest) {
  if (interest != NULL)
    interest->references++;
  return interest;
}

void
copse_interest_drop(struct copse_table *table, struct copse_interest *interest) {
  if (interest != NULL && --interest->references == 0)
    copse_retire(table, &interest->retired);
}

void
copse_record_free(struct copse_table *table, enum copse_object object, struct copse_record *record) {
  if (record == NULL)
    return;
  if (object == COPSE_MEMBER)
    copse_interest_drop(table, ((struct copse_member_record *)record)->interest);
  if (object == COPSE_TREE) {
    const struct copse_tree_record *tree = (struct copse_tree_record *)record;
    for (uint32_t i = 0; i < tree->links; i++)
      copse_interest_drop(table, tree->interest[i]);
  }
  free(record);
}

int
copse_journal_reserve(struct copse_table *table) {
  if (table->journal_length < table->journal_room)
    return 0;
  const size_t room = table->journal_room ? 2 * table->journal_room : 64;
  struct copse_journal_entry *journal = realloc(table->journal, room * sizeof(*journal));
  if (journal == NULL)
    return -ENOMEM;
  table->journal = journal;
  table->journal_room = room;
  return 0;
}

bool
copse_is_staged(const struct copse_table *table, enum copse_object object, uint32_t slot) {
  return table->touched[object][slot] == table->batch && table->records[object][slot] != NULL;
}

/* The journal holds the addresses of originals, so that a rollback finds their adjacencies. */
static void
hold_original(struct copse_table *table, enum copse_object object, const struct copse_record *record, bool hold) {
  const uint8_t *address;

  if (record == NULL || (object != COPSE_LINK && object != COPSE_MEMBER))
    return;
  address = object == COPSE_LINK ? ((const struct copse_link_record *)record)->api.remote.address
                                 : ((const struct copse_member_record *)record)->api.address.address;
  if (hold)
    copse_address_hold(table, address);
  else
    copse_address_release(table, copse_address_find(table, address));
}

void
copse_stage(struct copse_table *table, enum copse_object object, uint32_t slot, struct copse_record *record) {
  struct copse_record **current = &table->records[object][slot];
  const bool first = table->touched[object][slot] != table->batch;

  if (first) {
    table->touched[object][slot] = table->batch;
    table->journal[table->journal_length++] = (struct copse_journal_entry){object, slot, *current, NULL};
    hold_original(table, object, *current, true);
  }
  index_record(table, object, *current, false);
  if (!first)
    copse_record_free(table, object, *current);
  *current = record;
  index_record(table, object, record, true);
}

void
copse_journal_rollback(struct copse_table *table) {
  for (size_t i = 0; i < table->journal_length; i++) {
    const struct copse_journal_entry *entry = &table->journal[i];
    struct copse_record **current = &table->records[entry->object][entry->slot];
    index_record(table, entry->object, *current, false);
    copse_record_free(table, entry->object, *current);
    *current = NULL;
  }
  for (size_t i = 0; i < table->journal_length; i++) {
    const struct copse_journal_entry *entry = &table->journal[i];
    table->records[entry->object][entry->slot] = entry->original;
    index_record(table, entry->object, entry->original, true);
    hold_original(table, entry->object, entry->original, false);
    free(entry->fan_out);
  }
  table->journal_length = 0;
}

void
copse_journal_commit(struct copse_table *table) {
  for (size_t i = 0; i < table->journal_length; i++) {
    const struct copse_journal_entry *entry = &table->journal[i];
    hold_original(table, entry->object, entry->original, false);
    copse_record_free(table, entry->object, entry->original);
  }
  table->journal_length = 0;
}
