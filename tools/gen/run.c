/* SPDX-License-Identifier: Apache-2.0 */
#include "run.h"

#include "quantile.h"
#include <rte_cycles.h>

#define WARM_UP_MS 40
#define QUIET_MS 10   /* nothing came for so long: nothing is under way */
#define DRAIN_MS 2000 /* and that is waited for at most */

struct pace {
  uint64_t start, sent;
  double per_cycle; /* 0: no limit */
  uint32_t burst;
};

struct tally {
  uint64_t polls, refused;
};

/* How many may go now; a backlog of more than a burst is forgotten, so that a stolen core is not made up for. */
static unsigned
due(struct pace *pace, uint64_t now) {
  if (pace->per_cycle == 0)
    return pace->burst;
  const uint64_t total = (uint64_t)((double)(now - pace->start) * pace->per_cycle);
  if (total > pace->sent + pace->burst)
    pace->sent = total - pace->burst;
  return (unsigned)(total - pace->sent);
}

static unsigned
send_burst(struct gen_device *device, struct gen_traffic *traffic, unsigned wanted, struct tally *tally) {
  const unsigned room = gen_ring_waiting(&device->receive);
  unsigned sent = 0;

  tally->polls += wanted > 0;
  tally->refused += room < wanted;
  for (; sent < wanted && sent < room; sent++) {
    uint8_t *out = gen_device_buffer(device, traffic->frame);
    if (out == NULL)
      break;
    gen_traffic_next(traffic, out);
    gen_ring_return(&device->receive, GEN_VIRTIO_HEADER + traffic->frame);
  }
  if (sent > 0)
    gen_ring_publish(&device->receive);
  return sent;
}

/* Runs until `end`; returns how many were sent. */
static uint64_t
run_until(struct gen_device *device, struct gen_traffic *traffic, struct gen_sink *sink, struct pace *pace,
          uint64_t end, struct tally *tally) {
  uint64_t sent = 0, now;

  while ((now = rte_rdtsc()) < end && gen_device_alive(device)) {
    gen_sink_poll(sink, device);
    const unsigned here = send_burst(device, traffic, due(pace, now), tally);
    pace->sent += here;
    sent += here;
  }
  return sent;
}

static void
drain(struct gen_device *device, struct gen_sink *sink) {
  const uint64_t cycles_ms = rte_get_tsc_hz() / 1000;
  const uint64_t end = rte_rdtsc() + DRAIN_MS * cycles_ms;
  uint64_t now = rte_rdtsc(), last = now;

  while (now < end && now - last < QUIET_MS * cycles_ms && gen_device_alive(device)) {
    now = rte_rdtsc();
    if (gen_sink_poll(sink, device) > 0)
      last = now;
  }
}

void
gen_run(struct gen_run *run, struct gen_device *device, struct gen_traffic *traffic, struct gen_sink *sink) {
  const uint64_t hz = rte_get_tsc_hz(), slice = hz / 1000 * GEN_SLICE_MS;
  struct pace pace = {.start = rte_rdtsc(), .per_cycle = (double)run->rate / (double)hz, .burst = run->burst};
  struct tally tally = {0};
  double rates[GEN_SLICES_MAX];
  uint64_t begin, from, sent = 0;

  run->generated = run_until(device, traffic, sink, &pace, rte_rdtsc() + hz / 1000 * WARM_UP_MS, &tally);
  tally = (struct tally){0};
  begin = from = rte_rdtsc();
  const uint64_t first = sink->frames;
  for (uint32_t i = 0; i < run->slices; i++) {
    const uint64_t frames = sink->frames;
    sent += run_until(device, traffic, sink, &pace, from + slice, &tally);
    const uint64_t now = rte_rdtsc();
    rates[i] = (double)(sink->frames - frames) * (double)hz / (double)(now - from);
    from = now;
  }
  const double seconds = (double)(from - begin) / (double)hz;
  run->generated += sent;
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
