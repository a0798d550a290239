/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration file of copse-controlplane; config/controlplane.cfg shows and explains every key. */
#ifndef COPSE_CONTROL_CONFIG_H
#define COPSE_CONTROL_CONFIG_H

#include "http/server.h"
#include "store/etcd.h"
#include "trees/topology.h"
#include <copse/log.h>

#define COPSE_STORE_ETCD "etcd"

struct copse_control_config {
  char *pop; /* our name */
  char *log_level;
  char *store;     /* file, or COPSE_STORE_ETCD */
  char *dataplane; /* API socket of our dataplane */
  char *state_dir; /* certificate, tokens: what is made on first start */
  char *block_address;
  uint64_t block_port;
  char *api; /* URL told to peers and operators; null: made of the address and port of http */
  double idle_s, growth_reference_s, growth_max, allowance_s, keep_s;
  uint64_t burst_us, sync_ms, gather_ms, silence_ms, presence_ms, finish_ms;
  uint64_t max_depth, max_fanout;
  uint64_t stamp_port, measure_ms, doubt_ms, link_silence_ms;
  bool measure_authenticated;
  struct copse_http_config http;
  struct copse_etcd_config etcd;
  struct copse_topology topology;

  /* Worked out from the keys above. */
  enum copse_log_level level;
};

/* Reads and checks a file. Returns 0 or a negative errno with a sentence; free in both cases. */
int copse_control_config_read(struct copse_control_config *config, const char *path, struct copse_error *error);

/* The same from memory; `name` stands for the file in errors. */
int copse_control_config_read_text(struct copse_control_config *config, const char *name, const char *text,
                                   struct copse_error *error);
void copse_control_config_free(struct copse_control_config *config);

/* All keys, for --keys. */
void copse_control_config_keys(FILE *out);

#endif
