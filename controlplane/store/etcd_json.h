/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of etcd's JSON gateway (etcd 3.4, api/etcdserverpb/rpc.proto): bytes are base64, 64-bit integers are
 * strings, what is zero is left out. Nothing here does I/O; what comes from outside is never trusted. */
#ifndef COPSE_STORE_ETCD_JSON_H
#define COPSE_STORE_ETCD_JSON_H

#include "store.h"
#include <jansson.h>
#include <stdbool.h>

/* base64 of prefix and key together; null when memory is short. */
json_t *copse_etcd_bytes(const char *prefix, const char *key);
/* The same with a null behind it: nothing fits between it and the key. */
json_t *copse_etcd_next(const char *prefix, const char *key);
/* The end of the range of all keys that start with prefix and key together. */
json_t *copse_etcd_range_end(const char *prefix, const char *key);
json_t *copse_etcd_integer(uint64_t number);

/* 0 when the member is missing or no number. */
uint64_t copse_etcd_number(const json_t *message, const char *name);
/* The store's revision in an answer's header; 0 when there is none. */
uint64_t copse_etcd_revision(const json_t *message);

/* Key (without its first `prefix_bytes`), value and revision of an mvccpb.KeyValue; free with copse_value_free.
 * -EBADMSG, -ENOMEM. */
int copse_etcd_read_value(const json_t *kv, size_t prefix_bytes, struct copse_value *out);
/* Appends all `kvs` of a RangeResponse. -EBADMSG, -ENOMEM. */
int copse_etcd_read_values(const json_t *answer, size_t prefix_bytes, struct copse_values *out);

/* Negative errno for an error the gateway answered with, with its sentence. -EHOSTUNREACH when this member of the
 * cluster cannot serve now, and another may. */
int copse_etcd_read_failure(const json_t *answer, long status, struct copse_error *error);

#endif
