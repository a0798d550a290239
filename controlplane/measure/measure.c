/* SPDX-License-Identifier: Apache-2.0 */
#include "measure.h"
#include "session/state.h"
#include "watch.h"
#include <copse/log.h>
#include <math.h>
#include <sodium.h>
#include <stdlib.h>

#define WALK_MS 100
#define WRITES_MAX 64 /* records in one transaction; the rest with the next */
#define KEY_BYTES (sizeof("/measured//") + 2UL * COPSE_NAME_BYTES)

/* What is to be written in one transaction. */
struct writing {
  struct copse_change changes[WRITES_MAX];
  char keys[WRITES_MAX][KEY_BYTES];
  struct copse_watch *watches[WRITES_MAX]; /* whose record it is, or null */
  size_t count;
};

/* Takes the text over; null deletes. */
static void
add(struct writing *writing, const char *prefix, const char *link, char *text, struct copse_watch *watch) {
  if (writing->count == WRITES_MAX) {
    free(text);
    return;
  }
  snprintf(writing->keys[writing->count], KEY_BYTES, "%s%s", prefix, link);
  writing->changes[writing->count] = (struct copse_change){
    .kind = text == NULL ? COPSE_CHANGE_DELETE : COPSE_CHANGE_PUT, .key = writing->keys[writing->count], .value = text};
  writing->watches[writing->count++] = watch;
}

static void
describe(const struct copse_watch *watch) {
  const struct copse_measured_record *now = &watch->now;

  if (watch->published_any ? watch->published.capacity_percent == now->capacity_percent : now->capacity_percent == 100)
    return;
  copse_log(COPSE_LOG_INFO, "link %s is %s: %u %% of its bandwidth, loss %.1f %%, delay %.3f ms", watch->name,
            copse_measured_state(now), (unsigned)now->capacity_percent, 100 * now->loss, now->delay_ms);
}

/* Walks go on meanwhile, so what could not be written comes again. */
static void
commit(struct copse_control *control, struct writing *writing, uint64_t now_ms) {
  const bool written =
    writing->count > 0 && copse_control_commit(control, NULL, 0, writing->changes, writing->count) == 0;

  for (size_t i = 0; i < writing->count; i++) {
    if (written && writing->watches[i] != NULL) {
      describe(writing->watches[i]);
      copse_watch_written(writing->watches[i], now_ms);
    }
    free((void *)writing->changes[i].value);
  }
}

/* ---- keys, and records that say nothing any more ---- */

/* The two PoPs of a link measure one another. */
static bool
is_measured(const struct copse_control *control, const struct copse_link *link) {
  const struct copse_pop *pop = copse_set_find(&control->model.pops, link->to);

  return control->config->stamp_port != 0 && (pop == NULL || pop->record.stamp_port != 0);
}

/* The key of our session to the other end, which needs it as well. */
static void
write_key(const struct copse_control *control, const char *name, const struct copse_link *link,
          struct writing *writing) {
  const bool authenticated = control->config->measure_authenticated;
  struct copse_stamp_record record = {.key = {0}};

  if (link != NULL && link->stamp_revision != 0 &&
      sodium_is_zero(link->stamp.key, sizeof(link->stamp.key)) != authenticated)
    return;
  if (authenticated)
    randombytes_buf(record.key, sizeof(record.key));
  add(writing, "/stamp/", name, copse_json_take(copse_stamp_write(&record)), NULL);
}

/* A link from here, or what is left of one. */
static void
tidy_link(const struct copse_control *control, const struct copse_link *link, struct writing *writing) {
  const struct copse_link *back = copse_model_link(&control->model, link->to, link->from);
  const bool wanted = is_measured(control, link);

  if (link->measured_revision != 0 && !(wanted && copse_link_configured(link)))
    add(writing, "/measured/", link->name, NULL, NULL);
  if (wanted && (copse_link_configured(link) || (back != NULL && copse_link_configured(back))))
    write_key(control, link->name, link, writing);
  else if (link->stamp_revision != 0)
    add(writing, "/stamp/", link->name, NULL, NULL);
}

static void
tidy(const struct copse_control *control, struct writing *writing) {
  const char *here = control->config->pop;

  for (size_t i = 0; i < control->model.links.count; i++) {
    const struct copse_link *link = control->model.links.items[i];

    if (strcmp(link->from, here) == 0) {
      tidy_link(control, link, writing);
    } else if (strcmp(link->to, here) == 0 && copse_link_configured(link) && control->config->stamp_port != 0 &&
               copse_model_link(&control->model, here, link->from) ==
                 NULL) { /* only answered, but with a key of ours all the same */
      char name[2 * COPSE_NAME_BYTES];

      snprintf(name, sizeof(name), "%s/%s", link->to, link->from);
      write_key(control, name, NULL, writing);
    }
  }
}

