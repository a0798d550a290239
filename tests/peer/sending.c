/* SPDX-License-Identifier: Apache-2.0 */
/* Pacing and orders, time as an argument. */
#include "orders.h"
#include "uplink.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>

#define MS 1000000ULL
#define SECOND 1000000000ULL
#define PACKET 1321U

/* Sends as the program does: looked at every `tick`, as many packets as are due. Returns bytes from `now` for `time`.
 */
static uint64_t
send_for(struct pacer *pacer, uint64_t *now, uint64_t time, uint64_t tick) {
  uint64_t bytes = 0;

  for (uint64_t end = *now + time; *now < end; *now += tick) {
    pacer_refill(pacer, *now);
    while (pacer_take(pacer, PACKET))
      bytes += PACKET;
  }
  return bytes;
}

Test(pacer, reaches_and_never_exceeds_its_rate) {
  static const uint64_t rates[] = {64000, 200000, 1000003, 19600000, 999999937, 10000000000};

  for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
    struct pacer pacer = {0};
    uint64_t now = 5 * SECOND + 12345, seconds = 20;
    pacer_set_rate(&pacer, rates[i], now);
    uint64_t bytes = send_for(&pacer, &now, seconds * SECOND, rates[i] < 1000000000 ? MS : 50 * MS / 1000);
    uint64_t limit = rates[i] * seconds / 8;
    cr_expect(le(u64, bytes, limit), "%lu bit/s", rates[i]);
    cr_expect(ge(u64, bytes, limit - limit / 500 - 2 * PACKET), "%lu bit/s: %lu of %lu", rates[i], bytes, limit);
  }
}

Test(pacer, any_interval_random_ticks) {
  struct pacer pacer = {0};
  static uint64_t times[30000], sums[30001];
  const uint64_t rate = 20000000;
  size_t count = 0;
  uint64_t now = SECOND;

  srand(7);
  pacer_set_rate(&pacer, rate, now);
  while (count < 30000) {
    now += (uint64_t)(rand() % 50 == 0 ? rand() % 80 : rand() % 3) * MS + (uint64_t)(rand() % 1000);
    pacer_refill(&pacer, now);
    while (count < 30000 && pacer_take(&pacer, PACKET)) {
      times[count] = now;
      sums[count + 1] = sums[count] + PACKET;
      count++;
    }
  }
  for (size_t from = 0; from < count; from += 37)
    for (size_t to = from; to < count; to += 41) {
      uint64_t bits = (sums[to + 1] - sums[from]) * 8;
      uint64_t most = (uint64_t)((double)rate * (double)(times[to] - times[from]) / 1e9) + rate / 50 + 8;
      cr_assert(le(u64, bits, most), "packets %zu to %zu", from, to);
    }
}

Test(pacer, a_stall_is_caught_up_with_for_20_ms_only) {
  struct pacer pacer = {0};
  uint64_t now = SECOND;

  pacer_set_rate(&pacer, 80000000, now);
  now += 3600 * SECOND;
  cr_expect(le(u64, send_for(&pacer, &now, 1, 1), 200000));
  pacer_refill(&pacer, UINT64_MAX);
  cr_expect(le(u32, pacer_available(&pacer), 200000), "no overflow");
}

Test(pacer, nothing_without_a_rate_nor_when_time_goes_back) {
  struct pacer pacer = {0};
  uint64_t now = SECOND;

  cr_expect(eq(u64, send_for(&pacer, &now, SECOND, MS), 0));
  pacer_set_rate(&pacer, 8000000, now);
  send_for(&pacer, &now, SECOND, MS);
  uint32_t before = pacer_available(&pacer);
  pacer_refill(&pacer, SECOND);
  cr_expect(eq(u32, pacer_available(&pacer), before));
  pacer_set_rate(&pacer, 0, now);
  now += SECOND;
  pacer_refill(&pacer, now);
  cr_expect(le(u32, pacer_available(&pacer), PACER_DEPTH_BYTES));
}

