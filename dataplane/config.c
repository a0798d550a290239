/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>

#define OFFSET(field) offsetof(struct copse_dataplane_config, field)
#define STRING(field, text, value, ...)                                                                                \
  { .name = #field, .kind = COPSE_KEY_STRING, .offset = OFFSET(field), .string = (value), .help = (text), __VA_ARGS__ }
#define UINT(field, text, value, low, high)                                                                            \
  {                                                                                                                    \
    .name = #field, .kind = COPSE_KEY_UINT, .offset = OFFSET(field), .number = (value), .minimum = (low),              \
    .maximum = (high), .help = (text)                                                                                  \
  }
#define LIST(field, text, function, ...)                                                                               \
  { .name = #field, .kind = COPSE_KEY_LIST, .parse = (function), .help = (text), __VA_ARGS__ }

#define PORT(field) offsetof(struct copse_port_config, field)
#define LIMIT(field, value, high, text)                                                                                \
  {                                                                                                                    \
    .name = #field, .kind = COPSE_KEY_UINT, .offset = offsetof(struct copse_limits_config, field), .number = (value),  \
    .minimum = 1, .maximum = (high), .help = (text)                                                                    \
  }

static const struct copse_key port_keys[] = {
  {.name = "device",
   .kind = COPSE_KEY_STRING,
   .offset = PORT(device),
   .required = true,
   .help = "DPDK device string or PCI address"},
  {.name = "interface",
   .kind = COPSE_KEY_STRING,
   .offset = PORT(interface),
   .help = "kernel device whose routes and neighbours are used; default: iface= of the device string"},
  {.name = "vlan", .kind = COPSE_KEY_UINT, .offset = PORT(vlan), .maximum = 4094, .help = "802.1Q tag, 0: untagged"},
  {.name = "mtu",
   .kind = COPSE_KEY_UINT,
   .offset = PORT(mtu),
   .maximum = 9600,
   .help = "layer 3 bytes, 0: the interface's, or 1500"},
  {.name = "rx_descriptors",
   .kind = COPSE_KEY_UINT,
   .offset = PORT(rx_descriptors),
   .number = 1024,
   .minimum = 64,
   .maximum = 32768,
   .help = "receive ring, frames"},
  {.name = "tx_descriptors",
   .kind = COPSE_KEY_UINT,
   .offset = PORT(tx_descriptors),
   .number = 1024,
   .minimum = 64,
   .maximum = 32768,
   .help = "transmit ring, frames"},
  {.name = NULL},
};

static const struct copse_key limit_keys[] = {
  LIMIT(labels, 65536, COPSE_LABEL_SLOTS, "slots of incoming labels, shared by trees and members"),
  LIMIT(trees, 4096, 1 << 20, "trees"),
  LIMIT(members, 16384, 1 << 22, "peers of this PoP, counted once per session"),
  LIMIT(links, 256, 65535, "links to other PoPs"),
  LIMIT(fan_out, 1024, 1 << 20, "next hops of one tree"),
  {.name = NULL},
};

struct neighbour_text {
  char *address, *mac;
  uint64_t port;
};

static const struct copse_key neighbour_keys[] = {
  {.name = "address",
   .kind = COPSE_KEY_STRING,
   .offset = offsetof(struct neighbour_text, address),
   .required = true,
   .help = "IPv4 or IPv6 address copies are sent to"},
  {.name = "mac",
   .kind = COPSE_KEY_STRING,
   .offset = offsetof(struct neighbour_text, mac),
   .required = true,
   .help = "where its frames go"},
  {.name = "port",
   .kind = COPSE_KEY_UINT,
   .offset = offsetof(struct neighbour_text, port),
   .maximum = COPSE_CONFIG_PORTS_MAX - 1,
   .help = "index in ports"},
  {.name = NULL},
};

/* One more zeroed element at the end of an array, or null with the error set. */
static void *
append(struct copse_reader *reader, void **array, size_t *count, size_t size) {
  void *grown = reallocarray(*array, *count + 1, size);

  if (!grown) {
    copse_fail(reader->error, -ENOMEM, "not enough memory for the configuration");
    return NULL;
  }
  *array = grown;
  return memset((char *)grown + (*count)++ * size, 0, size);
}

static int
parse_eal(struct copse_reader *reader, const config_setting_t *element, void *target) {
  struct copse_dataplane_config *config = target;
  const char *text = config_setting_get_string(element);
  char **argument;

  if (!text || !*text)
    return copse_setting_fail(reader, element, "'eal' is a list of strings");
  argument = append(reader, (void **)&config->eal, &config->eal_count, sizeof(*config->eal));
  if (!argument || !(*argument = strdup(text)))
    return -ENOMEM;
  return 0;
}

static int
parse_port(struct copse_reader *reader, const config_setting_t *element, void *target) {
  struct copse_dataplane_config *config = target;
  struct copse_port_config *port;
  char interface[IFNAMSIZ];
  int status;

  if (config->port_count == COPSE_CONFIG_PORTS_MAX)
    return copse_setting_fail(reader, element, "there can be at most %d ports", COPSE_CONFIG_PORTS_MAX);
  port = append(reader, (void **)&config->ports, &config->port_count, sizeof(*port));
  if (!port)
    return -ENOMEM;
  status = copse_group_read(reader, element, port_keys, port);
  if (status)
    return status;
  if (strncmp(port->device, "net_", 4) != 0 && strncmp(port->device, "virtio_user", 11) != 0 &&
      !copse_device_is_pci(port->device))
    return copse_setting_fail(reader, element, "'%s' is neither a DPDK device string nor a PCI address", port->device);
  if (strncmp(port->device, "net_af_", 7) == 0 && !copse_device_argument(port->device, "iface", interface, IFNAMSIZ))
    return copse_setting_fail(reader, element, "'%s' names no interface (iface=...)", port->device);
  if (port->interface && strlen(port->interface) >= IFNAMSIZ)
    return copse_setting_fail(reader, element, "'%s' is too long for an interface's name", port->interface);
  if (port->mtu && port->mtu < 576)
    return copse_setting_fail(reader, element, "'mtu' must be 0 or at least 576");
  return 0;
}

static int
parse_limits(struct copse_reader *reader, const config_setting_t *element, void *target) {
  return copse_group_read(reader, element, limit_keys, &((struct copse_dataplane_config *)target)->limits);
}

static int
check_neighbour(struct copse_reader *reader, const config_setting_t *element, const struct neighbour_text *text,
                struct copse_static_neighbour *neighbour) {
  neighbour->port = text->port;
  if (!copse_address_parse(text->address, neighbour->address))
    return copse_setting_fail(reader, element, "'%s' is not an IP address", text->address);
  if (!copse_mac_parse(text->mac, neighbour->mac))
    return copse_setting_fail(reader, element, "'%s' is not a unicast MAC address", text->mac);
  return 0;
}

static int
parse_neighbour(struct copse_reader *reader, const config_setting_t *element, void *target) {
  struct copse_dataplane_config *config = target;
  struct neighbour_text text = {.address = NULL};
  struct copse_static_neighbour *neighbour;
  int status = copse_group_read(reader, element, neighbour_keys, &text);

  if (!status) {
    neighbour = append(reader, (void **)&config->neighbours, &config->neighbour_count, sizeof(*neighbour));
    status = neighbour ? check_neighbour(reader, element, &text, neighbour) : -ENOMEM;
  }
  free(text.address);
  free(text.mac);
  return status;
}

static const struct copse_key keys[] = {
  STRING(name, "begins every line of the log", "copse"),
  STRING(log_level, "error, warning, info or debug", "info", .live = true),
  STRING(api_socket, "where the control plane connects", "/run/copse/dataplane.sock"),
  STRING(address4, "our IPv4 address: source of copies, destination of blocks", NULL),
  STRING(address6, "our IPv6 address: source of copies, destination of blocks", NULL),
  UINT(block_port, "UDP port of block packets", COPSE_BLOCK_PORT, 1, 65535),
  UINT(stamp_port, "UDP port where test packets of other PoPs are answered; 0: no measurement", 862, 0, 65535),
  LIST(ports, "where packets come and go", parse_port, .required = true),
  UINT(workers, "threads that forward packets", 1, 1, 64),
  STRING(worker_cpus, "CPUs of the workers, one each, as in \"2,3\"; none: any", NULL),
  STRING(main_cpus, "CPUs of the main thread, as in \"0-1\"; none: any", NULL),
  STRING(idle, "adaptive: workers sleep when there is nothing to do; poll: never", "adaptive"),
  UINT(idle_max_us, "longest sleep, microseconds", 900, 1, 100000),
  UINT(permission_s, "how long a proven address may receive, seconds", 60, 2, 3600),
  STRING(hugepages, "auto, on or off", "auto"),
  UINT(memory_mb, "DPDK's memory, MiB; 0: what the ports need", 0, 0, 1 << 20),
  STRING(xdp_object, "the XDP program of net_af_xdp ports; none: the installed one", NULL),
  LIST(eal, "more arguments for DPDK's EAL", parse_eal),
  LIST(neighbours, "MACs that are not asked of the kernel", parse_neighbour, .live = true),
  {.name = "limits", .kind = COPSE_KEY_GROUP, .parse = parse_limits, .help = "sizes of the table"},
  {.name = NULL},
};

/* Index of `text` in a list that ends with null, or -1. */
static int
choice(const char *text, const char *const *list) {
  for (int i = 0; list[i]; i++)
    if (strcmp(text, list[i]) == 0)
      return i;
  return -1;
}

static int
check_address(const char *name, const char *key, const char *text, int family, struct copse_endpoint *out,
              struct copse_error *error) {
  if (!text)
    return 0;
  if (copse_address_parse(text, out->address) != family)
    return copse_fail(error, -EINVAL, "%s: '%s': '%s' is not an IPv%c address", name, key, text,
                      family == AF_INET ? '4' : '6');
  return 0;
}

static int
check_choices(struct copse_dataplane_config *config, const char *name, struct copse_error *error) {
  static const char *const levels[] = {"error", "warning", "info", "debug", NULL};
  static const char *const idles[] = {"adaptive", "poll", NULL};
  static const char *const huge[] = {"auto", "on", "off", NULL};
  int level = choice(config->log_level, levels);

  if (level < 0)
    return copse_fail(error, -EINVAL, "%s: 'log_level' must be error, warning, info or debug", name);
  if (choice(config->idle, idles) < 0)
    return copse_fail(error, -EINVAL, "%s: 'idle' must be adaptive or poll", name);
  if (choice(config->hugepages, huge) < 0)
    return copse_fail(error, -EINVAL, "%s: 'hugepages' must be auto, on or off", name);
  config->level = (enum copse_log_level)level;
  config->adaptive = strcmp(config->idle, "adaptive") == 0;
  return 0;
}

/* What one key alone cannot tell. */
static int
check(struct copse_dataplane_config *config, const char *name, struct copse_error *error) {
  int status = check_choices(config, name, error);

  if (!status)
    status = check_address(name, "address4", config->address4, AF_INET, &config->local4, error);
  if (!status)
    status = check_address(name, "address6", config->address6, AF_INET6, &config->local6, error);
  if (status)
    return status;
  config->local4.port = config->local6.port = htons((uint16_t)config->block_port);
  if (!config->address4 && !config->address6)
    return copse_fail(error, -EINVAL, "%s: one of 'address4' and 'address6' is needed", name);
  if (!config->port_count)
    return copse_fail(error, -EINVAL, "%s: 'ports' is empty", name);
  if (strlen(config->api_socket) >= sizeof(((struct sockaddr_un *)0)->sun_path) - sizeof(".lock"))
    return copse_fail(error, -EINVAL, "%s: 'api_socket': the path is longer than a socket's may be", name);
  for (size_t i = 0; i < config->neighbour_count; i++)
    if (config->neighbours[i].port >= config->port_count)
      return copse_fail(error, -EINVAL, "%s: 'neighbours': there is no port %u", name,
                        (unsigned)config->neighbours[i].port);
  return 0;
}

static void
set_default_limits(struct copse_dataplane_config *config) {
  for (const struct copse_key *key = limit_keys; key->name; key++)
    *(uint64_t *)((char *)&config->limits + key->offset) = (uint64_t)key->number;
}

int
copse_dataplane_config_read(struct copse_dataplane_config *config, const char *path, struct copse_error *error) {
  int status;

  memset(config, 0, sizeof(*config));
  set_default_limits(config);
  status = copse_config_read(path, keys, config, error);
  return status ? status : check(config, path, error);
}

int
copse_dataplane_config_read_text(struct copse_dataplane_config *config, const char *name, const char *text,
                                 struct copse_error *error) {
  int status;

  memset(config, 0, sizeof(*config));
  set_default_limits(config);
  status = copse_config_read_text(name, text, keys, config, error);
  return status ? status : check(config, name, error);
}

void
copse_dataplane_config_free(struct copse_dataplane_config *config) {
  char *const strings[] = {config->name, config->log_level, config->api_socket, config->address4,    config->address6,
                           config->idle, config->hugepages, config->xdp_object, config->worker_cpus, config->main_cpus};

  for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
    free(strings[i]);
  for (size_t i = 0; i < config->eal_count; i++)
    free(config->eal[i]);
  for (size_t i = 0; i < config->port_count; i++) {
    free(config->ports[i].device);
    free(config->ports[i].interface);
  }
  free(config->eal);
  free(config->ports);
  free(config->neighbours);
  memset(config, 0, sizeof(*config));
}

void
copse_dataplane_keys_print(FILE *out) {
  copse_keys_print(keys, out);
  fputs("\nin each of ports:\n", out);
  copse_keys_print(port_keys, out);
  fputs("\nin each of neighbours:\n", out);
  copse_keys_print(neighbour_keys, out);
  fputs("\nin limits:\n", out);
  copse_keys_print(limit_keys, out);
}
