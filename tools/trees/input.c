/* SPDX-License-Identifier: Apache-2.0 */
#include "input.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define RATE_MAX 1e18  /* bit/s */
#define GROWTH_MAX 1e6 /* C_i */

struct area {
  char *pop;
  bool seed;
  double growth;
  uint64_t *uplinks_bps;
  size_t uplink_count;
};

struct limits {
  uint64_t max_depth, max_fanout;
};

static int
no_memory(struct copse_reader *reader) {
  return copse_fail(reader->error, -ENOMEM, "not enough memory for the session");
}

static int
read_network(struct copse_reader *reader, const config_setting_t *group, void *target) {
  struct copse_trees_input *input = target;

  return copse_topology_read(reader, group, &input->topology);
}

static int
read_uplink(struct copse_reader *reader, const config_setting_t *element, void *target) {
  struct area *area = target;
  uint64_t *uplinks_bps = realloc(area->uplinks_bps, (area->uplink_count + 1) * sizeof(*uplinks_bps));
  double rate_bps;

  if (!uplinks_bps)
    return no_memory(reader);
  area->uplinks_bps = uplinks_bps;
  if (!copse_setting_number(element, &rate_bps) || !(rate_bps >= 1 && rate_bps <= RATE_MAX) ||
      rate_bps != floor(rate_bps))
    return copse_setting_fail(reader, element, "'uplinks_bps' must be whole numbers from 1 to %.0e", RATE_MAX);
  uplinks_bps[area->uplink_count++] = (uint64_t)rate_bps;
  return 0;
}

/* Takes the uplinks over. */
static int
add_area(struct copse_trees_input *input, struct copse_reader *reader, const config_setting_t *element,
         struct area *area) {
  uint32_t pop;

  if (!copse_topology_find(&input->topology, area->pop, &pop))
    return copse_setting_fail(reader, element, "unknown PoP '%s'", area->pop);
  for (size_t i = 0; i < input->area_count; i++)
    if (input->areas[i].pop == pop)
      return copse_setting_fail(reader, element, "PoP '%s' has an area already", area->pop);
  input->areas[input->area_count++] = (struct copse_area){.pop = pop,
                                                          .seed = area->seed,
                                                          .growth = area->growth,
                                                          .uplinks_bps = area->uplinks_bps,
                                                          .uplink_count = area->uplink_count};
  area->uplinks_bps = NULL;
  return 0;
}

static int
read_area(struct copse_reader *reader, const config_setting_t *element, void *target) {
  static const struct copse_key keys[] = {
    {.name = "pop", .kind = COPSE_KEY_STRING, .offset = offsetof(struct area, pop), .required = true},
    {.name = "seed", .kind = COPSE_KEY_BOOL, .offset = offsetof(struct area, seed)},
    {.name = "growth",
     .kind = COPSE_KEY_FLOAT,
     .offset = offsetof(struct area, growth),
     .number = 1,
     .maximum = GROWTH_MAX},
    {.name = "uplinks_bps", .kind = COPSE_KEY_LIST, .required = true, .parse = read_uplink},
    {0},
  };
  struct area area = {0};
  int status = copse_group_read(reader, element, keys, &area);

  if (!status)
    status = add_area(target, reader, element, &area);
  free(area.pop);
  free(area.uplinks_bps);
  return status;
}

static int
read_session(struct copse_reader *reader, const config_setting_t *group, void *target) {
  static const struct copse_key keys[] = {
    {.name = "areas", .kind = COPSE_KEY_LIST, .required = true, .parse = read_area},
    {0},
  };
  struct copse_trees_input *input = target;

  input->areas = calloc(input->topology.pop_count, sizeof(*input->areas));
  return input->areas ? copse_group_read(reader, group, keys, input) : no_memory(reader);
}

static int
read_limits(struct copse_reader *reader, const config_setting_t *group, void *target) {
  static const struct copse_key keys[] = {
    {.name = "max_depth",
     .kind = COPSE_KEY_UINT,
     .offset = offsetof(struct limits, max_depth),
     .minimum = 1,
     .maximum = UINT32_MAX},
    {.name = "max_fanout",
     .kind = COPSE_KEY_UINT,
     .offset = offsetof(struct limits, max_fanout),
     .minimum = 1,
     .maximum = UINT32_MAX},
    {0},
  };
  struct copse_trees_input *input = target;
  struct limits limits = {0};
  int status = copse_group_read(reader, group, keys, &limits);

  input->shape = (struct copse_shape){(uint32_t)limits.max_depth, (uint32_t)limits.max_fanout};
  return status;
}

/* The network comes first: areas name its PoPs. */
static const struct copse_key root_keys[] = {
  {.name = "network", .kind = COPSE_KEY_GROUP, .required = true, .parse = read_network},
  {.name = "session", .kind = COPSE_KEY_GROUP, .required = true, .parse = read_session},
  {.name = "limits", .kind = COPSE_KEY_GROUP, .parse = read_limits},
  {0},
};

int
copse_trees_input_read(const char *path, struct copse_trees_input *input, struct copse_error *error) {
  return copse_config_read(path, root_keys, input, error);
}

int
copse_trees_input_text(const char *name, const char *text, struct copse_trees_input *input, struct copse_error *error) {
  return copse_config_read_text(name, text, root_keys, input, error);
}

void
copse_trees_input_free(struct copse_trees_input *input) {
  for (size_t i = 0; i < input->area_count; i++)
    free((void *)input->areas[i].uplinks_bps);
  free(input->areas);
  copse_topology_free(&input->topology);
}
