/* SPDX-License-Identifier: Apache-2.0 */
#include "broadcast.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#define CPUS_MAX 1024

uint64_t
gen_broadcast_counted(int map, uint32_t which) {
  uint64_t values[CPUS_MAX], sum = 0;
  const int cpus = libbpf_num_possible_cpus();

  if (cpus > CPUS_MAX || bpf_map_lookup_elem(map, &which, values) != 0)
    return 0;
  for (int i = 0; i < cpus; i++)
    sum += values[i];
  return sum;
}
