/* SPDX-License-Identifier: Apache-2.0 */
/* The dataplane's counters, mapped read-only and summed over its workers. Counters never go back in one life of a
 * dataplane; reading them costs it nothing. */
#ifndef COPSE_COUNTERS_H
#define COPSE_COUNTERS_H

#include <copse/api.h>
#include <copse/error.h>

struct copse_counters;

/* Maps `bytes` of the descriptor and checks the layout; the descriptor is closed in any case. -EPROTO when it is not
 * what api.h says. */
int copse_counters_map(int fd, uint64_t bytes, struct copse_counters **counters, struct copse_error *error);
void copse_counters_unmap(struct copse_counters *counters);

const struct copse_api_limits *copse_counters_limits(const struct copse_counters *counters);
uint64_t copse_counters_tsc_hz(const struct copse_counters *counters);
/* Sum over all workers, or of one; applied_generation is the lowest. */
void copse_counters_workers(const struct copse_counters *counters, struct copse_worker_counters *out);
void copse_counters_worker(const struct copse_counters *counters, uint32_t worker, struct copse_worker_counters *out);
/* Slots at or above the limits read as zeros. */
void copse_counters_tree(const struct copse_counters *counters, uint32_t slot, struct copse_tree_counters *out);
void copse_counters_link(const struct copse_counters *counters, uint32_t slot, struct copse_link_counters *out);
void copse_counters_member(const struct copse_counters *counters, uint32_t slot, struct copse_member_counters *out);
void copse_counters_tree_state(const struct copse_counters *counters, uint32_t slot, struct copse_tree_state *out);
void copse_counters_member_state(const struct copse_counters *counters, uint32_t slot, struct copse_member_state *out);
void copse_counters_target(const struct copse_counters *counters, uint32_t slot, struct copse_target_state *out);
void copse_counters_stamp(const struct copse_counters *counters, struct copse_stamp_counters *out);

#endif
