/* SPDX-License-Identifier: Apache-2.0 */
/* What BuildTrees is given, made of the store's records. */
#ifndef COPSE_PLAN_INPUTS_H
#define COPSE_PLAN_INPUTS_H

#include "plan.h"

/* What BuildTrees is given, and the names behind its numbers. */
struct copse_inputs {
  const char **names; /* of PoPs: in configuration order, then those only the store knows */
  uint32_t *by_name;  /* numbers in the order of names */
  uint32_t name_count, name_capacity;
  uint64_t *egress_bps;
  bool *cut_off; /* by PoP: it has links to it, and all are down */
  struct copse_arc *arcs;
  struct copse_arc *sound; /* the same, but what is degraded has no bandwidth */
  bool any_degraded;
  size_t arc_count;
  struct copse_area *areas;
  size_t area_count;
  uint64_t *uplinks; /* of all areas, one after the other */
};

/* What plans of the session are made of. False when memory is short; to be freed all the same. */
bool copse_inputs_gather(struct copse_inputs *inputs, const struct copse_model *model,
                         const struct copse_session *session, const struct copse_control_config *config);
void copse_inputs_free(struct copse_inputs *inputs);
/* UINT32_MAX: unknown. */
uint32_t copse_inputs_number(const struct copse_inputs *inputs, const char *name);
/* Next hops a tree may have at a PoP; 0: not known. */
uint64_t copse_fan_out_of(const struct copse_model *model, const char *name);

#endif
