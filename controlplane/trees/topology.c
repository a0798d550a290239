/* SPDX-License-Identifier: Apache-2.0 */
#include "topology.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RATE_MAX 1e18 /* bit/s; a plan's sums stay within what JSON's integers carry */

uint32_t
copse_name_place(const char *const *names, const uint32_t *by_name, uint32_t count, const char *name) {
  uint32_t low = 0, high = count;

  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (strcmp(names[by_name[middle]], name) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static uint32_t
name_place(const struct copse_topology *topology, const char *name) {
  return copse_name_place((const char *const *)topology->names, topology->by_name, topology->pop_count, name);
}

bool
copse_topology_find(const struct copse_topology *topology, const char *name, uint32_t *pop) {
  uint32_t place = name_place(topology, name);

  if (place == topology->pop_count || strcmp(topology->names[topology->by_name[place]], name) != 0)
    return false;
  *pop = topology->by_name[place];
  return true;
}

/* Makes room for one more element, doubling at powers of two. */
static bool
grow(void *array_pointer, size_t count, size_t element_bytes) {
  void **array = array_pointer;
  void *larger;

  if (count & (count - 1))
    return true;
  larger = realloc(*array, (count ? 2 * count : 1) * element_bytes);
  if (larger)
    *array = larger;
  return larger != NULL;
}

static int
no_memory(struct copse_reader *reader) {
  return copse_fail(reader->error, -ENOMEM, "not enough memory for the topology");
}

/* What is being read, beside the topology itself. */
struct reading {
  struct copse_topology *topology;
  int *link_of; /* which element of `links` an arc came from */
  int links;
};

struct pop {
  char *name;
  uint64_t egress_bps; /* 0: none configured */
};

struct link {
  char *from, *to;
  uint64_t bandwidth_bps;
  double delay_ms;
  bool both_ways;
};

/* Length of the UTF-8 character (RFC 3629), 0 if it is none. */
static size_t
utf8_length(const unsigned char *c) {
  size_t length = c[0] < 0x80 ? 1 : c[0] < 0xc2 ? 0 : c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : c[0] < 0xf5 ? 4 : 0;

  for (size_t i = 1; i < length; i++)
    if ((c[i] & 0xc0) != 0x80)
      return 0;
  /* overlong forms, surrogates, beyond the last character */
  if ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] > 0x9f) || (c[0] == 0xf0 && c[1] < 0x90) ||
      (c[0] == 0xf4 && c[1] > 0x8f))
    return 0;
  return length;
}

/* A name becomes part of keys in the store, of JSON and of lines of text. */
static bool
name_is_good(const char *name) {
  const unsigned char *c = (const unsigned char *)name;

  while (*c >= ' ' && *c != 0x7f && *c != '/' && utf8_length(c) > 0)
    c += utf8_length(c);
  return *c == '\0' && name[0] != '\0';
}

static int
add_pop(struct copse_topology *topology, struct copse_reader *reader, const config_setting_t *element,
        const struct pop *pop) {
  uint32_t count = topology->pop_count, place = name_place(topology, pop->name);

  if (!name_is_good(pop->name))
    return copse_setting_fail(reader, element, "a PoP's name must be text without '/'");
  if (place < count && strcmp(topology->names[topology->by_name[place]], pop->name) == 0)
    return copse_setting_fail(reader, element, "PoP '%s' is there already", pop->name);
  if (!grow(&topology->names, count, sizeof(*topology->names)) ||
      !grow(&topology->egress_bps, count, sizeof(*topology->egress_bps)) ||
      !grow(&topology->by_name, count, sizeof(*topology->by_name)))
    return no_memory(reader);
  topology->names[count] = strdup(pop->name);
  if (!topology->names[count])
    return no_memory(reader);
  memmove(&topology->by_name[place + 1], &topology->by_name[place], (count - place) * sizeof(*topology->by_name));
  topology->by_name[place] = count;
  topology->egress_bps[count] = pop->egress_bps ? pop->egress_bps : COPSE_NO_LIMIT;
  topology->pop_count++;
  return 0;
}

static int
read_pop(struct copse_reader *reader, const config_setting_t *element, void *target) {
  static const struct copse_key keys[] = {
    {.name = "name", .kind = COPSE_KEY_STRING, .offset = offsetof(struct pop, name), .required = true},
    {.name = "egress_bps",
     .kind = COPSE_KEY_UINT,
     .offset = offsetof(struct pop, egress_bps),
     .minimum = 1,
     .maximum = RATE_MAX},
    {0},
  };
  struct reading *reading = target;
  struct pop pop = {0};
  int status = copse_group_read(reader, element, keys, &pop);

  if (!status)
    status = add_pop(reading->topology, reader, element, &pop);
  free(pop.name);
  return status;
}

static int
add_arc(struct reading *reading, struct copse_reader *reader, uint32_t from, uint32_t to, const struct link *link) {
  struct copse_topology *topology = reading->topology;
  size_t count = topology->arc_count;

  if (!grow(&topology->arcs, count, sizeof(*topology->arcs)) ||
      !grow(&topology->delays_ms, count, sizeof(*topology->delays_ms)) ||
      !grow(&reading->link_of, count, sizeof(*reading->link_of)))
    return no_memory(reader);
  topology->arcs[count] = (struct copse_arc){from, to, link->bandwidth_bps};
  topology->delays_ms[count] = link->delay_ms;
  reading->link_of[count] = reading->links;
  topology->arc_count++;
  return 0;
}

