/* SPDX-License-Identifier: Apache-2.0 */
/* The order that keeps workers right without stopping them:
 *
 *  1. what is leaving is made unfindable: label entries, fan-outs, destinations;
 *  2. where a slot gets a new tenant, workers are waited for, so that the old one's state can be cleared;
 *  3. destinations, then the trees that send there;
 *  4. new members are reachable only once no worker sends with a replaced version of a tree;
 *  5. label entries, then the generation. */
#include "table/publish.h"

#include "table/destination.h"
#include "table/retire.h"

#include <errno.h>
#include <stdlib.h>

/* More numbers than workers can give to packets before they see that a tree is gone. */
#define SEQUENCE_MARGIN (1ULL << 16)

static struct copse_record *
final_record(const struct copse_table *table, const struct copse_journal_entry *entry) {
  return table->records[entry->object][entry->slot];
}

/* Workers see nothing of targets. */
static bool
is_published(const struct copse_journal_entry *entry) {
  return entry->object != COPSE_TARGET;
}

/* Whether the slot's published tenant leaves. */
static bool
leaves(const struct copse_table *table, const struct copse_journal_entry *entry) {
  const struct copse_record *now = final_record(table, entry);

  return is_published(entry) && entry->original != NULL &&
         (now == NULL || now->incarnation != entry->original->incarnation);
}

static bool
arrives(const struct copse_table *table, const struct copse_journal_entry *entry) {
  const struct copse_record *now = final_record(table, entry);

  return is_published(entry) && now != NULL &&
         (entry->original == NULL || now->incarnation != entry->original->incarnation);
}

/* The key of a member may change in place; what it does to packets on their way is what a new key means. */
static bool
changes_key(const struct copse_table *table, const struct copse_journal_entry *entry) {
  const struct copse_member_record *old = (const struct copse_member_record *)entry->original;
  const struct copse_member_record *now = (const struct copse_member_record *)final_record(table, entry);

  return entry->object == COPSE_MEMBER && old != NULL && now != NULL &&
         memcmp(old->api.key, now->api.key, sizeof(old->api.key)) != 0;
}

/* ---- prepare ---- */

static struct copse_fan_out *
build_fan_out(const struct copse_table *table, const struct copse_tree_record *tree) {
  const struct copse_api_tree *api = &tree->api;
  struct copse_fan_out *fan_out = NULL;

  if (posix_memalign((void **)&fan_out, 64, sizeof(*fan_out) + api->hops * sizeof(struct copse_hop)) != 0)
    return NULL;
  *fan_out = (struct copse_fan_out){
    .charged_edges = api->charged_edges,
    .hops = api->hops,
    .links = tree->links,
    .root = api->label == COPSE_LABEL_NONE,
  };
  memcpy(fan_out->tree_key, api->tree_key, sizeof(fan_out->tree_key));
  memcpy(fan_out->area_key, api->area_key, sizeof(fan_out->area_key));
  copse_rate_set(&fan_out->rates.peak, api->peak_bps, api->burst_us, table->config.tsc_hz);
  if (api->peak_bps != 0)
    copse_rate_set(&fan_out->rates.committed, api->committed_bps, api->burst_us, table->config.tsc_hz);
  for (uint32_t i = 0; i < api->hops; i++)
    fan_out->hop[i] = (struct copse_hop){
      .destination = copse_destination_of(table, copse_hop_object(&tree->hop[i]), tree->hop[i].slot),
      .label = htobe32(tree->hop[i].label),
      .interest = i < tree->links ? tree->interest[i] : NULL,
    };
  return fan_out;
}

/* Whether workers would see a difference between two versions. */
static bool
same_fan_out(const struct copse_tree_record *a, const struct copse_tree_record *b) {
  return a->base.incarnation == b->base.incarnation && memcmp(&a->api, &b->api, sizeof(a->api)) == 0 &&
         memcmp(a->hop, b->hop, a->api.hops * sizeof(*a->hop)) == 0 &&
         memcmp(a->interest, b->interest, a->links * sizeof(struct copse_interest *)) == 0;
}

int
copse_prepare(struct copse_table *table) {
  for (size_t i = 0; i < table->journal_length; i++) {
    struct copse_journal_entry *entry = &table->journal[i];
    const struct copse_tree_record *tree = (struct copse_tree_record *)final_record(table, entry);
    const struct copse_tree_record *old = (struct copse_tree_record *)entry->original;
    if (entry->object != COPSE_TREE || tree == NULL || (old != NULL && same_fan_out(old, tree)))
      continue;
    if ((entry->fan_out = build_fan_out(table, tree)) == NULL)
      return -ENOMEM;
  }
  return 0;
}

