/* SPDX-License-Identifier: Apache-2.0 */
#include "simulated.h"

#include <stdlib.h>

uint32_t
sim_session_run(struct sim_session *session, const struct sim_scenario *scenario, uint64_t until) {
  *session = (struct sim_session){.scenario = *scenario, .engine = scenario->network->engine};
  session->peers = sim_allocate(scenario->place_count, sizeof(*session->peers));
  session->scheduler = copse_scheduler_create((uint32_t)((scenario->size + COPSE_BLOCK_BYTES - 1) / COPSE_BLOCK_BYTES));
  sim_plan_init(session);
  if (scenario->network->fluid != NULL) {
    scenario->network->fluid->before = sim_serve_step;
    scenario->network->fluid->context = session;
  }
  for (uint32_t i = 0; i < scenario->place_count; i++) {
    sim_peer_init(session, &session->peers[i], i);
    session->unfinished += !scenario->places[i].seed;
  }
  sim_pops_init(session);
  sim_run(session->engine, until, &session->stop);
  return session->unfinished;
}

void
sim_session_free(struct sim_session *session) {
  for (uint32_t i = 0; i < session->scenario.place_count; i++)
    sim_peer_free(&session->peers[i]);
  sim_pops_free(session);
  sim_plan_free(session);
  copse_scheduler_free(session->scheduler);
  free(session->crowd.senders);
  free(session->peers);
}
