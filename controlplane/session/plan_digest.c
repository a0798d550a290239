/* SPDX-License-Identifier: Apache-2.0 */
#include "plan_inputs.h"
#include <sodium.h>

void
copse_plan_digest(const struct copse_model *model, const struct copse_session *session,
                  const struct copse_control_config *config, uint8_t digest[32]) {
  crypto_generichash_state state;
  struct copse_inputs inputs;
  bool short_of_bandwidth = false;

  crypto_generichash_init(&state, NULL, 0, 32);
  for (size_t i = 0; i < session->plan.tree_count; i++)
    short_of_bandwidth |= session->plan.trees[i].status == COPSE_TREE_INFEASIBLE;
  if (!session->finished && copse_inputs_gather(&inputs, model, session, config)) {
    for (size_t i = 0; i < inputs.area_count; i++) {
      struct copse_area *area = &inputs.areas[i];
      const char *name = inputs.names[area->pop];
      uint64_t fan_out = copse_fan_out_of(model, name);

      crypto_generichash_update(&state, (const void *)&fan_out, sizeof(fan_out));
      crypto_generichash_update(&state, (const void *)name, strlen(name) + 1);
      crypto_generichash_update(&state, (const void *)&area->seed, sizeof(area->seed));
      crypto_generichash_update(&state, (const void *)&area->growth, sizeof(area->growth));
      crypto_generichash_update(&state, (const void *)area->uplinks_bps,
                                area->uplink_count * sizeof(*area->uplinks_bps));
    }
    if (short_of_bandwidth)
      crypto_generichash_update(&state, (const void *)inputs.arcs, inputs.arc_count * sizeof(*inputs.arcs));
    copse_inputs_free(&inputs);
  }
  for (size_t i = 0; i < session->plan.leaving_count; i++)
    if (copse_tree_is_held(model, session, session->plan.leaving[i].id))
      crypto_generichash_update(&state, (const void *)session->plan.leaving[i].id, COPSE_ID_BYTES);
  for (size_t i = 0; i < model->links.count; i++) {
    const struct copse_link *link = model->links.items[i];
    uint64_t capacity_bps = copse_link_capacity(link);

    crypto_generichash_update(&state, (const void *)link->name, strlen(link->name) + 1);
    crypto_generichash_update(&state, (const void *)&capacity_bps, sizeof(capacity_bps));
  }
  for (size_t i = 0; i < model->egress.count; i++) {
    const struct copse_egress *egress = model->egress.items[i];

    crypto_generichash_update(&state, (const void *)egress->name, strlen(egress->name) + 1);
    crypto_generichash_update(&state, (const void *)&egress->record.egress_bps, sizeof(egress->record.egress_bps));
  }
  crypto_generichash_final(&state, digest, 32);
}
