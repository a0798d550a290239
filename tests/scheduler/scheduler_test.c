/* SPDX-License-Identifier: Apache-2.0 */
#include <copse/scheduler.h>
#include <criterion/criterion.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS 3052 /* of 50 MB */
#define BLOCK_BITS (16384 * 8)
#define RANGES 64
#define EVERYTHING ((struct copse_range){0, UINT32_MAX})

static struct copse_scheduler *scheduler;
static struct copse_range ranges[RANGES];

static void
create(void) {
  scheduler = copse_scheduler_create(BLOCKS);
}

static void
cleanup(void) {
  copse_scheduler_free(scheduler);
}

TestSuite(scheduler, .init = create, .fini = cleanup);

/* Blocks of the next order, counted in times[]. */
static uint32_t
order(uint64_t member, uint64_t rate_bps, uint64_t total_bps, uint64_t now_ms, unsigned *times) {
  size_t count = copse_scheduler_order(scheduler, member, rate_bps, total_bps, now_ms, ranges, RANGES);
  uint32_t blocks = 0;

  for (size_t i = 0; i < count; i++) {
    cr_assert_gt(ranges[i].count, 0);
    cr_assert_leq((uint64_t)ranges[i].first + ranges[i].count, BLOCKS);
    for (uint32_t block = ranges[i].first; block < ranges[i].first + ranges[i].count; block++)
      times[block]++;
    blocks += ranges[i].count;
  }
  return blocks;
}

/* The ranges as text: "0+64 100+1". */
static const char *
text_of(size_t count) {
  static char text[1024];
  int at = 0;

  text[0] = '\0';
  for (size_t i = 0; i < count; i++)
    at += snprintf(text + at, sizeof(text) - (size_t)at, "%s%u+%u", i ? " " : "", ranges[i].first, ranges[i].count);
  return text;
}

static const char *
open_of(uint64_t member) {
  return text_of(copse_scheduler_open(scheduler, member, ranges, RANGES));
}

static const char *
injected(void) {
  return text_of(copse_scheduler_injected(scheduler, ranges, RANGES));
}

static const char *
next_order(uint64_t member, uint64_t rate_bps, uint64_t total_bps) {
  return text_of(copse_scheduler_order(scheduler, member, rate_bps, total_bps, 0, ranges, RANGES));
}

Test(scheduler, an_order_is_half_a_second_of_the_rate_or_four_blocks) {
  cr_expect_str_eq(next_order(1, 20000000, 40000000), "0+76");
  cr_expect_str_eq(next_order(2, 10 * BLOCK_BITS, 40000000), "76+5");
  cr_expect_str_eq(next_order(2, 200000, 400000), "81+4", "a block takes longer: there is one to send while it asks");
  cr_expect_str_eq(next_order(1, 20000000, 40000000), "85+76");
  cr_expect_str_eq(next_order(3, 0, 40000000), "", "who may not send gets nothing");
}

Test(scheduler, at_the_end_an_order_is_the_share_of_what_is_left) {
  cr_expect_str_eq(next_order(1, UINT64_MAX, 0), "0+3052", "the only seed, faster than the file is long");
  copse_scheduler_leave(scheduler, 1);
  copse_scheduler_order(scheduler, 9, BLOCK_BITS * 2ULL * (BLOCKS - 100), 1, 0, ranges, RANGES);
  cr_expect_str_eq(next_order(1, 30000000, 40000000), "2952+75");
  cr_expect_str_eq(next_order(2, 10000000, 40000000), "3027+6");
  cr_expect_str_eq(next_order(1, 30000000, 40000000), "3033+14");
  cr_expect_str_eq(next_order(2, 1, UINT64_MAX), "3047+1");
}

/* Seeds send at their rates and ask for more when they are done; returns the time at which each finished. */
static void
send_everything(const uint64_t *rates_bps, double *finished_s, size_t seeds, unsigned *times) {
  uint64_t total_bps = 0;
  bool done[8] = {false};

  for (size_t i = 0; i < seeds; i++) {
    total_bps += rates_bps[i];
    finished_s[i] = 0;
  }
  for (size_t left = seeds; left > 0;) {
    size_t next = seeds;
    for (size_t i = 0; i < seeds; i++)
      if (!done[i] && (next == seeds || finished_s[i] < finished_s[next]))
        next = i;
    uint64_t now_ms = (uint64_t)(finished_s[next] * 1000);
    copse_scheduler_sent(scheduler, next, EVERYTHING, 1, now_ms);
    uint32_t blocks = order(next, rates_bps[next], total_bps, now_ms, times);
    finished_s[next] += (double)blocks * BLOCK_BITS / (double)rates_bps[next];
    if (blocks == 0) {
      done[next] = true;
      left--;
    }
  }
}