static int
add_link(struct reading *reading, struct copse_reader *reader, const config_setting_t *element,
         const struct link *link) {
  uint32_t from, to;
  int status;

  if (!copse_topology_find(reading->topology, link->from, &from))
    return copse_setting_fail(reader, element, "unknown PoP '%s'", link->from);
  if (!copse_topology_find(reading->topology, link->to, &to))
    return copse_setting_fail(reader, element, "unknown PoP '%s'", link->to);
  if (from == to)
    return copse_setting_fail(reader, element, "a link must not lead from '%s' to itself", link->from);
  status = add_arc(reading, reader, from, to, link);
  if (!status && link->both_ways)
    status = add_arc(reading, reader, to, from, link);
  reading->links++;
  return status;
}

static int
read_link(struct copse_reader *reader, const config_setting_t *element, void *target) {
  static const struct copse_key keys[] = {
    {.name = "from", .kind = COPSE_KEY_STRING, .offset = offsetof(struct link, from), .required = true},
    {.name = "to", .kind = COPSE_KEY_STRING, .offset = offsetof(struct link, to), .required = true},
    {.name = "bandwidth_bps",
     .kind = COPSE_KEY_UINT,
     .offset = offsetof(struct link, bandwidth_bps),
     .required = true,
     .minimum = 1,
     .maximum = RATE_MAX},
    {.name = "delay_ms", .kind = COPSE_KEY_FLOAT, .offset = offsetof(struct link, delay_ms), .maximum = 3600e3},
    {.name = "both_ways", .kind = COPSE_KEY_BOOL, .offset = offsetof(struct link, both_ways)},
    {0},
  };
  struct link link = {0};
  int status = copse_group_read(reader, element, keys, &link);

  if (!status)
    status = add_link(target, reader, element, &link);
  free(link.from);
  free(link.to);
  return status;
}

/* By ends, equal ones as they were read. */
static int
compare_arcs(const void *a, const void *b, void *context) {
  const struct copse_arc *arcs = context;
  size_t i = *(const size_t *)a, j = *(const size_t *)b;

  if (arcs[i].from != arcs[j].from)
    return arcs[i].from < arcs[j].from ? -1 : 1;
  if (arcs[i].to != arcs[j].to)
    return arcs[i].to < arcs[j].to ? -1 : 1;
  return i < j ? -1 : i > j;
}

/* Parallel links: the first arc whose ends an earlier one has. */
static int
check_parallel(const struct reading *reading, struct copse_reader *reader, const config_setting_t *group) {
  const struct copse_topology *topology = reading->topology;
  const struct copse_arc *arcs = topology->arcs;
  size_t count = topology->arc_count, second = count;
  size_t *order = calloc(count + 1, sizeof(*order));

  if (!order)
    return no_memory(reader);
  for (size_t i = 0; i < count; i++)
    order[i] = i;
  qsort_r(order, count, sizeof(*order), compare_arcs, topology->arcs);
  for (size_t i = 1; i < count; i++)
    if (arcs[order[i]].from == arcs[order[i - 1]].from && arcs[order[i]].to == arcs[order[i - 1]].to &&
        order[i] < second)
      second = order[i];
  free(order);
  if (second == count)
    return 0;
  return copse_setting_fail(
    reader, config_setting_get_elem(config_setting_get_member(group, "links"), (unsigned)reading->link_of[second]),
    "there is a link from '%s' to '%s' already", topology->names[arcs[second].from], topology->names[arcs[second].to]);
}

int
copse_topology_read(struct copse_reader *reader, const config_setting_t *group, struct copse_topology *topology) {
  static const struct copse_key keys[] = {
    {.name = "pops", .kind = COPSE_KEY_LIST, .required = true, .parse = read_pop},
    {.name = "links", .kind = COPSE_KEY_LIST, .required = true, .parse = read_link},
    {0},
  };
  struct reading reading = {.topology = topology};
  int status = copse_group_read(reader, group, keys, &reading);

  if (!status && topology->pop_count == 0)
    status = copse_setting_fail(reader, config_setting_get_member(group, "pops"), "'pops' must not be empty");
  if (!status)
    status = check_parallel(&reading, reader, group);
  free(reading.link_of);
  return status;
}

void
copse_topology_free(struct copse_topology *topology) {
  for (uint32_t i = 0; i < topology->pop_count; i++)
    free(topology->names[i]);
  free(topology->names);
  free(topology->egress_bps);
  free(topology->by_name);
  free(topology->arcs);
  free(topology->delays_ms);
  *topology = (struct copse_topology){0};
}

struct copse_network
copse_topology_network(const struct copse_topology *topology) {
  return (struct copse_network){.pops = topology->pop_count,
                                .egress_bps = topology->egress_bps,
                                .arcs = topology->arcs,
                                .arc_count = topology->arc_count};
}
