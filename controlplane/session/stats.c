/* SPDX-License-Identifier: Apache-2.0 */
/* Our dataplane's counters for everybody to see, and for everybody to compare with their own: sampled at the beginning
 * of every second of the calendar, so that what one end of a link has sent and the other has received is of the same
 * second. There are no rates before a whole second is known. A dataplane in which nothing moves is told once and then
 * left alone. */
#include "stats.h"
#include <math.h>
#include <stdlib.h>

#define LOSS_PPS_MIN 50     /* of fewer packets nothing can be said */
#define LOSS_SECONDS_MIN 10 /* both ends must remember the same */
#define SMOOTHING 0.3       /* least weight of the last second: what lies in between two clocks averages out */

static uint64_t
grown(uint64_t before, uint64_t now) {
  return now >= before ? now - before : now; /* another life of the dataplane begins at zero */
}

/* Drops of a kind somebody may miss. */
static uint64_t
missed(const struct copse_worker_counters *counters) {
  uint64_t sum = 0;

  for (size_t i = 0; i < COPSE_PACKET_DROP_COUNT; i++)
    sum += counters->packet_drops[i];
  for (size_t i = 0; i < COPSE_COPY_DROP_COUNT; i++)
    if (i != COPSE_DROP_NOT_WANTED && i != COPSE_DROP_OWN_PACKET)
      sum += counters->copy_drops[i];
  return sum;
}

/* Packets that came from each neighbour since the last sample, by slot of the link to it. */
static void
count_received(struct copse_control *control, const struct copse_counters *mapped, uint64_t *received) {
  struct copse_shadow *shadow = &control->nodes.shadow;

  for (size_t i = 0; i < shadow->trees.count; i++) {
    struct copse_shadow_tree *tree = shadow->trees.items[i];
    struct copse_tree_counters counters;

    if (tree->set.label == COPSE_LABEL_NONE)
      continue;
    copse_counters_tree(mapped, tree->set.slot, &counters);
    for (size_t j = 0; j < shadow->links.count; j++) {
      const struct copse_shadow_link *link = shadow->links.items[j];

      if (memcmp(&link->set.remote, &tree->set.upstream, sizeof(link->set.remote)) == 0)
        received[j] += grown(tree->sampled_packets, counters.packets);
    }
    tree->sampled_packets = counters.packets;
  }
}

static void
sample_link(const struct copse_counters *mapped, struct copse_shadow_link *link, uint64_t received, double passed_s,
            struct copse_link_stats *out) {
  struct copse_link_counters now;

  copse_counters_link(mapped, link->set.slot, &now);
  if (isfinite(passed_s)) {
    double sent = (double)grown(link->sampled.packets, now.packets) / passed_s;
    double weight = fmax(SMOOTHING, 1.0 / ++link->seconds);

    link->sent_pps += weight * (sent - link->sent_pps);
    link->received_pps += weight * ((double)received / passed_s - link->received_pps);
  }
  *out =
    (struct copse_link_stats){.packets = now.packets,
                              .bytes = now.bytes,
                              .drops = now.drops,
                              .bps = (uint64_t)((double)grown(link->sampled.bytes, now.bytes) * 8 / passed_s),
                              .drops_pps = (uint64_t)((double)grown(link->sampled.drops, now.drops) / passed_s + 0.5),
                              .sent_pps = (uint64_t)link->sent_pps,
                              .received_pps = (uint64_t)link->received_pps,
                              .seconds = link->seconds};
  copse_copy(out->to, sizeof(out->to), link->name);
  link->sampled = now;
}

/* False when memory is short. */
static bool
sample_links(struct copse_control *control, const struct copse_counters *mapped, double passed_s,
             struct copse_stats_record *record) {
  struct copse_shadow *shadow = &control->nodes.shadow;
  uint64_t *received = calloc(shadow->links.count + 1, sizeof(*received));

  record->links = calloc(shadow->links.count + 1, sizeof(*record->links));
  if (received != NULL && record->links != NULL) {
    count_received(control, mapped, received);
    record->link_count = shadow->links.count;
    for (size_t i = 0; i < shadow->links.count; i++)
      sample_link(mapped, shadow->links.items[i], received[i], passed_s, &record->links[i]);
  }
  free(received);
  return received != NULL && record->links != NULL;
}

