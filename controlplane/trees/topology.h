/* SPDX-License-Identifier: Apache-2.0 */
/* The `network = { pops = ( … ); links = ( … ); };` group of a configuration: the CDN's PoPs and links by name. */
#ifndef COPSE_TOPOLOGY_H
#define COPSE_TOPOLOGY_H

#include <copse/schema.h>
#include <copse/trees.h>

/* Starts as zeros. Links are directed; one with `both_ways` became two arcs, the written direction first. */
struct copse_topology {
  uint32_t pop_count;
  char **names;         /* of PoPs, in configuration order */
  uint64_t *egress_bps; /* per PoP, COPSE_NO_LIMIT: none configured */
  uint32_t *by_name;    /* PoPs in the order of their names */
  struct copse_arc *arcs;
  double *delays_ms; /* per arc, 0 when not configured */
  size_t arc_count;
};

/* Reads the group. 0, or -EINVAL or -ENOMEM with a sentence; free the topology in any case. */
int copse_topology_read(struct copse_reader *reader, const config_setting_t *group, struct copse_topology *topology);
void copse_topology_free(struct copse_topology *topology);

/* Place in `by_name`, which has `count` indices of `names` in the order of the names, of the first name that is not
 * before this one: where it is, or would be. */
uint32_t copse_name_place(const char *const *names, const uint32_t *by_name, uint32_t count, const char *name);
/* Number of the PoP with this name; false if there is none. */
bool copse_topology_find(const struct copse_topology *topology, const char *name, uint32_t *pop);
/* What BuildTrees takes; it points into the topology. */
struct copse_network copse_topology_network(const struct copse_topology *topology);

#endif
