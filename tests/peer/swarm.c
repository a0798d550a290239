/* SPDX-License-Identifier: Apache-2.0 */
/* Whom to ask for what: the repair choice, without clock or network. */
#include "swarm.h"
#include "bits.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>

#define BLOCKS 100U
#define SECOND 1000000000ULL
#define NOW (100 * SECOND)

static struct swarm swarm;
static uint8_t wanted[(BLOCKS + 7) / 8];
static struct peer_info peers[80];

static void
name_peer(struct peer_info *peer, unsigned number, bool near, uint32_t have, bool done) {
  *peer = (struct peer_info){.near = near, .have = have, .done = done};
  snprintf(peer->member, sizeof(peer->member), "m%u", number);
  snprintf(peer->url, sizeof(peer->url), "http://198.18.0.%u:80", number);
}

static void
setup(void) {
  cr_assert(eq(int, swarm_init(&swarm, BLOCKS, 42), 0));
  bits_set_range(wanted, 0, BLOCKS);
}

static void
teardown(void) {
  swarm_free(&swarm);
}

TestSuite(swarm, .init = setup, .fini = teardown);

static struct contact *
contact(unsigned number) {
  char member[16];

  snprintf(member, sizeof(member), "m%u", number);
  for (size_t i = 0; i < SWARM_CONTACTS; i++)
    if (swarm.contacts[i].used && !strcmp(swarm.contacts[i].member, member))
      return &swarm.contacts[i];
  return NULL;
}

static void
give(unsigned number, uint32_t first, uint32_t count) {
  uint8_t bitmap[(BLOCKS + 7) / 8] = {0};

  bits_set_range(bitmap, first, count);
  cr_assert(swarm_have(&swarm, contact(number), bitmap, sizeof(bitmap)));
}

static bool
choose(bool near_first, struct choice *choice) {
  struct wish wish = {.wanted = wanted, .most = 16, .near_first = near_first, .now = NOW};

  return swarm_choose(&swarm, &wish, choice);
}

Test(swarm, own_area_first_then_any) {
  struct choice choice;

  for (unsigned i = 0; i < 6; i++)
    name_peer(&peers[i], i, i < 2, 100, i >= 2);
  swarm_update(&swarm, peers, 6, "me");
  give(0, 0, 10);
  give(1, 0, 10);
  for (int i = 0; i < 50; i++) {
    cr_assert(choose(true, &choice));
    cr_expect(choice.contact->near, "near peers have something wanted");
    cr_expect(lt(u32, choice.first + choice.count, 11));
  }
  memset(wanted, 0, sizeof(wanted));
  bits_set_range(wanted, 50, 4);
  unsigned asked[6] = {0};
  for (int i = 0; i < 400; i++) {
    cr_assert(choose(true, &choice));
    asked[choice.contact->member[1] - '0']++;
    cr_expect(eq(u32, choice.first, 50));
    cr_expect(eq(u32, choice.count, 4));
  }
  for (unsigned i = 2; i < 6; i++)
    cr_expect(gt(u32, asked[i], 60), "random among those who have it: %u asked %u times", i, asked[i]);
}

Test(swarm, who_sends_into_trees_is_asked_only_where_that_is_wished) {
  struct wish wish = {.wanted = wanted, .most = 16, .now = NOW};
  struct choice choice;

  name_peer(&peers[0], 0, true, 100, true);
  name_peer(&peers[1], 1, true, 100, false);
  peers[0].busy = true;
  swarm_update(&swarm, peers, 2, "me");
  give(1, 0, 10);
  for (int i = 0; i < 50; i++) {
    cr_assert(swarm_choose(&swarm, &wish, &choice));
    cr_expect(eq(str, choice.contact->member, "m1"));
  }
  memset(wanted, 0, sizeof(wanted));
  bits_set_range(wanted, 10, BLOCKS - 10);
  cr_expect(not(swarm_choose(&swarm, &wish, &choice)), "only the busy one has it");
  wish.busy = true;
  cr_assert(swarm_choose(&swarm, &wish, &choice));
  cr_expect(eq(str, choice.contact->member, "m0"));
  wish.busy = peers[0].busy = false;
  swarm_update(&swarm, peers, 2, "me");
  cr_expect(swarm_choose(&swarm, &wish, &choice), "it has nothing to send any more");
}

Test(swarm, nobody_has_it) {
  struct choice choice;

  cr_expect(not(choose(false, &choice)));
  name_peer(&peers[0], 0, true, 10, false);
  swarm_update(&swarm, peers, 1, "me");
  cr_expect(not(choose(false, &choice)), "its bitmap is not known");
  give(0, 5, 1);
  cr_expect(choose(false, &choice));
  bits_clear(wanted, 5);
  cr_expect(not(choose(false, &choice)));
}

