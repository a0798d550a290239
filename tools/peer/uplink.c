/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink.h"

#define SECOND 1000000000ULL
/* TCP puts 1448 bytes of payload into a packet of 1500. */
#define SEGMENT 1448U
#define SEGMENT_PACKET 1500U
#define ACKNOWLEDGEMENT 52U /* of each segment where connections are slow, as those that share an uplink are */

void
uplink_init(struct uplink *uplink, uint64_t uplink_bps, uint64_t now) {
  *uplink = (struct uplink){0};
  pacer_set_rate(&uplink->rest, uplink_bps / 100 * 98, now);
  pacer_set_rate(&uplink->least, uplink_bps / 100 * 2, now);
  pacer_set_rate(&uplink->tree, 0, now);
}

void
uplink_grant(struct uplink *uplink, uint64_t rate_bps, uint64_t now) {
  pacer_set_rate(&uplink->tree, rate_bps, now);
}

void
uplink_refill(struct uplink *uplink, uint64_t now) {
  pacer_refill(&uplink->tree, now);
  pacer_refill(&uplink->rest, now);
  pacer_refill(&uplink->least, now);
}

bool
uplink_take_tree(struct uplink *uplink, uint32_t bytes) {
  if (!pacer_take(&uplink->tree, bytes))
    return false;
  pacer_charge(&uplink->rest, bytes);
  return true;
}

static uint32_t
smaller(uint32_t a, uint32_t b) {
  return a < b ? a : b;
}

static uint32_t
on_wire(uint32_t payload) {
  return (payload + SEGMENT - 1) / SEGMENT * (SEGMENT_PACKET - SEGMENT) + payload;
}

bool
uplink_upload_due(const struct uplink *uplink) {
  return pacer_available(&uplink->rest) >= SEGMENT_PACKET || pacer_available(&uplink->least) >= SEGMENT_PACKET;
}

uint32_t
uplink_take_upload(struct uplink *uplink, uint32_t wanted) {
  uint32_t due = on_wire(smaller(wanted, SEGMENT));
  bool left = pacer_available(&uplink->rest) >= due;
  const struct pacer *pays = left ? &uplink->rest : &uplink->least;

  if (pacer_available(pays) < due)
    return 0;
  /* Whole segments, so that what follows does not leave in splinters. */
  uint32_t payload = smaller(wanted, pacer_available(pays) / SEGMENT_PACKET * SEGMENT);
  if (payload == 0)
    payload = wanted;
  pacer_charge(&uplink->rest, on_wire(payload));
  pacer_charge(&uplink->least, on_wire(payload));
  if (!left)
    pacer_charge(&uplink->tree, on_wire(payload));
  return payload;
}

bool
uplink_is_full(const struct uplink *uplink) {
  return uplink->tree.rate_bps >= uplink->rest.rate_bps / 10 * 9;
}

void
uplink_charge(struct uplink *uplink, uint32_t bytes) {
  uplink->charged += bytes;
  pacer_charge(&uplink->rest, bytes);
  if (pacer_available(&uplink->rest) == 0)
    pacer_charge(&uplink->tree, bytes);
}

void
uplink_charge_again(struct uplink *uplink, uint32_t payload) {
  uplink_charge(uplink, on_wire(payload));
}

void
uplink_charge_received(struct uplink *uplink, uint32_t bytes) {
  const uint32_t unpaid = uplink->unpaid + bytes, segments = unpaid / SEGMENT;

  uplink->unpaid = unpaid % SEGMENT;
  uplink_charge(uplink, segments * ACKNOWLEDGEMENT);
}

uint64_t
uplink_spacing_ns(const struct uplink *uplink, uint32_t bytes) {
  return bytes * 8ULL * SECOND / (uplink->least.rate_bps > 0 ? uplink->least.rate_bps : 1);
}
