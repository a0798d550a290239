/* SPDX-License-Identifier: Apache-2.0 */
/* What a member tells its control plane, and what it does with the answers. */
#include "clock.h"
#include "peer_state.h"
#include "say.h"

/* Trees that have brought something so recently go on. */
#define CARRIED_NS 2000000000ULL
/* A bitmap in base64. */
#define BITMAP_BYTES(blocks) ((blocks) / 6)

void
membership_joined(void *context, const struct joined *joined) {
  struct peer *peer = context;
  uint64_t now = clock_ns();

  memcpy(peer->member, joined->member, sizeof(joined->member));
  sender_member(&peer->sender, &joined->block, joined->block_bytes, joined->label, joined->key);
  receiver_member(&peer->receiver, joined->area_key, joined->label);
  if (!peer->config.options->direct)
    handshake_start(&peer->handshake, joined->label, joined->key, now);
  peer->bitmap_reported = false;
  peer->heard = now;
  peer_shake(peer, now);
}

static bool
bitmap_due(const struct peer *peer, uint64_t now) {
  if (!peer->bitmap_reported)
    return true;
  return (blocks_have(peer->config.blocks) != peer->bitmap_have ||
          peer->receiver.thinning.fraction != peer->bitmap_fraction) &&
         now - peer->bitmap_sent >= uplink_spacing_ns(&peer->uplink, BITMAP_BYTES(blocks_total(peer->config.blocks)));
}

/* Whoever has all of the content can inject what nobody has injected yet, and what others have missed since, and asks
 * before it runs out of orders. */
static bool
wants_orders(const struct peer *peer) {
  return blocks_finished(peer->config.blocks) && !peer->config.options->direct &&
         orders_low(&peer->sender.orders, peer->uplink.tree.rate_bps);
}

/* Also while orders are late: what has just been sent is reported. */
static bool
is_busy(const struct peer *peer, const struct ranges *sent) {
  return uplink_is_full(&peer->uplink) && (sender_pending(&peer->sender) || sent->count > 0);
}

void
membership_report(void *context, struct report *report) {
  struct peer *peer = context;
  struct status status = peer_status(peer);
  uint64_t now = clock_ns();
  const struct ranges *sent = orders_report(&peer->sender.orders, now);

  *report = (struct report){
    .have = status.have,
    .blocks = status.blocks,
    .done = blocks_finished(peer->config.blocks),
    .want = wants_orders(peer),
    .busy = is_busy(peer, sent),
    .sent = sent,
    .cdn_bytes = status.cdn_bytes,
    .direct_bytes = status.direct_bytes,
    .sent_bytes = status.sent_bytes,
    .loss_ppm = (uint32_t)(peer->receiver.loss * 1e6),
  };
  if (bitmap_due(peer, now)) {
    receiver_declined(&peer->receiver, peer->declined);
    report->bitmap = peer->declined;
    peer->bitmap_sent = now;
    peer->bitmap_fraction = peer->receiver.thinning.fraction;
    peer->reported_have = status.have;
  }
}

static void
take_orders(struct peer *peer, const struct synced *synced) {
  orders_acknowledged(&peer->sender.orders, clock_ns());
  for (size_t i = 0; i < synced->orders.count; i++) {
    struct range order = {synced->orders.items[i].first, synced->orders.items[i].count};
    if (orders_add(&peer->sender.orders, order) < 0) {
      say("no memory for orders");
      peer_stop(peer, EXIT_FAILED);
      return;
    }
  }
  peer->sender.parity = (uint32_t)synced->parity;
  uplink_grant(&peer->uplink, synced->rate_bps, clock_ns());
  if (sender_pending(&peer->sender))
    peer_wake_sender(peer);
}

void
membership_synced(void *context, const struct synced *synced) {
  struct peer *peer = context;

  peer->bitmap_reported = true;
  peer->bitmap_have = peer->reported_have;
  peer->direct = synced->direct;
  if (synced->unproven)
    handshake_hurry(&peer->handshake, clock_ns());
  take_orders(peer, synced);
  fetch_update(peer->fetch, synced, peer->member);
  if (blocks_finished(peer->config.blocks) &&
      (synced->finished || (peer->config.options->leave && peer->done_reported)))
    peer_stop(peer, EXIT_DONE);
  else if (synced->finished && blocks_have(peer->config.blocks) < blocks_total(peer->config.blocks)) {
    say("the session is over, but %s is not complete; what is here is kept", peer->config.path);
    peer_stop(peer, EXIT_FAILED);
  }
  peer->done_reported = blocks_finished(peer->config.blocks);
}

/* Its dataplane answers, and so does its control plane or trees bring blocks all the same. */
bool
membership_served(void *context, bool answered) {
  const struct peer *peer = context;

  if (peer->config.options->direct)
    return answered;
  return peer->handshake.state == HANDSHAKE_ACCEPTED && (answered || clock_ns() - peer->receiver.last_ns < CARRIED_NS);
}

void
membership_refused(void *context, const char *sentence) {
  say("%s", sentence);
  peer_stop(context, EXIT_REFUSED);
}