Test(pacer, debt_is_bounded) {
  struct pacer pacer = {0};
  uint64_t now = SECOND;

  pacer_set_rate(&pacer, 8000000, now);
  for (int i = 0; i < 1000; i++)
    pacer_charge(&pacer, 100000);
  pacer_refill(&pacer, now + 40 * MS);
  cr_expect(gt(u32, pacer_available(&pacer), 0));
}

/* ---- tree and uploads on one uplink ---- */

struct sums {
  uint64_t tree, upload; /* bytes at layer 3 */
};

static struct sums
share(uint64_t uplink_bps, uint64_t grant_bps, bool upload, unsigned seconds) {
  struct uplink uplink;
  struct sums sums = {0};
  uint64_t now = SECOND;

  uplink_init(&uplink, uplink_bps, now);
  uplink_grant(&uplink, grant_bps, now);
  for (unsigned ms = 0; ms < seconds * 1000; ms++, now += MS) {
    uplink_refill(&uplink, now);
    while (uplink_take_tree(&uplink, PACKET))
      sums.tree += PACKET;
    uint32_t payload;
    while (upload && (payload = uplink_take_upload(&uplink, 32768)) > 0)
      sums.upload += payload + (payload + 1447) / 1448 * 52;
  }
  return sums;
}

Test(uplink, uploads_alone_fill_it) {
  struct sums sums = share(20000000, 0, true, 10);

  cr_expect(eq(u64, sums.tree, 0));
  cr_expect(le(u64, sums.upload, 25000000 + 60000));
  cr_expect(ge(u64, sums.upload, 24000000));
}

Test(uplink, trees_come_first_and_the_sum_fits) {
  struct sums alone = share(20000000, 19600000, false, 10), both = share(20000000, 19600000, true, 10),
              half = share(20000000, 10000000, true, 10);

  cr_expect(ge(u64, alone.tree, 24400000));
  cr_expect(le(u64, both.tree + both.upload, 25000000 + 60000));
  cr_expect(ge(u64, both.tree, alone.tree - alone.tree / 40), "uploads take 2 % at most");
  cr_expect(ge(u64, both.upload, 300000), "and get that much");
  cr_expect(ge(u64, half.tree, 12400000));
  cr_expect(ge(u64, half.upload, 11500000), "what trees leave is used");
  cr_expect(le(u64, half.tree + half.upload, 25000000 + 60000));
}

Test(uplink, is_full_when_trees_leave_next_to_nothing) {
  struct uplink uplink;

  uplink_init(&uplink, 20000000, SECOND);
  cr_expect(not(uplink_is_full(&uplink)));
  uplink_grant(&uplink, 19600000, SECOND);
  cr_expect(uplink_is_full(&uplink));
  uplink_grant(&uplink, 14000000, SECOND);
  cr_expect(not(uplink_is_full(&uplink)), "uploads have a third of it");
}

/* What TCP sends again is paid for by trees where uploads have nothing left, so that the sum still fits. */
Test(uplink, what_is_sent_again_is_paid_for) {
  struct uplink uplink;
  uint64_t now = SECOND, tree = 0;

  uplink_init(&uplink, 20000000, now);
  uplink_grant(&uplink, 19600000, now);
  for (unsigned ms = 0; ms < 10000; ms++, now += MS) {
    uplink_refill(&uplink, now);
    if (ms % 10 == 0)
      uplink_charge_again(&uplink, 1448);
    while (uplink_take_tree(&uplink, PACKET))
      tree += PACKET;
  }
  cr_expect(le(u64, tree + 1000 * 1500, 24500000 + 60000));
}

Test(uplink, slow_links_still_move) {
  struct sums sums = share(200000, 196000, true, 60);

  cr_expect(le(u64, sums.tree + sums.upload, 1500000 + 6000));
  cr_expect(ge(u64, sums.tree, 1400000));
  cr_expect(ge(u64, sums.upload, 20000));
}

