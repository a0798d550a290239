/* SPDX-License-Identifier: Apache-2.0 */
#include "swarm.h"
#include "bits.h"
#include <errno.h>
#include <stdlib.h>

#define MILLISECOND 1000000ULL
#define SECOND 1000000000ULL
#define POLL_NS SECOND
#define POLL_BLIND_NS (3 * SECOND) /* when the control plane says nothing new */
#define BUSY_NS (100 * MILLISECOND)
#define BUSY_MAX_NS SECOND
#define BROKEN_NS SECOND
#define BROKEN_MAX_NS (16 * SECOND)
#define WINDOW 16384U /* blocks looked at for the rarest one */
#define FEW_CONTACTS 3U

/* xorshift64*. */
static uint64_t
next_random(struct swarm *swarm) {
  swarm->random ^= swarm->random >> 12;
  swarm->random ^= swarm->random << 25;
  swarm->random ^= swarm->random >> 27;
  return swarm->random * 2685821657736338717ULL;
}

int
swarm_init(struct swarm *swarm, uint32_t blocks, uint64_t seed) {
  *swarm = (struct swarm){.blocks = blocks, .random = seed | 1, .holders = calloc(blocks, sizeof(uint16_t))};
  return swarm->holders ? 0 : -ENOMEM;
}

void
swarm_free(struct swarm *swarm) {
  for (size_t i = 0; i < SWARM_CONTACTS; i++)
    free(swarm->contacts[i].have);
  free(swarm->holders);
}

/* ---- who is there ---- */

static bool
url_banned(const struct swarm *swarm, const char *url) {
  size_t count = swarm->banned_count < SWARM_BANNED ? swarm->banned_count : SWARM_BANNED;

  for (size_t i = 0; i < count; i++)
    if (!strcmp(swarm->banned[i], url))
      return true;
  return false;
}

bool
swarm_banned(const struct swarm *swarm, const struct contact *contact) {
  return url_banned(swarm, contact->url);
}

void
swarm_ban(struct swarm *swarm, struct contact *contact) {
  if (!swarm_banned(swarm, contact))
    memcpy(swarm->banned[swarm->banned_count++ % SWARM_BANNED], contact->url, URL_CHARS);
}

static void
set_have(struct swarm *swarm, struct contact *contact, uint32_t block, bool has) {
  if (bits_get(contact->have, block) == has)
    return;
  if (has)
    bits_set(contact->have, block);
  else
    bits_clear(contact->have, block);
  contact->have_known += has ? 1 : -1U;
  swarm->holders[block] = (uint16_t)(swarm->holders[block] + (has ? 1 : -1));
}

static void
forget(struct swarm *swarm, struct contact *contact) {
  for (uint32_t block = 0; block < swarm->blocks; block++)
    set_have(swarm, contact, block, false);
  free(contact->have);
  *contact = (struct contact){0};
}

static bool
is_same(const struct contact *contact, const struct peer_info *peer) {
  return contact->used && !strcmp(contact->member, peer->member) && !strcmp(contact->url, peer->url);
}

/* The contact of that peer, made if it is not known. `expected`: where it is, as a rule. Null: no room. */
static struct contact *
find(struct swarm *swarm, const struct peer_info *peer, size_t expected) {
  struct contact *unused = NULL;

  for (size_t i = 0; i < SWARM_CONTACTS; i++)
    if (is_same(&swarm->contacts[(expected + i) % SWARM_CONTACTS], peer))
      return &swarm->contacts[(expected + i) % SWARM_CONTACTS];
  for (size_t i = 0; i < SWARM_CONTACTS && unused == NULL; i++)
    if (!swarm->contacts[i].used)
      unused = &swarm->contacts[i];
  if (!unused || !(unused->have = calloc(1, bits_bytes(swarm->blocks))))
    return NULL;
  unused->used = true;
  memcpy(unused->member, peer->member, sizeof(unused->member));
  memcpy(unused->url, peer->url, sizeof(unused->url));
  return unused;
}