static bool
sample(struct copse_control *control, const struct copse_counters *mapped, uint64_t wall_s,
       struct copse_stats_record *record) {
  struct copse_sampler *sampler = &control->sampler;
  struct copse_worker_counters *before = &sampler->workers, now;
  double passed_s = sampler->known && wall_s > sampler->at_s ? (double)(wall_s - sampler->at_s) : INFINITY;

  copse_counters_workers(mapped, &now);
  *record = (struct copse_stats_record){
    .at_s = wall_s,
    .rx_packets = now.rx_packets,
    .rx_bytes = now.rx_bytes,
    .tx_packets = now.tx_packets,
    .tx_bytes = now.tx_bytes,
    .rx_bps = (uint64_t)((double)grown(before->rx_bytes, now.rx_bytes) * 8 / passed_s),
    .tx_bps = (uint64_t)((double)grown(before->tx_bytes, now.tx_bytes) * 8 / passed_s),
    .drops_pps = (uint64_t)((double)grown(missed(before), missed(&now)) / passed_s + 0.5),
  };
  memcpy(record->packet_drops, now.packet_drops, sizeof(record->packet_drops));
  memcpy(record->copy_drops, now.copy_drops, sizeof(record->copy_drops));
  sampler->idle = before->rx_packets == now.rx_packets && before->tx_packets == now.tx_packets;
  *before = now;
  return sample_links(control, mapped, passed_s, record);
}

static void
tell(struct copse_control *control, const struct copse_stats_record *record) {
  char key[sizeof("/stats/") + COPSE_NAME_BYTES], *text = copse_json_take(copse_stats_write(record));
  struct copse_change change = {.kind = COPSE_CHANGE_PUT, .key = key, .value = text, .lease = control->lease};

  snprintf(key, sizeof(key), "/stats/%s", control->config->pop);
  if (text != NULL && control->lease != 0)
    copse_control_commit(control, NULL, 0, &change, 1);
  free(text);
}

void
copse_stats_walk(struct copse_control *control, uint64_t wall_ms) {
  const struct copse_counters *mapped = copse_dataplane_counters(control->dataplane);
  struct copse_sampler *sampler = &control->sampler;
  struct copse_stats_record record;
  uint64_t wall_s = wall_ms / 1000;
  bool was_idle = sampler->idle && copse_set_find(&control->model.stats, control->config->pop) != NULL;

  if (wall_s == sampler->at_s || mapped == NULL || control->nodes.state < COPSE_NODES_READY ||
      control->store_status != 0)
    return;
  if (sample(control, mapped, wall_s, &record) && !(was_idle && sampler->idle))
    tell(control, &record);
  /* At first, and when the calendar went back, nobody knows how much of the second had passed. */
  sampler->known = sampler->at_s != 0 && wall_s > sampler->at_s;
  copse_stats_record_free(&record);
  sampler->at_s = wall_s;
}

const struct copse_stats_record *
copse_stats_now(const struct copse_model *model, const char *pop, uint64_t now_s) {
  const struct copse_pop_stats *stats = copse_set_find(&model->stats, pop);

  return stats != NULL && stats->record.at_s + COPSE_STATS_FRESH_S >= now_s ? &stats->record : NULL;
}

static const struct copse_link_stats *
link_of(const struct copse_stats_record *record, const char *to) {
  for (size_t i = 0; record != NULL && i < record->link_count; i++)
    if (strcmp(record->links[i].to, to) == 0)
      return &record->links[i];
  return NULL;
}

/* What one end has sent and the other received is compared within the same second only. */
static void
find_loss(const struct copse_stats_record *sender, const struct copse_link_stats *there,
          const struct copse_stats_record *receiver, const struct copse_link_stats *back, struct copse_link_now *out) {
  out->loss_known = there != NULL && back != NULL && sender->at_s == receiver->at_s &&
                    there->sent_pps >= LOSS_PPS_MIN && there->seconds >= LOSS_SECONDS_MIN &&
                    back->seconds >= LOSS_SECONDS_MIN;
  if (out->loss_known)
    out->loss = back->received_pps >= there->sent_pps ? 0 : 1 - (double)back->received_pps / (double)there->sent_pps;
}

void
copse_stats_link(const struct copse_model *model, const char *from, const char *to, uint64_t now_s,
                 struct copse_link_now *out) {
  const struct copse_pop_stats *told = copse_set_find(&model->stats, from);
  const struct copse_link_stats *total = link_of(told == NULL ? NULL : &told->record, to);
  const struct copse_stats_record *sender = copse_stats_now(model, from, now_s);
  const struct copse_stats_record *receiver = copse_stats_now(model, to, now_s);
  const struct copse_link_stats *there = link_of(sender, to);

  *out = (struct copse_link_now){.bytes = total == NULL ? 0 : total->bytes, .drops = total == NULL ? 0 : total->drops};
  if (there == NULL)
    return;
  out->bps = there->bps;
  out->drops_pps = there->drops_pps;
  find_loss(sender, there, receiver, link_of(receiver, from), out);
}
