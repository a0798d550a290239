/* SPDX-License-Identifier: Apache-2.0 */
/* Who injects which block. The scheduler's state is in the store, changed by compare: seeds of several PoPs share it.
 */
#include "plan.h"
#include "state.h"
#include <copse/log.h>
#include <copse/scheduler.h>
#include <copse/wire.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define SILENCE_MS 5000 /* after which a seed's orders are given to another */
#define TOUCH_MS 1000   /* orders that are only kept alive are written so often */
#define TRIES 8         /* of the transaction */
#define RANGES_MAX 4096 /* of injected blocks in an answer */
#define ORDERS_MAX 64   /* open ranges of one seed */
#define HEADROOM 0.98   /* of an uplink: its layer 2 headers, 1 %, are not in our rates, nor are reports */
#define LOOK_MS 40      /* a seed asks again so soon while trees grow */

/* Decodes the state when it has changed; null when memory is short. */
static struct copse_scheduler *
scheduler_of(struct copse_session *session) {
  if (session->scheduler == NULL && session->orders != NULL)
    session->scheduler = copse_scheduler_load(session->orders);
  if (session->scheduler == NULL)
    session->scheduler = copse_scheduler_create(copse_session_blocks(session));
  return session->scheduler;
}

static json_t *
ranges_json(const struct copse_range *ranges, size_t count) {
  json_t *array = json_array();

  for (size_t i = 0; i < count; i++)
    json_array_append_new(array, json_pack("[I, I]", (json_int_t)ranges[i].first, (json_int_t)ranges[i].count));
  return array;
}

json_t *
copse_orders_injected(struct copse_session *session) {
  struct copse_scheduler *scheduler = scheduler_of(session);
  struct copse_range *ranges;

  if (session->injected != NULL || scheduler == NULL)
    return json_incref(session->injected);
  ranges = calloc(RANGES_MAX, sizeof(*ranges));
  if (ranges == NULL)
    return NULL;
  session->injected = ranges_json(ranges, copse_scheduler_injected(scheduler, ranges, RANGES_MAX));
  free(ranges);
  return json_incref(session->injected);
}

static const struct copse_planned_tree *
tree_here(const struct copse_control *control, const struct copse_session *session) {
  const struct copse_planned_tree *planned = copse_session_rooted(session, control->config->pop);

  return planned == NULL || planned->status != COPSE_TREE_OK ? NULL : planned;
}

/* The dataplane takes what the member sends into a tree: that of the plan, or the one before until that is whole. */
static bool
may_send(const struct copse_control *control, const struct copse_session *session, const struct copse_member *member) {
  const struct copse_shadow_member *here = copse_shadow_member(&control->nodes.shadow, member->id);

  return !session->finished && tree_here(control, session) != NULL && copse_dataplane_connected(control->dataplane) &&
         here != NULL && here->set.send_tree != COPSE_SLOT_NONE;
}

static uint64_t
less_headers(uint64_t uplink_bps) {
  return (uint64_t)((double)uplink_bps * HEADROOM);
}

/* Complete members of areas with a tree, and these trees. Both arrays are the caller's to free; no senders when memory
 * is short. */
static struct copse_senders
senders_of(const struct copse_session *session) {
  const size_t members = session->members.count, trees = session->plan.tree_count;
  struct copse_sender *items = calloc(members + 1, sizeof(*items));
  struct copse_senders senders = {
    .items = items, .outlets = calloc(trees + 1, sizeof(*senders.outlets)), .outlet_count = trees};

  if (senders.outlets == NULL)
    senders.outlet_count = 0;
  for (size_t i = 0; i < senders.outlet_count; i++) {
    const struct copse_planned_tree *tree = &session->plan.trees[i];
    senders.outlets[i].rate_bps = tree->status == COPSE_TREE_OK ? tree->rate_bps : 0;
    for (size_t k = 0; items != NULL && tree->status == COPSE_TREE_OK && k < members; k++) {
      const struct copse_member *member = session->members.items[k];
      if (copse_member_in_area(member, tree->root) && copse_member_complete(member))
        items[senders.count++] = (struct copse_sender){member->number, i, less_headers(member->record.uplink_bps)};
    }
  }
  return senders;
}

/* Trees can bring the content to it, and it misses some of it. */
static bool
is_waiting(const struct copse_control *control, const struct copse_member *member) {
  return copse_member_in_area(member, member->record.pop) && !copse_member_complete(member) &&
         copse_set_find(&control->model.pops, member->record.pop) != NULL;
}

/* Members that wait: how many, their downlinks, and the newest of them, known by the revision its record was made at.
 */
static struct copse_demand
demand_of(const struct copse_control *control, const struct copse_session *session) {
  struct copse_demand demand = {0};

  for (size_t i = 0; i < session->members.count; i++) {
    const struct copse_member *member = session->members.items[i];

    if (!is_waiting(control, member))
      continue;
    demand.waiting++;
    demand.downlinks_bps += member->record.downlink_bps;
    if (member->revision > demand.audience)
      demand.audience = member->revision;
  }
  return demand;
}