Test(uplink, a_short_rest_is_sent) {
  struct uplink uplink;
  uint64_t now = SECOND;

  uplink_init(&uplink, 1000000, now);
  uplink_refill(&uplink, now + SECOND);
  cr_expect(eq(u32, uplink_take_upload(&uplink, 1), 1));
  cr_expect(eq(u32, uplink_take_upload(&uplink, 700), 700));
}

Test(uplink, what_else_leaves_is_taken_from_uploads) {
  struct uplink uplink;
  uint64_t now = SECOND, sent = 0;

  uplink_init(&uplink, 200000, now);
  for (unsigned ms = 0; ms < 60000; ms++, now += MS) {
    uplink_refill(&uplink, now);
    if (ms % 100 == 0)
      uplink_charge_received(&uplink, 7240); /* five segments: 2600 byte/s of acknowledgements */
    if (ms % 1000 == 0)
      uplink_charge(&uplink, 1000);
    sent += uplink_upload_due(&uplink) ? uplink_take_upload(&uplink, 32768) / 1448 * 1500 : 0;
  }
  cr_expect(le(u64, sent, 60 * (24500 - 2600 - 1000) + 3000));
  cr_expect(ge(u64, sent, 60 * (24500 - 2600 - 1000) - 60000));
}

Test(uplink, large_messages_are_spaced_to_two_percent) {
  struct uplink uplink;

  uplink_init(&uplink, 200000, 0);
  cr_expect(eq(u64, uplink_spacing_ns(&uplink, 5000), 10 * SECOND));
}

/* ---- orders ---- */

static uint32_t
take_all(struct orders *orders, uint32_t *blocks) {
  uint32_t count = 0;

  while (orders_take(orders, &blocks[count]))
    count++;
  return count;
}

Test(orders, each_block_once_in_order) {
  struct orders orders;
  uint32_t blocks[100];

  cr_assert(eq(int, orders_init(&orders, 50), 0));
  orders_add(&orders, (struct range){10, 4});
  orders_add(&orders, (struct range){12, 4});
  orders_add(&orders, (struct range){0, 2});
  orders_add(&orders, (struct range){48, 100});
  orders_add(&orders, (struct range){UINT32_MAX, UINT32_MAX});
  cr_expect(eq(u32, orders.waiting, 10));
  static const uint32_t expected[] = {10, 11, 12, 13, 14, 15, 0, 1, 48, 49};
  cr_assert(eq(u32, take_all(&orders, blocks), 10));
  cr_expect(eq(int, memcmp(blocks, expected, sizeof(expected)), 0));
  cr_expect(eq(u32, orders.waiting, 0));
  orders_free(&orders);
}

Test(orders, what_is_sent_is_reported_until_answered) {
  struct orders orders;
  uint32_t block, blocks[100];

  cr_assert(eq(int, orders_init(&orders, 50), 0));
  orders_add(&orders, (struct range){0, 8});
  for (int i = 0; i < 3; i++) {
    cr_assert(orders_take(&orders, &block));
    orders_sent(&orders, block);
  }
  const struct ranges *report = orders_report(&orders, 0);
  cr_assert(eq(sz, report->count, 1));
  cr_expect(eq(u32, report->items[0].count, 3));
  /* The report is under way; two blocks more leave; it is lost; the next report has all five. */
  for (int i = 0; i < 2; i++) {
    cr_assert(orders_take(&orders, &block));
    orders_sent(&orders, block);
  }
  report = orders_report(&orders, 0);
  cr_assert(eq(sz, report->count, 1));
  cr_expect(eq(u32, report->items[0].count, 5));
  /* Meanwhile one more leaves; the answer to the report orders 3 to 8: what was sent since is not sent again. */
  cr_assert(orders_take(&orders, &block));
  orders_sent(&orders, block);
  orders_acknowledged(&orders, 0);
  orders_add(&orders, (struct range){5, 4});
  cr_assert(eq(u32, take_all(&orders, blocks), 3));
  cr_expect(eq(u32, blocks[0], 6));
  cr_expect(eq(u32, blocks[2], 8));
  report = orders_report(&orders, 0);
  cr_assert(eq(sz, report->count, 1));
  cr_expect(eq(u32, report->items[0].first, 5));
  cr_expect(eq(u32, report->items[0].count, 1));
  orders_free(&orders);
}

