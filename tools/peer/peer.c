/* SPDX-License-Identifier: Apache-2.0 */
#include "bits.h"
#include "clock.h"
#include "peer_state.h"
#include "say.h"
#include "udp.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define SECOND 1000000000ULL
#define SEND_TICK_US 1000
#define SLOW_TICK_US 50000
/* Without a packet from the dataplane for so long it is asked for a sign of life: who sends must know sooner. */
#define SILENCE_NS (3 * SECOND)
#define SENDER_SILENCE_NS SECOND
#define SAVE_NS SECOND
#define LEAVE_NS (3 * SECOND) /* to tell that we are done, before leaving all the same */

struct status
peer_status(const struct peer *peer) {
  return (struct status){
    .have = blocks_have(peer->config.blocks),
    .blocks = blocks_total(peer->config.blocks),
    .cdn_bytes = peer->receiver.bytes,
    .direct_bytes = fetch_bytes(peer->fetch),
    .sent_bytes = peer->sender.sent_bytes + server_sent(peer->server),
    .direct = peer->direct,
  };
}

static void
on_left(void *context) {
  struct peer *peer = context;

  event_base_loopbreak(peer->base);
}

void
peer_stop(struct peer *peer, enum exit_status result) {
  if (peer->leaving)
    return;
  peer->leaving = true;
  peer->result = result;
  control_leave(peer->control, on_left);
}

/* ---- sending ---- */

void
peer_wake_sender(struct peer *peer) {
  const struct timeval delay = {0, SEND_TICK_US};

  if (!evtimer_pending(peer->send_timer, NULL))
    evtimer_add(peer->send_timer, &delay);
}

static void
on_send_timer(evutil_socket_t fd, short what, void *context) {
  struct peer *peer = context;
  uint64_t now = clock_ns();
  bool may_send = handshake_permitted(&peer->handshake, now) && !handshake_unanswered(&peer->handshake, now) &&
                  peer->uplink.tree.rate_bps;

  (void)fd;
  (void)what;
  if (may_send && sender_run(&peer->sender, now) < 0) {
    say("%s cannot be read any more", peer->config.path);
    peer_stop(peer, EXIT_FAILED);
  }
  server_run(peer->server, now);
  if (may_send && orders_running_out(&peer->sender.orders, peer->uplink.tree.rate_bps))
    control_hurry(peer->control);
  if ((may_send && sender_pending(&peer->sender)) || server_waiting(peer->server))
    peer_wake_sender(peer);
}

static void
on_upload_waiting(void *context) {
  peer_wake_sender(context);
}

/* ---- receiving ---- */

static void
on_fetch_timer(evutil_socket_t fd, short what, void *context) {
  const struct peer *peer = context;

  (void)fd;
  (void)what;
  fetch_run(peer->fetch, clock_ns());
}

static void
on_fetch_woken(void *context) {
  const struct peer *peer = context;

  event_active(peer->fetch_timer, EV_TIMEOUT, 0);
}

void
peer_shake(struct peer *peer, uint64_t now) {
  uint8_t packet[HANDSHAKE_PACKET_BYTES];
  size_t bytes = handshake_poll(&peer->handshake, now, &peer->sender.sequence, packet);

  /* A packet the network refuses now is one that was lost: it is repeated. */
  if (bytes)
    (void)!sendto(peer->udp, packet, bytes, MSG_DONTWAIT, (const struct sockaddr *)&peer->sender.destination,
                  peer->sender.destination_bytes);
}

/* What has come is verified while more comes, so that little is left to do at the end. */
static void
start_finishing(struct peer *peer) {
  const struct timeval now = {0, 0}, soon = {0, SLOW_TICK_US};
  bool complete = blocks_have(peer->config.blocks) == blocks_total(peer->config.blocks);

  if (!blocks_finished(peer->config.blocks) && (complete || !evtimer_pending(peer->finish_timer, NULL)))
    evtimer_add(peer->finish_timer, complete ? &now : &soon);
}

static void
on_disk_failed(void *context) {
  struct peer *peer = context;

  say("cannot write %s.part: %s", peer->config.path, strerror(errno));
  peer_stop(peer, EXIT_FAILED);
}

static void
on_stored(void *context) {
  start_finishing(context);
}

