/* SPDX-License-Identifier: Apache-2.0 */
#include "watch.h"
#include <math.h>

/* Loss from which a link is at a level, and what it is worth there. */
static const struct {
  double loss;
  uint64_t capacity_percent;
} levels[] = {{0, 100}, {0.05, 75}, {0.1, 50}, {0.2, 25}, {0.5, 0}};
#define DOWN (sizeof(levels) / sizeof(levels[0]) - 1)

static unsigned
level_of(double loss) {
  unsigned level = DOWN;

  while (level > 0 && loss < levels[level].loss)
    level--;
  return level;
}

static void
set_level(struct copse_watch *watch, unsigned level) {
  watch->level = level;
  watch->better_ms = 0;
  watch->now.capacity_percent = levels[level].capacity_percent;
}

void
copse_watch_begin(struct copse_watch *watch, const char *name, const struct copse_measured_record *stored) {
  *watch = (struct copse_watch){.relapses = true, .hears = stored != NULL && stored->heard};
  copse_copy(watch->name, sizeof(watch->name), name);
  if (stored != NULL) {
    watch->now = watch->published = *stored;
    watch->published_any = true;
    while (watch->level < DOWN && levels[watch->level].capacity_percent > stored->capacity_percent)
      watch->level++;
  }
  set_level(watch, watch->level);
}

/* ---- loss over the last seconds ---- */

static void
forget_losses(struct copse_watch *watch, const struct copse_watch_reading *reading, uint64_t now_ms) {
  watch->seconds[0].judged = reading->judged;
  watch->seconds[0].lost = reading->forward_lost;
  watch->second_count = 1;
  watch->second_ms = now_ms;
}

static void
note_second(struct copse_watch *watch, const struct copse_watch_reading *reading, uint64_t now_ms) {
  if (now_ms - watch->second_ms < 1000)
    return;
  memmove(watch->seconds + 1, watch->seconds, sizeof(watch->seconds) - sizeof(watch->seconds[0]));
  if (watch->second_count <= COPSE_WATCH_SECONDS)
    watch->second_count++;
  watch->seconds[0].judged = reading->judged;
  watch->seconds[0].lost = reading->forward_lost;
  watch->second_ms = now_ms;
}

/* Share lost since the oldest second that is remembered; negative when that says nothing yet. */
static double
loss_of(const struct copse_watch *watch, const struct copse_watch_reading *reading) {
  const uint64_t judged = reading->judged - watch->seconds[watch->second_count - 1].judged;
  const uint64_t lost = reading->forward_lost - watch->seconds[watch->second_count - 1].lost;

  if (judged < COPSE_WATCH_LEAST_JUDGED)
    return -1;
  return lost < COPSE_WATCH_LEAST_LOST ? 0 : (double)lost / (double)judged;
}

/* ---- silence ---- */

static void
begin_session(struct copse_watch *watch, const struct copse_watch_reading *reading, uint64_t now_ms) {
  watch->session = reading->session;
  watch->answers = false;
  watch->answered = reading->answered;
  watch->answered_sent = reading->sent;
  watch->reflected = watch->answered_reflected = reading->reflected;
  watch->answered_ms = watch->heard_ms = now_ms;
  forget_losses(watch, reading, now_ms);
}

static void
listen(struct copse_watch *watch, const struct copse_watch_reading *reading, uint64_t silence_ms, uint64_t now_ms) {
  if (reading->answered != watch->answered) {
    watch->answers = true;
    watch->answered = reading->answered;
    watch->answered_sent = reading->sent;
    watch->answered_reflected = reading->reflected;
    watch->answered_ms = now_ms;
  }
  if (reading->reflected != watch->reflected) {
    watch->reflected = reading->reflected;
    watch->heard_ms = now_ms;
    watch->hears = true;
  } else if (now_ms - watch->heard_ms >= silence_ms) {
    watch->hears = false;
  }
  watch->now.heard = watch->hears;
}

static bool
is_silent(const struct copse_watch *watch, const struct copse_watch_reading *reading, uint64_t silence_ms,
          uint64_t now_ms) {
  return watch->answers && reading->sent - watch->answered_sent >= COPSE_WATCH_UNANSWERED &&
         now_ms - watch->answered_ms >= silence_ms;
}

/* No answer comes: is it the way there that fails, or the way back? If test packets of the other end went on arriving
 * when answers did not, the way back is good. Else the other end may know: it has found the way back down and hears us.
 * If it has not said so after half as long again, nothing gets through. */
