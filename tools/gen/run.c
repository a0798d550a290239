/* SPDX-License-Identifier: Apache-2.0 */
#include "run.h"

#include "clock.h"
#include "quantile.h"
#include <rte_cycles.h>
#include <sched.h>

#define WARM_UP_MS 40
#define QUIET_MS 10         /* nothing came for so long: nothing is under way */
#define QUIET_SHARED_MS 100 /* where a worker may have to wait for this CPU */
#define DRAIN_MS 2000       /* and that is waited for at most */

struct pace {
  uint64_t start, settled; /* TSC; packets that were sent, or not sent any more */
  double per_cycle;        /* 0: no limit */
  uint32_t burst, backlog;
  bool refused;  /* by the device, when the last ones were due */
  uint32_t turn; /* of pairs of queues, which share the packets of a tree */
};

struct tally {
  uint64_t polls, refused, missed, late;
};

/* How many may go now; more than the backlog is forgotten, so that a stolen core is not made up for. */
static unsigned
due(struct pace *pace, uint64_t now, struct tally *tally) {
  if (pace->per_cycle == 0)
    return pace->burst;
  const uint64_t total = (uint64_t)((double)(now - pace->start) * pace->per_cycle);
  if (total > pace->settled + pace->backlog) {
    *(pace->refused ? &tally->missed : &tally->late) += total - pace->backlog - pace->settled;
    pace->settled = total - pace->backlog;
  }
  return RTE_MIN((unsigned)(total - pace->settled), pace->burst);
}

static unsigned
send_burst(struct gen_device *device, struct gen_traffic *traffic, struct gen_ring *ring, unsigned wanted) {
  const unsigned room = RTE_MIN(gen_ring_waiting(ring), wanted);
  unsigned sent = 0;

  for (; sent < room; sent++) {
    uint8_t *out = gen_device_buffer(device, ring, traffic->frame);
    if (out == NULL)
      break;
    gen_traffic_next(traffic, out);
    gen_ring_return(ring, GEN_VIRTIO_HEADER + traffic->frame);
  }
  if (sent > 0)
    gen_ring_publish(ring);
  return sent;
}

static unsigned
send_due(struct gen_device *device, struct gen_traffic *traffic, struct pace *pace, uint64_t now, struct tally *tally) {
  const unsigned wanted = due(pace, now, tally);

  if (wanted == 0)
    return 0;
  traffic->now = now;
  const unsigned sent = send_burst(device, traffic, &device->pair[pace->turn++ % device->pairs].receive, wanted);
  pace->refused = sent < wanted;
  pace->settled += sent;
  tally->polls++;
  tally->refused += pace->refused;
  return sent;
}

/* What a run goes on with. */
struct ends {
  struct gen_device *device;
  struct gen_traffic *traffic;
  struct gen_sink *sink;
  struct gen_commits *commits;
};

/* Runs until `end`; returns how many were sent. */
static uint64_t
run_until(const struct ends *ends, struct pace *pace, uint64_t end, struct tally *tally) {
  uint64_t sent = 0, now;

  while ((now = rte_rdtsc()) < end && gen_device_alive(ends->device)) {
    gen_sink_poll(ends->sink, ends->device);
    sent += send_due(ends->device, ends->traffic, pace, now, tally);
    if (ends->commits != NULL)
      gen_commits_poll(ends->commits, now);
  }
  return sent;
}

static void
drain(struct gen_device *device, struct gen_sink *sink) {
  const uint64_t cycles_ms = (uint64_t)(gen_clock_hz() / 1000);
  const uint64_t end = rte_rdtsc() + DRAIN_MS * cycles_ms;
  const uint64_t quiet = cycles_ms * (device->pairs > 1 ? QUIET_SHARED_MS : QUIET_MS);
  uint64_t now = rte_rdtsc(), last = now;

  sink->per_cycle = 0;
  while (now < end && now - last < quiet && gen_device_alive(device)) {
    now = rte_rdtsc();
    if (gen_sink_poll(sink, device) > 0)
      last = now;
    else
      sched_yield(); /* to a worker on this CPU, where there are more than other CPUs */
  }
}

void
gen_run(struct gen_run *run, struct gen_device *device, struct gen_traffic *traffic, struct gen_sink *sink) {
  const uint64_t hz = (uint64_t)gen_clock_hz(), slice = hz / 1000 * GEN_SLICE_MS;
  struct pace pace = {
    .start = rte_rdtsc(), .per_cycle = (double)run->rate / (double)hz, .burst = run->burst, .backlog = run->backlog};
  const struct ends ends = {device, traffic, sink, run->commits};
  struct tally tally = {0};
  double rates[GEN_SLICES_MAX];
  uint64_t begin, from, sent = 0;

  run->generated = run_until(&ends, &pace, rte_rdtsc() + hz / 1000 * WARM_UP_MS, &tally);
  tally.polls = tally.refused = 0;
  begin = from = rte_rdtsc();
  const uint64_t first = sink->frames;
  for (uint32_t i = 0; i < run->slices; i++) {
    const uint64_t frames = sink->frames;
    sent += run_until(&ends, &pace, from + slice, &tally);
    const uint64_t now = rte_rdtsc();
    rates[i] = (double)(sink->frames - frames) * (double)hz / (double)(now - from);
    from = now;
  }
  const double seconds = (double)(from - begin) / (double)hz;
  run->generated += sent;
  run->missed = tally.missed;
  run->late = tally.late;
  run->mean = (double)(sink->frames - first) / seconds;
  run->offered = (double)sent / seconds;
  run->full = tally.polls ? (double)tally.refused / (double)tally.polls : 0;
  drain(device, sink);
  run->received = sink->frames;
  run->alive = gen_device_alive(device);
  gen_sort(rates, run->slices);
  run->p90 = gen_quantile(rates, run->slices, 0.9);
  run->best = rates[run->slices - 1];
}
