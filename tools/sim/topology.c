/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the network of a study: routers, links, peers' access, and the CDN's nodes with their areas. */
#include "study.h"

#include <copse/schema.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool
find_router(const struct study *study, const char *name, uint32_t *router) {
  for (size_t i = 0; i < study->router_count; i++)
    if (name != NULL && strcmp(study->routers[i].name, name) == 0) {
      *router = (uint32_t)i;
      return true;
    }
  return false;
}

int
study_router_read(struct copse_reader *reader, const config_setting_t *element, void *target) {
  static const struct copse_key keys[] = {
    {.name = "name", .kind = COPSE_KEY_STRING, .offset = offsetof(struct study_router, name), .required = true},
    {.name = "city", .kind = COPSE_KEY_STRING, .offset = offsetof(struct study_router, city)},
    {0},
  };
  struct study *study = target;
  struct study_router router = {0};
  uint32_t same;
  int status = copse_group_read(reader, element, keys, &router);

  if (status == 0 && find_router(study, router.name, &same))
    status = copse_setting_fail(reader, element, "router '%s' is there already", router.name);
  if (status == 0 && study->router_count == STUDY_ROUTERS_MAX)
    status = copse_setting_fail(reader, element, "more than %d routers", STUDY_ROUTERS_MAX);
  study->routers = sim_enlarge(study->routers, study->router_count + 1, sizeof(router));
  study->pop_of = sim_enlarge(study->pop_of, study->router_count + 1, sizeof(*study->pop_of));
  study->pop_of[study->router_count] = UINT32_MAX;
  study->routers[study->router_count++] = router;
  return status;
}

struct named_link {
  char *from, *to;
  double delay_ms;
};

int
study_link_read(struct copse_reader *reader, const config_setting_t *element, void *target) {
  static const struct copse_key keys[] = {
    {.name = "from", .kind = COPSE_KEY_STRING, .offset = offsetof(struct named_link, from), .required = true},
    {.name = "to", .kind = COPSE_KEY_STRING, .offset = offsetof(struct named_link, to), .required = true},
    {.name = "delay_ms",
     .kind = COPSE_KEY_FLOAT,
     .offset = offsetof(struct named_link, delay_ms),
     .required = true,
     .maximum = 10000},
    {0},
  };
  struct study *study = target;
  struct named_link named = {0};
  struct study_link link;
  int status = copse_group_read(reader, element, keys, &named);

  if (status == 0 && !find_router(study, named.from, &link.from))
    status = copse_setting_fail(reader, element, "unknown router '%s'", named.from);
  else if (status == 0 && !find_router(study, named.to, &link.to))
    status = copse_setting_fail(reader, element, "unknown router '%s'", named.to);
  if (status == 0) {
    link.delay_ms = named.delay_ms;
    study->links = sim_enlarge(study->links, study->link_count + 1, sizeof(link));
    study->links[study->link_count++] = link;
  }
  free(named.from);
  free(named.to);
  return status;
}

int
study_backbone_read(struct copse_reader *reader, const config_setting_t *group, void *target) {
  static const struct copse_key keys[] = {
    {.name = "bandwidth_bps",
     .kind = COPSE_KEY_FLOAT,
     .offset = offsetof(struct study_backbone, bandwidth_bps),
     .required = true,
     .minimum = 1,
     .maximum = STUDY_RATE_MAX},
    {.name = "queue_bytes",
     .kind = COPSE_KEY_UINT,
     .offset = offsetof(struct study_backbone, queue_bytes),
     .required = true,
     .minimum = 1500,
     .maximum = UINT32_MAX},
    {0},
  };

  return copse_group_read(reader, group, keys, &((struct study *)target)->backbone);
}

int
study_access_read(struct copse_reader *reader, const config_setting_t *group, void *target) {
  static const struct copse_key keys[] = {
    {.name = "uplink_bps",
     .kind = COPSE_KEY_FLOAT,
     .offset = offsetof(struct study_access, uplink_bps),
     .required = true,
     .minimum = 1000,
     .maximum = STUDY_RATE_MAX},
    {.name = "downlink_bps",
     .kind = COPSE_KEY_FLOAT,
     .offset = offsetof(struct study_access, downlink_bps),
     .required = true,
     .minimum = 1000,
     .maximum = STUDY_RATE_MAX},
    {.name = "delay_ms",
     .kind = COPSE_KEY_FLOAT,
     .offset = offsetof(struct study_access, delay_ms),
     .required = true,
     .maximum = 10000},
    {.name = "uplink_queue_bytes",
     .kind = COPSE_KEY_UINT,
     .offset = offsetof(struct study_access, uplink_queue_bytes),
     .required = true,
     .minimum = 1500,
     .maximum = UINT32_MAX},
    {.name = "downlink_queue_bytes",
     .kind = COPSE_KEY_UINT,
     .offset = offsetof(struct study_access, downlink_queue_bytes),
     .required = true,
     .minimum = 1500,
     .maximum = UINT32_MAX},
    {.name = "loss", .kind = COPSE_KEY_FLOAT, .offset = offsetof(struct study_access, loss), .maximum = 0.5},
    {0},
  };

  return copse_group_read(reader, group, keys, &((struct study *)target)->access);
}

