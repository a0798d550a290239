/* SPDX-License-Identifier: Apache-2.0 */
#include "session/state.h"

#define TEST_BYTES 160ULL /* of a test packet over IPv6 with its hash, layer 3 */
#define LINK_SHARE 100    /* they may take this part of a link's budget, */
#define DOUBT_SHARE 20    /* and this one while in doubt */
#define SLOWEST_US 200000 /* but a link must be watched */

static uint32_t
interval_us(uint64_t configured_ms, uint64_t share, const struct copse_link *link) {
  const uint64_t least = TEST_BYTES * 8 * 1000000 * share / link->record.bandwidth_bps;
  const uint64_t us = configured_ms * 1000 > least ? configured_ms * 1000 : least;

  return (uint32_t)(us < SLOWEST_US ? us : SLOWEST_US);
}

/* Address, port and keys as the store has them; false when something is not known, or one of both is not to be
 * measured. */
static bool
describe(const struct copse_control *control, const char *name, const struct copse_shadow_target *have,
         struct copse_api_target *want) {
  const char *here = control->config->pop;
  const struct copse_pop *pop = copse_set_find(&control->model.pops, name);
  const struct copse_link *there = copse_model_link(&control->model, here, name);
  const struct copse_link *back = copse_model_link(&control->model, name, here);

  if (control->config->stamp_port == 0 || there == NULL || there->stamp_revision == 0 || back == NULL ||
      back->stamp_revision == 0 || (pop == NULL && have == NULL) || (pop != NULL && pop->record.stamp_port == 0))
    return false;
  *want = (struct copse_api_target){.interval_us = 0};
  if (copse_link_configured(there)) {
    want->interval_us = interval_us(control->config->measure_ms, LINK_SHARE, there);
    want->doubt_us = interval_us(control->config->doubt_ms, DOUBT_SHARE, there);
  }
  want->remote = pop != NULL ? pop->record.endpoint : have->set.remote; /* a PoP that is silent keeps its address */
  if (pop != NULL)
    want->remote.port = htons(pop->record.stamp_port);
  memcpy(want->sender_key, there->stamp.key, sizeof(want->sender_key));
  memcpy(want->reflector_key, back->stamp.key, sizeof(want->reflector_key));
  copse_copy(want->name, sizeof(want->name), name);
  return true;
}

static void
walk_target(struct copse_control *control, const char *name, uint64_t now_ms) {
  struct copse_nodes *nodes = &control->nodes;
  struct copse_shadow_target *have = copse_set_find(&nodes->shadow.targets, name);
  struct copse_api_target want;

  if ((have != NULL && have->wanted) || copse_nodes_refused(nodes, name, now_ms) ||
      !describe(control, name, have, &want))
    return;
  want.slot = have != NULL ? have->set.slot : copse_slots_take(&nodes->shadow.target_slots);
  if (want.slot == COPSE_SLOTS_NONE)
    return;
  if (have == NULL || memcmp(&have->set, &want, sizeof(want)) != 0)
    copse_nodes_target(nodes, &want);
  have = copse_set_find(&nodes->shadow.targets, name);
  if (have != NULL)
    have->wanted = true;
}

void
copse_measure_targets(struct copse_control *control, uint64_t now_ms) {
  struct copse_set *targets = &control->nodes.shadow.targets;
  const char *here = control->config->pop;

  for (size_t i = 0; i < targets->count; i++)
    ((struct copse_shadow_target *)targets->items[i])->wanted = false;
  for (size_t i = 0; i < control->model.links.count; i++) {
    const struct copse_link *link = control->model.links.items[i];

    if (copse_link_configured(link) && strcmp(link->from, here) == 0)
      walk_target(control, link->to, now_ms);
    else if (copse_link_configured(link) && strcmp(link->to, here) == 0)
      walk_target(control, link->from, now_ms);
  }
  for (size_t i = targets->count; i-- > 0;) {
    const struct copse_shadow_target *target = targets->items[i];

    if (!target->wanted)
      copse_nodes_remove(&control->nodes, COPSE_API_TARGET_REMOVE, target->set.slot);
  }
}
