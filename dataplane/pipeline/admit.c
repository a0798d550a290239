/* SPDX-License-Identifier: Apache-2.0 */
/* Who sent it, and may they? Nothing is written before the tag is verified, and the replay window only for packets
 * that pass every other check. */
#include "pipeline/pipeline.h"

static bool
is_handshake(const struct copse_packet *packet) {
  return packet->header->type == COPSE_HELLO || packet->header->type == COPSE_RESPONSE;
}

static bool
is_content(const struct copse_packet *packet) {
  return packet->header->type == COPSE_DATA || packet->header->type == COPSE_PARITY;
}

/* A tree that nobody's label leads to has no packets from a parent. */
static struct copse_replay *
replay_of(const struct copse_forwarding *table, const struct copse_packet *packet) {
  return packet->member != COPSE_SLOT_NONE ? &table->replays[packet->member] : &table->trees[packet->tree].replay;
}

/* Label, generation, upstream, type: one line of the table. */
static enum copse_packet_drop
look_up(const struct copse_forwarding *table, struct copse_packet *packet) {
  const uint32_t label = be32toh(packet->header->label), slot = copse_label_slot(label);

  if (slot >= table->limits.labels)
    return COPSE_DROP_UNKNOWN_LABEL;
  const struct copse_entry *entry = &table->entries[slot];
  const uint32_t state = __atomic_load_n(&entry->state, __ATOMIC_ACQUIRE);
  if (state == 0)
    return COPSE_DROP_UNKNOWN_LABEL;
  if ((uint8_t)state != copse_label_generation(label))
    return COPSE_DROP_STALE_LABEL;
  if (entry->port != packet->source_port || memcmp(entry->address, packet->source, sizeof(entry->address)) != 0)
    return COPSE_DROP_BAD_UPSTREAM;
  if (!is_content(packet) && (entry->member == COPSE_SLOT_NONE || !is_handshake(packet)))
    return COPSE_DROP_BAD_TYPE;
  packet->entry = entry;
  packet->member = entry->member;
  packet->tree = __atomic_load_n(&entry->tree, __ATOMIC_RELAXED);
  return COPSE_PASS;
}

/* Everything of tree and sender that this stage and the next will touch. */
static void
prefetch_state(const struct copse_worker *worker, const struct copse_packet *packet) {
  const struct copse_forwarding *table = worker->table;
  const struct copse_replay *replay = replay_of(table, packet);

  rte_prefetch0(&replay->highest);
  rte_prefetch0(copse_replay_block(replay, be64toh(packet->header->sequence)));
  if (packet->tree != COPSE_SLOT_NONE) {
    rte_prefetch0(&table->trees[packet->tree]);
    rte_prefetch0(&table->tree_states[packet->tree]);
    rte_prefetch0(&worker->trees[packet->tree]);
    if (worker->shared)
      rte_prefetch0(&worker->tree_portions[packet->tree]);
  }
  if (packet->member != COPSE_SLOT_NONE) {
    rte_prefetch0(&table->member_states[packet->member]);
    rte_prefetch0(&worker->members[packet->member]);
  }
}

/* The tree of a packet that has a tag of its label's key. */
static enum copse_packet_drop
find_tree(const struct copse_forwarding *table, const struct copse_packet *packet, uint64_t now) {
  const bool from_member = packet->member != COPSE_SLOT_NONE;

  if (from_member && now >= __atomic_load_n(&table->member_states[packet->member].permission_until, __ATOMIC_RELAXED))
    return COPSE_DROP_NOT_PERMITTED;
  if (from_member)
    return packet->fan_out != NULL && packet->fan_out->root ? COPSE_PASS : COPSE_DROP_NOT_SENDER;
  return packet->fan_out != NULL ? COPSE_PASS : COPSE_DROP_UNKNOWN_LABEL;
}

static enum copse_packet_drop
authenticate(const struct copse_worker *worker, const struct copse_packet *packet, uint64_t tag, uint64_t now) {
  const struct copse_forwarding *table = worker->table;
  enum copse_packet_drop drop;

  if (tag != packet->header->tag)
    return COPSE_DROP_BAD_TAG;
  if (packet->header->hop_limit == 0)
    return COPSE_DROP_HOP_LIMIT;
  if (is_content(packet) && (drop = find_tree(table, packet, now)) != COPSE_PASS)
    return drop;
  return COPSE_PASS;
}