Test(scheduler, every_block_is_ordered_once_and_seeds_finish_together) {
  static const uint64_t rates_bps[][3] = {
    {20000000, 20000000, 0}, {20000000, 3000000, 0}, {100000000, 1000000, 7000000}, {200000, 300000, 0}};
  static const size_t seeds[] = {2, 2, 3, 2};

  for (size_t round = 0; round < 4; round++) {
    unsigned times[BLOCKS] = {0};
    double finished_s[3], first = 1e9, last = 0, floor_s = 0;
    copse_scheduler_free(scheduler);
    create();
    send_everything(rates_bps[round], finished_s, seeds[round], times);
    for (uint32_t block = 0; block < BLOCKS; block++)
      cr_assert_eq(times[block], 1, "round %zu: block %u was ordered %u times", round, block, times[block]);
    for (size_t i = 0; i < seeds[round]; i++) {
      first = finished_s[i] < first ? finished_s[i] : first;
      last = finished_s[i] > last ? finished_s[i] : last;
      floor_s += (double)rates_bps[round][i];
    }
    floor_s = (double)BLOCKS * BLOCK_BITS / floor_s;
    /* an order is half a second, or a block where that is longer */
    cr_expect_leq(last - first, round == 3 ? BLOCK_BITS / 200000.0 : 0.5, "round %zu: %f and %f s", round, first, last);
    cr_expect_leq(last - floor_s, round == 3 ? BLOCK_BITS / 200000.0 : 0.5, "round %zu: %f s, the floor is %f s", round,
                  last, floor_s);
    cr_expect_str_eq(injected(), "0+3052");
  }
}

Test(scheduler, what_was_sent_is_injected_and_the_rest_stays_ordered) {
  next_order(1, 20000000, 20000000);
  next_order(2, 20000000, 40000000);
  copse_scheduler_sent(scheduler, 1, (struct copse_range){10, 5}, 1, 0);
  cr_expect_str_eq(open_of(1), "0+10 15+61");
  cr_expect_str_eq(injected(), "10+5");
  copse_scheduler_sent(scheduler, 1, (struct copse_range){70, 20}, 1, 0);
  cr_expect_str_eq(injected(), "10+5 70+6", "76 and on are not its own");
  cr_expect_str_eq(open_of(2), "76+76");
  copse_scheduler_sent(scheduler, 1, (struct copse_range){70, 20}, 1, 0);
  copse_scheduler_sent(scheduler, 3, EVERYTHING, 1, 0);
  copse_scheduler_sent(scheduler, 1, (struct copse_range){0, 0}, 1, 0);
  cr_expect_str_eq(injected(), "10+5 70+6", "neither twice, nor by strangers, nor nothing");
  copse_scheduler_sent(scheduler, 1, EVERYTHING, 1, 0);
  cr_expect_str_eq(injected(), "0+76");
  cr_expect_str_eq(open_of(1), "");
}

Test(scheduler, who_leaves_gives_back_exactly_what_is_unsent) {
  next_order(1, 20000000, 20000000);
  next_order(2, 20000000, 40000000);
  copse_scheduler_sent(scheduler, 1, (struct copse_range){10, 5}, 1, 0);
  copse_scheduler_leave(scheduler, 1);
  copse_scheduler_leave(scheduler, 7);
  cr_expect_str_eq(open_of(1), "");
  cr_expect_str_eq(open_of(2), "76+76");
  cr_expect_str_eq(next_order(2, 20000000, 20000000), "0+10 15+61 152+5");
  cr_expect_str_eq(injected(), "10+5");
}