/* ---- publish ---- */

static void
unpublish_entry(struct copse_table *table, uint32_t label) {
  if (label != COPSE_LABEL_NONE)
    __atomic_store_n(&table->view.entries[copse_label_slot(label)].state, 0, __ATOMIC_RELEASE);
}

static void
publish_fan_out(struct copse_table *table, uint32_t slot, struct copse_fan_out *fan_out) {
  struct copse_fan_out *old = table->view.trees[slot].fan_out;

  __atomic_store_n(&table->view.trees[slot].fan_out, fan_out, __ATOMIC_RELEASE);
  if (old != NULL)
    copse_retire(table, &old->retired);
}

static void
unpublish(struct copse_table *table, const struct copse_journal_entry *entry) {
  if (entry->object == COPSE_TREE) {
    unpublish_entry(table, ((struct copse_tree_record *)entry->original)->api.label);
    publish_fan_out(table, entry->slot, NULL);
    const uint64_t next = __atomic_load_n(&table->view.trees[entry->slot].next_sequence, __ATOMIC_RELAXED);
    if (next + SEQUENCE_MARGIN > table->sequence_floor)
      table->sequence_floor = next + SEQUENCE_MARGIN;
    return;
  }
  if (entry->object == COPSE_MEMBER) {
    unpublish_entry(table, ((struct copse_member_record *)entry->original)->api.label);
    __atomic_store_n(&table->view.destinations[copse_destination_of(table, COPSE_MEMBER, entry->slot)].interest, NULL,
                     __ATOMIC_RELEASE);
  }
  copse_destination_unpublish(table, entry->object, entry->slot);
}

/* The slot's state as a new tenant finds it. No worker uses it, but where a tree has the slot as a next hop workers
 * look at interest and permission: both are cleared before the destination is there again. */
static void
clear_state(struct copse_table *table, enum copse_object object, uint32_t slot) {
  const struct copse_forwarding *view = &table->view;

  if (object == COPSE_TREE) {
    view->tree_states[slot] = (struct copse_tree_state){0};
    view->trees[slot] = (struct copse_tree){.next_sequence = table->sequence_floor};
  } else {
    struct copse_destination_slot *egress = &view->destinations[copse_destination_of(table, object, slot)];
    __atomic_store_n(&egress->bucket, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&egress->interest, NULL, __ATOMIC_RELAXED);
  }
  if (object == COPSE_MEMBER) {
    view->replays[slot] = (struct copse_replay){0};
    __atomic_store_n(&view->member_states[slot].permission_until, 0, __ATOMIC_RELAXED);
  }
  for (uint32_t worker = 0; worker < view->limits.workers; worker++) {
    if (object == COPSE_TREE)
      copse_tree_counters(view->shm, worker)[slot] = (struct copse_tree_counters){0};
    else if (object == COPSE_MEMBER)
      copse_member_counters(view->shm, worker)[slot] = (struct copse_member_counters){0};
    else
      copse_link_counters(view->shm, worker)[slot] = (struct copse_link_counters){0};
  }
}

/* The ids in shared memory say whose counters a slot has; 0: nobody's. */
static void
publish_id(struct copse_table *table, enum copse_object object, uint32_t slot, uint64_t id) {
  if (object == COPSE_TREE)
    __atomic_store_n(&table->view.tree_states[slot].id, id, __ATOMIC_RELEASE);
  else if (object == COPSE_MEMBER)
    __atomic_store_n(&table->view.member_states[slot].id, id, __ATOMIC_RELEASE);
}

static void
publish_destination(struct copse_table *table, const struct copse_journal_entry *entry) {
  copse_destination_publish(table, entry->object, entry->slot);
  if (entry->object == COPSE_MEMBER) {
    const struct copse_member_record *member = (struct copse_member_record *)final_record(table, entry);
    __atomic_store_n(&table->view.destinations[copse_destination_of(table, COPSE_MEMBER, entry->slot)].interest,
                     member->interest, __ATOMIC_RELEASE);
    publish_id(table, COPSE_MEMBER, entry->slot, member->api.id);
  }
}

