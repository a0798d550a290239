/* SPDX-License-Identifier: Apache-2.0 */
/* That we are here: a lease, renewed; the PoP's record and what we own hang on it. The links and budgets of our
 * configuration are in the store as well. */
#include "state.h"
#include <copse/log.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define CHANGES_MAX 128 /* in a transaction, see docs/store.md */

/* Puts our record under the present lease. */
static int
announce(struct copse_control *control) {
  struct copse_pop_record record = {.endpoint = control->endpoint,
                                    .stamp_port = (uint16_t)control->config->stamp_port,
                                    .fan_out = control->nodes.shadow.limits.fan_out,
                                    .lease = control->lease};
  char key[16 + COPSE_NAME_BYTES], *text;
  struct copse_change change = {.kind = COPSE_CHANGE_PUT, .key = key, .lease = control->lease};
  int result;

  snprintf(record.api, sizeof(record.api), "%s", control->api);
  snprintf(key, sizeof(key), "/pops/%s", control->config->pop);
  text = copse_json_take(copse_pop_write(&record));
  change.value = text;
  result = text == NULL ? -ENOMEM : copse_control_commit(control, NULL, 0, &change, 1);
  free(text);
  return result;
}

static int
begin_lease(struct copse_control *control, uint64_t now_ms, struct copse_error *error) {
  int result = copse_store_lease(control->store, now_ms, control->config->presence_ms, &control->lease, error);

  if (result < 0) {
    control->lease = 0;
    return result;
  }
  control->renewed_ms = now_ms;
  return announce(control);
}

/* A lease left by a process that was killed: what it owned is free for election again, and ours to win. */
static void
end_former_lease(struct copse_control *control) {
  const struct copse_pop *pop = copse_set_find(&control->model.pops, control->config->pop);

  if (pop != NULL && copse_store_revoke(control->store, pop->record.lease) == 0)
    copse_control_refresh(control);
}

static bool
is_configured(const struct copse_topology *topology, const struct copse_link *link) {
  for (size_t i = 0; i < topology->arc_count; i++) {
    const struct copse_arc *arc = &topology->arcs[i];

    if (strcmp(topology->names[arc->from], link->from) == 0 && strcmp(topology->names[arc->to], link->to) == 0)
      return true;
  }
  return false;
}

/* Budgets that change, in as few transactions as there may be. */
struct budgets {
  struct copse_control *control;
  struct copse_transaction changes;
};

static bool
changes_key(const struct copse_transaction *changes, const char *key) {
  for (size_t i = 0; i < changes->change_count; i++)
    if (strcmp(changes->changes[i].key, key) == 0)
      return true;
  return false;
}

/* Puts a budget of `pop`, or takes it away where `put` is false; `json` is consumed. With it goes `/budgets/U`, which
 * plans compare. */
static int
change_budget(struct budgets *budgets, const char *key, const char *pop, bool put, json_t *json) {
  struct copse_transaction *changes = &budgets->changes;
  char of_pop[16 + COPSE_NAME_BYTES];
  int result = 0;

  if (changes->change_count + 2 > CHANGES_MAX)
    result = copse_control_transact(budgets->control, changes);
  if (put)
    copse_transaction_put(changes, copse_json_take(json), "%s", key);
  else
    copse_transaction_delete(changes, "%s", key);
  snprintf(of_pop, sizeof(of_pop), "/budgets/%s", pop);
  if (!changes_key(changes, of_pop))
    copse_transaction_put(changes, copse_json_take(json_string(budgets->control->config->pop)), "%s", of_pop);
  return result;
}

static int
put_link(struct budgets *budgets, size_t arc) {
  const struct copse_control *control = budgets->control;
  const struct copse_topology *topology = &control->config->topology;
  const char *from = topology->names[topology->arcs[arc].from], *to = topology->names[topology->arcs[arc].to];
  struct copse_link_record record = {.configured_bps = topology->arcs[arc].bandwidth_bps,
                                     .delay_ms = topology->delays_ms[arc]};
  const struct copse_link *link = copse_model_link(&control->model, from, to);
  char key[16 + 2 * COPSE_NAME_BYTES];

  snprintf(record.by, sizeof(record.by), "%s", control->config->pop);
  snprintf(key, sizeof(key), "/links/%s/%s", from, to);
  if (link != NULL && link->record.overridden) { /* what an operator has set outlives our restarts */
    record.overridden = true;
    record.bandwidth_bps = link->record.bandwidth_bps;
  }
  if (link != NULL && link->record.configured_bps == record.configured_bps && link->record.delay_ms == record.delay_ms)
    return 0;
  return change_budget(budgets, key, from, true, copse_link_write(&record));
}

