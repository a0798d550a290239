/* SPDX-License-Identifier: Apache-2.0 */
/* The other peers, what they have, and whom to ask for which blocks next. No clock, no I/O; chance is a seed. */
#ifndef PEER_SWARM_H
#define PEER_SWARM_H

#include "messages.h"

#define SWARM_CONTACTS 64
#define SWARM_BANNED 64

struct contact {
  bool used, gone;     /* gone: not in the last list; its place is free when nothing is under way */
  bool near;           /* in our area */
  bool busy;           /* trees take all of its uplink */
  uint8_t *have;       /* bitmap, as far as it is known */
  uint32_t have_known; /* bits set in it */
  uint32_t have_told;  /* what the control plane said it has */
  bool polling;        /* its bitmap is being fetched */
  uint64_t polled;     /* when that began, ns */
  unsigned downloads;  /* under way from it */
  unsigned failures;   /* in a row */
  unsigned stuck;      /* requests given up in a row, for want of a byte */
  uint64_t not_before; /* ns */
  char member[MEMBER_CHARS], url[URL_CHARS];
};

struct swarm {
  uint32_t blocks;
  uint16_t *holders; /* per block: contacts known to have it */
  struct contact contacts[SWARM_CONTACTS];
  char banned[SWARM_BANNED][URL_CHARS]; /* ring */
  size_t banned_count;
  uint64_t random;
};

/* -ENOMEM. */
int swarm_init(struct swarm *swarm, uint32_t blocks, uint64_t seed);
void swarm_free(struct swarm *swarm);
/* The control plane's list, without ourselves. */
void swarm_update(struct swarm *swarm, const struct peer_info *peers, size_t count, const char *own_member);
/* A contact's bitmap came. False when it is not of this content's size. */
bool swarm_have(struct swarm *swarm, struct contact *contact, const uint8_t *bitmap, size_t bytes);
/* It sent what does not verify: never again in this session. */
void swarm_ban(struct swarm *swarm, struct contact *contact);
bool swarm_banned(const struct swarm *swarm, const struct contact *contact);

/* How a request ended. Busy and broken contacts are left alone for a while, longer each time. */
enum outcome { OUTCOME_SERVED, OUTCOME_BUSY, OUTCOME_LACKING, OUTCOME_BROKEN };
void swarm_outcome(struct swarm *swarm, struct contact *contact, enum outcome outcome, uint64_t now);

/* The contact with most news, of those whose bitmap may be asked for at `now`: at most once a second each. Null: none.
 */
struct contact *swarm_to_poll(struct swarm *swarm, uint64_t now);

struct wish {
  const uint8_t *wanted;      /* bitmap */
  uint32_t most;              /* blocks in one request */
  bool near_first;            /* our area before the others */
  bool busy;                  /* also those who are busy */
  bool late;                  /* the last blocks first: trees may bring the others sooner */
  const struct contact *whom; /* not to ask; null: anybody */
  uint64_t now;
};
struct choice {
  struct contact *contact;
  uint32_t block;        /* the one that was chosen */
  uint32_t first, count; /* run of wanted blocks around it that the contact has */
};
/* Whom to ask for what: a random contact that is not busy, of its blocks the one fewest others have, ties at random.
 * False when nobody has anything wanted. */
bool swarm_choose(struct swarm *swarm, const struct wish *wish, struct choice *choice);

#endif
