/* SPDX-License-Identifier: Apache-2.0 */
/* How blocks for trees and uploads to peers share this peer's uplink: trees first, and never more than it carries.
 * Uploads get what trees leave of 98 %, and 2 % in any case, so that a block only we have can still be repaired; what
 * they take of the trees' part is charged to the trees. */
#ifndef PEER_UPLINK_H
#define PEER_UPLINK_H

#include "pacer.h"

struct uplink {
  struct pacer tree;  /* at the rate granted by the control plane */
  struct pacer rest;  /* 98 % of the uplink, charged with everything */
  struct pacer least; /* 2 % of it, charged with uploads: what they may take when trees leave nothing */
  uint64_t charged;   /* bytes, by uplink_charge */
  uint32_t unpaid;    /* bytes received over TCP whose acknowledgements are not charged yet */
};

void uplink_init(struct uplink *uplink, uint64_t uplink_bps, uint64_t now);
/* The control plane's grant for trees, bit/s; 0: none. */
void uplink_grant(struct uplink *uplink, uint64_t rate_bps, uint64_t now);
void uplink_refill(struct uplink *uplink, uint64_t now);
/* Pays for a packet of `bytes` (layer 3) into a tree if that is due. */
bool uplink_take_tree(struct uplink *uplink, uint32_t bytes);
/* True when an upload could send at least one full packet. */
bool uplink_upload_due(const struct uplink *uplink);
/* Bytes of payload an upload may send now, at most `wanted`; they are paid for. 0: later. */
uint32_t uplink_take_upload(struct uplink *uplink, uint32_t wanted);

/* Trees take next to all of it: an upload is at their expense. */
bool uplink_is_full(const struct uplink *uplink);
/* Pays for payload of uploads that TCP has sent again. */
void uplink_charge_again(struct uplink *uplink, uint32_t payload);
/* What else leaves, headers included: uploads wait for it, and trees where uploads leave nothing, so that it does not
 * queue. */
void uplink_charge(struct uplink *uplink, uint32_t bytes);
/* The same for the acknowledgements of so many bytes that came over TCP. */
void uplink_charge_received(struct uplink *uplink, uint32_t bytes);
/* Between two messages of `bytes` each to the control plane, so that they take 2 % of the uplink, ns. */
uint64_t uplink_spacing_ns(const struct uplink *uplink, uint32_t bytes);

#endif
