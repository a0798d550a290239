/* SPDX-License-Identifier: Apache-2.0 */
/* What a PoP's dataplane has counted, as its control plane tells the others once a second. */
#include "records.h"
#include <stdlib.h>

static json_t *
counts_write(const uint64_t *counts, const char *const *names, size_t count) {
  json_t *object = json_object();

  for (size_t i = 0; i < count; i++)
    if (counts[i] > 0)
      json_object_set_new(object, names[i], json_integer((json_int_t)counts[i]));
  return object;
}

/* Names that are not known here are a newer dataplane's. */
static void
counts_read(const json_t *object, uint64_t *counts, const char *const *names, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (!copse_json_number(object, names[i], &counts[i]))
      counts[i] = 0;
}

static bool
link_read(const json_t *json, struct copse_link_stats *out) {
  return copse_json_text(json, "to", out->to, sizeof(out->to)) && copse_json_number(json, "packets", &out->packets) &&
         copse_json_number(json, "bytes", &out->bytes) && copse_json_number(json, "drops", &out->drops) &&
         copse_json_number(json, "bps", &out->bps) && copse_json_number(json, "drops_pps", &out->drops_pps) &&
         copse_json_number(json, "sent_pps", &out->sent_pps) &&
         copse_json_number(json, "received_pps", &out->received_pps) &&
         copse_json_number(json, "seconds", &out->seconds);
}

static json_t *
link_write(const struct copse_link_stats *link) {
  return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "to", link->to, "packets",
                   (json_int_t)link->packets, "bytes", (json_int_t)link->bytes, "drops", (json_int_t)link->drops, "bps",
                   (json_int_t)link->bps, "drops_pps", (json_int_t)link->drops_pps, "sent_pps",
                   (json_int_t)link->sent_pps, "received_pps", (json_int_t)link->received_pps, "seconds",
                   (json_int_t)link->seconds);
}

static bool
links_read(const json_t *json, struct copse_stats_record *out) {
  size_t count = json_array_size(json);

  out->links = count == 0 ? NULL : calloc(count, sizeof(*out->links));
  if (!json_is_array(json) || (count > 0 && out->links == NULL))
    return false;
  out->link_count = count;
  for (size_t i = 0; i < count; i++)
    if (!link_read(json_array_get(json, i), &out->links[i]))
      return false;
  return true;
}

bool
copse_stats_read(const json_t *json, struct copse_stats_record *out) {
  *out = (struct copse_stats_record){0};
  counts_read(json_object_get(json, "packet_drops"), out->packet_drops, copse_packet_drop_names,
              COPSE_PACKET_DROP_COUNT);
  counts_read(json_object_get(json, "copy_drops"), out->copy_drops, copse_copy_drop_names, COPSE_COPY_DROP_COUNT);
  if (copse_json_number(json, "at_s", &out->at_s) && copse_json_number(json, "rx_packets", &out->rx_packets) &&
      copse_json_number(json, "rx_bytes", &out->rx_bytes) && copse_json_number(json, "tx_packets", &out->tx_packets) &&
      copse_json_number(json, "tx_bytes", &out->tx_bytes) && copse_json_number(json, "rx_bps", &out->rx_bps) &&
      copse_json_number(json, "tx_bps", &out->tx_bps) && copse_json_number(json, "drops_pps", &out->drops_pps) &&
      links_read(json_object_get(json, "links"), out))
    return true;
  copse_stats_record_free(out);
  return false;
}

json_t *
copse_stats_write(const struct copse_stats_record *record) {
  json_t *links = json_array();

  for (size_t i = 0; i < record->link_count; i++)
    json_array_append_new(links, link_write(&record->links[i]));
  return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o}", "at_s", (json_int_t)record->at_s,
                   "rx_packets", (json_int_t)record->rx_packets, "rx_bytes", (json_int_t)record->rx_bytes, "tx_packets",
                   (json_int_t)record->tx_packets, "tx_bytes", (json_int_t)record->tx_bytes, "rx_bps",
                   (json_int_t)record->rx_bps, "tx_bps", (json_int_t)record->tx_bps, "drops_pps",
                   (json_int_t)record->drops_pps, "packet_drops", copse_packet_drops_json(record), "copy_drops",
                   copse_copy_drops_json(record), "links", links);
}

json_t *
copse_packet_drops_json(const struct copse_stats_record *record) {
  return counts_write(record->packet_drops, copse_packet_drop_names, COPSE_PACKET_DROP_COUNT);
}

json_t *
copse_copy_drops_json(const struct copse_stats_record *record) {
  return counts_write(record->copy_drops, copse_copy_drop_names, COPSE_COPY_DROP_COUNT);
}

void
copse_stats_record_free(struct copse_stats_record *record) {
  free(record->links);
  *record = (struct copse_stats_record){0};
}