static void
on_packet(void *context, const uint8_t *packet, size_t bytes) {
  struct peer *peer = context;
  const struct copse_header *header = (const struct copse_header *)packet;
  uint64_t now = clock_ns();

  if (copse_header_check(packet, bytes) < 0)
    return;
  if (header->type == COPSE_CHALLENGE || header->type == COPSE_ACCEPT) {
    if (handshake_receive(&peer->handshake, packet, now)) {
      peer->heard = now;
      peer_shake(peer, now);
      peer_wake_sender(peer);
    }
    return;
  }
  switch (receiver_packet(&peer->receiver, packet, now)) {
  case RECEIVED_NOTHING:
    return;
  case RECEIVED_BLOCK:
    start_finishing(peer);
    break;
  case RECEIVED_DISK_FAILED:
    on_disk_failed(peer);
    break;
  case RECEIVED_SYMBOL:
    break;
  }
  peer->heard = now;
}

static void
on_readable(evutil_socket_t fd, short what, void *context) {
  (void)what;
  udp_receive(fd, on_packet, context);
}

/* ---- the file is complete ---- */

static void
complete(struct peer *peer, uint64_t now) {
  struct status status = peer_status(peer);

  peer->finished = now;
  progress_done(peer->config.progress, &status, peer->config.path, blocks_sha256(peer->config.blocks), now);
  control_set_seed(peer->control, true);
  control_hurry(peer->control);
}

static void
on_finish_timer(evutil_socket_t fd, short what, void *context) {
  struct peer *peer = context;
  const struct timeval soon = {0, 0};
  struct copse_error error;

  (void)fd;
  (void)what;
  if (peer->leaving || peer->finished)
    return;
  switch (blocks_finish(peer->config.blocks, &error)) {
  case FINISH_MORE:
    evtimer_add(peer->finish_timer, &soon);
    break;
  case FINISH_WAITING:
    break;
  case FINISH_DONE:
    complete(peer, clock_ns());
    break;
  case FINISH_BAD_BLOCK:
    say("%s.part was damaged on disk; fetching the block again", peer->config.path);
    break;
  case FINISH_FAILED:
    say("%s", error.text);
    peer_stop(peer, EXIT_FAILED);
    break;
  }
}

/* ---- now and then ---- */

static void
ask_for_life(struct peer *peer, uint64_t now) {
  bool sending = sender_pending(&peer->sender), receiving = !blocks_finished(peer->config.blocks);

  if (peer->direct || !(sending || receiving) || now - peer->heard < (sending ? SENDER_SILENCE_NS : SILENCE_NS))
    return;
  handshake_hurry(&peer->handshake, now);
  peer->heard = now;
}

static void
on_slow_timer(evutil_socket_t fd, short what, void *context) {
  struct peer *peer = context;
  struct status status = peer_status(peer);
  uint64_t now = clock_ns();

  (void)fd;
  (void)what;
  ask_for_life(peer, now);
  peer_shake(peer, now);
  if (now - peer->saved >= SAVE_NS) {
    blocks_save(peer->config.blocks);
    peer->saved = now;
  }
  progress_update(peer->config.progress, &status, now);
  if (peer->config.options->leave && peer->finished && now - peer->finished > LEAVE_NS)
    peer_stop(peer, EXIT_DONE);
}

static void
on_signal(evutil_socket_t number, short what, void *context) {
  struct peer *peer = context;

  (void)number;
  (void)what;
  /* A second one does not wait for anybody. */
  if (peer->leaving)
    event_base_loopbreak(peer->base);
  peer_stop(peer, blocks_finished(peer->config.blocks) ? EXIT_DONE : EXIT_INTERRUPTED);
}

/* ---- putting it together ---- */

static bool
make_events(struct peer *peer) {
  const struct timeval slow = {0, SLOW_TICK_US}, fetch = {0, FETCH_TICK_NS / 1000};

  peer->readable = event_new(peer->base, peer->udp, EV_READ | EV_PERSIST, on_readable, peer);
  peer->send_timer = evtimer_new(peer->base, on_send_timer, peer);
  peer->fetch_timer = event_new(peer->base, -1, EV_PERSIST, on_fetch_timer, peer);
  peer->finish_timer = evtimer_new(peer->base, on_finish_timer, peer);
  peer->slow_timer = event_new(peer->base, -1, EV_PERSIST, on_slow_timer, peer);
  peer->interrupt = evsignal_new(peer->base, SIGINT, on_signal, peer);
  peer->terminate = evsignal_new(peer->base, SIGTERM, on_signal, peer);
  return peer->readable && peer->send_timer && peer->fetch_timer && peer->finish_timer && peer->slow_timer &&
         peer->interrupt && peer->terminate && !event_add(peer->readable, NULL) &&
         !event_add(peer->slow_timer, &slow) && !event_add(peer->fetch_timer, &fetch) &&
         !event_add(peer->interrupt, NULL) && !event_add(peer->terminate, NULL);
}

