/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of the frames the device under test sends. */
#ifndef GEN_SINK_H
#define GEN_SINK_H

#include "traffic.h"

enum gen_sink_mode {
  GEN_NULL,  /* given back untouched: a NIC whose DMA costs no CPU */
  GEN_COPY,  /* taken out, every byte, and not looked at */
  GEN_CHECK, /* taken out and verified */
  GEN_TIME,  /* given back untouched, but of some the sequence is read, to see how long they took */
};

/* What every copy is compared with. */
struct gen_expect {
  const struct gen_traffic *traffic;
  enum gen_hop_kind kind;
  uint32_t hops;
  bool rewritten;  /* next hop's addresses are to be in it; without, the frame is to be as it was sent */
  bool relabelled; /* and the hop's label, and a tag for it */
};

#define GEN_TIMED_EVERY 251U /* frames: reading more costs the generator; a prime, so that it is each hop's turn */
#define GEN_TIMES_MAX (1U << 20)

#define GEN_FAULTS(X) X(size) X(address) X(checksum) X(header) X(label) X(tag) X(payload) X(order)
#define GEN_FAULT_FIELD(name) uint64_t name;

struct gen_sink {
  enum gen_sink_mode mode;
  struct gen_expect expect;
  uint64_t frames;
  double per_cycle; /* frames taken at most; 0: no limit */
  uint64_t start;   /* TSC, of the limit */
  struct gen_faults {
    GEN_FAULTS(GEN_FAULT_FIELD)
  } faults;
  uint64_t *last; /* sequence seen last, of each hop of each tree by each pair of queues: workers have no order */
  double *times;  /* [GEN_TIMES_MAX] ns from the sending of a packet to the arrival of a copy */
  uint32_t timed;
  _Alignas(8) uint8_t frame[GEN_FRAME_MAX];
};

/* Begins anew. -ENOMEM. Free with gen_sink_free. */
int gen_sink_begin(struct gen_sink *sink, enum gen_sink_mode mode, const struct gen_expect *expect);
void gen_sink_free(struct gen_sink *sink);

/* From now on takes so many frames a second at most, as a port that is too slow; 0: all. */
void gen_sink_limit(struct gen_sink *sink, uint64_t per_second);

/* Takes what is waiting; returns how many frames that were. */
unsigned gen_sink_poll(struct gen_sink *sink, struct gen_device *device);

uint64_t gen_sink_faults(const struct gen_sink *sink);

#endif
