/* SPDX-License-Identifier: Apache-2.0 */
/* Links under watch, in simulated time: both ends of a link, a test packet and a look each 50 ms. What is lost with
 * chance is in tests/stamp/loss.c. */
#include "measure/watch.h"
#include <criterion/criterion.h>
#include <stdlib.h>

#define SILENCE_MS 1000
#define STEP_MS 50

/* One direction: what its sender has counted, as STAMP would. */
struct way {
  bool up;
  double loss;
  struct copse_watch_reading reading; /* of the end that sends it */
  uint64_t arrived, pending;          /* in all; since the last answer */
  uint64_t pending_lost;
};

static struct way there, back;      /* N1 to N2, N2 to N1 */
static struct copse_watch one, two; /* N1/N2 at N1, N2/N1 at N2 */
static uint64_t now_ms;
static unsigned changes; /* of what N1/N2 is worth, as written */
static unsigned writes;

static bool
passes(const struct way *way) {
  return way->up && drand48() >= way->loss;
}

/* One test packet on `way`, its answer on `other`. */
static void
test(struct way *way, struct way *other) {
  way->reading.sent++;
  way->pending++;
  if (!passes(way)) {
    way->pending_lost++;
    return;
  }
  other->reading.reflected++; /* the far end has seen it */
  other->reading.reflected_of = way->reading.sent;
  if (!passes(other))
    return;
  way->reading.answered++;
  way->reading.judged += way->pending;
  way->reading.forward_lost += way->pending_lost;
  way->pending = way->pending_lost = 0;
}

static void
look(struct copse_watch *watch, const struct way *way, const struct copse_watch *other) {
  const uint64_t before = watch->published.capacity_percent;

  copse_watch_step(watch, &way->reading, other->published_any ? &other->published : NULL, SILENCE_MS, now_ms);
  if (!copse_watch_due(watch, now_ms))
    return;
  changes += watch == &one && watch->published_any && watch->now.capacity_percent != before;
  writes += watch == &one;
  copse_watch_written(watch, now_ms);
}

static void
run(uint64_t ms) {
  for (uint64_t end = now_ms + ms; now_ms < end; now_ms += STEP_MS) {
    test(&there, &back);
    test(&back, &there);
    look(&one, &there, &two);
    look(&two, &back, &one);
  }
}

/* Runs until what is written of a link is this; how long that took. */
static uint64_t
run_until(const struct copse_watch *watch, uint64_t capacity_percent, uint64_t most_ms) {
  const uint64_t start = now_ms;

  while (watch->published.capacity_percent != capacity_percent && now_ms - start < most_ms)
    run(STEP_MS);
  cr_assert_eq(watch->published.capacity_percent, capacity_percent);
  return now_ms - start;
}

static void
set_up(void) {
  srand48(7);
  now_ms = 1000000;
  changes = writes = 0;
  there = back = (struct way){.up = true, .reading = {.session = 1, .delay_ns = 4000000, .jitter_ns = 300000}};
  copse_watch_begin(&one, "N1/N2", NULL);
  copse_watch_begin(&two, "N2/N1", NULL);
  run(10000);
}

TestSuite(watch, .init = set_up);

Test(watch, a_good_link_is_written_once) {
  run(3600 * 1000);
  cr_expect_eq(one.published.capacity_percent, 100);
  cr_expect_str_eq(copse_measured_state(&one.published), "up");
  cr_expect_float_eq(one.published.delay_ms, 2.0, 1e-9);
  cr_expect_float_eq(one.published.jitter_ms, 0.3, 1e-9);
  cr_expect(one.published.heard);
  cr_expect_leq(writes, 2, "%u", writes);
}

Test(watch, a_way_that_is_cut_is_down_and_the_other_is_not) {
  uint64_t took;

  there.up = false;
  took = run_until(&one, 0, 3000);
  cr_expect_leq(took, SILENCE_MS + 2 * STEP_MS, "%lu ms", took);
  run(60000);
  cr_expect_str_eq(copse_measured_state(&one.published), "down");
  cr_expect_eq(two.published.capacity_percent, 100);
  cr_expect(one.published.heard);
  cr_expect_not(two.published.heard);
}

Test(watch, the_way_back_is_not_blamed_on_the_way_there) {
  back.up = false;
  run_until(&two, 0, 3000);
  run(60000);
  cr_expect_eq(one.published.capacity_percent, 100, "N2 hears us, and says so");
  there.up = false; /* later that way as well */
  run_until(&one, 0, 4000);
}

Test(watch, both_ways_cut_or_the_other_end_dead_is_down) {
  uint64_t took;

  there.up = back.up = false;
  took = run_until(&one, 0, 3000);
  cr_expect_leq(took, SILENCE_MS * 3 / 2 + 2 * STEP_MS, "%lu ms", took);
  run_until(&two, 0, 3000);
}