Test(orders, may_be_given_again_once_acknowledged) {
  struct orders orders;
  uint32_t block;

  cr_assert(eq(int, orders_init(&orders, 9), 0));
  orders_add(&orders, (struct range){3, 1});
  orders_take(&orders, &block);
  orders_sent(&orders, block);
  orders_add(&orders, (struct range){3, 1});
  cr_expect(not(orders_take(&orders, &block)), "not acknowledged yet");
  orders_report(&orders, 0);
  orders_acknowledged(&orders, 0);
  orders_add(&orders, (struct range){3, 1});
  cr_expect(orders_take(&orders, &block), "the control plane wants it once more");
  orders_reset(&orders);
  orders_add(&orders, (struct range){3, 1});
  cr_expect(eq(u32, orders.waiting, 1), "a new member has no past");
  orders_free(&orders);
}

Test(orders, more_is_asked_for_in_time_and_once) {
  struct orders orders;
  uint32_t block;

  cr_assert(eq(int, orders_init(&orders, 500), 0));
  orders_add(&orders, (struct range){0, 100});
  cr_expect(not(orders_low(&orders, 20000000)), "100 blocks are 0.65 s");
  while (orders.waiting > 76)
    orders_take(&orders, &block);
  cr_expect(orders_low(&orders, 20000000), "less than half a second");
  cr_expect(not(orders_running_out(&orders, 20000000)));
  cr_expect(not(orders_low(&orders, 200000)), "of a slow link these are 50 s");
  while (orders.waiting > 19)
    orders_take(&orders, &block);
  cr_expect(not(orders_running_out(&orders, 0)), "who may not send needs none");
  cr_expect(orders_running_out(&orders, 20000000), "an eighth of a second");
  cr_expect(not(orders_running_out(&orders, 20000000)), "said once");
  orders_add(&orders, (struct range){90, 10});
  cr_expect(not(orders_running_out(&orders, 20000000)), "nothing new in these");
  orders_add(&orders, (struct range){200, 1});
  while (orders.waiting > 1)
    orders_take(&orders, &block);
  cr_expect(orders_low(&orders, 200000));
  cr_expect(orders_running_out(&orders, 200000), "while the last block is sent there is time to ask");
  orders_free(&orders);
}

Test(orders, more_is_asked_for_as_long_before_as_answers_take) {
  struct orders orders;

  cr_assert(eq(int, orders_init(&orders, 500), 0));
  orders_add(&orders, (struct range){0, 8});
  cr_expect(not(orders_low(&orders, 200000)), "8 blocks are 5.2 s");
  orders_report(&orders, 1000000000);
  orders_acknowledged(&orders, 6000000000);
  cr_expect(orders_low(&orders, 200000), "the answer came after 5 s");
  cr_expect(not(orders_running_out(&orders, 200000)));
  orders_add(&orders, (struct range){8, 1});
  cr_expect(not(orders_low(&orders, 200000)), "9 blocks are 5.9 s");
  for (int i = 0; i < 30; i++) {
    orders_report(&orders, 7000000000);
    orders_acknowledged(&orders, 7010000000);
  }
  cr_expect(not(orders_low(&orders, 400000)), "2.9 s: answers have become quick");
  orders_free(&orders);
}

Test(uplink, trees_make_room_for_what_was_sent_beside_them) {
  struct uplink uplink;
  uint32_t packets = 0;

  uplink_init(&uplink, 1000000, 1);
  uplink_grant(&uplink, 980000, 1);
  for (uint64_t now = 1; now < 4000000000; now += 10000000) {
    uplink_refill(&uplink, now);
    uplink_charge(&uplink, 250); /* 200 kbit/s of refusals */
    while (uplink_take_tree(&uplink, 1000))
      packets++;
  }
  cr_expect(packets > 4 * 90 && packets < 4 * 110, "%u packets of 8 kbit in 4 s, beside 200 kbit/s", packets);
}