static void
publish_tree(struct copse_table *table, struct copse_journal_entry *entry) {
  const struct copse_tree_record *tree = (struct copse_tree_record *)final_record(table, entry);

  __atomic_store_n(&table->view.tree_states[entry->slot].allowance_bytes, tree->allowance, __ATOMIC_RELAXED);
  publish_id(table, COPSE_TREE, entry->slot, tree->api.id);
  if (entry->fan_out != NULL)
    publish_fan_out(table, entry->slot, entry->fan_out);
  entry->fan_out = NULL;
}

static void
write_entry(struct copse_table *table, uint32_t label, enum copse_entry_kind kind, const struct copse_entry *fields) {
  struct copse_entry *entry = &table->view.entries[copse_label_slot(label)];
  struct copse_entry next = *fields;

  next.state = 0;
  *entry = next;
  __atomic_store_n(&entry->state, (uint32_t)kind << 8 | copse_label_generation(label), __ATOMIC_RELEASE);
}

static void
publish_tree_entry(struct copse_table *table, uint32_t slot, const struct copse_api_tree *api) {
  struct copse_entry entry = {.tree = slot, .member = COPSE_SLOT_NONE, .port = api->upstream.port};

  if (api->label == COPSE_LABEL_NONE)
    return;
  memcpy(entry.address, api->upstream.address, sizeof(entry.address));
  memcpy(entry.key, api->tree_key, sizeof(entry.key));
  write_entry(table, api->label, COPSE_ENTRY_TREE, &entry);
}

static void
publish_member_entry(struct copse_table *table, uint32_t slot, const struct copse_api_member *api, bool fields) {
  struct copse_entry entry = {.tree = api->send_tree, .member = slot, .port = api->address.port};

  if (!fields) {
    __atomic_store_n(&table->view.entries[copse_label_slot(api->label)].tree, api->send_tree, __ATOMIC_RELAXED);
    return;
  }
  memcpy(entry.address, api->address.address, sizeof(entry.address));
  memcpy(entry.key, api->key, sizeof(entry.key));
  write_entry(table, api->label, COPSE_ENTRY_MEMBER, &entry);
}

/* Steps 1 and 2. Returns whether a member arrives. */
static bool
make_room(struct copse_table *table) {
  bool changed = false, wait = false, members = false;

  for (size_t i = 0; i < table->journal_length; i++) {
    const struct copse_journal_entry *entry = &table->journal[i];
    if (leaves(table, entry)) {
      publish_id(table, entry->object, entry->slot, 0);
      unpublish(table, entry);
      changed = true;
    } else if (changes_key(table, entry)) {
      unpublish_entry(table, ((struct copse_member_record *)entry->original)->api.label);
      changed = wait = true;
    }
    wait |= arrives(table, entry);
    members |= entry->object == COPSE_MEMBER && arrives(table, entry);
  }
  if (changed)
    table->change_token = rte_rcu_qsbr_start(table->view.rcu);
  if (wait)
    copse_await_workers(table, table->change_token);
  return members;
}

void
copse_publish(struct copse_table *table) {
  const bool members_arrive = make_room(table);

  for (size_t i = 0; i < table->journal_length; i++) {
    const struct copse_journal_entry *entry = &table->journal[i];
    if (arrives(table, entry))
      clear_state(table, entry->object, entry->slot);
    if (is_published(entry) && entry->object != COPSE_TREE && final_record(table, entry) != NULL)
      publish_destination(table, entry);
  }
  for (size_t i = 0; i < table->journal_length; i++)
    if (table->journal[i].object == COPSE_TREE && final_record(table, &table->journal[i]) != NULL)
      publish_tree(table, &table->journal[i]);
  if (members_arrive)
    copse_await_workers(table, rte_rcu_qsbr_start(table->view.rcu));
  for (size_t i = 0; i < table->journal_length; i++) {
    const struct copse_journal_entry *entry = &table->journal[i];
    const struct copse_record *now = final_record(table, entry);
    if (now == NULL)
      continue;
    if (entry->object == COPSE_TREE && arrives(table, entry))
      publish_tree_entry(table, entry->slot, &((const struct copse_tree_record *)now)->api);
    else if (entry->object == COPSE_MEMBER)
      publish_member_entry(table, entry->slot, &((const struct copse_member_record *)now)->api,
                           arrives(table, entry) || changes_key(table, entry));
  }
  __atomic_store_n(&table->view.generation, table->view.generation + 1, __ATOMIC_RELEASE);
  __atomic_store_n(&table->view.shm->generation, table->view.generation, __ATOMIC_RELEASE);
  table->change_token = rte_rcu_qsbr_start(table->view.rcu);
}
