/* SPDX-License-Identifier: Apache-2.0 */
/* Who injects which block: every block once, seeds take disjoint orders; and once more when members came since who
 * missed it. Pure: no clock, no I/O; the simulator runs the same code. State is small and is kept in the store as JSON
 * by the caller.
 *
 * An audience is known by the number of its newest member: any number that is larger for whoever comes later. What was
 * injected for an older audience is missed by the newest member, and the older that audience, the more members miss it.
 */
#ifndef COPSE_SCHEDULER_H
#define COPSE_SCHEDULER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct copse_scheduler;

struct copse_range {
  uint32_t first, count;
};

/* `blocks` > 0. Null when memory is short. */
struct copse_scheduler *copse_scheduler_create(uint32_t blocks);
void copse_scheduler_free(struct copse_scheduler *scheduler);

/* Blocks worth having on order at a rate: half a second's, and on slow links at least some. */
uint64_t copse_scheduler_ahead(uint64_t rate_bps);
/* Next order for a seed that sends at rate_bps while all seeds together send at total_bps: what is worth having ahead,
 * and at the end of the file no more than its share of what is left, so that all seeds end together (guided
 * self-scheduling). Returns the number of ranges written (at most `capacity`), 0 when nothing is left. */
size_t copse_scheduler_order(struct copse_scheduler *scheduler, uint64_t member, uint64_t rate_bps, uint64_t total_bps,
                             uint64_t now_ms, struct copse_range *ranges, size_t capacity);
/* Next order of blocks that this audience has missed in part, those for the oldest audience first: as much as is
 * worth having ahead. Nothing while there are blocks that nobody was ordered to inject. Returns as
 * copse_scheduler_order. */
size_t copse_scheduler_repeat(struct copse_scheduler *scheduler, uint64_t member, uint64_t rate_bps, uint64_t audience,
                              uint64_t now_ms, struct copse_range *ranges, size_t capacity);
/* Whether either order could have something. */
bool copse_scheduler_due(const struct copse_scheduler *scheduler, uint64_t audience);
/* Blocks a member has on order to inject for the first time, and in all. */
uint64_t copse_scheduler_open_new(const struct copse_scheduler *scheduler, uint64_t member);
uint64_t copse_scheduler_open_all(const struct copse_scheduler *scheduler, uint64_t member);

/* The members of a session, as far as they matter here. */
struct copse_demand {
  uint64_t waiting;       /* members that miss something */
  uint64_t downlinks_bps; /* theirs, together */
  uint64_t audience;      /* the newest of them */
  uint64_t senders_bps;   /* what all that send can send together: copse_scheduler_admit */
  uint32_t loss_ppm;      /* of the symbols that trees bring them: their lower median */
};
/* A member that has the whole content, and the tree it may send into. */
struct copse_sender {
  uint64_t member;
  size_t outlet;       /* number of the tree */
  uint64_t uplink_bps; /* what it can send */
};
/* A tree, and what those that send into it can send. */
struct copse_outlet {
  uint64_t rate_bps, senders_bps;
};
struct copse_senders {
  const struct copse_sender *items;
  size_t count;
  struct copse_outlet *outlets; /* `senders_bps` of each is overwritten */
  size_t outlet_count;
};
/* What a member may send into its tree, bit/s: its uplink, or its part of a tree that has less than the uplinks of
 * those that send into it. Whoever has orders sends, and no more are admitted than fill the tree and what downlinks
 * carry: a few fast ones bring a block out in seconds, many slow ones do not. 0: others do, or it is none of them. Sets
 * `senders_bps` of the demand: what all that have been admitted send, and those that will be. */
uint64_t copse_scheduler_admit(const struct copse_scheduler *scheduler, uint64_t member,
                               const struct copse_senders *senders, struct copse_demand *demand);
/* At which a member that can send `rate_bps` may send blocks once more, bit/s: all give the same part, together 80 %
 * of the mean downlink. The rest is for headers, bursts and repair. */
uint64_t copse_scheduler_repeat_rate(const struct copse_demand *demand, uint64_t rate_bps);
/* Gives a member with the whole content that asks for orders new ones, else some to repeat, unless it has two orders'
 * worth of them. `rate_bps`: what it can send. True when it was given some. */
bool copse_scheduler_ask(struct copse_scheduler *scheduler, uint64_t member, uint64_t rate_bps,
                         const struct copse_demand *demand, uint64_t now_ms);
/* What it may send at, bit/s: while it has new blocks on order, or could have, its part of 94 % of the mean
 * downlink, for what a downlink cannot take is lost; else as copse_scheduler_repeat_rate. */
uint64_t copse_scheduler_rate(const struct copse_scheduler *scheduler, uint64_t member, uint64_t rate_bps,
                              const struct copse_demand *demand);

/* Parity symbols that are worth sending with each block, of `symbols`, to an audience that loses so much: half as many
 * again as are lost on average (docs/decisions/parity.md); none where so little is lost that repair is cheaper, and
 * none where so much is that it is want of bandwidth. */
uint32_t copse_scheduler_parity(const struct copse_demand *demand, uint32_t symbols);

/* The member has injected a range of its orders for this audience; parts not ordered by it are ignored. Keeps its other
 * orders alive. */
void copse_scheduler_sent(struct copse_scheduler *scheduler, uint64_t member, struct copse_range range,
                          uint64_t audience, uint64_t now_ms);
/* The member is alive: its orders stay. */
void copse_scheduler_touch(struct copse_scheduler *scheduler, uint64_t member, uint64_t now_ms);
/* Orders of a member that left, or of all that were silent for `silence_ms` (returns how many), are given out again. */
void copse_scheduler_leave(struct copse_scheduler *scheduler, uint64_t member);
size_t copse_scheduler_expire(struct copse_scheduler *scheduler, uint64_t now_ms, uint64_t silence_ms);
/* Open orders of a member (asked again after a lost answer): new blocks, then those to send once more; and everything
 * that was injected and is not on order once more. As ranges in order. */
size_t copse_scheduler_open(const struct copse_scheduler *scheduler, uint64_t member, struct copse_range *ranges,
                            size_t capacity);
size_t copse_scheduler_injected(const struct copse_scheduler *scheduler, struct copse_range *ranges, size_t capacity);

/* JSON text, allocated; and back (null when it is not well formed). */
char *copse_scheduler_save(const struct copse_scheduler *scheduler);
struct copse_scheduler *copse_scheduler_load(const char *text);

#endif
