/* SPDX-License-Identifier: Apache-2.0 */
/* Who of all that have the whole content sends into trees. */
#include "scheduler.h"

/* Per cent of the mean downlink. The rest is for bursts and for what else comes; beside blocks sent once more, repair.
 */
#define NEW_PERCENT 94
#define AGAIN_PERCENT 80

static uint64_t
percent_of_downlink(const struct copse_demand *demand, uint64_t percent) {
  return demand->waiting > 0 ? demand->downlinks_bps / demand->waiting / 100 * percent : 0;
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

static bool
has_orders(const struct copse_scheduler *scheduler, uint64_t member) {
  return copse_scheduler_open_all(scheduler, member) > 0;
}

/* One more sends into the outlet: what all together can send grows by the result. */
static uint64_t
join(struct copse_outlet *outlet, uint64_t uplink_bps) {
  const uint64_t before = smaller(outlet->rate_bps, outlet->senders_bps);

  outlet->senders_bps += uplink_bps;
  return smaller(outlet->rate_bps, outlet->senders_bps) - before;
}

/* What all will send together once as many as are wanted have been admitted: whoever begins does so at its final rate,
 * for what is too much meanwhile is lost. */
static uint64_t
expect(const struct copse_scheduler *scheduler, uint64_t member, const struct copse_senders *senders,
       uint64_t senders_bps, uint64_t wanted) {
  for (size_t i = 0; i < senders->count && senders_bps < wanted; i++) {
    const struct copse_sender *sender = &senders->items[i];
    if (sender->member != member && !has_orders(scheduler, sender->member))
      senders_bps += join(&senders->outlets[sender->outlet], sender->uplink_bps);
  }
  return senders_bps;
}

uint64_t
copse_scheduler_admit(const struct copse_scheduler *scheduler, uint64_t member, const struct copse_senders *senders,
                      struct copse_demand *demand) {
  const uint64_t wanted = percent_of_downlink(demand, scheduler->free.count > 0 ? NEW_PERCENT : AGAIN_PERCENT);
  const struct copse_sender *own = NULL;
  uint64_t senders_bps = 0;

  for (size_t i = 0; i < senders->outlet_count; i++)
    senders->outlets[i].senders_bps = 0;
  for (size_t i = 0; i < senders->count; i++) {
    const struct copse_sender *sender = &senders->items[i];
    if (sender->member == member)
      own = sender;
    else if (has_orders(scheduler, sender->member))
      senders_bps += join(&senders->outlets[sender->outlet], sender->uplink_bps);
  }
  demand->senders_bps = senders_bps;
  if (!own)
    return 0;
  struct copse_outlet *outlet = &senders->outlets[own->outlet];
  const bool enough = senders_bps > 0 && (senders_bps >= wanted || outlet->senders_bps >= outlet->rate_bps);
  if (enough && !has_orders(scheduler, member))
    return 0;
  senders_bps += join(outlet, own->uplink_bps);
  const uint64_t rate_bps = outlet->senders_bps <= outlet->rate_bps
                              ? own->uplink_bps
                              : part_of(outlet->rate_bps, own->uplink_bps, outlet->senders_bps);
  demand->senders_bps = expect(scheduler, member, senders, senders_bps, wanted);
  return rate_bps;
}

/* Its part of so much of the mean downlink. */
static uint64_t
rate_within(const struct copse_demand *demand, uint64_t rate_bps, uint64_t percent) {
  const uint64_t most = percent_of_downlink(demand, percent);

  return demand->senders_bps <= most ? rate_bps : part_of(most, rate_bps, demand->senders_bps);
}

uint64_t
copse_scheduler_repeat_rate(const struct copse_demand *demand, uint64_t rate_bps) {
  return rate_within(demand, rate_bps, AGAIN_PERCENT);
}

uint64_t
copse_scheduler_rate(const struct copse_scheduler *scheduler, uint64_t member, uint64_t rate_bps,
                     const struct copse_demand *demand) {
  return scheduler->free.count > 0 || copse_scheduler_open_new(scheduler, member) > 0
           ? rate_within(demand, rate_bps, NEW_PERCENT)
           : copse_scheduler_repeat_rate(demand, rate_bps);
}
