/* SPDX-License-Identifier: Apache-2.0 */
/* Which blocks this peer is to inject, and which it has injected but not yet reported (docs/api.md, sync). */
#ifndef PEER_ORDERS_H
#define PEER_ORDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct range {
  uint32_t first, count;
};

/* Grows; `items` is owned. */
struct ranges {
  struct range *items;
  size_t count, capacity;
};

/* Appends, joined to the last range where it continues it. -ENOMEM. */
int ranges_append(struct ranges *ranges, uint32_t first, uint32_t count);
void ranges_free(struct ranges *ranges);

struct orders {
  uint32_t blocks;        /* of the content */
  uint32_t waiting;       /* blocks queued */
  bool ran_out;           /* said so, and nothing new was queued since */
  struct ranges queue;    /* in the order given */
  uint8_t *known;         /* bitmap: queued, being sent, or sent and not yet reported */
  struct ranges sent;     /* since the last report was made */
  struct ranges reported; /* in a report that is not answered yet */
  uint64_t asked;         /* when the last report was made, ns */
  uint64_t answer_ns;     /* that answers take: the longest of late */
};

/* -ENOMEM. */
int orders_init(struct orders *orders, uint32_t blocks);
void orders_free(struct orders *orders);
/* Forgets everything: the member they were given to is gone. */
void orders_reset(struct orders *orders);
/* Queues what is not known yet; blocks outside the content are ignored. -ENOMEM. */
int orders_add(struct orders *orders, struct range range);
/* Takes the next block to inject; false when there is none. */
bool orders_take(struct orders *orders, uint32_t *block);
/* Every packet of a taken block has left. -ENOMEM. */
int orders_sent(struct orders *orders, uint32_t block);
/* True when little is queued, so that a report should ask for more: half a second at this rate beyond the time an
 * answer takes, or two blocks. */
bool orders_low(const struct orders *orders, uint64_t rate_bps);
/* True, once until more is queued, when the report that asks should not wait: an eighth of a second beyond that time,
 * or a block. */
bool orders_running_out(struct orders *orders, uint64_t rate_bps);
/* What to put into a report now: everything sent and not yet acknowledged. */
const struct ranges *orders_report(struct orders *orders, uint64_t now);
/* The report was answered. */
void orders_acknowledged(struct orders *orders, uint64_t now);

#endif