/* Lists are alike from one to the next: each peer is looked for behind the one before it. */
void
swarm_update(struct swarm *swarm, const struct peer_info *peers, size_t count, const char *own_member) {
  size_t expected = 0;

  for (size_t i = 0; i < SWARM_CONTACTS; i++) {
    struct contact *contact = &swarm->contacts[i];
    if (contact->used && contact->gone && !contact->downloads && !contact->polling)
      forget(swarm, contact);
    contact->gone = true;
  }
  for (size_t i = 0; i < count; i++) {
    const struct peer_info *peer = &peers[i];
    if (!strcmp(peer->member, own_member) || url_banned(swarm, peer->url))
      continue;
    struct contact *contact = find(swarm, peer, expected);
    if (!contact)
      continue;
    expected = (size_t)(contact - swarm->contacts) + 1;
    contact->gone = false;
    contact->near = peer->near;
    contact->busy = peer->busy;
    contact->have_told = peer->done ? swarm->blocks : peer->have;
    for (uint32_t block = 0; peer->done && contact->have_known < swarm->blocks && block < swarm->blocks; block++)
      set_have(swarm, contact, block, true);
  }
}

bool
swarm_have(struct swarm *swarm, struct contact *contact, const uint8_t *bitmap, size_t bytes) {
  if (bytes != bits_bytes(swarm->blocks))
    return false;
  for (size_t i = 0; i < bytes; i++)
    for (unsigned changed = contact->have[i] ^ bitmap[i]; changed; changed &= changed - 1) {
      uint32_t block = (uint32_t)i * 8 + (uint32_t)__builtin_ctz(changed);
      if (block < swarm->blocks)
        set_have(swarm, contact, block, bits_get(bitmap, block));
    }
  return true;
}

static bool
usable(const struct swarm *swarm, const struct contact *contact) {
  return contact->used && !contact->gone && !swarm_banned(swarm, contact);
}

/* ---- how they behave ---- */

/* Between half of the time and all of it, so that those who were refused together do not return together. */
static uint64_t
backoff(struct swarm *swarm, unsigned failures, uint64_t first, uint64_t maximum) {
  uint64_t time = first << (failures < 16 ? failures : 16);

  time = time < maximum ? time : maximum;
  return time / 2 + next_random(swarm) % (time / 2);
}

void
swarm_outcome(struct swarm *swarm, struct contact *contact, enum outcome outcome, uint64_t now) {
  switch (outcome) {
  case OUTCOME_SERVED:
    contact->failures = contact->stuck = 0;
    return;
  case OUTCOME_BUSY:
    contact->not_before = now + backoff(swarm, contact->failures, BUSY_NS, BUSY_MAX_NS);
    break;
  case OUTCOME_LACKING:
  case OUTCOME_BROKEN:
    contact->not_before = now + backoff(swarm, contact->failures, BROKEN_NS, BROKEN_MAX_NS);
    contact->polled = 0;
    break;
  }
  contact->failures++;
}

static bool
may_poll(const struct swarm *swarm, const struct contact *contact, uint64_t now) {
  const uint64_t age = now - contact->polled;

  return usable(swarm, contact) && !contact->polling && contact->have_known < swarm->blocks &&
         now >= contact->not_before &&
         (age >= POLL_BLIND_NS || (age >= POLL_NS && contact->have_told > contact->have_known));
}

static uint32_t
news_of(const struct contact *contact) {
  return contact->have_told > contact->have_known ? contact->have_told - contact->have_known : 0;
}

struct contact *
swarm_to_poll(struct swarm *swarm, uint64_t now) {
  struct contact *best = NULL;

  for (size_t i = 0; i < SWARM_CONTACTS; i++) {
    struct contact *contact = &swarm->contacts[i];
    if (may_poll(swarm, contact, now) && (best == NULL || news_of(contact) > news_of(best) ||
                                          (news_of(contact) == news_of(best) && contact->polled < best->polled)))
      best = contact;
  }
  return best;
}

/* ---- choosing ---- */

/* The block with the fewest holders of those that were weighed. */
struct rare {
  uint32_t block, holders, ties;
};

/* Every tie is broken evenly. */
static void
weigh(struct swarm *swarm, struct rare *best, uint32_t block) {
  const uint32_t holders = swarm->holders[block];

  if (holders > best->holders)
    return;
  best->ties = holders < best->holders ? 1 : best->ties + 1;
  best->holders = holders;
  if (next_random(swarm) % best->ties == 0)
    best->block = block;
}