Test(swarm, rarest_first_ties_at_random) {
  struct choice choice;
  unsigned picked[BLOCKS] = {0};

  for (unsigned i = 0; i < 4; i++)
    name_peer(&peers[i], i, false, 100, false);
  swarm_update(&swarm, peers, 4, "me");
  for (unsigned i = 0; i < 4; i++)
    give(i, 0, i == 3 ? 100 : 80);
  for (int i = 0; i < 800; i++) {
    /* Only the last has 80 to 99; asked alone, it is asked for those. */
    struct wish wish = {.wanted = wanted, .most = 1, .now = NOW};
    for (unsigned k = 0; k < 3; k++)
      contact(k)->not_before = NOW + 1;
    cr_assert(swarm_choose(&swarm, &wish, &choice));
    cr_expect(ge(u32, choice.block, 80));
    cr_expect(eq(u32, choice.count, 1));
    picked[choice.block]++;
  }
  for (unsigned block = 80; block < 100; block++)
    cr_expect(picked[block] > 12 && picked[block] < 90, "block %u picked %u times", block, picked[block]);
}

Test(swarm, late_ones_first_and_the_rarest_of_them) {
  struct wish wish = {.wanted = wanted, .most = 1, .late = true, .now = NOW};
  unsigned picked[BLOCKS] = {0};
  struct choice choice;

  for (unsigned i = 0; i < 2; i++)
    name_peer(&peers[i], i, false, 100, false);
  swarm_update(&swarm, peers, 2, "me");
  give(0, 0, 100);
  give(1, 85, 15);
  contact(1)->not_before = NOW + 1;
  for (int i = 0; i < 500; i++) {
    cr_assert(swarm_choose(&swarm, &wish, &choice));
    picked[choice.block]++;
  }
  for (unsigned block = 0; block < BLOCKS; block++)
    cr_expect(block < 75 || block >= 85 ? picked[block] == 0 : picked[block] > 20, "block %u picked %u times", block,
              picked[block]);
  memset(wanted, 0, sizeof(wanted));
  bits_set(wanted, 3);
  cr_assert(swarm_choose(&swarm, &wish, &choice));
  cr_expect(eq(u32, choice.block, 3), "the last one left");
}

Test(swarm, runs_are_bounded_and_stay_inside) {
  struct choice choice;

  name_peer(&peers[0], 0, false, 0, false);
  swarm_update(&swarm, peers, 1, "me");
  give(0, 0, 100);
  for (int i = 0; i < 100; i++) {
    cr_assert(choose(false, &choice));
    cr_expect(eq(u32, choice.count, 16));
    cr_expect(choice.first <= choice.block && choice.block < choice.first + 16);
    cr_expect(le(u32, choice.first + choice.count, BLOCKS));
  }
  memset(wanted, 0, sizeof(wanted));
  bits_set_range(wanted, 20, 3);
  bits_set_range(wanted, 24, 3);
  for (int i = 0; i < 20; i++) {
    cr_assert(choose(false, &choice));
    cr_expect(eq(u32, choice.count, 3));
    cr_expect(choice.first == 20 || choice.first == 24);
  }
}

Test(swarm, banned_stays_banned) {
  struct choice choice;

  name_peer(&peers[0], 0, false, 0, true);
  swarm_update(&swarm, peers, 1, "me");
  cr_assert(choose(false, &choice));
  swarm_ban(&swarm, choice.contact);
  cr_expect(not(choose(false, &choice)));
  snprintf(peers[0].member, sizeof(peers[0].member), "renamed");
  swarm_update(&swarm, peers, 1, "me");
  cr_expect(not(choose(false, &choice)), "a new name at the old address does not help");
}

Test(swarm, busy_ones_are_left_alone_for_longer_and_longer) {
  struct choice choice;
  uint64_t now = NOW, last = 0;

  name_peer(&peers[0], 0, false, 0, true);
  swarm_update(&swarm, peers, 1, "me");
  for (int i = 0; i < 8; i++) {
    swarm_outcome(&swarm, contact(0), OUTCOME_BUSY, now);
    uint64_t time = contact(0)->not_before - now;
    cr_expect(time >= SECOND / 20 && time <= SECOND);
    last = time;
  }
  cr_expect(ge(u64, last, SECOND / 2));
  struct wish wish = {.wanted = wanted, .most = 16, .now = now};
  cr_expect(not(swarm_choose(&swarm, &wish, &choice)));
  wish.now = now + SECOND;
  cr_expect(swarm_choose(&swarm, &wish, &choice));
  swarm_outcome(&swarm, contact(0), OUTCOME_SERVED, now);
  swarm_outcome(&swarm, contact(0), OUTCOME_BUSY, now);
  cr_expect(le(u64, contact(0)->not_before - now, SECOND / 10), "an answer wipes the slate");
}

