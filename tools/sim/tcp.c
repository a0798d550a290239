/* SPDX-License-Identifier: Apache-2.0 */
/* The sending end. */
#include "tcp_ends.h"

#define MILLISECOND 1000000ULL
#define DUPLICATES 3 /* that mean loss */
#define PROBE_NS (8 * MILLISECOND)
#define MAX_RTO_NS (60 * SIM_SECOND)
#define FIRST_RTO_NS SIM_SECOND

const struct sim_tcp_config sim_tcp_linux = {
  .segment_bytes = 1448,
  .header_bytes = 52,
  .ack_bytes = 52,
  .sack_bytes = 8,
  .initial_window = 10,
  .window_bytes = 3U << 20,
  .send_bytes = 64U << 10,
  .min_rto_ns = 200 * MILLISECOND,
  .delayed_ack_ns = 40 * MILLISECOND,
  .probe = true,
  .restart = true,
};

/* ---- what is under way: RFC 6675, sections 2 and 4 ---- */

static uint64_t
least(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

/* What the receiver lacks between two ranges that it has, or behind the last one. */
struct hole {
  uint64_t start, end;
  bool lost;
};

/* The hole before the range `i`, or, for as many as there are, the one behind the last. `above`: bytes that the
 * receiver has beyond it. */
static struct hole
hole_at(const struct sim_tcp *tcp, uint32_t i, uint64_t above) {
  const struct sim_range *items = tcp->sacked.items;
  struct hole hole = {.start = i > 0 ? items[i - 1].end : tcp->oldest,
                      .end = i < tcp->sacked.count ? items[i].start : tcp->next,
                      .lost =
                        above > (tcp->config->probe ? 0 : (DUPLICATES - 1) * (uint64_t)tcp->config->segment_bytes)};

  if (tcp->phase == SIM_TCP_LOSS) {
    hole.lost = true;
    hole.end = i < tcp->sacked.count ? hole.end : least(hole.end, tcp->recovered_at);
  }
  return hole;
}

/* "Pipe". */
static uint64_t
under_way(const struct sim_tcp *tcp) {
  uint64_t above = sim_ranges_bytes(&tcp->sacked), bytes = 0;

  for (uint32_t i = 0; i <= tcp->sacked.count; i++) {
    const struct hole hole = hole_at(tcp, i, above);
    if (hole.end > hole.start) {
      bytes += hole.lost ? 0 : hole.end - hole.start;
      if (tcp->phase != SIM_TCP_OPEN && tcp->retransmitted > hole.start)
        bytes += least(tcp->retransmitted, hole.end) - hole.start;
    }
    if (i < tcp->sacked.count)
      above -= tcp->sacked.items[i].end - tcp->sacked.items[i].start;
    else if (tcp->phase == SIM_TCP_LOSS && tcp->next > tcp->recovered_at)
      bytes += tcp->next - (hole.start > tcp->recovered_at ? hole.start : tcp->recovered_at);
  }
  return bytes;
}

/* NextSeg's first rule: of what counts as lost the first that was not sent again. */
static bool
find_lost(const struct sim_tcp *tcp, uint64_t *start, uint64_t *end) {
  uint64_t above = sim_ranges_bytes(&tcp->sacked);

  for (uint32_t i = 0; i <= tcp->sacked.count; i++) {
    const struct hole hole = hole_at(tcp, i, above);
    const uint64_t from = hole.start > tcp->retransmitted ? hole.start : tcp->retransmitted;
    if (hole.end > from) {
      *start = from;
      *end = least(from + tcp->config->segment_bytes, hole.end);
      return hole.lost;
    }
    if (i < tcp->sacked.count)
      above -= tcp->sacked.items[i].end - tcp->sacked.items[i].start;
  }
  return false;
}

/* ---- sending ---- */

static bool
may_probe(const struct sim_tcp *tcp) {
  return tcp->config->probe && tcp->phase == SIM_TCP_OPEN && !tcp->probed && tcp->sacked.count == 0 && tcp->rtt > 0;
}

/* As Linux: two round trips, and where one segment is under way the time its acknowledgement may be delayed. */
static uint64_t
probe_timeout(const struct sim_tcp *tcp) {
  const bool one = tcp->next - tcp->oldest <= tcp->config->segment_bytes;

  return 2 * tcp->rtt + (one ? tcp->config->min_rto_ns : PROBE_NS);
}

static void
arm(struct sim_tcp *tcp, uint64_t now) {
  tcp->probes = may_probe(tcp) && probe_timeout(tcp) < tcp->rto;
  tcp->deadline = now + (tcp->probes ? probe_timeout(tcp) : tcp->rto);
  if (tcp->retransmit.place == 0 || tcp->deadline < tcp->wake) {
    tcp->wake = tcp->deadline;
    sim_set(tcp->network->engine, &tcp->retransmit, tcp->wake);
  }
}

static void
send_segment(struct sim_tcp *tcp, uint64_t start, uint64_t end, uint64_t now) {
  struct sim_packet *packet = sim_packet_new(tcp->network);

  packet->endpoint = &tcp->receiver;
  packet->from = tcp->from;
  packet->to = tcp->to;
  packet->bytes = tcp->config->header_bytes + (uint32_t)(end - start);
  packet->sent = now;
  packet->data.start = start;
  packet->data.end = end;
  tcp->last_sent = now;
  if (tcp->retransmit.place == 0 || tcp->deadline == SIM_NEVER || may_probe(tcp))
    arm(tcp, now);
  sim_send(tcp->network, packet);
}

static bool
send_new(struct sim_tcp *tcp, uint64_t now) {
  const uint64_t start = tcp->next, end = least(least(start + tcp->config->segment_bytes, tcp->written),
                                                tcp->oldest + tcp->config->window_bytes);

  if (end <= start)
    return false;
  tcp->next = end;
  send_segment(tcp, start, end, now);
  return true;
}

static bool
send_one(struct sim_tcp *tcp, uint64_t now) {
  uint64_t start, end;

  if (tcp->phase != SIM_TCP_OPEN && find_lost(tcp, &start, &end)) {
    tcp->resent_before = start == tcp->oldest ? tcp->next : tcp->resent_before;
    tcp->retransmitted = end;
    tcp->retransmissions++;
    send_segment(tcp, start, end, now);
    return true;
  }
  return send_new(tcp, now);
}

static void
send_what_may_go(struct sim_tcp *tcp, uint64_t now) {
  while (under_way(tcp) + tcp->config->segment_bytes <= (uint64_t)tcp->window)
    if (!send_one(tcp, now))
      break;
}

void
sim_tcp_write(struct sim_tcp *tcp, uint64_t bytes) {
  const uint64_t now = tcp->network->engine->now;
  const double initial = (double)tcp->config->initial_window * tcp->config->segment_bytes;

  if (tcp->config->restart && tcp->oldest == tcp->next && now - tcp->last_sent > tcp->rto && tcp->window > initial)
    tcp->window = initial;
  tcp->written += bytes;
  send_what_may_go(tcp, now);
}

void
sim_tcp_abandon(struct sim_tcp *tcp) {
  tcp->written = tcp->next;
}

uint64_t
sim_tcp_room(const struct sim_tcp *tcp) {
  const uint64_t held = tcp->written - tcp->oldest;

  return held < tcp->config->send_bytes ? tcp->config->send_bytes - held : 0;
}

/* ---- loss ---- */

static void
halve(struct sim_tcp *tcp) {
  const double flight = (double)(tcp->next - tcp->oldest), least_window = 2.0 * tcp->config->segment_bytes;
  const double all = flight < tcp->window ? flight : tcp->window;             /* without limited transmit's segments */
  const double half = floor(all / least_window) * tcp->config->segment_bytes; /* windows are of whole segments */

  tcp->threshold = half > least_window ? half : least_window;
}

static void
begin_recovery(struct sim_tcp *tcp, uint64_t now) {
  const uint64_t hole_end = tcp->sacked.count > 0 ? tcp->sacked.items[0].start : tcp->next;

  halve(tcp);
  tcp->window = tcp->threshold;
  tcp->phase = SIM_TCP_RECOVERY;
  tcp->recovered_at = tcp->next;
  tcp->retransmitted = least(tcp->oldest + tcp->config->segment_bytes, hole_end);
  tcp->resent_before = tcp->next;
  tcp->retransmissions++;
  send_segment(tcp, tcp->oldest, tcp->retransmitted, now);
  arm(tcp, now);
}

/* What was first sent after the oldest was sent again has come: that one was lost as well. */
static void
resend_oldest(struct sim_tcp *tcp, uint64_t now) {
  const uint64_t end = least(tcp->oldest + tcp->config->segment_bytes, tcp->sacked.items[0].start);

  tcp->resent_before = tcp->next;
  tcp->retransmissions++;
  send_segment(tcp, tcp->oldest, end, now);
}

/* Something new, or the last segment once more, so that what was lost before it shows. */
static void
probe(struct sim_tcp *tcp, uint64_t now) {
  tcp->probed = true;
  if (!send_new(tcp, now)) {
    tcp->retransmissions++;
    send_segment(tcp, tcp->next - least(tcp->next - tcp->oldest, tcp->config->segment_bytes), tcp->next, now);
  }
  arm(tcp, now);
}

/* RFC 6298, 5.4 to 5.7; all that the receiver is not known to have is sent anew, in slow start (RFC 6675, 5.1). */
static void
time_out(struct sim_timer *timer, uint64_t now) {
  struct sim_tcp *tcp = (struct sim_tcp *)((char *)timer - offsetof(struct sim_tcp, retransmit));

  if (tcp->deadline == SIM_NEVER)
    return;
  if (now < tcp->deadline) {
    tcp->wake = tcp->deadline;
    sim_set(tcp->network->engine, timer, tcp->wake);
    return;
  }
  if (tcp->probes) {
    probe(tcp, now);
    return;
  }
  tcp->timeouts++;
  halve(tcp);
  tcp->window = tcp->config->segment_bytes;
  tcp->phase = SIM_TCP_LOSS;
  tcp->recovered_at = tcp->next;
  tcp->retransmitted = tcp->oldest;
  tcp->duplicates = 0;
  tcp->rto = least(2 * tcp->rto, MAX_RTO_NS);
  tcp->deadline = now + tcp->rto;
  send_what_may_go(tcp, now);
}

/* ---- acknowledgements ---- */

static void
measure(struct sim_tcp *tcp, uint64_t sample) {
  const uint64_t away = sample > tcp->rtt ? sample - tcp->rtt : tcp->rtt - sample;

  tcp->variance = tcp->rtt == 0 ? sample / 2 : tcp->variance - tcp->variance / 4 + away / 4;
  tcp->rtt = tcp->rtt == 0 ? sample : tcp->rtt - tcp->rtt / 8 + sample / 8;
  const uint64_t rto = tcp->rtt + 4 * tcp->variance;
  tcp->rto = least(rto > tcp->config->min_rto_ns ? rto : tcp->config->min_rto_ns, MAX_RTO_NS);
}

/* Only a window that was used grows (RFC 7661's concern, in its simplest form). */
static void
grow(struct sim_tcp *tcp, uint64_t flight, uint64_t bytes) {
  const double segment = tcp->config->segment_bytes;

  if (tcp->phase == SIM_TCP_RECOVERY || (double)flight + 2 * segment < tcp->window)
    return;
  if (tcp->window < tcp->threshold)
    tcp->window += (double)bytes < segment ? (double)bytes : segment;
  else
    tcp->window += segment * segment / tcp->window;
}

static void
take_sacks(struct sim_tcp *tcp, const struct sim_packet *packet) {
  for (uint32_t i = packet->acknowledgement.sacks; i-- > 0;)
    if (packet->acknowledgement.sack[i].end > tcp->oldest && packet->acknowledgement.sack[i].end <= tcp->next)
      sim_ranges_add(&tcp->sacked, packet->acknowledgement.sack[i].start, packet->acknowledgement.sack[i].end);
}

static void
move_on(struct sim_tcp *tcp, uint64_t next, uint64_t now) {
  const uint64_t flight = tcp->next - tcp->oldest, bytes = next - tcp->oldest;

  tcp->oldest = next;
  tcp->duplicates = 0;
  tcp->probed = false;
  sim_ranges_cut(&tcp->sacked, next);
  if (tcp->phase != SIM_TCP_OPEN && next >= tcp->recovered_at) {
    tcp->window = tcp->phase == SIM_TCP_RECOVERY ? tcp->threshold : tcp->window;
    tcp->phase = SIM_TCP_OPEN;
  }
  tcp->resent_before = tcp->retransmitted > next ? tcp->next : SIM_NEVER;
  tcp->retransmitted = tcp->retransmitted > next ? tcp->retransmitted : next;
  grow(tcp, flight, bytes);
  if (tcp->oldest == tcp->next)
    tcp->deadline = SIM_NEVER;
  else
    arm(tcp, now);
  tcp->acknowledged(tcp, bytes, now);
}

static void
receive_acknowledgement(struct sim_endpoint *endpoint, struct sim_packet *packet, uint64_t now) {
  struct sim_tcp *tcp = (struct sim_tcp *)((char *)endpoint - offsetof(struct sim_tcp, sender));
  const uint64_t next = packet->acknowledgement.next;
  const bool duplicate = next == tcp->oldest && tcp->next > tcp->oldest;

  take_sacks(tcp, packet);
  if (next > tcp->oldest) {
    measure(tcp, now - packet->sent);
    move_on(tcp, next, now);
  } else if (duplicate) {
    tcp->duplicates++;
  }
  sim_packet_free(tcp->network, packet);
  if (tcp->phase == SIM_TCP_OPEN && tcp->sacked.count > 0 &&
      (tcp->duplicates >= DUPLICATES || hole_at(tcp, 0, sim_ranges_bytes(&tcp->sacked)).lost))
    begin_recovery(tcp, now);
  else if (tcp->config->probe && tcp->phase == SIM_TCP_RECOVERY && tcp->sacked.count > 0 &&
           tcp->sacked.items[tcp->sacked.count - 1].end > tcp->resent_before)
    resend_oldest(tcp, now);
  send_what_may_go(tcp, now);
}

void
sim_tcp_init(struct sim_tcp *tcp, struct sim_network *network, const struct sim_tcp_config *config, uint32_t from,
             uint32_t to, sim_tcp_event *arrived, sim_tcp_event *acknowledged, void *context) {
  *tcp = (struct sim_tcp){.sender = {receive_acknowledgement},
                          .retransmit = {.fire = time_out},
                          .network = network,
                          .config = config,
                          .from = from,
                          .to = to,
                          .arrived = arrived,
                          .acknowledged = acknowledged,
                          .context = context,
                          .window = (double)config->initial_window * config->segment_bytes,
                          .threshold = 1e18,
                          .deadline = SIM_NEVER,
                          .resent_before = SIM_NEVER,
                          .rto = FIRST_RTO_NS};
  sim_tcp_receive_init(tcp);
}

void
sim_tcp_free(struct sim_tcp *tcp) {
  sim_cancel(tcp->network->engine, &tcp->retransmit);
  sim_cancel(tcp->network->engine, &tcp->delayed);
  sim_ranges_free(&tcp->sacked);
  sim_ranges_free(&tcp->beyond);
}
