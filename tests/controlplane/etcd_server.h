/* SPDX-License-Identifier: Apache-2.0 */
/* etcd as a child of the test, on loopback ports and in a folder of the test's own; it dies with the test. */
#ifndef ETCD_SERVER_H
#define ETCD_SERVER_H

#include "store/etcd.h"
#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#define ETCD_SERVERS_MAX 3

struct etcd_server {
  pid_t pid; /* 0: not running */
  unsigned client_port, peer_port;
};

struct etcd_cluster {
  char folder[64];
  struct etcd_server servers[ETCD_SERVERS_MAX];
  size_t count;
  const char *certificates; /* folder of ca.pem, server.pem, server.key; null: no TLS */
  uint64_t quota_bytes;     /* of servers that are started from now on; 0: etcd's own */
  unsigned operations_max;  /* in a transaction, likewise; 0: etcd's own */
  char *endpoints[ETCD_SERVERS_MAX];
  struct copse_etcd_config config; /* for all servers; the test may change it */
};

/* Starts `count` servers that are one cluster and waits until it answers. */
void etcd_cluster_start(struct etcd_cluster *cluster, size_t count, const char *certificates);
/* Kills what runs and removes the folder. */
void etcd_cluster_stop(struct etcd_cluster *cluster);
void etcd_server_kill(struct etcd_cluster *cluster, size_t server);
/* With the data it had. */
void etcd_server_start(struct etcd_cluster *cluster, size_t server);
/* The server that leads; waits for one. */
size_t etcd_cluster_leader(struct etcd_cluster *cluster);
/* POSTs to the gateway of a server that answers and returns the JSON, which must not be an error. */
json_t *etcd_cluster_ask(struct etcd_cluster *cluster, const char *path, const char *body);

struct copse_store *etcd_cluster_open(struct etcd_cluster *cluster);

#endif