/* Of the wanted blocks the contact has, the one with the fewest holders. */
static struct rare
rarest(struct swarm *swarm, const struct contact *contact, const uint8_t *wanted) {
  size_t bytes = bits_bytes(swarm->blocks), start = next_random(swarm) % bytes;
  struct rare best = {.holders = UINT32_MAX};

  for (size_t i = 0; i < bytes && (best.holders == UINT32_MAX || i < WINDOW / 8); i++) {
    size_t at = start + i < bytes ? start + i : start + i - bytes;
    for (unsigned both = wanted[at] & contact->have[at]; both; both &= both - 1)
      weigh(swarm, &best, (uint32_t)at * 8 + (uint32_t)__builtin_ctz(both));
  }
  return best;
}

/* The same of the last quarter of them. */
static struct rare
rare_and_late(struct swarm *swarm, const struct contact *contact, const uint8_t *wanted) {
  const size_t bytes = bits_bytes(swarm->blocks);
  struct rare best = {.holders = UINT32_MAX};
  uint32_t left = 3;

  for (size_t i = 0; i < bytes; i++)
    left += (uint32_t)__builtin_popcount(wanted[i] & contact->have[i]);
  left /= 4;
  for (size_t at = bytes; left > 0 && at-- > 0;)
    for (unsigned both = wanted[at] & contact->have[at]; both && left > 0; left--) {
      const unsigned last = 31U - (unsigned)__builtin_clz(both);
      both ^= 1U << last;
      weigh(swarm, &best, (uint32_t)at * 8 + last);
    }
  return best;
}

static bool
has_wanted(const struct swarm *swarm, const struct contact *contact, const uint8_t *wanted) {
  uint8_t any = 0;

  for (size_t i = 0; i < bits_bytes(swarm->blocks); i++)
    any |= wanted[i] & contact->have[i];
  return any != 0;
}

static bool
in_run(const struct swarm *swarm, const struct contact *contact, const uint8_t *wanted, uint32_t block) {
  return block < swarm->blocks && bits_get(wanted, block) && bits_get(contact->have, block);
}

static void
extend(const struct swarm *swarm, const struct wish *wish, struct choice *choice) {
  uint32_t first = choice->block, end = choice->block + 1;

  while (end - first < wish->most && in_run(swarm, choice->contact, wish->wanted, end))
    end++;
  while (end - first < wish->most && first > 0 && in_run(swarm, choice->contact, wish->wanted, first - 1))
    first--;
  choice->first = first;
  choice->count = end - first;
}

/* Requests to one contact at a time: with few contacts two keep each busy. */
static unsigned
most_downloads(const struct swarm *swarm) {
  unsigned count = 0;

  for (size_t i = 0; i < SWARM_CONTACTS && count <= FEW_CONTACTS; i++)
    count += usable(swarm, &swarm->contacts[i]);
  return count <= FEW_CONTACTS ? 2 : 1;
}

/* The least busy contact that has something wanted, any of those that are; our area's first if they shall be. Null:
 * none. */
static struct contact *
choose_contact(struct swarm *swarm, const struct wish *wish) {
  const unsigned most = most_downloads(swarm);
  struct contact *best = NULL;
  uint64_t best_order = UINT64_MAX;

  for (size_t i = 0; i < SWARM_CONTACTS; i++) {
    struct contact *contact = &swarm->contacts[i];
    if (!usable(swarm, contact) || contact == wish->whom || (contact->busy && !wish->busy) ||
        contact->downloads >= most || !contact->have_known || wish->now < contact->not_before)
      continue;
    const uint64_t order = (uint64_t)(wish->near_first && !contact->near) << 62 | (uint64_t)contact->downloads << 40 |
                           next_random(swarm) >> 32;
    if (order < best_order && has_wanted(swarm, contact, wish->wanted)) {
      best = contact;
      best_order = order;
    }
  }
  return best;
}

bool
swarm_choose(struct swarm *swarm, const struct wish *wish, struct choice *choice) {
  choice->contact = choose_contact(swarm, wish);
  if (choice->contact == NULL)
    return false;
  choice->block = wish->late ? rare_and_late(swarm, choice->contact, wish->wanted).block
                             : rarest(swarm, choice->contact, wish->wanted).block;
  extend(swarm, wish, choice);
  return true;
}
