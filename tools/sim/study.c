/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a study's configuration: who is there, and what is run. */
#include "study.h"

#include <copse/schema.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_MAX (8.0 * (1ULL << 30))

static int
append_number(struct copse_reader *reader, const config_setting_t *element, double minimum, double maximum,
              uint64_t **numbers, size_t *count) {
  double number;

  if (!copse_setting_number(element, &number) || number < minimum || number > maximum)
    return copse_setting_fail(reader, element, "must be a number from %.0f to %.0f", minimum, maximum);
  *numbers = sim_enlarge(*numbers, *count + 1, sizeof(**numbers));
  (*numbers)[(*count)++] = (uint64_t)number;
  return 0;
}

static int
read_peers(struct copse_reader *reader, const config_setting_t *element, void *target) {
  struct study *study = target;

  return append_number(reader, element, 2, STUDY_PEERS_MAX, &study->peers, &study->peers_count);
}

static int
read_seed(struct copse_reader *reader, const config_setting_t *element, void *target) {
  struct study *study = target;

  return append_number(reader, element, 1, STUDY_PEERS_MAX, &study->seeds, &study->seeds_count);
}

static int
read_size(struct copse_reader *reader, const config_setting_t *element, void *target) {
  struct study *study = target;

  return append_number(reader, element, 1, BYTES_MAX, &study->sizes_bytes, &study->sizes_count);
}

static int
read_slow_peer(struct copse_reader *reader, const config_setting_t *element, void *target) {
  struct study_slow *slow = target;

  return append_number(reader, element, 1, STUDY_PEERS_MAX, &slow->peers, &slow->peers_count);
}

static int
read_slow(struct copse_reader *reader, const config_setting_t *group, void *target) {
  static const struct copse_key keys[] = {
    {.name = "peers", .kind = COPSE_KEY_LIST, .required = true, .parse = read_slow_peer},
    {.name = "downlink_bps",
     .kind = COPSE_KEY_FLOAT,
     .offset = offsetof(struct study_slow, downlink_bps),
     .required = true,
     .minimum = 1000,
     .maximum = STUDY_RATE_MAX},
    {0},
  };
  struct study_slow *slow = &((struct study *)target)->slow;
  const int status = copse_group_read(reader, group, keys, slow);

  slow->count = slow->peers_count;
  return status;
}

static int
choose(struct copse_reader *reader, const config_setting_t *element, const char *const names[2], bool chosen[2]) {
  const char *name = config_setting_get_string(element);

  for (int i = 0; i < 2 && name != NULL; i++)
    if (strcmp(name, names[i]) == 0) {
      chosen[i] = true;
      return 0;
    }
  return copse_setting_fail(reader, element, "must be \"%s\" or \"%s\"", names[0], names[1]);
}

static int
read_arrivals(struct copse_reader *reader, const config_setting_t *element, void *target) {
  static const char *const names[2] = {"flash", "poisson"};

  return choose(reader, element, names, ((struct study *)target)->arrivals);
}

static int
read_mode(struct copse_reader *reader, const config_setting_t *element, void *target) {
  static const char *const names[2] = {"p2p", "cdn"};

  return choose(reader, element, names, ((struct study *)target)->modes);
}

static int
read_level(struct copse_reader *reader, const config_setting_t *element, void *target) {
  static const char *const names[2] = {"packet", "flow"};

  return choose(reader, element, names, ((struct study *)target)->levels);
}

