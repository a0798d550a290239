/* SPDX-License-Identifier: Apache-2.0 */
/* DPDK's environment: threads, memory, and no device that was not asked for. */
#ifndef COPSE_EAL_H
#define COPSE_EAL_H

#include "config.h"
#include "pipeline/pools.h"

#define COPSE_MAIN_LCORE 0
#define COPSE_WORKER_LCORE(worker) ((worker) + 1)

struct copse_eal_arguments {
  char *list[96];
  int count;
};

/* The arguments rte_eal_init gets for this configuration; `free_huge_mb` is what the machine has free in hugepages and
 * `need_mb` the memory to ask for. Negative errno with a sentence. Free in both cases. */
int copse_eal_arguments(struct copse_eal_arguments *arguments, const struct copse_dataplane_config *config,
                        uint64_t need_mb, uint64_t free_huge_mb, struct copse_error *error);
void copse_eal_arguments_free(struct copse_eal_arguments *arguments);

/* Whether hugepages are to be used for that much memory, be they enough or not. */
bool copse_eal_uses_huge(const struct copse_dataplane_config *config, uint64_t need_mb, uint64_t free_huge_mb);

/* MiB in free hugepages of any size. */
uint64_t copse_eal_free_huge_mb(void);

/* Starts the EAL with memory for `pools`: main thread on COPSE_MAIN_LCORE, worker w on COPSE_WORKER_LCORE(w). DPDK's
 * own lines go to our log. Negative errno with a sentence that says what is missing. */
int copse_eal_start(const struct copse_dataplane_config *config, const struct copse_pools_config *pools,
                    struct copse_error *error);
void copse_eal_stop(void);

#endif