size_t
copse_orders_waiting(const struct copse_control *control, const struct copse_session *session) {
  return demand_of(control, session).waiting;
}

static int
compare_losses(const void *a, const void *b) {
  const uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

  return left < right ? -1 : left > right;
}

/* What trees lose on the way to members that wait, parts in a million: the lower median, for one that is slow or has a
 * bad link is not to slow the others. */
static uint32_t
usual_loss(const struct copse_control *control, const struct copse_session *session) {
  uint32_t *losses = calloc(session->members.count + 1, sizeof(*losses)), usual = 0;
  size_t count = 0;

  for (size_t i = 0; losses != NULL && i < session->members.count; i++) {
    const struct copse_member *member = session->members.items[i];

    if (is_waiting(control, member))
      losses[count++] = (uint32_t)member->progress.loss_ppm;
  }
  if (count > 0) {
    qsort(losses, count, sizeof(*losses), compare_losses);
    usual = losses[(count - 1) / 2];
  }
  free(losses);
  return usual;
}

/* All areas are in the plan, and the tree it has for us, if any, is whole. */
static bool
reaches_all(const struct copse_control *control, const struct copse_session *session) {
  const struct copse_planned_tree *tree = tree_here(control, session);

  return !copse_plan_behind(&control->model, session) &&
         (tree == NULL || copse_session_label(session, tree->id, control->config->pop) != NULL);
}

#define NO_AUDIENCE UINT64_MAX

/* Nothing is injected while nobody wants it; and the first block when trees reach all who are there, for which it waits
 * gather_ms at most. Who comes later gets what it missed from its neighbours, at no cost in the seeds' uplinks.
 * Milliseconds until the next look; 0: now; NO_AUDIENCE: not before somebody comes. */
static uint64_t
audience_in(const struct copse_control *control, struct copse_session *session, uint64_t now_ms) {
  json_t *injected = copse_orders_injected(session);
  const bool begun = json_array_size(injected) > 0;
  uint64_t waited_ms;

  json_decref(injected);
  if (copse_orders_waiting(control, session) == 0) {
    session->waiting_since_ms = 0;
    return NO_AUDIENCE;
  }
  if (session->waiting_since_ms == 0)
    session->waiting_since_ms = now_ms;
  waited_ms = now_ms - session->waiting_since_ms;
  return begun || waited_ms >= control->config->gather_ms || reaches_all(control, session) ? 0 : LOOK_MS;
}

struct exchange {
  struct copse_control *control;
  struct copse_session *session;
  struct copse_member *member;
  const json_t *sent;
  bool want, leave; /* another order; give all orders back */
  struct copse_senders senders;
  uint64_t rate_bps; /* that the member can send at; 0: no tree, or others send */
  struct copse_demand demand;
  uint64_t now_ms;
  uint64_t wall_ms; /* for the scheduler: PoPs of several machines share its state */
};

static void
take_sent(struct copse_scheduler *scheduler, const struct exchange *exchange) {
  size_t index;
  json_t *item;

  json_array_foreach(exchange->sent, index, item) {
    json_int_t first = json_integer_value(json_array_get(item, 0));
    json_int_t count = json_integer_value(json_array_get(item, 1));
    uint32_t blocks = copse_session_blocks(exchange->session);

    if (first < 0 || count <= 0 || first >= blocks || count > blocks - first)
      continue;
    copse_scheduler_sent(scheduler, exchange->member->number, (struct copse_range){(uint32_t)first, (uint32_t)count},
                         exchange->demand.audience, exchange->wall_ms);
  }
}

/* Makes the exchange on a state; true when it must be written. */
static bool
make_exchange(struct copse_scheduler *scheduler, struct exchange *exchange) {
  struct copse_range ranges[ORDERS_MAX];
  uint64_t number = exchange->member->number;
  bool changed = json_array_size(exchange->sent) > 0;

  take_sent(scheduler, exchange);
  if (exchange->leave) {
    changed |= copse_scheduler_open(scheduler, number, ranges, 1) > 0;
    copse_scheduler_leave(scheduler, number);
    return changed;
  }
  copse_scheduler_touch(scheduler, number, exchange->wall_ms);
  changed |= copse_scheduler_expire(scheduler, exchange->wall_ms, SILENCE_MS) > 0;
  exchange->rate_bps = copse_scheduler_admit(scheduler, number, &exchange->senders, &exchange->demand);
  if (exchange->want)
    changed |= copse_scheduler_ask(scheduler, number, exchange->rate_bps, &exchange->demand, exchange->wall_ms);
  return changed || (exchange->now_ms - exchange->member->local.touched_ms >= TOUCH_MS &&
                     copse_scheduler_open(scheduler, number, ranges, 1) > 0);
}

static int
write_state(const struct exchange *exchange, const char *text) {
  char key[sizeof("/sessions//orders") + COPSE_SESSION_BYTES];
  struct copse_compare compare = {.key = key, .revision = exchange->session->orders_revision};
  struct copse_change change = {.kind = COPSE_CHANGE_PUT, .key = key, .value = text};

  snprintf(key, sizeof(key), "/sessions/%s/orders", exchange->session->id);
  return copse_control_commit(exchange->control, &compare, 1, &change, 1);
}