Test(scheduler, who_is_silent_loses_its_orders) {
  for (uint64_t member = 1; member <= 3; member++)
    copse_scheduler_order(scheduler, member, 10 * 2 * BLOCK_BITS, 20000000, 1000, ranges, RANGES);
  copse_scheduler_touch(scheduler, 2, 3000);
  copse_scheduler_touch(scheduler, 8, 3000);
  copse_scheduler_sent(scheduler, 3, (struct copse_range){20, 1}, 1, 4000);
  cr_expect_eq(copse_scheduler_expire(scheduler, 5999, 5000), 0);
  cr_expect_eq(copse_scheduler_expire(scheduler, 500, 5000), 0, "a clock that is behind expires nobody");
  cr_expect_eq(copse_scheduler_expire(scheduler, 6000, 5000), 1);
  cr_expect_str_eq(open_of(1), "");
  cr_expect_str_eq(open_of(2), "10+10");
  cr_expect_str_eq(next_order(4, 10 * 2 * BLOCK_BITS, 20000000), "0+10");
  cr_expect_eq(copse_scheduler_expire(scheduler, 9000, 5000), 3);
  cr_expect_str_eq(next_order(5, 1000000000, 0), "0+20 21+3031");
  cr_expect_str_eq(injected(), "20+1");
}

Test(scheduler, a_clock_that_was_set_back_keeps_no_order_for_ever) {
  copse_scheduler_order(scheduler, 1, 10 * 2 * BLOCK_BITS, 20000000, 1000000, ranges, RANGES);
  cr_expect_eq(copse_scheduler_expire(scheduler, 950000, 5000), 0, "clocks differ");
  cr_expect_eq(copse_scheduler_expire(scheduler, 10000, 5000), 1);
}

Test(scheduler, an_order_fits_the_room_for_it) {
  struct copse_range one[1];

  next_order(1, 20000000, 20000000);
  copse_scheduler_sent(scheduler, 1, (struct copse_range){10, 5}, 1, 0);
  copse_scheduler_leave(scheduler, 1);
  cr_expect_eq(copse_scheduler_order(scheduler, 2, 20000000, 0, 0, one, 0), 0);
  cr_expect_eq(copse_scheduler_order(scheduler, 2, 20000000, 0, 0, one, 1), 1);
  cr_expect_eq(one[0].count, 10, "what does not fit is not ordered");
  cr_expect_str_eq(open_of(2), "0+10");
  cr_expect_eq(copse_scheduler_open(scheduler, 2, one, 1), 1);
  cr_expect_eq(copse_scheduler_injected(scheduler, one, 1), 1);
}

/* Random members that ask, send, leave and fall silent: no block is ever ordered while it is open or injected, and in
 * the end all are injected. The state goes through save and load all the time. */
Test(scheduler, nothing_is_lost_or_doubled_whatever_happens) {
  unsigned char owner[BLOCKS] = {0}; /* 255: injected */
  uint64_t state = 12345, now_ms = 0;
  uint32_t injected_blocks = 0;

  for (int step = 0; step < 4000; step++) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    uint64_t dice = state >> 33, member = 1 + dice % 5;
    now_ms += 10;
    if (dice / 5 % 16 < 8) {
      size_t count = copse_scheduler_order(scheduler, member, 1000000 * member, 15000000, now_ms, ranges, 1 + dice % 4);
      for (size_t i = 0; i < count; i++)
        for (uint32_t block = ranges[i].first; block < ranges[i].first + ranges[i].count; block++) {
          cr_assert_eq(owner[block], 0, "step %d: block %u is given out twice", step, block);
          owner[block] = (unsigned char)member;
        }
    } else if (dice / 5 % 16 < 15) {
      struct copse_range range = {(uint32_t)(dice / 80 % BLOCKS), 1 + (uint32_t)(dice % 400)};
      copse_scheduler_sent(scheduler, member, range, 1, now_ms);
      for (uint64_t block = range.first; block < (uint64_t)range.first + range.count && block < BLOCKS; block++)
        if (owner[block] == member) {
          owner[block] = 255;
          injected_blocks++;
        }
    } else {
      copse_scheduler_leave(scheduler, member);
      for (uint32_t block = 0; block < BLOCKS; block++)
        if (owner[block] == member)
          owner[block] = 0;
    }
    if (step % 16 == 0) {
      char *text = copse_scheduler_save(scheduler);
      copse_scheduler_free(scheduler);
      scheduler = copse_scheduler_load(text);
      cr_assert(scheduler, "%s", text);
      char *again = copse_scheduler_save(scheduler);
      cr_assert_str_eq(text, again);
      free(text);
      free(again);
    }
  }
  cr_expect_gt(injected_blocks, BLOCKS / 2);
  for (uint64_t member = 1; member <= 5; member++)
    copse_scheduler_sent(scheduler, member, EVERYTHING, 1, now_ms);
  while (copse_scheduler_order(scheduler, 1, 20000000, 20000000, now_ms, ranges, RANGES) > 0)
    copse_scheduler_sent(scheduler, 1, EVERYTHING, 1, now_ms);
  cr_expect_str_eq(injected(), "0+3052");
}