static bool
is_cut(const struct copse_watch *watch, const struct copse_measured_record *other, uint64_t silence_ms,
       uint64_t now_ms) {
  if (watch->reflected - watch->answered_reflected >= COPSE_WATCH_HEARD)
    return true;
  return now_ms - watch->answered_ms >= silence_ms + silence_ms / 2 &&
         !(other != NULL && other->capacity_percent == 0 && other->heard);
}

/* ---- levels ---- */

static uint64_t
hold_of(const struct copse_watch *watch) {
  uint64_t hold_ms = COPSE_WATCH_HOLD_MS;

  for (unsigned i = 1; i < watch->worse_count && hold_ms < COPSE_WATCH_HOLD_MAX_MS; i++)
    hold_ms *= 2;
  return hold_ms < COPSE_WATCH_HOLD_MAX_MS ? hold_ms : COPSE_WATCH_HOLD_MAX_MS;
}

static void
get_worse(struct copse_watch *watch, unsigned level, uint64_t now_ms) {
  if (watch->relapses)
    watch->worse_count++;
  watch->relapses = false;
  watch->worse_ms = now_ms;
  set_level(watch, level);
}

/* Better by so much that noise about a threshold does not bring it back and forth. */
static void
get_better(struct copse_watch *watch, unsigned level, uint64_t now_ms) {
  if (watch->better_ms == 0)
    watch->better_ms = now_ms;
  if (now_ms - watch->better_ms < hold_of(watch))
    return;
  watch->relapses = true;
  set_level(watch, level);
}

static void
decide(struct copse_watch *watch, const struct copse_watch_reading *reading, bool silent, bool cut, uint64_t now_ms) {
  const double loss = loss_of(watch, reading);

  if (watch->worse_count > 0 && watch->level == 0 && now_ms - watch->worse_ms >= COPSE_WATCH_FORGET_MS) {
    watch->worse_count--;
    watch->worse_ms = now_ms;
  }
  if (cut && watch->level < DOWN)
    get_worse(watch, DOWN, now_ms);
  else if (!silent && loss >= 0 && level_of(loss) > watch->level)
    get_worse(watch, level_of(loss), now_ms);
  else if (!silent && loss >= 0 && level_of(2 * loss) < watch->level)
    get_better(watch, level_of(2 * loss), now_ms);
  else if (silent || loss >= 0)
    watch->better_ms = 0;
  if (!silent && loss >= 0)
    watch->now.loss = loss;
  if (silent && watch->level == DOWN)
    watch->now.loss = 1;
}

void
copse_watch_step(struct copse_watch *watch, const struct copse_watch_reading *reading,
                 const struct copse_measured_record *other, uint64_t silence_ms, uint64_t now_ms) {
  bool silent, resumes;

  if (reading->session == 0)
    return;
  if (reading->session != watch->session)
    begin_session(watch, reading, now_ms);
  resumes = watch->silent || !watch->answers;
  listen(watch, reading, silence_ms, now_ms);
  note_second(watch, reading, now_ms);
  silent = is_silent(watch, reading, silence_ms, now_ms);
  if (resumes && watch->answers && !silent && watch->level == DOWN)
    forget_losses(watch, reading, now_ms); /* what was lost while it was down says nothing of what comes after */
  watch->silent = silent;
  decide(watch, reading, silent, silent && is_cut(watch, other, silence_ms, now_ms), now_ms);
  if (!silent && reading->delay_ns > 0) {
    watch->now.delay_ms = (double)reading->delay_ns / 2e6;
    watch->now.jitter_ms = (double)reading->jitter_ns / 1e6;
  }
}

/* ---- what is told ---- */

static bool
has_moved(double before, double now, double share, double least) {
  const double change = fabs(now - before);

  return change >= least && change >= share * before;
}

bool
copse_watch_due(const struct copse_watch *watch, uint64_t now_ms) {
  const struct copse_measured_record *before = &watch->published, *now = &watch->now;

  if (!watch->published_any)
    return watch->answers;
  if (before->capacity_percent != now->capacity_percent || before->heard != now->heard)
    return true;
  return now_ms - watch->published_ms >= COPSE_WATCH_FIGURES_MS &&
         (has_moved(before->delay_ms, now->delay_ms, 0.2, 0.1) ||
          has_moved(before->jitter_ms, now->jitter_ms, 0.5, 0.5) || has_moved(before->loss, now->loss, 0, 0.02));
}

void
copse_watch_written(struct copse_watch *watch, uint64_t now_ms) {
  watch->published = watch->now;
  watch->published_any = true;
  watch->published_ms = now_ms;
}
