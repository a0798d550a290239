/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/technique.h"

#include <rte_ethdev.h>

struct copse_technique
copse_technique_choose(uint64_t tx_offloads, const struct copse_pools *pools) {
  if (!(tx_offloads & RTE_ETH_TX_OFFLOAD_MULTI_SEGS))
    return (struct copse_technique){.copy = pools->receive, .header = pools->header};
  return (struct copse_technique){
    .chain = true, .copy_below = COPSE_COPY_BYTES, .copy = pools->copy, .header = pools->header};
}
