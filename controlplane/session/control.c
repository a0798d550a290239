/* SPDX-License-Identifier: Apache-2.0 */
#include "state.h"
#include <copse/log.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#define TICK_MS 20 /* the store is polled */
#define TELL_MS 5000
#define WALK_MS 200 /* things that come by time are looked at */

uint64_t
copse_control_now(void) {
  struct timespec now;

  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t
copse_control_wall(void) {
  struct timespec now;

  clock_gettime(CLOCK_REALTIME, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

char *
copse_json_take(json_t *json) {
  char *text = json == NULL ? NULL : json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);

  json_decref(json);
  return text;
}

/* The log has the first of a row, then how many there were every few seconds. */
static void
note_written(struct copse_control *control, const char *key, int result, const struct copse_error *error) {
  uint64_t now_ms = copse_control_now();

  if (result == 0 && control->unwritten > 0) {
    copse_log(COPSE_LOG_INFO, "the store can be written again, after %llu transactions that failed",
              (unsigned long long)control->unwritten);
    control->unwritten = 0;
  }
  if (result >= 0 || result == -EAGAIN)
    return;
  control->unwritten++;
  if (control->unwritten > 1 && now_ms - control->unwritten_told_ms < TELL_MS)
    return;
  control->unwritten_told_ms = now_ms;
  copse_log(COPSE_LOG_ERROR, "%s is not written: %s (%llu in a row)", key, error->text,
            (unsigned long long)control->unwritten);
}

int
copse_control_commit(struct copse_control *control, const struct copse_compare *compares, size_t compare_count,
                     const struct copse_change *changes, size_t change_count) {
  struct copse_error error = {.text = ""};
  uint64_t revision = 0;
  int result = copse_store_commit(control->store, compares, compare_count, changes, change_count, &revision, &error);

  note_written(control, change_count > 0 ? changes[0].key : "nothing", result, &error);
  for (size_t i = 0; i < change_count && result == 0; i++)
    if (changes[i].kind != COPSE_CHANGE_DELETE_PREFIX) /* which keys those were, the watch will tell */
      copse_model_apply(&control->model, changes[i].key, changes[i].kind == COPSE_CHANGE_PUT ? changes[i].value : NULL,
                        revision);
  return result;
}

int
copse_control_transact(struct copse_control *control, struct copse_transaction *transaction) {
  int result = -ENOMEM;

  if (!transaction->failed)
    result = copse_control_commit(control, transaction->compares, transaction->compare_count, transaction->changes,
                                  transaction->change_count);
  copse_transaction_free(transaction);
  return result;
}

static void
on_change(void *context, const char *key, const char *value, uint64_t revision) {
  struct copse_control *control = context;

  if (key == NULL) {
    control->fell_behind = true; /* read whole by the next tick: callers hold what is in the model */
    return;
  }
  if (copse_model_apply(&control->model, key, value, revision) == -ENOMEM)
    copse_log(COPSE_LOG_ERROR, "no memory for %s", key);
}

void
copse_control_refresh(struct copse_control *control) {
  int result = copse_store_poll(control->store, copse_control_now());

  if (result < 0 && control->store_status >= 0)
    copse_log(COPSE_LOG_ERROR, "the store does not answer: %s", strerror(-result));
  if (result >= 0 && control->store_status < 0)
    copse_log(COPSE_LOG_INFO, "the store answers again");
  control->store_status = result < 0 ? result : 0;
}

struct copse_session *
copse_control_session(struct copse_control *control, const char *id, struct copse_answer *answer) {
  struct copse_session *session = copse_model_session(&control->model, id);
  char key[sizeof("/sessions/") + COPSE_SESSION_BYTES];
  struct copse_value value;
  int result = -ENOENT;

  if (session != NULL)
    return session;
  if (strlen(id) < COPSE_SESSION_BYTES) {
    snprintf(key, sizeof(key), "/sessions/%s", id);
    result = copse_store_get(control->store, key, &value);
  }
  if (result == 0) {
    copse_value_free(&value);
    copse_control_refresh(control); /* which now brings what was read */
    session = copse_model_session(&control->model, id);
  }
  if (session == NULL && (result == 0 || result == -ENOENT))
    copse_answer_fail(answer, 404, NULL, "no such session");
  else if (session == NULL)
    copse_answer_fail(answer, 503, NULL, "the store cannot be asked now: %s", strerror(-result));
  return session;
}

static void
catch_up(struct copse_control *control) {
  uint64_t revision;
  int result;

  copse_log(COPSE_LOG_WARNING, "fell behind the store; reading it whole");
  result = copse_model_load(&control->model, control->store, &revision);
  control->fell_behind = result < 0;
  if (result < 0)
    control->store_status = result;
}

/* Everything there is to do, in an order in which one walk sees what the one before has done. */
static void
walk(struct copse_control *control) {
  uint64_t now_ms = copse_control_now();

  control->model.changed = false;
  if (control->store_status == 0) {
    copse_presence_walk(control, now_ms);
    copse_members_walk(control, now_ms);
    copse_owner_walk(control, now_ms);
    copse_retire_walk(control, now_ms);
  }
  copse_nodes_walk(control, now_ms);
  control->walked_ms = now_ms;
}

static void
on_tick(evutil_socket_t fd, short what, void *context) {
  struct copse_control *control = context;

  (void)fd, (void)what;
  copse_control_refresh(control);
  if (control->fell_behind)
    catch_up(control);
  copse_stats_walk(control, copse_control_wall());
  copse_measure_walk(control, copse_control_now());
  if (control->model.changed || copse_control_now() - control->walked_ms >= WALK_MS)
    walk(control);
}

static void
on_soon(evutil_socket_t fd, short what, void *context) {
  (void)fd, (void)what;
  walk(context);
  copse_control_refresh(context); /* who waits for what was just done sees it now */
}

void
copse_control_soon(struct copse_control *control) {
  event_active(control->soon, EV_TIMEOUT, 0);
}

/* The URL others reach our API at. */
static void
make_api(struct copse_control *control) {
  const struct copse_control_config *config = control->config;
  const char *address = strcmp(config->http.address, "0.0.0.0") == 0 || strcmp(config->http.address, "::") == 0
                          ? config->block_address
                          : config->http.address;

  if (config->api != NULL)
    snprintf(control->api, sizeof(control->api), "%s", config->api);
  else
    snprintf(control->api, sizeof(control->api), strchr(address, ':') == NULL ? "https://%s:%u" : "https://[%s]:%u",
             address, (unsigned)config->http.port);
}

static int
open_store(struct copse_control *control, struct copse_error *error) {
  uint64_t revision;
  int result = strcmp(control->config->store, COPSE_STORE_ETCD) == 0
                 ? copse_store_open_etcd(&control->config->etcd, &control->store, error)
                 : copse_store_open(control->config->store, &control->store, error);

  if (result < 0)
    return result;
  result = copse_model_load(&control->model, control->store, &revision);
  if (result == 0)
    result = copse_store_watch(control->store, "/", revision, on_change, control);
  return result == 0 ? 0
                     : copse_fail(error, result, "%s: cannot be read: %s", control->config->store, strerror(-result));
}

int
copse_control_start(const struct copse_control_config *config, struct event_base *base, struct copse_control **out,
                    struct copse_error *error) {
  struct copse_control *control = calloc(1, sizeof(*control));
  struct timeval tick = {.tv_usec = TICK_MS * 1000L};
  int result;

  if (control == NULL)
    return copse_fail(error, -ENOMEM, "no memory for the control plane");
  control->config = config;
  control->base = base;
  control->tick = event_new(base, -1, EV_PERSIST, on_tick, control);
  control->soon = event_new(base, -1, 0, on_soon, control);
  copse_endpoint_parse(config->block_address, (uint16_t)config->block_port, &control->endpoint);
  make_api(control);
  result = control->tick == NULL || control->soon == NULL ? copse_fail(error, -ENOMEM, "no memory for the loop") : 0;
  if (result == 0)
    result = open_store(control, error);
  if (result == 0)
    result = copse_presence_start(control, error);
  if (result == 0)
    result = copse_nodes_start(control, error);
  if (result < 0) {
    copse_control_stop(control);
    return result;
  }
  event_add(control->tick, &tick);
  *out = control;
  return 0;
}

void
copse_control_stop(struct copse_control *control) {
  if (control == NULL)
    return;
  copse_nodes_stop(control);
  if (control->store != NULL)
    copse_presence_stop(control);
  copse_measure_stop(control);
  copse_model_free(&control->model);
  copse_store_close(control->store);
  if (control->tick != NULL)
    event_free(control->tick);
  if (control->soon != NULL)
    event_free(control->soon);
  free(control);
}

void
copse_answer_fail(struct copse_answer *answer, int status, const char *field, const char *format, ...) {
  va_list arguments;

  answer->status = status;
  answer->field = field;
  va_start(arguments, format);
  vsnprintf(answer->error.text, sizeof(answer->error.text), format, arguments);
  va_end(arguments);
}

bool
copse_answer_flag(const json_t *body, const char *name, bool *out, struct copse_answer *answer) {
  const json_t *value = json_object_get(body, name);

  *out = json_is_true(value);
  if (value == NULL || json_is_boolean(value))
    return true;
  copse_answer_fail(answer, 400, name, "%s: must be true or false", name);
  return false;
}

struct copse_store *
copse_control_store(struct copse_control *control) {
  return control->store;
}

struct event_base *
copse_control_base(struct copse_control *control) {
  return control->base;
}

void
copse_control_on_taken(struct copse_control *control, void (*taken)(void *context), void *context) {
  control->taken = taken;
  control->taken_context = context;
}

const char *
copse_control_pop(const struct copse_control *control) {
  return control->config->pop;
}

bool
copse_control_healthy(const struct copse_control *control) {
  return control->store_status == 0 && control->nodes.state >= COPSE_NODES_READY;
}