Test(watch, what_heals_is_back_after_the_hold_and_not_before) {
  uint64_t took;

  there.up = false;
  run_until(&one, 0, 3000);
  run(30000);
  there.up = true;
  took = run_until(&one, 100, 10000);
  cr_expect_geq(took, COPSE_WATCH_HOLD_MS, "%lu ms", took);
  cr_expect_leq(took, COPSE_WATCH_HOLD_MS + 3000, "%lu ms", took);
}

Test(watch, a_link_that_flaps_is_left_alone) {
  for (int i = 0; i < 30; i++) { /* every 2 s for 60 s */
    there.up = false;
    run(1000);
    there.up = true;
    run(1000);
  }
  cr_expect_leq(changes, 3, "%u changes", changes);
  run(COPSE_WATCH_HOLD_MAX_MS + 15000);
  cr_expect_eq(one.published.capacity_percent, 100);
}

Test(watch, the_hold_grows_with_relapses_and_shrinks_again) {
  uint64_t last = 0;

  for (int i = 0; i < 6; i++) {
    there.up = false;
    run_until(&one, 0, 3000);
    there.up = true;
    uint64_t took = run_until(&one, 100, COPSE_WATCH_HOLD_MAX_MS + 5000);
    cr_expect(took > last || took > COPSE_WATCH_HOLD_MAX_MS, "%lu after %lu ms", took, last);
    last = took;
  }
  cr_expect_gt(last, COPSE_WATCH_HOLD_MAX_MS);
  cr_expect_eq(changes, 12);
  run(10 * COPSE_WATCH_FORGET_MS);
  there.up = false;
  run_until(&one, 0, 3000);
  there.up = true;
  cr_expect_leq(run_until(&one, 100, COPSE_WATCH_HOLD_MAX_MS), COPSE_WATCH_HOLD_MS + 3000);
}

Test(watch, loss_lowers_the_capacity_in_steps) {
  static const struct {
    double loss;
    uint64_t least, most;
  } cases[] = {{0.01, 100, 100}, {0.07, 50, 75}, {0.13, 25, 50}, {0.3, 25, 25}, {0.7, 0, 0}};

  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    uint64_t worst = 100;

    set_up();
    there.loss = cases[i].loss;
    for (int s = 0; s < 60; s++) {
      run(1000);
      worst = one.now.capacity_percent < worst ? one.now.capacity_percent : worst;
    }
    cr_expect(worst >= cases[i].least && worst <= cases[i].most, "%.2f: %lu %%", cases[i].loss, worst);
    cr_expect_leq(changes, 6, "%.2f: %u changes in a minute", cases[i].loss, changes);
    cr_expect_eq(two.published.capacity_percent, 100, "only that way");
    there.loss = 0;
    run_until(&one, 100, COPSE_WATCH_HOLD_MAX_MS + 20000);
  }
}

Test(watch, begins_where_the_store_left_off) {
  const struct copse_measured_record stored = {.capacity_percent = 0, .heard = true, .loss = 1, .delay_ms = 2};
  uint64_t took;

  copse_watch_begin(&one, "N1/N2", &stored); /* our control plane was away */
  there.up = false;
  run(60000);
  cr_expect_eq(one.published.capacity_percent, 0);
  there.up = true;
  took = run_until(&one, 100, 10000);
  cr_expect_geq(took, COPSE_WATCH_HOLD_MS);
}

Test(watch, our_dataplane_may_begin_anew) {
  there.reading = (struct copse_watch_reading){.session = 2, .delay_ns = 4000000};
  there.pending = there.pending_lost = 0;
  run(10000);
  cr_expect_eq(one.published.capacity_percent, 100);
  cr_expect_eq(changes, 0);
  there.reading.session = 0; /* it measures nothing: nothing is known, nothing changes */
  run(10000);
  cr_expect_eq(one.published.capacity_percent, 100);
}

Test(watch, who_never_answered_is_not_known_to_be_down) {
  set_up();
  copse_watch_begin(&one, "N1/N2", NULL);
  there = (struct way){.up = false, .reading = {.session = 9}};
  run(60000);
  cr_expect_not(one.published_any);
}

Test(watch, a_pause_of_the_sender_is_no_silence) {
  const struct copse_watch_reading reading = there.reading;

  for (int i = 0; i < 30; i++) { /* 3 s in which nothing is sent */
    copse_watch_step(&one, &reading, &two.published, SILENCE_MS, now_ms += STEP_MS);
    cr_expect_eq(one.now.capacity_percent, 100);
  }
}

Test(watch, figures_are_written_when_they_have_moved) {
  run(10000);
  writes = 0;
  there.reading.delay_ns = 4400000; /* a tenth more */
  run(20000);
  cr_expect_eq(writes, 0);
  there.reading.delay_ns = 8000000;
  run(20000);
  cr_expect_eq(writes, 1);
  cr_expect_float_eq(one.published.delay_ms, 4.0, 1e-9);
  for (int i = 0; i < 100; i++) {
    there.reading.delay_ns = i % 2 ? 20000000 : 4000000;
    run(500);
  }
  cr_expect_leq(writes, 12, "%u in 50 s", writes);
}