/* After a refresh: both again, false when one is gone. */
static bool
find_again(struct exchange *exchange, const char *session, const char *member) {
  exchange->session = copse_model_session(&exchange->control->model, session);
  exchange->member = exchange->session == NULL ? NULL : copse_session_member(exchange->session, member);
  return exchange->member != NULL;
}

/* Reads, changes and writes the state until nobody was faster. The state in the model is only ever replaced whole, so a
 * copy is changed. False when the session or the member is gone. */
static bool
run_exchange(struct exchange *exchange) {
  char session[COPSE_SESSION_BYTES], member[COPSE_ID_BYTES];
  int result = -EAGAIN;

  copse_copy(session, sizeof(session), exchange->session->id);
  copse_copy(member, sizeof(member), exchange->member->id);
  for (int i = 0; i < TRIES && result == -EAGAIN; i++) {
    struct copse_scheduler *current = scheduler_of(exchange->session);
    char *text = current == NULL ? NULL : copse_scheduler_save(current);
    struct copse_scheduler *copy = text == NULL ? NULL : copse_scheduler_load(text);
    bool changed = copy != NULL && make_exchange(copy, exchange);

    free(text);
    text = changed ? copse_scheduler_save(copy) : NULL;
    copse_scheduler_free(copy);
    result = text == NULL ? 0 : write_state(exchange, text);
    if (result == 0 && text != NULL)
      exchange->member->local.touched_ms = exchange->now_ms;
    free(text);
    if (result == -EAGAIN) {
      copse_control_refresh(exchange->control);
      if (!find_again(exchange, session, member))
        return false;
    }
  }
  return true;
}

/* `parity`: symbols with each block; `again_ms`: when it is worth to ask again, 0 or NO_AUDIENCE: there is no such
 * time. */
static json_t *
send_json(uint64_t rate_bps, json_t *orders, uint32_t parity, uint64_t again_ms) {
  json_t *json = json_pack("{s:I, s:o}", "rate_bps", (json_int_t)rate_bps, "orders", orders);

  if (json != NULL && parity > 0)
    json_object_set_new(json, "parity", json_integer(parity));
  if (json != NULL && again_ms != 0 && again_ms != NO_AUDIENCE)
    json_object_set_new(json, "again_ms", json_integer((json_int_t)again_ms));
  return json;
}

json_t *
copse_orders_sync(struct copse_control *control, struct copse_session *session, struct copse_member *member,
                  const json_t *body, uint64_t now_ms) {
  struct exchange exchange = {.control = control,
                              .session = session,
                              .member = member,
                              .sent = json_object_get(body, "sent"),
                              .want = json_is_true(json_object_get(body, "want")),
                              .leave = !may_send(control, session, member),
                              .demand = demand_of(control, session),
                              .now_ms = now_ms,
                              .wall_ms = copse_control_wall()};
  struct copse_range ranges[ORDERS_MAX];
  struct copse_scheduler *scheduler;
  uint64_t wait_ms;
  size_t count = 0;
  bool there;

  if (!copse_member_complete(member))
    return send_json(0, json_array(), 0, 0);
  wait_ms = exchange.want ? audience_in(control, session, now_ms) : 0;
  scheduler = scheduler_of(session);
  exchange.want &= wait_ms == 0 && scheduler != NULL && copse_scheduler_due(scheduler, exchange.demand.audience);
  if (exchange.want && !session->finished && copse_area_idle(control, session, false) == 0)
    copse_log(COPSE_LOG_INFO, "session %s: %s has something to send again", session->id, control->config->pop);
  if (!exchange.leave) {
    exchange.demand.loss_ppm = usual_loss(control, session);
    exchange.senders = senders_of(session);
  }
  there = run_exchange(&exchange);
  free((void *)exchange.senders.items);
  free(exchange.senders.outlets);
  if (!there)
    return send_json(0, json_array(), 0, 0);
  scheduler = scheduler_of(exchange.session);
  if (scheduler == NULL || exchange.rate_bps == 0)
    return send_json(0, json_array(), 0, wait_ms);
  count = copse_scheduler_open(scheduler, exchange.member->number, ranges, ORDERS_MAX);
  return send_json(copse_scheduler_rate(scheduler, exchange.member->number, exchange.rate_bps, &exchange.demand),
                   ranges_json(ranges, count), copse_scheduler_parity(&exchange.demand, COPSE_SYMBOLS_PER_BLOCK),
                   wait_ms);
}

void
copse_orders_leave(struct copse_control *control, struct copse_session *session, struct copse_member *member,
                   uint64_t now_ms) {
  struct exchange exchange = {.control = control,
                              .session = session,
                              .member = member,
                              .leave = true,
                              .now_ms = now_ms,
                              .wall_ms = copse_control_wall()};

  run_exchange(&exchange);
}
