/* SPDX-License-Identifier: Apache-2.0 */
#include "watch.h"
#include <math.h>

/* Loss from which a link is at a level, and what it is worth there. */
static const struct {
  double loss;
  uint64_t capacity_percent;
} levels[COPSE_WATCH_LEVELS] = {{0, 100}, {0.05, 75}, {0.1, 50}, {0.2, 25}, {0.5, 0}};
#define DOWN (COPSE_WATCH_LEVELS - 1)
#define SURE 12.0 /* the chance of what is seen, were it otherwise, is e to the minus of this */

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

/* ---- loss ---- */

static void
forget_losses(struct copse_watch *watch, const struct copse_watch_reading *reading, uint64_t now_ms) {
  watch->judged = watch->from_judged = watch->seconds[0].judged = reading->judged;
  watch->lost = watch->from_lost = watch->seconds[0].lost = reading->forward_lost;
  watch->second_count = 1;
  watch->second_ms = now_ms;
  memset(watch->excess, 0, sizeof(watch->excess));
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

/* Share lost over the seconds that are remembered; negative when that says nothing yet. The mean of the seconds'
 * shares: there are more test packets in those where some were lost. */
static double
loss_of(const struct copse_watch *watch) {
  const unsigned oldest = watch->second_count - 1;
  unsigned seconds = 0;
  double shares = 0;

  if (watch->seconds[0].judged - watch->seconds[oldest].judged < COPSE_WATCH_LEAST_JUDGED)
    return -1;
  for (unsigned i = 0; i < oldest; i++) {
    const uint64_t judged = watch->seconds[i].judged - watch->seconds[i + 1].judged;

    if (judged == 0)
      continue;
    shares += (double)(watch->seconds[i].lost - watch->seconds[i + 1].lost) / (double)judged;
    seconds++;
  }
  return shares / seconds;
}

/* Page's cumulative sums (Biometrika 41, 1954), one for each level: what is lost beyond its share, from the moment it
 * was last nothing. */
static void
weigh_losses(struct copse_watch *watch, const struct copse_watch_reading *reading) {
  const double judged = (double)(reading->judged - watch->judged), lost = (double)(reading->forward_lost - watch->lost);

  if (watch->level < DOWN && watch->excess[watch->level + 1] == 0) {
    watch->from_judged = watch->judged;
    watch->from_lost = watch->lost;
  }
  watch->judged = reading->judged;
  watch->lost = reading->forward_lost;
  for (unsigned level = 1; level < COPSE_WATCH_LEVELS; level++) {
    const double excess = watch->excess[level] + fmin(lost - levels[level].loss * judged, COPSE_WATCH_GAIN);

    watch->excess[level] = fmin(fmax(excess, 0), COPSE_WATCH_EXCESS);
  }
}

/* The seconds begin where what has made it worse begins: before, it was another link. */
static void
begin_seconds(struct copse_watch *watch, uint64_t now_ms) {
  watch->seconds[1].judged = watch->from_judged;
  watch->seconds[1].lost = watch->from_lost;
  watch->seconds[0].judged = watch->judged;
  watch->seconds[0].lost = watch->lost;
  watch->second_count = 2;
  watch->second_ms = now_ms;
  watch->now.loss = (double)(watch->lost - watch->from_lost) / (double)(watch->judged - watch->from_judged);
}

/* The level that losses have shown; not better than the present one. Once one is certain, a worse one need only be
 * likely. */
static unsigned
shown_level(const struct copse_watch *watch) {
  unsigned certain = watch->level, likely = watch->level;

  for (unsigned level = watch->level + 1; level < COPSE_WATCH_LEVELS; level++) {
    certain = watch->excess[level] >= COPSE_WATCH_EXCESS ? level : certain;
    likely = watch->excess[level] >= COPSE_WATCH_EXCESS / 2 ? level : likely;
  }
  return certain > watch->level ? likely : certain;
}

/* ---- silence ---- */

static void
begin_session(struct copse_watch *watch, const struct copse_watch_reading *reading, uint64_t now_ms) {
  watch->session = reading->session;
  watch->answers = false;
  watch->answered = reading->answered;
  watch->answered_sent = reading->sent;
  watch->reflected = watch->answered_reflected = reading->reflected;
  watch->answered_of = reading->reflected_of;
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
    watch->answered_of = reading->reflected_of;
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

/* Test packets of the other end go on arriving, so many of what it sends that one answer to ours would have as well. */
static bool
is_way_back_good(const struct copse_watch *watch, const struct copse_watch_reading *reading) {
  const uint64_t heard = reading->reflected - watch->answered_reflected;
  const uint64_t of = reading->reflected_of - watch->answered_of;
  const double unanswered = (double)(reading->sent - watch->answered_sent);

  return heard >= COPSE_WATCH_HEARD && -unanswered * log1p(-(double)heard / (double)(of + 1)) >= SURE;
}

/* No answer comes: is it the way there that fails, or the way back? If the way back is good, the way there. Else the
 * other end may know: it has found the way back down and hears us. If it has not said so after half as long again,
 * nothing gets through. */
static bool
is_cut(const struct copse_watch *watch, const struct copse_watch_reading *reading,
       const struct copse_measured_record *other, uint64_t silence_ms, uint64_t now_ms) {
  if (is_way_back_good(watch, reading))
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
  memset(watch->excess, 0, sizeof(watch->excess));
  set_level(watch, level);
}

static void
decide(struct copse_watch *watch, bool silent, bool cut, uint64_t now_ms) {
  const unsigned shown = shown_level(watch);
  const double loss = loss_of(watch);

  if (watch->worse_count > 0 && watch->level == 0 && now_ms - watch->worse_ms >= COPSE_WATCH_FORGET_MS) {
    watch->worse_count--;
    watch->worse_ms = now_ms;
  }
  if (cut && watch->level < DOWN) {
    get_worse(watch, DOWN, now_ms);
  } else if (!silent && shown > watch->level) {
    get_worse(watch, shown, now_ms);
    begin_seconds(watch, now_ms);
  } else if (!silent && loss >= 0 && level_of(2 * loss) < watch->level) {
    get_better(watch, level_of(2 * loss), now_ms);
  } else if (silent || loss >= 0) {
    watch->better_ms = 0;
  }
  if (silent && watch->level == DOWN)
    watch->now.loss = 1;
  else if (!silent && loss_of(watch) >= 0)
    watch->now.loss = loss_of(watch);
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
  weigh_losses(watch, reading);
  watch->silent = silent;
  decide(watch, silent, silent && is_cut(watch, reading, other, silence_ms, now_ms), now_ms);
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
