/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "session/records.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define OFFSET(field) offsetof(struct copse_control_config, field)
#define STRING(field, value, ...)                                                                                      \
  { .name = #field, .kind = COPSE_KEY_STRING, .offset = OFFSET(field), .string = (value), __VA_ARGS__ }
#define NUMBER(field, type, value, low, high, text)                                                                    \
  {                                                                                                                    \
    .name = #field, .kind = COPSE_KEY_##type, .offset = OFFSET(field), .number = (value), .minimum = (low),            \
    .maximum = (high), .help = (text)                                                                                  \
  }

static void
http_free(struct copse_http_config *http) {
  free(http->address);
  free(http->certificate);
  free(http->key);
  free(http->operator_token);
  *http = (struct copse_http_config){0};
}

static int
parse_http(struct copse_reader *reader, const config_setting_t *element, void *target) {
  struct copse_control_config *config = target;

  http_free(&config->http); /* the defaults it began with */
  return copse_group_read(reader, element, copse_http_keys, &config->http);
}

static int
parse_etcd(struct copse_reader *reader, const config_setting_t *element, void *target) {
  struct copse_control_config *config = target;

  return copse_group_read(reader, element, copse_etcd_keys, &config->etcd);
}

/* A name becomes a key of the store and the name of a link in the dataplane. */
static bool
name_fits(const char *name) {
  return name[0] != '\0' && strlen(name) < COPSE_NAME_BYTES && strchr(name, '/') == NULL;
}

static int
parse_network(struct copse_reader *reader, const config_setting_t *element, void *target) {
  struct copse_control_config *config = target;
  int result = copse_topology_read(reader, element, &config->topology);

  for (uint32_t i = 0; i < config->topology.pop_count && result == 0; i++)
    if (!name_fits(config->topology.names[i]))
      result = copse_setting_fail(reader, element, "PoP '%s': a name has 1 to %d bytes", config->topology.names[i],
                                  COPSE_NAME_BYTES - 1);
  return result;
}

static const struct copse_key keys[] = {
  STRING(pop, NULL, .required = true, .help = "name of this PoP, as in the network"),
  STRING(log_level, "info", .help = "error, warning, info or debug"),
  STRING(store, "/var/lib/copse/store.db",
         .help = "SQLite file, shared by the control planes of this machine; or \"etcd\", for many machines"),
  {.name = "etcd", .kind = COPSE_KEY_GROUP, .parse = parse_etcd, .help = "where it is, keys below"},
  STRING(dataplane, "/run/copse/dataplane.sock", .help = "API socket of this PoP's dataplane"),
  STRING(state_dir, "/var/lib/copse", .help = "where what is made on first start is kept"),
  STRING(block_address, NULL, .required = true, .help = "the dataplane's address, told to peers and other PoPs"),
  NUMBER(block_port, UINT, COPSE_BLOCK_PORT, 1, 65535, "the dataplane's UDP port"),
  STRING(api, NULL, .help = "URL of this API as others reach it; default: https://, then http's address and port"),
  {.name = "http", .kind = COPSE_KEY_GROUP, .parse = parse_http, .help = "the HTTPS server, keys below"},
  {.name = "network", .kind = COPSE_KEY_GROUP, .parse = parse_network, .help = "PoPs and links with their budgets"},
  NUMBER(idle_s, FLOAT, 60, 1, 86400, "s, T_idle: a tree that carried nothing for so long is destroyed"),
  NUMBER(growth_reference_s, FLOAT, 60, 0.1, 1e6, "s, T_ref: credit is compared with what M_i carries in it"),
  NUMBER(growth_max, FLOAT, 4, 1, 1000, "C_max: the most a tree's rate may exceed M_i"),
  NUMBER(allowance_s, FLOAT, 4, 0.5, 60, "s at a tree's rate that are leased from accounts at a time"),
  NUMBER(stamp_port, UINT, 862, 0, 65535, "the dataplane's UDP port for measurement; 0: links are not measured"),
  NUMBER(measure_ms, UINT, 20, 5, 200, "ms between two test packets to a PoP there is a link to"),
  NUMBER(doubt_ms, UINT, 2, 2, 200, "ms between them while it is in doubt whether the link loses packets"),
  NUMBER(link_silence_ms, UINT, 1000, 200, 60000, "ms without an answer after which a link is down"),
  {.name = "measure_authenticated",
   .kind = COPSE_KEY_BOOL,
   .offset = OFFSET(measure_authenticated),
   .number = true,
   .help = "test packets carry a keyed hash"},
  NUMBER(burst_us, UINT, 4000, COPSE_BURST_MIN_US, COPSE_BURST_MAX_US, "us, depth of all token buckets"),
  NUMBER(sync_ms, UINT, 250, 20, 10000, "ms between two syncs of a peer"),
  NUMBER(gather_ms, UINT, 1000, 0, 60000, "ms the first block waits at most for trees that reach all who are there"),
  NUMBER(silence_ms, UINT, 30000, 1000, 600000, "ms of silence after which a member is removed"),
  NUMBER(presence_ms, UINT, 10000, 1000, 600000, "ms after which a PoP whose control plane is silent is given up"),
  NUMBER(finish_ms, UINT, 2000, 0, 3600000, "ms all members must have been done for before a session is finished"),
  NUMBER(keep_s, FLOAT, 86400, 0, 1e9, "s for which finished sessions are kept to be looked at"),
  NUMBER(max_depth, UINT, COPSE_DEPTH_MAX, 1, COPSE_DEPTH_MAX, "levels of a tree below its root"),
  NUMBER(max_fanout, UINT, 0, 0, 1e6, "children of a PoP in one tree; 0: no limit"),
  {.name = NULL},
};

static int
check_level(struct copse_control_config *config, const char *file, struct copse_error *error) {
  static const char *const names[] = {"error", "warning", "info", "debug"};

  for (size_t i = 0; i < 4; i++) {
    if (strcmp(config->log_level, names[i]) == 0) {
      config->level = (enum copse_log_level)i;
      return 0;
    }
  }
  return copse_fail(error, -EINVAL, "%s: 'log_level' must be error, warning, info or debug", file);
}

static int
check(struct copse_control_config *config, const char *file, struct copse_error *error) {
  struct copse_endpoint endpoint;
  uint32_t pop;

  config->http.state_dir = config->state_dir;
  if (!name_fits(config->pop))
    return copse_fail(error, -EINVAL, "%s: 'pop' has 1 to %d bytes and no '/'", file, COPSE_NAME_BYTES - 1);
  if (!copse_endpoint_parse(config->block_address, (uint16_t)config->block_port, &endpoint))
    return copse_fail(error, -EINVAL, "%s: 'block_address' is not an IPv4 or IPv6 address", file);
  if (config->topology.pop_count > 0 && !copse_topology_find(&config->topology, config->pop, &pop))
    return copse_fail(error, -EINVAL, "%s: PoP '%s' is not in the network", file, config->pop);
  if (config->api != NULL && strlen(config->api) >= COPSE_URL_BYTES)
    return copse_fail(error, -EINVAL, "%s: 'api' has at most %d bytes", file, COPSE_URL_BYTES - 1);
  if (strcmp(config->store, COPSE_STORE_ETCD) == 0 && copse_etcd_config_check(&config->etcd, file, error) < 0)
    return -EINVAL;
  return check_level(config, file, error);
}

/* Defaults of the group first: it may be absent. */
static int
begin(struct copse_control_config *config, struct copse_error *error) {
  *config = (struct copse_control_config){0};
  return copse_config_read_text("defaults", "", copse_http_keys, &config->http, error);
}

int
copse_control_config_read(struct copse_control_config *config, const char *path, struct copse_error *error) {
  int result = begin(config, error);

  if (result == 0)
    result = copse_config_read(path, keys, config, error);
  return result == 0 ? check(config, path, error) : result;
}

int
copse_control_config_read_text(struct copse_control_config *config, const char *name, const char *text,
                               struct copse_error *error) {
  int result = begin(config, error);

  if (result == 0)
    result = copse_config_read_text(name, text, keys, config, error);
  return result == 0 ? check(config, name, error) : result;
}

void
copse_control_config_free(struct copse_control_config *config) {
  char *strings[] = {config->pop,       config->log_level,     config->store, config->dataplane,
                     config->state_dir, config->block_address, config->api};

  for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
    free(strings[i]);
  http_free(&config->http);
  copse_etcd_config_free(&config->etcd);
  copse_topology_free(&config->topology);
  *config = (struct copse_control_config){0};
}

void
copse_control_config_keys(FILE *out) {
  copse_keys_print(keys, out);
  fputs("\nhttp = { … }:\n", out);
  copse_keys_print(copse_http_keys, out);
  fputs("\netcd = { … }:\n", out);
  copse_keys_print(copse_etcd_keys, out);
}
