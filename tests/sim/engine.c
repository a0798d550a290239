/* SPDX-License-Identifier: Apache-2.0 */
#include "engine.h"
#include "random.h"
#include "ranges.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#define TIMERS 2000

struct bell {
  struct sim_timer timer;
  uint64_t at;
  bool cancelled;
  unsigned rings;
};

static struct sim_engine engine;
static struct bell bells[TIMERS];
static uint64_t last_at;
static size_t last_index;
static const int never_stop = 0;

static void
ring(struct sim_timer *timer, uint64_t now) {
  struct bell *bell = (struct bell *)timer;
  const size_t index = (size_t)(bell - bells);

  cr_assert(eq(u64, now, bell->at), "fired at its time");
  cr_assert(not(bell->cancelled));
  cr_assert(now > last_at || (now == last_at && index > last_index) || bell->rings > 0,
            "in order of time, equal times in the order they were set");
  bell->rings++;
  last_at = now;
  last_index = index;
}

Test(engine, timers_fire_in_order_whatever_is_cancelled) {
  struct sim_random random;

  sim_random_seed(&random, 1);
  for (size_t i = 0; i < TIMERS; i++) {
    bells[i] = (struct bell){.timer.fire = ring, .at = 1 + sim_random(&random) % 500};
    sim_set(&engine, &bells[i].timer, bells[i].at);
  }
  for (size_t i = 0; i < TIMERS; i += 3) {
    bells[i].cancelled = true;
    sim_cancel(&engine, &bells[i].timer);
  }
  sim_run(&engine, 250, &never_stop);
  cr_expect(eq(u64, engine.now, 250));
  for (size_t i = 0; i < TIMERS; i++)
    cr_assert(eq(uint, bells[i].rings, !bells[i].cancelled && bells[i].at <= 250));
  sim_run(&engine, SIM_NEVER, &never_stop);
  for (size_t i = 0; i < TIMERS; i++)
    cr_assert(eq(uint, bells[i].rings, !bells[i].cancelled));
  cr_expect(eq(u32, engine.count, 0));
  sim_engine_free(&engine);
}

Test(engine, a_timer_set_again_fires_once_and_at_the_later_time) {
  bells[0] = (struct bell){.timer.fire = ring, .at = 30};
  sim_set(&engine, &bells[0].timer, 10);
  sim_set(&engine, &bells[0].timer, 30);
  sim_run(&engine, 100, &never_stop);
  cr_expect(eq(uint, bells[0].rings, 1));
  bells[0].at = 100;
  sim_set(&engine, &bells[0].timer, 5);
  sim_run(&engine, 100, &never_stop);
  cr_expect(eq(uint, bells[0].rings, 2), "what is past is now");
  sim_engine_free(&engine);
}

Test(ranges, bytes_are_counted_once) {
  struct sim_ranges ranges = {0};

  cr_expect(eq(u64, sim_ranges_add(&ranges, 10, 20), 10));
  cr_expect(eq(u64, sim_ranges_add(&ranges, 30, 40), 10));
  cr_expect(eq(u64, sim_ranges_add(&ranges, 15, 35), 10), "joins both");
  cr_expect(eq(u32, ranges.count, 1));
  cr_expect(eq(u64, sim_ranges_add(&ranges, 0, 5), 5));
  cr_expect(eq(u64, sim_ranges_bytes(&ranges), 35));
  sim_ranges_cut(&ranges, 12);
  cr_expect(eq(u64, sim_ranges_bytes(&ranges), 28));
  cr_expect(eq(u64, ranges.items[0].start, 12));
  sim_ranges_free(&ranges);
}
