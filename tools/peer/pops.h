/* SPDX-License-Identifier: Apache-2.0 */
/* The PoPs a peer may be a member at, one at a time, and when it is time for the next. No clock. */
#ifndef PEER_POPS_H
#define PEER_POPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POPS_MAX 16
/* Without service for so long a PoP is given up; twice as long after each that never served at all, up to the last. */
#define POPS_PATIENCE_NS 5000000000ULL
#define POPS_PATIENCE_MAX_NS (64 * POPS_PATIENCE_NS)

struct pops {
  char *urls[POPS_MAX]; /* https://host:port, no slash at the end; owned */
  size_t count, current;
  uint32_t refused;  /* a bit for each that wants no more of us */
  uint64_t since;    /* the current one has not served since, ns */
  uint64_t patience; /* ns; 0: the first */
};

/* Takes a copy of a URL. -ENOSPC: there are POPS_MAX already; -ENOMEM. */
int pops_add(struct pops *pops, const char *url, size_t length);
void pops_free(struct pops *pops);
const char *pops_url(const struct pops *pops);
/* A new member of the current one: it has its time. */
void pops_joined(struct pops *pops, uint64_t now);
/* The current one serves us. */
void pops_served(struct pops *pops, uint64_t now);
/* Goes on to the next that has not refused us; false when there is no other. */
bool pops_next(struct pops *pops);
/* The same, and never comes back to the current one. */
bool pops_refuse(struct pops *pops);
/* The same as pops_next once the current one has not served for long enough. */
bool pops_give_up(struct pops *pops, uint64_t now);

#endif