/* Links of our configuration as it is now; those we once put and no longer have, go. */
static int
put_links(struct budgets *budgets) {
  const struct copse_control *control = budgets->control;
  const struct copse_topology *topology = &control->config->topology;
  char key[16 + 2 * COPSE_NAME_BYTES];
  int result = 0;

  for (size_t i = 0; i < topology->arc_count && result == 0; i++)
    result = put_link(budgets, i);
  for (size_t i = control->model.links.count; i-- > 0 && result == 0;) {
    const struct copse_link *link = control->model.links.items[i];

    if (link->revision == 0 || strcmp(link->record.by, control->config->pop) != 0 || is_configured(topology, link))
      continue;
    snprintf(key, sizeof(key), "/links/%s", link->name);
    result = change_budget(budgets, key, link->from, false, NULL);
  }
  return result;
}

static int
put_egress(struct budgets *budgets) {
  const struct copse_control *control = budgets->control;
  const struct copse_topology *topology = &control->config->topology;
  char key[16 + COPSE_NAME_BYTES];
  int result = 0;

  for (uint32_t i = 0; i < topology->pop_count && result == 0; i++) {
    const char *pop = topology->names[i];
    const struct copse_egress *egress = copse_set_find(&control->model.egress, pop);
    struct copse_egress_record record = {.egress_bps = topology->egress_bps[i]};

    snprintf(record.by, sizeof(record.by), "%s", control->config->pop);
    snprintf(key, sizeof(key), "/egress/%s", pop);
    if (record.egress_bps == COPSE_NO_LIMIT && egress != NULL && strcmp(egress->record.by, control->config->pop) == 0)
      result = change_budget(budgets, key, pop, false, NULL);
    else if (record.egress_bps != COPSE_NO_LIMIT && (egress == NULL || egress->record.egress_bps != record.egress_bps))
      result = change_budget(budgets, key, pop, true, copse_egress_write(&record));
  }
  return result;
}

int
copse_presence_start(struct copse_control *control, struct copse_error *error) {
  struct budgets budgets = {.control = control};
  int result;

  end_former_lease(control);
  result = begin_lease(control, copse_control_now(), error);
  if (result == 0)
    result = put_links(&budgets);
  if (result == 0)
    result = put_egress(&budgets);
  if (result == 0 && budgets.changes.change_count > 0)
    result = copse_control_transact(control, &budgets.changes);
  copse_transaction_free(&budgets.changes);
  return result == 0 ? 0 : copse_fail(error, result, "the store cannot be written: %s", strerror(-result));
}

void
copse_presence_walk(struct copse_control *control, uint64_t now_ms) {
  const struct copse_pop *pop = copse_set_find(&control->model.pops, control->config->pop);
  uint64_t fan_out = control->nodes.shadow.limits.fan_out;
  struct copse_error error;
  int result = 0;

  if (control->lease != 0 && pop != NULL && fan_out != 0 && pop->record.fan_out != fan_out)
    announce(control); /* our dataplane is another, or known only now */
  if (control->lease != 0 && now_ms - control->renewed_ms < control->config->presence_ms / 5)
    return;
  if (control->lease != 0)
    result = copse_store_renew(control->store, control->lease, now_ms);
  if (result == 0)
    control->renewed_ms = now_ms;
  if (control->lease == 0 || result == -ENOENT) {
    copse_log(COPSE_LOG_WARNING, "our presence had expired; announcing it again");
    if (begin_lease(control, now_ms, &error) < 0)
      copse_log(COPSE_LOG_ERROR, "our presence cannot be announced: %s", error.text);
  } else if (result == 0 && pop == NULL) {
    announce(control);
  }
}

void
copse_presence_stop(struct copse_control *control) {
  if (control->lease != 0)
    copse_store_revoke(control->store, control->lease);
}
