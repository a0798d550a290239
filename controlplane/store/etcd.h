/* SPDX-License-Identifier: Apache-2.0 */
/* The store on etcd v3, for control planes on many machines: its JSON gateway over HTTP/1.1 and TLS through libcurl. No
 * threads: a call waits for its answer at most `timeout_ms`, watches are streams that copse_store_poll reads.
 *
 * One endpoint is used at a time. When it fails, the next one is asked; when none answers, the store is away:
 * copse_store_poll looks for it and everything else fails at once with -EHOSTUNREACH, so that a control plane whose
 * store is away is not slowed down by it. */
#ifndef COPSE_STORE_ETCD_H
#define COPSE_STORE_ETCD_H

#include "store.h"
#include <copse/schema.h>

struct copse_etcd_config {
  char **endpoints; /* URLs, "https://etcd1:2379" */
  size_t endpoint_count;
  char *prefix;               /* before every key */
  char *ca;                   /* PEM file; null: the system's */
  char *certificate, *key;    /* PEM files, ours; null: none */
  char *user, *password_file; /* null: none */
  uint64_t timeout_ms;        /* for an answer */
};

/* Keys of the configuration's group `etcd`. */
extern const struct copse_key copse_etcd_keys[];

/* Sets what is wrong and returns -EINVAL when the keys do not fit each other. */
int copse_etcd_config_check(const struct copse_etcd_config *config, const char *file, struct copse_error *error);
void copse_etcd_config_free(struct copse_etcd_config *config);

/* Asks the endpoints in turn until one answers. The configuration is not needed afterwards. -EHOSTUNREACH, -EACCES,
 * -EINVAL with a sentence. */
int copse_store_open_etcd(const struct copse_etcd_config *config, struct copse_store **store,
                          struct copse_error *error);

#endif
