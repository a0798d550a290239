/* SPDX-License-Identifier: Apache-2.0 */
#include "first.h"

#include "clock.h"
#include <rte_cycles.h>
#include <sodium.h>
#include <unistd.h>

#define SILENCE_MIN_US 50000
#define SILENCE_MAX_US 300000
#define WAIT_MS 100
#define REST_US 5000 /* in which the other copies of a packet come */

static bool
send_one(struct gen_device *device, struct gen_traffic *traffic) {
  struct gen_ring *ring = &device->pair[0].receive;
  uint8_t *out = gen_ring_waiting(ring) > 0 ? gen_device_buffer(device, ring, traffic->frame) : NULL;

  if (out == NULL)
    return false;
  gen_traffic_next(traffic, out);
  gen_ring_return(ring, GEN_VIRTIO_HEADER + traffic->frame);
  gen_ring_publish(ring);
  return true;
}

static void
time_first(struct gen_device *device, struct gen_sink *sink) {
  const uint64_t hz = (uint64_t)gen_clock_hz(), sent = rte_rdtsc(), end = sent + hz / 1000 * WAIT_MS;
  uint64_t now;

  do
    now = rte_rdtsc();
  while (gen_device_alive(device) && gen_sink_poll(sink, device) == 0 && now < end);
  if (now < end)
    sink->times[sink->timed++] = (double)(now - sent) * 1e9 / (double)hz;
}

void
gen_first(struct gen_run *run, uint32_t trials, struct gen_device *device, struct gen_traffic *traffic,
          struct gen_sink *sink) {
  sink->mode = GEN_NULL; /* every packet is timed here */
  for (uint32_t i = 0; i < trials && gen_device_alive(device); i++) {
    usleep(SILENCE_MIN_US + randombytes_uniform(SILENCE_MAX_US - SILENCE_MIN_US));
    if (!send_one(device, traffic))
      continue;
    run->generated++;
    time_first(device, sink);
    usleep(REST_US);
    gen_sink_poll(sink, device);
  }
  run->received = sink->frames;
  run->alive = gen_device_alive(device);
}
