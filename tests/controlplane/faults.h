/* SPDX-License-Identifier: Apache-2.0 */
/* A store and clocks that misbehave as they are told: linked between the control planes of a cluster and the real ones
 * (ld --wrap). Handles are counted in the order they are opened: 0 is the cluster's own, PoP i's is i + 1. */
#ifndef FAULTS_H
#define FAULTS_H

#include <stdbool.h>
#include <stdint.h>

#define FAULTS_HANDLES 16

struct faults {
  int away;            /* status of every call through it; 0: the store is there */
  int unwritable;      /* status of every commit, lease and renewal; 0: it can be written */
  unsigned twice;      /* percent of events that come twice, */
  unsigned later;      /* percent that come only with one of the next polls, after others that are newer */
  unsigned unanswered; /* percent of commits that are made, and nobody is told */
  unsigned commits;    /* that were tried */
};

extern struct faults faults[FAULTS_HANDLES];
/* Added to what the clocks say. */
extern int64_t faults_monotonic_ms, faults_calendar_ms;

/* Before a cluster starts: no faults, and handles counted from 0. */
void faults_clear(void);

#endif