static int
make_parts(struct peer *peer, struct copse_error *error) {
  const struct peer_config *config = &peer->config;
  const struct options *options = config->options;
  uint16_t port = options->port;
  struct timespec real;
  int status;

  clock_gettime(CLOCK_REALTIME, &real);
  uplink_init(&peer->uplink, options->up_bps, clock_ns());
  peer->udp = udp_open(options->address, &port, error);
  if (peer->udp < 0)
    return peer->udp;
  status = server_start(&(struct server_config){.base = peer->base,
                                                .address = options->address,
                                                .port = options->http_port,
                                                .session = config->session,
                                                .content = config->content,
                                                .blocks = config->blocks,
                                                .uplink = &peer->uplink,
                                                .waiting = on_upload_waiting,
                                                .context = peer},
                        &peer->server, error);
  if (status < 0)
    return status;
  uint64_t sequence = (uint64_t)real.tv_sec * SECOND + (uint64_t)real.tv_nsec;
  if (sender_init(&peer->sender, config->blocks, config->content, &peer->uplink, peer->udp, sequence) < 0 ||
      receiver_init(&peer->receiver, config->blocks, config->content->manifest.size) < 0 ||
      !(peer->declined = calloc(1, bits_bytes(blocks_total(config->blocks)))) || !make_events(peer))
    return copse_fail(error, -ENOMEM, "no memory");
  peer->fetch = fetch_create(&(struct fetch_config){.transfers = config->api->transfers,
                                                    .session = config->session,
                                                    .content = config->content,
                                                    .blocks = config->blocks,
                                                    .receiver = &peer->receiver,
                                                    .uplink = &peer->uplink,
                                                    .wake = on_fetch_woken,
                                                    .stored = on_stored,
                                                    .failed = on_disk_failed,
                                                    .context = peer},
                             clock_ns(), clock_ns());
  peer->control = control_start(&(struct control_config){.api = config->api,
                                                         .session = config->session,
                                                         .join = {.address = options->address,
                                                                  .port = port,
                                                                  .http_port = server_port(peer->server),
                                                                  .uplink_bps = options->up_bps,
                                                                  .downlink_bps = options->down_bps,
                                                                  .seed = blocks_finished(config->blocks),
                                                                  .direct = options->direct},
                                                         .joined = membership_joined,
                                                         .report = membership_report,
                                                         .synced = membership_synced,
                                                         .served = membership_served,
                                                         .refused = membership_refused,
                                                         .context = peer});
  return peer->fetch && peer->control ? 0 : copse_fail(error, -ENOMEM, "no memory");
}

static void
free_parts(struct peer *peer) {
  struct event *events[] = {peer->readable,     peer->send_timer, peer->fetch_timer, peer->slow_timer,
                            peer->finish_timer, peer->interrupt,  peer->terminate};

  control_free(peer->control);
  fetch_free(peer->fetch);
  server_stop(peer->server);
  sender_free(&peer->sender);
  receiver_free(&peer->receiver);
  free(peer->declined);
  for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
    if (events[i])
      event_free(events[i]);
  if (peer->udp >= 0)
    close(peer->udp);
}

enum exit_status
peer_run(const struct peer_config *config) {
  struct peer *peer = calloc(1, sizeof(*peer));
  struct copse_error error;

  if (!peer) {
    say("no memory");
    return EXIT_FAILED;
  }
  peer->config = *config;
  peer->base = config->api->base;
  peer->udp = -1;
  if (make_parts(peer, &error) < 0) {
    say("%s", error.text);
    peer->result = EXIT_FAILED;
  } else {
    if (blocks_finished(config->blocks) && config->options->command == COMMAND_GET)
      complete(peer, clock_ns());
    start_finishing(peer);
    event_base_dispatch(peer->base);
    struct status status = peer_status(peer);
    progress_end(config->progress, &status, clock_ns());
  }
  enum exit_status result = peer->result;
  /* Requests under way point into what is freed next. */
  transfers_cancel_all(config->api->transfers);
  free_parts(peer);
  free(peer);
  return result;
}
