/* SPDX-License-Identifier: Apache-2.0 */
#include "control.h"
#include "clock.h"
#include "say.h"
#include <event2/event.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CALL_MS 5000
#define LEAVE_MS 2000
/* Between the beginnings of two syncs, however much there is to say. */
#define GAP_MS 40
/* Over which the peers of a PoP that died come to another. */
#define SPREAD_MS 5000

#define MILLISECOND 1000000ULL

enum state { STATE_OUT, STATE_MEMBER, STATE_LEAVING };

struct control {
  struct control_config config;
  struct event *timer;
  enum state state;
  bool busy;                 /* a call is under way */
  bool hurry;                /* and the next sync should follow at once */
  char member[MEMBER_CHARS]; /* empty: forgotten, or none yet */
  const char *joined_at;
  uint64_t sync_ms, begun_ms; /* of the last sync */
  void (*left)(void *context);
};

static void
schedule(struct control *control, uint64_t ms) {
  struct timeval delay = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};

  evtimer_add(control->timer, &delay);
}

static uint64_t
smaller(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

/* The next sync, counted from the beginning of the last. */
static void
schedule_sync(struct control *control, uint64_t period_ms) {
  uint64_t passed = clock_ns() / MILLISECOND - control->begun_ms;

  schedule(control, passed < period_ms ? period_ms - passed : 0);
}

static void
call(struct control *control, const char *method, const char *tail, const char *text, unsigned total_ms,
     api_done *done) {
  const char *member = control->state == STATE_OUT ? "" : control->member;
  char path[256];

  snprintf(path, sizeof(path), "/v1/sessions/%s/members%s%s%s", control->config.session, member[0] ? "/" : "", member,
           tail);
  control->busy = api_call(control->config.api, &(struct api_request){.method = method,
                                                                      .path = path,
                                                                      .body = text,
                                                                      .body_bytes = text ? strlen(text) : 0,
                                                                      .total_ms = total_ms,
                                                                      .done = done,
                                                                      .context = control});
  if (!control->busy)
    schedule(control, control->sync_ms);
}

/* A PoP wants no more of us; the next may. */
static void
refuse(struct control *control, const char *sentence) {
  struct pops *pops = control->config.api->pops;

  control->state = STATE_OUT;
  if (!pops_refuse(pops)) {
    control->config.refused(control->config.context, sentence);
    return;
  }
  say("%s; trying %s", sentence, pops_url(pops));
  schedule(control, GAP_MS);
}

static void
refuse_answer(struct control *control, const struct api_answer *answer, const char *what) {
  char sentence[COPSE_ERROR_TEXT_BYTES];

  snprintf(sentence, sizeof(sentence), "%s refused to %s: %d %s", pops_url(control->config.api->pops), what,
           answer->status, answer->detail);
  if (answer->status == 409) /* it is over, at every PoP */
    control->config.refused(control->config.context, sentence);
  else
    refuse(control, sentence);
}

/* ---- join ---- */

static void
take_membership(struct control *control, const struct joined *joined) {
  struct pops *pops = control->config.api->pops;

  if (control->joined_at && control->joined_at != pops_url(pops))
    say("going on at %s", pops_url(pops));
  control->joined_at = pops_url(pops);
  pops_joined(pops, clock_ns());
  control->state = STATE_MEMBER;
  control->sync_ms = joined->sync_ms;
  memcpy(control->member, joined->member, sizeof(joined->member));
  control->config.joined(control->config.context, joined);
  schedule(control, 0);
}

static void
on_joined(void *context, const struct api_answer *answer) {
  struct control *control = context;
  struct copse_error error;
  struct joined joined;

  control->busy = false;
  if (control->state == STATE_LEAVING)
    return;
  if (api_retryable(answer)) {
    pops_next(control->config.api->pops);
    schedule(control, api_backoff(control->config.api));
  } else if (answer->status != 201) {
    refuse_answer(control, answer, "let us join");
  } else if (message_joined(answer->json, &joined, &error) < 0) {
    refuse(control, error.text);
  } else {
    take_membership(control, &joined);
  }
}

static void
join(struct control *control) {
  char *text = message_join(&control->config.join);

  if (text)
    call(control, "POST", "", text, CALL_MS, on_joined);
  free(text);
}

/* ---- sync ---- */

static void
take_answer(struct control *control, const struct api_answer *answer) {
  struct copse_error error;
  struct synced synced;

  if (message_synced(answer->json, &synced, &error) < 0) {
    say("%s: %s", pops_url(control->config.api->pops), error.text);
    schedule(control, control->sync_ms);
    return;
  }
  uint64_t period_ms = synced.again_ms ? smaller(synced.again_ms, control->sync_ms) : control->sync_ms;
  schedule_sync(control, control->hurry || period_ms < GAP_MS ? GAP_MS : period_ms);
  control->hurry = false;
  control->config.synced(control->config.context, &synced);
  synced_free(&synced);
}

static void
on_synced(void *context, const struct api_answer *answer) {
  struct control *control = context;

  control->busy = false;
  if (control->state == STATE_LEAVING)
    return;
  if (api_retryable(answer)) {
    schedule(control, api_backoff(control->config.api));
  } else if (answer->status == 404 || answer->status == 421) {
    say("%s has forgotten us; joining again", pops_url(control->config.api->pops));
    control->state = STATE_OUT;
    control->member[0] = 0;
    schedule(control, GAP_MS);
  } else if (answer->status != 200) {
    refuse_answer(control, answer, "sync");
  } else {
    take_answer(control, answer);
  }
}

static void
sync_now(struct control *control) {
  struct report report = {0};

  control->config.report(control->config.context, &report);
  char *text = message_report(&report);
  control->begun_ms = clock_ns() / MILLISECOND;
  if (text)
    call(control, "POST", "/sync", text, CALL_MS, on_synced);
  else
    schedule(control, control->sync_ms);
  free(text);
}

/* ---- another PoP ---- */

/* The present one has not served us for long: we leave it for the next, where the peers of a PoP that died come one
 * after another. */
static bool
give_up(struct control *control) {
  struct api *api = control->config.api;
  const char *url = pops_url(api->pops);
  uint64_t now = clock_ns();

  if (control->config.served(control->config.context, !api->away))
    pops_served(api->pops, now);
  else if (pops_give_up(api->pops, now)) {
    say("%s does not serve us; trying %s", url, pops_url(api->pops));
    control->state = STATE_OUT;
    schedule(control, randombytes_uniform(SPREAD_MS));
    return true;
  }
  return false;
}

/* No other would have us: the one we have left may still know us. */
static bool
come_back(struct control *control) {
  struct pops *pops = control->config.api->pops;

  if (!control->member[0] || control->joined_at != pops_url(pops))
    return false;
  pops_joined(pops, clock_ns());
  control->state = STATE_MEMBER;
  sync_now(control);
  return true;
}

/* ---- leave ---- */

static void
on_left(void *context, const struct api_answer *answer) {
  struct control *control = context;

  (void)answer;
  evtimer_del(control->timer);
  control->left(control->config.context);
}

void
control_leave(struct control *control, void (*left)(void *context)) {
  bool member = control->state == STATE_MEMBER;

  control->state = STATE_LEAVING;
  control->left = left;
  schedule(control, member ? LEAVE_MS : 0);
  if (member)
    call(control, "DELETE", "", NULL, LEAVE_MS, on_left);
}

/* ---- */

static void
on_timer(evutil_socket_t fd, short what, void *context) {
  struct control *control = context;

  (void)fd;
  (void)what;
  if (control->state == STATE_LEAVING)
    control->left(control->config.context);
  else if (control->busy)
    return;
  else if (control->state == STATE_OUT) {
    if (!come_back(control))
      join(control);
  } else if (!give_up(control))
    sync_now(control);
}

void
control_hurry(struct control *control) {
  if (control->state != STATE_MEMBER || control->config.api->away)
    return;
  if (control->busy)
    control->hurry = true;
  else
    schedule_sync(control, GAP_MS);
}

void
control_set_seed(struct control *control, bool seed) {
  control->config.join.seed = seed;
}

struct control *
control_start(const struct control_config *config) {
  struct control *control = calloc(1, sizeof(*control));

  if (!control)
    return NULL;
  control->config = *config;
  control->sync_ms = GAP_MS;
  control->timer = evtimer_new(config->api->base, on_timer, control);
  if (!control->timer) {
    free(control);
    return NULL;
  }
  schedule(control, 0);
  return control;
}

void
control_free(struct control *control) {
  if (!control)
    return;
  event_free(control->timer);
  free(control);
}