Test(scheduler, who_comes_later_gets_what_it_missed_the_oldest_first) {
  const struct copse_demand late = {.waiting = 3, .downlinks_bps = 3 * 700000, .audience = 2, .senders_bps = 400000};

  copse_scheduler_order(scheduler, 1, UINT64_MAX, 0, 0, ranges, RANGES);
  copse_scheduler_sent(scheduler, 1, (struct copse_range){0, 3000}, 1, 0);
  cr_expect_not(copse_scheduler_ask(scheduler, 2, 200000, &(struct copse_demand){.waiting = 1, .audience = 1}, 0),
                "who has been there since has missed nothing");
  cr_expect(copse_scheduler_ask(scheduler, 2, 200000, &late, 0));
  cr_expect_str_eq(open_of(2), "0+4");
  cr_expect_str_eq(injected(), "4+2996", "it comes by a tree: nobody should fetch it");
  copse_scheduler_leave(scheduler, 2);
  cr_expect_str_eq(injected(), "0+3000", "given back as what it was: no block is new twice");
  cr_expect(copse_scheduler_ask(scheduler, 3, 200000, &late, 0));
  copse_scheduler_sent(scheduler, 3, EVERYTHING, 2, 0);
  copse_scheduler_sent(scheduler, 1, EVERYTHING, 2, 0);
  for (uint32_t block = 4; block < 3000; block += 4) {
    cr_assert(copse_scheduler_ask(scheduler, 3, 200000, &late, 0), "block %u", block);
    cr_assert_eq(copse_scheduler_open_all(scheduler, 3), 4);
    copse_scheduler_sent(scheduler, 3, (struct copse_range){block, 4}, 2, 0);
  }
  cr_expect_not(copse_scheduler_due(scheduler, 2), "each of them once for this audience");
  cr_expect_not(copse_scheduler_ask(scheduler, 3, 200000, &late, 0));
  cr_expect(copse_scheduler_due(scheduler, 3));
  cr_expect_str_eq(injected(), "0+3052");
}

Test(scheduler, all_together_send_what_downlinks_carry_and_repeats_leave_more_room) {
  const struct copse_demand many = {.waiting = 2, .downlinks_bps = 1400000, .audience = 2, .senders_bps = 4900000};
  const struct copse_demand few = {.waiting = 2, .downlinks_bps = 1400000, .audience = 2, .senders_bps = 400000};

  cr_expect_eq(copse_scheduler_rate(scheduler, 1, 200000, &few), 200000, "new blocks are left");
  cr_expect_eq(copse_scheduler_rate(scheduler, 1, 49000, &many), 6580,
               "a hundredth of 4.9 Mbit/s is of 658 kbit/s 6.58");
  copse_scheduler_order(scheduler, 1, UINT64_MAX, 0, 0, ranges, RANGES);
  cr_expect_eq(copse_scheduler_rate(scheduler, 1, 49000, &many), 6580, "it has new blocks to send");
  cr_expect_eq(copse_scheduler_rate(scheduler, 2, 200000, &many), 22857, "4.9 Mbit/s are 8.75 times 0.8 of 700 kbit/s");
  cr_expect_eq(copse_scheduler_rate(scheduler, 2, 200000, &few), 200000, "never more than it can send");
}

/* Members from 1 with 200 kbit/s each, `first` of them in one area, the rest in another; trees of 300 kbit/s. */
static uint64_t
admit(uint64_t member, size_t first, size_t count, struct copse_demand *demand) {
  struct copse_sender senders[100];
  struct copse_outlet outlets[2] = {{.rate_bps = 300000}, {.rate_bps = 300000}};

  for (size_t i = 0; i < count; i++)
    senders[i] = (struct copse_sender){i + 1, i < first ? 0 : 1, 200000};
  return copse_scheduler_admit(scheduler, member, &(struct copse_senders){senders, count, outlets, 2}, demand);
}

