/* SPDX-License-Identifier: Apache-2.0 */
/* The receiving end: puts the stream in order, and acknowledges. */
#include "tcp_ends.h"

/* The range that grew last comes first (RFC 2018, section 4). */
static void
fill_sacks(const struct sim_ranges *beyond, struct sim_packet *packet) {
  uint64_t below = SIM_NEVER;
  uint32_t count = 0;

  while (count < SIM_SACKS && count < beyond->count) {
    const struct sim_range *latest = NULL;
    for (uint32_t i = 0; i < beyond->count; i++)
      if (beyond->items[i].touched < below && (latest == NULL || beyond->items[i].touched > latest->touched))
        latest = &beyond->items[i];
    if (latest == NULL)
      break;
    below = latest->touched;
    packet->acknowledgement.sack[count].start = latest->start;
    packet->acknowledgement.sack[count++].end = latest->end;
  }
  packet->acknowledgement.sacks = count;
}

static void
acknowledge(struct sim_tcp *tcp) {
  struct sim_packet *packet = sim_packet_new(tcp->network);

  packet->endpoint = &tcp->sender;
  packet->from = tcp->to;
  packet->to = tcp->from;
  packet->sent = tcp->echo;
  packet->acknowledgement.next = tcp->expected;
  fill_sacks(&tcp->beyond, packet);
  packet->bytes = tcp->config->ack_bytes + packet->acknowledgement.sacks * tcp->config->sack_bytes;
  tcp->unacknowledged = 0;
  sim_cancel(tcp->network->engine, &tcp->delayed);
  sim_send(tcp->network, packet);
}

static void
delay_is_over(struct sim_timer *timer, uint64_t now) {
  struct sim_tcp *tcp = (struct sim_tcp *)((char *)timer - offsetof(struct sim_tcp, delayed));

  (void)now;
  if (tcp->unacknowledged > 0)
    acknowledge(tcp);
}

/* Moves on to the end of what is there in order. */
static void
advance(struct sim_tcp *tcp, uint64_t end) {
  tcp->expected = end;
  if (tcp->beyond.count > 0 && tcp->beyond.items[0].start <= end && tcp->beyond.items[0].end > end)
    tcp->expected = tcp->beyond.items[0].end;
  sim_ranges_cut(&tcp->beyond, tcp->expected);
}

static void
receive_segment(struct sim_endpoint *endpoint, struct sim_packet *packet, uint64_t now) {
  struct sim_tcp *tcp = (struct sim_tcp *)((char *)endpoint - offsetof(struct sim_tcp, receiver));
  const uint64_t start = packet->data.start, end = packet->data.end, sent = packet->sent, before = tcp->expected;
  const bool holes = tcp->beyond.count > 0;

  sim_packet_free(tcp->network, packet);
  if (start <= before && tcp->unacknowledged == 0)
    tcp->echo = sent;
  if (start > before)
    sim_ranges_add(&tcp->beyond, start, end);
  else if (end > before)
    advance(tcp, end);
  /* At once: RFC 5681, section 4.2. */
  if (start > before || end <= before || holes || ++tcp->unacknowledged >= 2 || tcp->config->delayed_ack_ns == 0)
    acknowledge(tcp);
  else
    sim_set(tcp->network->engine, &tcp->delayed, now + tcp->config->delayed_ack_ns);
  if (tcp->expected > before)
    tcp->arrived(tcp, tcp->expected - before, now);
}

void
sim_tcp_receive_init(struct sim_tcp *tcp) {
  tcp->receiver.receive = receive_segment;
  tcp->delayed.fire = delay_is_over;
}