static unsigned
look_up_all(struct copse_worker *worker, unsigned count) {
  unsigned passed = 0;

  worker->batch.count = 0;
  for (unsigned i = 0; i < count; i++) {
    struct copse_packet *packet = &worker->packets[i];
    const enum copse_packet_drop drop = look_up(worker->table, packet);
    if (unlikely(drop != COPSE_PASS)) {
      copse_drop_packet(worker, packet->mbuf, drop);
      continue;
    }
    prefetch_state(worker, packet);
    copse_siphash_add(&worker->batch, packet->header, packet->entry->key);
    if (i != passed++)
      worker->packets[passed - 1] = *packet;
  }
  return passed;
}

/* The version of each packet's tree; the lines that every packet of it needs are on their way. */
static void
find_fan_outs(struct copse_worker *worker, unsigned count) {
  for (unsigned i = 0; i < count; i++) {
    struct copse_packet *packet = &worker->packets[i];
    packet->fan_out = NULL;
    if (packet->tree == COPSE_SLOT_NONE)
      continue;
    packet->fan_out = __atomic_load_n(&worker->table->trees[packet->tree].fan_out, __ATOMIC_ACQUIRE);
    if (unlikely(packet->fan_out == NULL))
      continue;
    rte_prefetch0(packet->fan_out);
    rte_prefetch0(&packet->fan_out->charged_edges);
  }
}

static void
count_sender(struct copse_worker *worker, const struct copse_packet *packet) {
  if (packet->member != COPSE_SLOT_NONE) {
    copse_count(&worker->members[packet->member].rx_packets, 1);
    copse_count(&worker->members[packet->member].rx_bytes, packet->l3_bytes);
  }
}

static uint32_t
replay_bit(const struct copse_packet *packet) {
  return 1U << (be64toh(packet->header->sequence) % 32);
}

/* How many packets from the first on are of one label and type, and have one word of its window. */
static unsigned
neighbours(const struct copse_packet *packets, unsigned count) {
  const uint64_t word = be64toh(packets->header->sequence) / 32;
  unsigned alike = 1;

  while (alike < count && packets[alike].entry == packets->entry &&
         packets[alike].header->type == packets->header->type && be64toh(packets[alike].header->sequence) / 32 == word)
    alike++;
  return alike;
}

/* Decides about neighbours. The window, which workers share, is written once for all of them. */
static __rte_always_inline void
authenticate_all(const struct copse_worker *worker, const struct copse_packet *packets, const uint64_t *tags,
                 unsigned count, uint64_t now, enum copse_packet_drop *drops) {
  uint32_t asked = 0, accepted = 0;

  for (unsigned i = 0; i < count; i++)
    if (likely((drops[i] = authenticate(worker, &packets[i], tags[i], now)) == COPSE_PASS))
      asked |= replay_bit(&packets[i]);
  if (likely(asked != 0))
    accepted = copse_replay_accept(replay_of(worker->table, packets), be64toh(packets->header->sequence) / 32, asked,
                                   worker->shared);
  for (unsigned i = 0; i < count; i++) {
    const uint32_t bit = replay_bit(&packets[i]);
    if (unlikely(drops[i] != COPSE_PASS))
      continue;
    if (unlikely((accepted & bit) == 0))
      drops[i] = COPSE_DROP_REPLAY;
    accepted &= ~bit; /* the same number again is a replay */
  }
}

unsigned
copse_admit(struct copse_worker *worker, struct copse_lane *lane, unsigned count, uint64_t now) {
  enum copse_packet_drop drops[COPSE_BURST];
  unsigned passed = 0;

  count = look_up_all(worker, count);
  worker->tags(&worker->batch);
  find_fan_outs(worker, count);
  for (unsigned i = 0, end = 0; i < count; i++) {
    struct copse_packet *packet = &worker->packets[i];
    if (i == end) {
      end += neighbours(packet, count - i);
      if (end - i == 1) /* the most where trees are many: compiled apart */
        authenticate_all(worker, packet, &worker->batch.tag[i], 1, now, &drops[i]);
      else
        authenticate_all(worker, packet, &worker->batch.tag[i], end - i, now, &drops[i]);
    }
    enum copse_packet_drop drop = drops[i];
    if (drop == COPSE_PASS && is_handshake(packet)) {
      if ((drop = copse_handshake(worker, lane, packet, now)) == COPSE_PASS)
        continue;
    }
    if (unlikely(drop != COPSE_PASS)) {
      copse_drop_packet(worker, packet->mbuf, drop);
      continue;
    }
    count_sender(worker, packet);
    if (i != passed++)
      worker->packets[passed - 1] = *packet;
  }
  copse_count(&worker->counters->admitted, passed);
  return passed;
}