/* Routers come first: the others name them. */
static const struct copse_key root_keys[] = {
  {.name = "name", .kind = COPSE_KEY_STRING, .offset = offsetof(struct study, name), .required = true},
  {.name = "scale",
   .kind = COPSE_KEY_FLOAT,
   .offset = offsetof(struct study, scale),
   .number = 1,
   .minimum = 0.001,
   .maximum = 1e6},
  {.name = "core",
   .kind = COPSE_KEY_FLOAT,
   .offset = offsetof(struct study, core),
   .number = 1,
   .minimum = 0.001,
   .maximum = 1e6},
  {.name = "sync_ms",
   .kind = COPSE_KEY_FLOAT,
   .offset = offsetof(struct study, sync_ms),
   .number = 2000,
   .minimum = 1,
   .maximum = 60000},
  {.name = "tick_ms",
   .kind = COPSE_KEY_FLOAT,
   .offset = offsetof(struct study, tick_ms),
   .number = 100,
   .minimum = 1,
   .maximum = 60000},
  {.name = "runs",
   .kind = COPSE_KEY_UINT,
   .offset = offsetof(struct study, runs),
   .number = 10,
   .minimum = 1,
   .maximum = 1000},
  {.name = "generated", .kind = COPSE_KEY_GROUP, .parse = study_generated_read},
  {.name = "routers", .kind = COPSE_KEY_LIST, .parse = study_router_read},
  {.name = "links", .kind = COPSE_KEY_LIST, .parse = study_link_read},
  {.name = "backbone", .kind = COPSE_KEY_GROUP, .required = true, .parse = study_backbone_read},
  {.name = "access", .kind = COPSE_KEY_GROUP, .required = true, .parse = study_access_read},
  {.name = "cdn", .kind = COPSE_KEY_GROUP, .required = true, .parse = study_cdn_read},
  {.name = "peers", .kind = COPSE_KEY_LIST, .required = true, .parse = read_peers},
  {.name = "peers_each", .kind = COPSE_KEY_BOOL, .offset = offsetof(struct study, peers_each)},
  {.name = "seeds", .kind = COPSE_KEY_LIST, .required = true, .parse = read_seed},
  {.name = "sizes_bytes", .kind = COPSE_KEY_LIST, .required = true, .parse = read_size},
  {.name = "arrivals", .kind = COPSE_KEY_LIST, .required = true, .parse = read_arrivals},
  {.name = "modes", .kind = COPSE_KEY_LIST, .required = true, .parse = read_mode},
  {.name = "levels", .kind = COPSE_KEY_LIST, .parse = read_level},
  {.name = "packet_peers",
   .kind = COPSE_KEY_UINT,
   .offset = offsetof(struct study, packet_peers),
   .number = STUDY_PEERS_MAX,
   .minimum = 1,
   .maximum = STUDY_PEERS_MAX},
  {.name = "parity", .kind = COPSE_KEY_BOOL, .offset = offsetof(struct study, parity), .number = true},
  {.name = "seeds_leave", .kind = COPSE_KEY_BOOL, .offset = offsetof(struct study, seeds_leave)},
  {.name = "slow", .kind = COPSE_KEY_GROUP, .parse = read_slow},
  {.name = "vary", .kind = COPSE_KEY_GROUP, .parse = study_vary_read},
  {0},
};

/* Whether each case has somebody to send and somebody to receive. */
static int
check_peers(const struct study *study, const char *file, struct copse_error *error) {
  if (study->generated.pops > study_router_count(study))
    return copse_fail(error, -EINVAL, "%s: more PoPs (%lu) than routers", file, study->generated.pops);
  for (size_t i = 0; i < study->peers_count; i++)
    for (size_t s = 0; s < study->seeds_count; s++)
      if (study->seeds[s] > study_peers(study, i) || study->seeds_count >= study_peers(study, i))
        return copse_fail(error, -EINVAL, "%s: with %u peers there is no seed %lu, or nobody to receive", file,
                          study_peers(study, i), study->seeds[s]);
  for (size_t i = 0; i < study->peers_count; i++)
    if (study_peers(study, i) > STUDY_PEERS_MAX)
      return copse_fail(error, -EINVAL, "%s: more than %d peers", file, STUDY_PEERS_MAX);
  return 0;
}

static int
check(const struct study *study, const char *file, struct copse_error *error) {
  const size_t values = study->vary.count > 0 ? study->vary.count : 1;
  int status = study_network_check(study, file, error);

  if (status == 0 && (study->peers_count == 0 || study->seeds_count == 0 || study->sizes_count == 0))
    status = copse_fail(error, -EINVAL, "%s: 'peers', 'seeds' and 'sizes_bytes' must not be empty", file);
  if (status == 0)
    status = study_vary_check(study, file, error);
  for (size_t i = 0; i < values && status == 0; i++) {
    const struct study at =
      study_at(study, &(struct study_case){.value = study->vary.count > 0 ? study->vary.values[i] : 0});
    status = check_peers(&at, file, error);
    if (status == 0 && at.levels[1] && at.access.loss > 0)
      status = copse_fail(error, -EINVAL, "%s: access links lose nothing at flow level", file);
  }
  return status;
}

int
study_read(const char *path, struct study *study, struct copse_error *error) {
  const int status = copse_config_read(path, root_keys, study, error);

  return status < 0 ? status : check(study, path, error);
}

int
study_read_text(const char *name, const char *text, struct study *study, struct copse_error *error) {
  const int status = copse_config_read_text(name, text, root_keys, study, error);

  return status < 0 ? status : check(study, name, error);
}

void
study_free(struct study *study) {
  for (size_t i = 0; i < study->router_count; i++) {
    free(study->routers[i].name);
    free(study->routers[i].city);
  }
  for (size_t i = 0; i < study->cdn.pop_count; i++)
    free(study->cdn.pops[i].name);
  free(study->name);
  free(study->routers);
  free(study->pop_of);
  free(study->links);
  free(study->cdn.pops);
  free(study->peers);
  free(study->seeds);
  free(study->sizes_bytes);
  free(study->slow.peers);
  free(study->vary.key);
  free(study->vary.values);
}