/* ---- results ---- */

static struct copse_watch *
watch_of(struct copse_control *control, const char *name) {
  struct copse_watch *watch = copse_set_find(&control->measure.watches, name);
  const struct copse_link *link = copse_set_find(&control->model.links, name);

  if (watch == NULL) {
    watch = copse_set_make(&control->measure.watches, name, sizeof(*watch));
    if (watch != NULL)
      copse_watch_begin(watch, name, link != NULL && link->measured_revision != 0 ? &link->measured : NULL);
  }
  return watch;
}

/* What the far end says of the link back; null when it says nothing or is not there. */
static const struct copse_measured_record *
word_of(const struct copse_control *control, const char *pop) {
  const struct copse_link *back = copse_model_link(&control->model, pop, control->config->pop);

  return back != NULL && back->measured_revision != 0 && copse_set_find(&control->model.pops, pop) != NULL
           ? &back->measured
           : NULL;
}

static void
step(struct copse_control *control, const struct copse_shadow_target *target, struct writing *writing,
     uint64_t now_ms) {
  const struct copse_counters *counters = copse_dataplane_counters(control->dataplane);
  struct copse_target_state state;
  char name[2 * COPSE_NAME_BYTES];
  struct copse_watch *watch;

  snprintf(name, sizeof(name), "%s/%s", control->config->pop, target->name);
  watch = watch_of(control, name);
  if (watch == NULL || counters == NULL)
    return;
  copse_counters_target(counters, target->set.slot, &state);
  const struct copse_watch_reading reading = {.session = state.id,
                                              .sent = state.sent,
                                              .answered = state.answered,
                                              .judged = state.judged,
                                              .forward_lost = state.forward_lost,
                                              .reflected = state.reflected,
                                              .reflected_of = state.reflected_of,
                                              .delay_ns = state.delay_mean_ns,
                                              .jitter_ns = state.jitter_ns};
  copse_watch_step(watch, &reading, word_of(control, target->name), control->config->link_silence_ms, now_ms);
  if (copse_watch_due(watch, now_ms))
    add(writing, "/measured/", name, copse_json_take(copse_measured_write(&watch->now)), watch);
}

/* Links that are not measured any more are not watched. */
static void
forget_watches(struct copse_control *control) {
  struct copse_set *watches = &control->measure.watches;

  for (size_t i = watches->count; i-- > 0;) {
    const struct copse_watch *watch = watches->items[i];
    const struct copse_shadow_target *target =
      copse_set_find(&control->nodes.shadow.targets, strchr(watch->name, '/') + 1);

    if (target == NULL || target->set.interval_us == 0)
      free(copse_set_remove(watches, watch->name));
  }
}

void
copse_measure_walk(struct copse_control *control, uint64_t now_ms) {
  const struct copse_set *targets = &control->nodes.shadow.targets;
  struct writing writing = {.count = 0};

  if (now_ms - control->measure.walked_ms < WALK_MS || control->store_status != 0)
    return;
  control->measure.walked_ms = now_ms;
  tidy(control, &writing);
  if (control->nodes.state >= COPSE_NODES_READY) {
    forget_watches(control);
    for (size_t i = 0; i < targets->count; i++)
      if (((const struct copse_shadow_target *)targets->items[i])->set.interval_us != 0)
        step(control, targets->items[i], &writing, now_ms);
  }
  commit(control, &writing, now_ms);
}

void
copse_measure_stop(struct copse_control *control) {
  copse_set_free(&control->measure.watches, free);
}

double
copse_measure_delay(const struct copse_control *control, const char *pop) {
  const struct copse_link *links[2] = {copse_model_link(&control->model, control->config->pop, pop),
                                       copse_model_link(&control->model, pop, control->config->pop)};

  for (int i = 0; i < 2; i++)
    if (links[i] != NULL && links[i]->measured_revision != 0 && links[i]->measured.delay_ms > 0)
      return links[i]->measured.delay_ms;
  for (int i = 0; i < 2; i++)
    if (links[i] != NULL && links[i]->record.delay_ms > 0)
      return links[i]->record.delay_ms;
  return INFINITY;
}