Test(scheduler, so_many_send_as_fill_a_tree_and_share_it) {
  struct copse_demand demand = {.waiting = 1, .downlinks_bps = 7000000, .audience = 1};

  cr_expect_eq(admit(1, 100, 100, &demand), 200000, "its uplink");
  next_order(1, 200000, 200000);
  cr_expect_eq(admit(2, 100, 100, &demand), 150000, "two fill the tree");
  cr_expect_eq(demand.senders_bps, 300000);
  next_order(2, 150000, 300000);
  cr_expect_eq(admit(1, 100, 100, &demand), 150000);
  cr_expect_eq(admit(3, 100, 100, &demand), 0, "it would slow both");
  cr_expect_eq(admit(3, 2, 100, &demand), 200000, "another tree has room");
  cr_expect_eq(demand.senders_bps, 600000, "and will soon be filled");
  copse_scheduler_leave(scheduler, 1);
  cr_expect_eq(admit(3, 100, 100, &demand), 150000, "one has gone");
  cr_expect_eq(admit(101, 100, 100, &demand), 0, "nobody of those");
}

Test(scheduler, no_more_send_than_downlinks_carry) {
  struct copse_demand demand = {.waiting = 2, .downlinks_bps = 600000, .audience = 1}; /* new blocks: 282 kbit/s */

  cr_expect_eq(admit(1, 1, 100, &demand), 200000);
  cr_expect_eq(demand.senders_bps, 400000, "one more is to come");
  next_order(1, 200000, 200000);
  cr_expect_eq(admit(2, 1, 100, &demand), 200000, "one does not fill them");
  cr_expect_eq(demand.senders_bps, 400000);
  next_order(2, 200000, 400000);
  cr_expect_eq(admit(3, 1, 100, &demand), 0, "two do");
  cr_expect_eq(admit(2, 1, 100, &demand), 200000, "who has begun goes on");
  demand.downlinks_bps = 0;
  demand.waiting = 0;
  copse_scheduler_leave(scheduler, 1);
  copse_scheduler_leave(scheduler, 2);
  cr_expect_eq(admit(3, 1, 100, &demand), 200000, "somebody is always ready");
}

Test(scheduler, parity_is_half_as_much_again_as_is_lost) {
  static const uint32_t expected[][2] = {{0, 0},      {9999, 0},   {10000, 1},  {50000, 1}, {52000, 2},
                                         {100000, 2}, {150000, 3}, {250000, 5}, {250001, 0}};

  for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
    cr_expect_eq(copse_scheduler_parity(&(struct copse_demand){.loss_ppm = expected[i][0]}, 13), expected[i][1],
                 "%u ppm", expected[i][0]);
}

Test(scheduler, the_saved_state_is_json) {
  copse_scheduler_order(scheduler, 0xfedcba9876543210, 20000000, 20000000, 17, ranges, RANGES);
  copse_scheduler_sent(scheduler, 0xfedcba9876543210, (struct copse_range){10, 5}, 1, 18);
  char *text = copse_scheduler_save(scheduler);
  cr_expect_str_eq(text, "{\"blocks\":3052,\"injected\":[{\"audience\":1,\"blocks\":[[10,5]]}],"
                         "\"ordered\":[{\"member\":\"fedcba9876543210\",\"touched_ms\":18,"
                         "\"open\":[[0,10],[15,61]],\"again\":[]}]}");
  free(text);
}

Test(scheduler, the_largest_file_has_its_last_block) {
  copse_scheduler_free(scheduler);
  scheduler = copse_scheduler_create(UINT32_MAX);
  cr_expect_str_eq(next_order(1, UINT64_MAX, 0), "0+4294967295");
  copse_scheduler_sent(scheduler, 1, (struct copse_range){UINT32_MAX - 1, UINT32_MAX}, 1, 0);
  cr_expect_str_eq(injected(), "4294967294+1");
  cr_expect_str_eq(open_of(1), "0+4294967294");
}

