/* SPDX-License-Identifier: Apache-2.0 */
/* One link under watch: from what STAMP counts to what the link is worth. No clock, no I/O.
 *
 * A link gets worse at once and better only after it was better for a while without a break; the while grows each time
 * it gets worse again (docs/decisions/measurement.md). */
#ifndef COPSE_LINK_WATCH_H
#define COPSE_LINK_WATCH_H

#include "session/records.h"

#define COPSE_WATCH_HOLD_MS 3000 /* doubled with each relapse … */
#define COPSE_WATCH_HOLD_MAX_MS 60000
#define COPSE_WATCH_FORGET_MS 60000 /* … and one relapse is forgotten after so long without another */
#define COPSE_WATCH_UNANSWERED 5    /* test packets in a row, at least, before a link is silent */
#define COPSE_WATCH_HEARD 8         /* test packets of the other end, at least, that clear the way back */
#define COPSE_WATCH_LEVELS 5        /* what a link can be worth */
#define COPSE_WATCH_EXCESS 9.0      /* test packets lost beyond a level's share that make a link be there */
#define COPSE_WATCH_GAIN 2.5        /* of them in one reading, at most: what is lost at once is one event */
#define COPSE_WATCH_SECONDS 10      /* loss is told, and is less, over so many */
#define COPSE_WATCH_FIGURES_MS 5000 /* figures alone are written no more often */
#define COPSE_WATCH_LEAST_JUDGED 40 /* test packets that a share of them says something about */

/* What a dataplane has counted for a target; see struct copse_target_state. */
struct copse_watch_reading {
  uint64_t session; /* 0: it measures nothing */
  uint64_t sent, answered, judged, forward_lost, reflected, reflected_of;
  uint64_t delay_ns, jitter_ns; /* round trip; 0: none yet */
};

struct copse_watch {
  char name[2 * COPSE_NAME_BYTES]; /* "U/V" */
  uint64_t session;
  bool answers;                             /* it has answered in this session, so that silence means something */
  uint64_t answered, answered_ms;           /* at the last answer: their number, when, */
  uint64_t answered_sent;                   /* what was sent, */
  uint64_t answered_reflected, answered_of; /* what was reflected, and of how many */
  uint64_t reflected, heard_ms;             /* at the last test packet of the other end */
  bool silent, hears;
  struct {
    uint64_t judged, lost;
  } seconds[COPSE_WATCH_SECONDS + 1]; /* counters at the start of each of the last seconds; the newest first */
  unsigned second_count;
  uint64_t judged, lost;             /* at the last reading */
  double excess[COPSE_WATCH_LEVELS]; /* test packets lost beyond each level's share since that was last nothing */
  uint64_t from_judged, from_lost;   /* when that was so of the next one */
  uint64_t second_ms;
  unsigned level;       /* what it is worth: 0 all … 4 nothing */
  bool relapses;        /* has got better since it last got worse */
  unsigned worse_count; /* relapses remembered */
  uint64_t worse_ms;    /* when one was last counted or forgotten */
  uint64_t better_ms;   /* has been better without a break since; 0: is not */
  struct copse_measured_record now;
  bool published_any;
  uint64_t published_ms;
  struct copse_measured_record published;
};

/* Begins where the store's record left off; null: there is none. */
void copse_watch_begin(struct copse_watch *watch, const char *name, const struct copse_measured_record *stored);
/* Takes a reading. `other` is what the far end has written about the link back; null when it has not, or is not there.
 * `silence_ms`: a link that answers nothing for so long is down. */
void copse_watch_step(struct copse_watch *watch, const struct copse_watch_reading *reading,
                      const struct copse_measured_record *other, uint64_t silence_ms, uint64_t now_ms);
/* The record is to be written: the state has changed, or figures have and it is time. */
bool copse_watch_due(const struct copse_watch *watch, uint64_t now_ms);
/* It was written. */
void copse_watch_written(struct copse_watch *watch, uint64_t now_ms);

#endif
