/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration file of copse-dataplane; config/dataplane.cfg shows and explains every key. */
#ifndef COPSE_DATAPLANE_CONFIG_H
#define COPSE_DATAPLANE_CONFIG_H

#include <copse/api.h>
#include <copse/log.h>
#include <copse/schema.h>

#define COPSE_CONFIG_PORTS_MAX 32

struct copse_port_config {
  char *device;    /* DPDK device string, or PCI address */
  char *interface; /* the kernel's device for the same link; null: the iface= of the device string, if any */
  uint64_t vlan;   /* 0: untagged */
  uint64_t mtu;    /* layer 3 bytes; 0: the interface's, 1500 without one */
  uint64_t rx_descriptors, tx_descriptors;
};

struct copse_static_neighbour {
  uint8_t address[16]; /* IPv4 mapped */
  uint8_t mac[6];
  uint64_t port; /* index in `ports` */
};

struct copse_limits_config {
  uint64_t labels, trees, members, links, fan_out;
};

struct copse_dataplane_config {
  char *name, *log_level, *api_socket;
  char *address4, *address6;
  uint64_t block_port, stamp_port;
  uint64_t workers;
  char *worker_cpus, *main_cpus;
  char *idle;
  uint64_t idle_max_us, permission_s;
  char *hugepages;
  uint64_t memory_mb;
  char *xdp_object;
  char **eal;
  size_t eal_count;
  struct copse_port_config *ports;
  size_t port_count;
  struct copse_static_neighbour *neighbours;
  size_t neighbour_count;
  struct copse_limits_config limits;

  /* Worked out from the keys above. */
  enum copse_log_level level;
  bool adaptive;
  struct copse_endpoint local4, local6; /* address zero: family absent */
};

/* Reads and checks a file. Returns 0 or a negative errno with a sentence; free in both cases. */
int copse_dataplane_config_read(struct copse_dataplane_config *config, const char *path, struct copse_error *error);

/* The same from memory; `name` stands for the file in errors. */
int copse_dataplane_config_read_text(struct copse_dataplane_config *config, const char *name, const char *text,
                                     struct copse_error *error);

void copse_dataplane_config_free(struct copse_dataplane_config *config);

/* Prints every key with unit, default and live or restart. */
void copse_dataplane_keys_print(FILE *out);

/* Value of `key` in a DPDK device string ("net_af_xdp0,iface=eth0"), copied to `out`; false if it is not there. */
bool copse_device_argument(const char *device, const char *key, char *out, size_t size);

/* Name of the kernel's device for a port, copied to `out`; false if it has none. */
bool copse_port_interface(const struct copse_port_config *port, char *out, size_t size);

/* True for "0000:00:04.0" and "00:04.0", with or without arguments behind a comma. */
bool copse_device_is_pci(const char *device);

/* Text of an IPv4 or IPv6 address to 16 bytes, IPv4 mapped. Returns its family, or 0. */
int copse_address_parse(const char *text, uint8_t out[16]);

/* "02:00:00:00:00:01" to bytes; false if it is none, or zero, broadcast or multicast. */
bool copse_mac_parse(const char *text, uint8_t out[6]);
bool copse_mac_is_usable(const uint8_t mac[6]);

#endif