Test(scheduler, malformed_state_is_refused) {
  static const char *const texts[] = {
    "",
    "{",
    "[]",
    "{\"blocks\":10}",
    "{\"blocks\":10,\"injected\":[],\"ordered\":[]} x",
    "{\"blocks\":0,\"injected\":[],\"ordered\":[]}",
    "{\"blocks\":-1,\"injected\":[],\"ordered\":[]}",
    "{\"blocks\":4294967296,\"injected\":[],\"ordered\":[]}",
    "{\"blocks\":\"10\",\"injected\":[],\"ordered\":[]}",
    "{\"blocks\":10,\"injected\":{},\"ordered\":[]}",
    "{\"blocks\":10,\"injected\":[],\"ordered\":{}}",
    "{\"blocks\":10,\"injected\":[],\"ordered\":[],\"more\":1}",
    "{\"blocks\":10,\"blocks\":10,\"injected\":[],\"ordered\":[]}",
    "{\"blocks\":10,\"injected\":[{\"audience\":1,\"blocks\":[[0]]}],\"ordered\":[]}",
    "{\"blocks\":10,\"injected\":[{\"audience\":1,\"blocks\":[[0,1,2]]}],\"ordered\":[]}",
    "{\"blocks\":10,\"injected\":[{\"audience\":1,\"blocks\":[[0,0]]}],\"ordered\":[]}",
    "{\"blocks\":10,\"injected\":[{\"audience\":1,\"blocks\":[[-1,2]]}],\"ordered\":[]}",
    "{\"blocks\":10,\"injected\":[{\"audience\":1,\"blocks\":[[9,2]]}],\"ordered\":[]}",
    "{\"blocks\":10,\"injected\":[{\"audience\":1,\"blocks\":[[4294967296,1]]}],\"ordered\":[]}",
    "{\"blocks\":10,\"injected\":[{\"audience\":1,\"blocks\":[[0,4],[3,1]]}],\"ordered\":[]}",
    "{\"blocks\":10,\"injected\":[{\"audience\":1,\"blocks\":[[0,1.5]]}],\"ordered\":[]}",
    "{\"blocks\":10,\"injected\":[{\"audience\":1,\"blocks\":[7]}],\"ordered\":[]}",
    "{\"blocks\":10,\"injected\":[],\"ordered\":[{}]}",
    "{\"blocks\":10,\"injected\":[],\"ordered\":[{\"member\":\"1\",\"touched_ms\":1,\"open\":[[0,1]],\"again\":[]}]}",
    "{\"blocks\":10,\"injected\":[],\"ordered\":[{\"member\":\"00000000000000zz\",\"touched_ms\":1,\"open\":[[0,1]],"
    "\"again\":[]}]}",
    "{\"blocks\":10,\"injected\":[],\"ordered\":[{\"member\":\"0000000000000001\",\"touched_ms\":-1,\"open\":[[0,1]],"
    "\"again\":[]}]}",
    "{\"blocks\":10,\"injected\":[],\"ordered\":[{\"member\":\"0000000000000001\",\"touched_ms\":1,\"open\":[],"
    "\"again\":[]}]}",
    "{\"blocks\":10,\"injected\":[],\"ordered\":[{\"member\":\"0000000000000001\",\"touched_ms\":1,\"open\":{},"
    "\"again\":[]}]}",
    "{\"blocks\":10,\"injected\":[{\"audience\":1,\"blocks\":[[0,1]]}],\"ordered\":[{\"member\":\"0000000000000001\","
    "\"touched_ms\":1,\"open\":[[0,1]],\"again\":[]}]}",
    "{\"blocks\":10,\"injected\":[{\"audience\":1,\"blocks\":[]}],\"ordered\":[]}",
    "{\"blocks\":10,\"injected\":[{\"audience\":-1,\"blocks\":[[0,1]]}],\"ordered\":[]}",
    "{\"blocks\":10,\"injected\":[{\"audience\":1,\"blocks\":[[0,1]]},{\"audience\":1,\"blocks\":[[2,1]]}],\"ordered\":"
    "[]}",
    "{\"blocks\":10,\"injected\":[],\"ordered\":[{\"member\":\"0000000000000001\",\"touched_ms\":1,\"open\":[[0,2]],"
    "\"again\":[[1,1]]}]}",
    "{\"blocks\":10,\"injected\":[],\"ordered\":[{\"member\":\"0000000000000001\",\"touched_ms\":1,\"open\":[[0,1]],"
    "\"again\":[]},"
    "{\"member\":\"0000000000000001\",\"touched_ms\":1,\"open\":[[1,1]],\"again\":[]}]}",
  };

  for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
    cr_expect_null(copse_scheduler_load(texts[i]), "%s", texts[i]);
}
