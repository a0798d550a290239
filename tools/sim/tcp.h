/* SPDX-License-Identifier: Apache-2.0 */
/* One direction of a TCP connection: Reno congestion control (RFC 5681) with loss recovery by SACK (RFC 6675), the
 * retransmission timer of RFC 6298 with time stamps (RFC 7323), delayed acknowledgements. The stream's bytes are
 * counted, not carried. A connection is there from the start: no handshake, no end. */
#ifndef SIM_TCP_H
#define SIM_TCP_H

#include "network.h"
#include "ranges.h"

struct sim_tcp_config {
  uint32_t segment_bytes;  /* of the stream, in a full packet */
  uint32_t header_bytes;   /* of a packet with data */
  uint32_t ack_bytes;      /* an acknowledgement without SACK */
  uint32_t sack_bytes;     /* what each block of SACK adds */
  uint32_t initial_window; /* segments */
  uint32_t window_bytes;   /* the receiver's, the most that may be under way */
  uint32_t send_bytes;     /* send buffer: what may be written before it is acknowledged */
  uint64_t min_rto_ns, delayed_ack_ns;
  bool probe;   /* find losses by what came later, and those at the end by probes (RFC 8985) */
  bool restart; /* slow start again after an idle retransmission time-out (RFC 5681, 4.1) */
};

/* What Linux does, but for the congestion control. */
extern const struct sim_tcp_config sim_tcp_linux;

struct sim_tcp;
/* `bytes` more arrived in order; or were acknowledged, so that there is room to write. */
typedef void sim_tcp_event(struct sim_tcp *tcp, uint64_t bytes, uint64_t now);

/* Fast recovery; and after a time-out, when whatever is not known to have arrived counts as lost. */
enum sim_tcp_phase { SIM_TCP_OPEN, SIM_TCP_RECOVERY, SIM_TCP_LOSS };

struct sim_tcp {
  struct sim_endpoint receiver, sender; /* of segments; of acknowledgements */
  struct sim_timer retransmit, delayed;
  struct sim_network *network;
  const struct sim_tcp_config *config;
  uint32_t from, to; /* nodes */
  sim_tcp_event *arrived, *acknowledged;
  void *context;
  /* sender */
  uint64_t written, oldest, next; /* of the stream: its end; unacknowledged; never sent */
  double window, threshold;       /* bytes */
  struct sim_ranges sacked;
  enum sim_tcp_phase phase;
  uint64_t recovered_at;   /* the phase is over when this is acknowledged */
  uint64_t retransmitted;  /* in this phase, up to here */
  uint32_t duplicates;     /* in a row */
  uint64_t deadline;       /* of the retransmission timer, which may fire earlier and look */
  uint64_t rtt, variance;  /* smoothed, ns; 0: no sample yet */
  uint64_t rto, last_sent; /* ns */
  uint64_t wake;           /* when that timer fires, ns */
  bool probes, probed;     /* the deadline is for a probe; one was sent, and nothing was acknowledged since */
  uint64_t resent_before;  /* what is beyond was first sent after the oldest was last sent again */
  uint64_t retransmissions, timeouts;
  /* receiver */
  uint64_t expected;
  struct sim_ranges beyond; /* out of order */
  uint64_t echo;            /* time stamp of the first segment not acknowledged yet */
  uint32_t unacknowledged;  /* segments */
};

/* From a node to another; neither callback may be null. The struct stays where it is. */
void sim_tcp_init(struct sim_tcp *tcp, struct sim_network *network, const struct sim_tcp_config *config, uint32_t from,
                  uint32_t to, sim_tcp_event *arrived, sim_tcp_event *acknowledged, void *context);
/* Timers off, memory freed. Packets under way must be drained or the network freed with it. */
void sim_tcp_free(struct sim_tcp *tcp);
/* Room in the send buffer, bytes. */
uint64_t sim_tcp_room(const struct sim_tcp *tcp);
/* Forgets what was written and never sent: the other end has gone. */
void sim_tcp_abandon(struct sim_tcp *tcp);
void sim_tcp_write(struct sim_tcp *tcp, uint64_t bytes);

#endif