struct named_pop {
  struct study *study;
  char *name, *router;
};

/* A router of the area of the PoP that is read last. */
static int
read_area(struct copse_reader *reader, const config_setting_t *element, void *target) {
  const struct named_pop *named = target;
  uint32_t router;

  if (!find_router(named->study, config_setting_get_string(element), &router))
    return copse_setting_fail(reader, element, "'area' must name routers");
  if (named->study->pop_of[router] != UINT32_MAX)
    return copse_setting_fail(reader, element, "router '%s' is in an area already", named->study->routers[router].name);
  named->study->pop_of[router] = (uint32_t)named->study->cdn.pop_count;
  return 0;
}

static int
read_pop(struct copse_reader *reader, const config_setting_t *element, void *target) {
  static const struct copse_key keys[] = {
    {.name = "name", .kind = COPSE_KEY_STRING, .offset = offsetof(struct named_pop, name), .required = true},
    {.name = "router", .kind = COPSE_KEY_STRING, .offset = offsetof(struct named_pop, router), .required = true},
    {.name = "area", .kind = COPSE_KEY_LIST, .required = true, .parse = read_area},
    {0},
  };
  struct study *study = (struct study *)((char *)target - offsetof(struct study, cdn));
  struct named_pop named = {.study = study};
  uint32_t router = 0;
  int status = copse_group_read(reader, element, keys, &named);

  if (status == 0 && !find_router(study, named.router, &router))
    status = copse_setting_fail(reader, element, "unknown router '%s'", named.router);
  study->cdn.pops = sim_enlarge(study->cdn.pops, study->cdn.pop_count + 1, sizeof(*study->cdn.pops));
  study->cdn.pops[study->cdn.pop_count++] = (struct study_pop){named.name, router};
  free(named.router);
  return status;
}

int
study_cdn_read(struct copse_reader *reader, const config_setting_t *group, void *target) {
  static const struct copse_key keys[] = {
    {.name = "access_bps",
     .kind = COPSE_KEY_FLOAT,
     .offset = offsetof(struct study_cdn, access_bps),
     .required = true,
     .minimum = 1000,
     .maximum = STUDY_RATE_MAX},
    {.name = "bandwidth_bps",
     .kind = COPSE_KEY_FLOAT,
     .offset = offsetof(struct study_cdn, bandwidth_bps),
     .required = true,
     .minimum = 1000,
     .maximum = STUDY_RATE_MAX},
    {.name = "budget_bps",
     .kind = COPSE_KEY_FLOAT,
     .offset = offsetof(struct study_cdn, budget_bps),
     .required = true,
     .minimum = 1000,
     .maximum = STUDY_RATE_MAX},
    {.name = "delay_ms",
     .kind = COPSE_KEY_FLOAT,
     .offset = offsetof(struct study_cdn, delay_ms),
     .required = true,
     .maximum = 10000},
    {.name = "growth",
     .kind = COPSE_KEY_FLOAT,
     .offset = offsetof(struct study_cdn, growth),
     .number = 1,
     .maximum = 1e6},
    {.name = "pops", .kind = COPSE_KEY_LIST, .parse = read_pop},
    {0},
  };

  return copse_group_read(reader, group, keys, &((struct study *)target)->cdn);
}

int
study_network_check(const struct study *study, const char *file, struct copse_error *error) {
  const bool written = study->router_count > 0 || study->link_count > 0 || study->cdn.pop_count > 0;

  if (study->generated.pops > 0)
    return !written
             ? 0
             : copse_fail(error, -EINVAL, "%s: 'generated' makes routers, links and PoPs: none may be listed", file);
  if (study->router_count == 0 || study->cdn.pop_count == 0)
    return copse_fail(error, -EINVAL, "%s: 'routers' and the CDN's 'pops' are needed, or 'generated'", file);
  for (size_t i = 0; i < study->router_count; i++)
    if (study->pop_of[i] == UINT32_MAX)
      return copse_fail(error, -EINVAL, "%s: router '%s' is in no area", file, study->routers[i].name);
  return 0;
}
