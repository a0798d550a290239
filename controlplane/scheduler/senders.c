/* SPDX-License-Identifier: Apache-2.0 */
/* Who of all that have the whole content sends into trees. */
#include "scheduler.h"

/* Of the mean downlink: room for headers and bursts, and beside blocks sent once more for repair. */
#define NEW_TENTHS 9
#define AGAIN_TENTHS 8

static uint64_t
tenths_of_downlink(const struct copse_demand *demand, uint64_t tenths) {
  return demand->waiting > 0 ? demand->downlinks_bps / demand->waiting / 10 * tenths : 0;
}

static uint64_t
smaller(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

/* a × b / c without overflow. */
static uint64_t
part_of(uint64_t a, uint64_t b, uint64_t c) {
  return (uint64_t)((unsigned __int128)a * b / c);
}

static uint64_t
together(const struct copse_outlet *outlets, size_t count) {
  uint64_t sum = 0;

  for (size_t i = 0; i < count; i++)
    sum += smaller(outlets[i].rate_bps, outlets[i].senders_bps);
  return sum;
}

uint64_t
copse_scheduler_admit(const struct copse_scheduler *scheduler, uint64_t member, const struct copse_senders *senders,
                      struct copse_demand *demand) {
  const uint64_t wanted = tenths_of_downlink(demand, scheduler->free.count > 0 ? NEW_TENTHS : AGAIN_TENTHS);
  const struct copse_sender *own = NULL;

  for (size_t i = 0; i < senders->outlet_count; i++)
    senders->outlets[i].senders_bps = 0;
  for (size_t i = 0; i < senders->count; i++) {
    const struct copse_sender *sender = &senders->items[i];
    if (sender->member == member)
      own = sender;
    else if (copse_scheduler_open_all(scheduler, sender->member) > 0)
      senders->outlets[sender->outlet].senders_bps += sender->uplink_bps;
  }
  demand->senders_bps = together(senders->outlets, senders->outlet_count);
  if (!own)
    return 0;
  struct copse_outlet *outlet = &senders->outlets[own->outlet];
  const bool enough =
    demand->senders_bps > 0 && (demand->senders_bps >= wanted || outlet->senders_bps >= outlet->rate_bps);
  if (enough && copse_scheduler_open_all(scheduler, member) == 0)
    return 0;
  outlet->senders_bps += own->uplink_bps;
  demand->senders_bps = together(senders->outlets, senders->outlet_count);
  return outlet->senders_bps <= outlet->rate_bps ? own->uplink_bps
                                                 : part_of(outlet->rate_bps, own->uplink_bps, outlet->senders_bps);
}

/* Its part of so many tenths of the mean downlink. */
static uint64_t
rate_within(const struct copse_demand *demand, uint64_t rate_bps, uint64_t tenths) {
  const uint64_t most = tenths_of_downlink(demand, tenths);

  return demand->senders_bps <= most ? rate_bps : part_of(most, rate_bps, demand->senders_bps);
}

uint64_t
copse_scheduler_repeat_rate(const struct copse_demand *demand, uint64_t rate_bps) {
  return rate_within(demand, rate_bps, AGAIN_TENTHS);
}

uint64_t
copse_scheduler_rate(const struct copse_scheduler *scheduler, uint64_t member, uint64_t rate_bps,
                     const struct copse_demand *demand) {
  return scheduler->free.count > 0 || copse_scheduler_open_new(scheduler, member) > 0
           ? rate_within(demand, rate_bps, NEW_TENTHS)
           : copse_scheduler_repeat_rate(demand, rate_bps);
}