Test(swarm, one_request_each_two_when_few) {
  struct choice choice;

  for (unsigned i = 0; i < 5; i++)
    name_peer(&peers[i], i, false, 0, true);
  swarm_update(&swarm, peers, 5, "me");
  for (unsigned i = 0; i < 5; i++) {
    cr_assert(choose(false, &choice));
    choice.contact->downloads++;
  }
  for (unsigned i = 0; i < 5; i++)
    cr_expect(eq(u32, contact(i)->downloads, 1));
  cr_expect(not(choose(false, &choice)));
  swarm_update(&swarm, peers, 2, "me");
  cr_expect(choose(false, &choice), "of two contacts each may have two");
}

Test(swarm, bitmaps_are_polled_once_a_second_where_there_is_news) {
  for (unsigned i = 0; i < 3; i++)
    name_peer(&peers[i], i, false, i == 1 ? 7 : 0, i == 2);
  swarm_update(&swarm, peers, 3, "me");
  contact(0)->polled = contact(1)->polled = NOW;
  cr_expect(eq(ptr, swarm_to_poll(&swarm, NOW + SECOND - 1), NULL));
  cr_expect(eq(ptr, swarm_to_poll(&swarm, NOW + SECOND), contact(1)), "only it has more than we know of");
  contact(1)->polling = true;
  cr_expect(eq(ptr, swarm_to_poll(&swarm, NOW + SECOND), NULL));
  cr_expect(eq(ptr, swarm_to_poll(&swarm, NOW + 3 * SECOND), contact(0)), "a silent control plane is not waited for");
}

Test(swarm, bitmaps_count_and_rubbish_does_not) {
  uint8_t all[(BLOCKS + 7) / 8], none[(BLOCKS + 7) / 8] = {0};

  memset(all, 0xff, sizeof(all));
  name_peer(&peers[0], 0, false, 0, false);
  name_peer(&peers[1], 1, false, 0, true);
  swarm_update(&swarm, peers, 2, "me");
  cr_expect(not(swarm_have(&swarm, contact(0), all, sizeof(all) - 1)));
  cr_expect(swarm_have(&swarm, contact(0), all, sizeof(all)));
  cr_expect(eq(u32, contact(0)->have_known, BLOCKS));
  cr_expect(eq(u16, swarm.holders[7], 2));
  cr_expect(swarm_have(&swarm, contact(0), none, sizeof(none)));
  cr_expect(eq(u32, contact(0)->have_known, 0));
  cr_expect(eq(u16, swarm.holders[7], 1));
}

Test(swarm, those_who_leave_make_room) {
  for (unsigned i = 0; i < 80; i++)
    name_peer(&peers[i], i, false, 0, true);
  swarm_update(&swarm, peers, 80, "m3");
  cr_expect(eq(ptr, contact(3), NULL), "not ourselves");
  cr_expect(eq(u16, swarm.holders[0], SWARM_CONTACTS));
  contact(0)->downloads = 1;
  swarm_update(&swarm, peers + 70, 10, "me");
  swarm_update(&swarm, peers + 70, 10, "me");
  swarm_update(&swarm, peers + 70, 10, "me");
  cr_expect(ne(ptr, contact(0), NULL), "its place is kept while a request is under way");
  cr_expect(eq(ptr, contact(1), NULL));
  cr_expect(ne(ptr, contact(79), NULL));
  cr_expect(eq(u16, swarm.holders[0], 11));
}

Test(swarm, the_contact_with_most_news_is_polled_first) {
  for (unsigned i = 0; i < 4; i++)
    name_peer(&peers[i], i, false, 10 * i, false);
  swarm_update(&swarm, peers, 4, "me");
  for (unsigned i = 0; i < 4; i++)
    contact(i)->polled = NOW + i;
  give(3, 0, 25);
  cr_expect(eq(ptr, swarm_to_poll(&swarm, NOW + 2 * SECOND), contact(2)), "20 blocks we do not know of, not 5");
  contact(2)->polling = true;
  cr_expect(eq(ptr, swarm_to_poll(&swarm, NOW + 2 * SECOND), contact(1)));
}
