/* SPDX-License-Identifier: Apache-2.0 */
/* The store all control planes share. Two implementations behind one interface: SQLite (sqlite.c) for one machine, etcd
 * (etcd.h) for many.
 *
 * Revisions grow with every committed change of the whole store. A key's revision is that of its last change; 0 means
 * it does not exist. One thread per store handle; many processes per store.
 *
 * `now_ms` is the time of a clock that all processes of one machine share and that never jumps (CLOCK_MONOTONIC).
 *
 * A store that cannot be reached answers -EHOSTUNREACH, at once and to everything, until copse_store_poll has found it
 * again. */
#ifndef COPSE_STORE_H
#define COPSE_STORE_H

#include <copse/error.h>
#include <stddef.h>
#include <stdint.h>

struct copse_store;

#define COPSE_STORE_KEY_MAX 512          /* bytes of a key, without the null */
#define COPSE_STORE_VALUE_MAX (1U << 20) /* bytes of a value, without the null */
#define COPSE_STORE_OPERATIONS_MAX 128   /* compares, and changes, in one commit: as many as etcd takes by default */
#define COPSE_STORE_HISTORY 16384        /* revisions a watch may fall behind; of etcd: as it is told to keep */

struct copse_value {
  char *key;
  char *value; /* null terminated JSON text */
  uint64_t revision;
};

/* Grows as needed; free with copse_values_free. */
struct copse_values {
  struct copse_value *items;
  size_t count;
  uint64_t revision; /* of the store when read */
};

struct copse_compare {
  const char *key;
  uint64_t revision; /* the key must be at it; 0: must not exist */
};

enum copse_change_kind {
  COPSE_CHANGE_PUT,
  COPSE_CHANGE_DELETE,
  COPSE_CHANGE_DELETE_PREFIX, /* all keys that start with this one, as one change */
};

struct copse_change {
  enum copse_change_kind kind;
  const char *key;
  const char *value; /* of a put */
  uint64_t lease;    /* 0: none; else the key goes when the lease does */
};

/* A put (value set) or a delete (value null), in order of revision. Key null: changes up to `revision` were missed;
 * list again. */
typedef void copse_watch_callback(void *context, const char *key, const char *value, uint64_t revision);

/* `path` is the SQLite file, made when missing. Negative errno with a sentence. etcd.h opens the other kind. */
int copse_store_open(const char *path, struct copse_store **store, struct copse_error *error);
/* Null is allowed. */
void copse_store_close(struct copse_store *store);

/* One key. -ENOENT when there is none. */
int copse_store_get(struct copse_store *store, const char *key, struct copse_value *out);
/* All keys that start with `prefix`, in order of key. */
int copse_store_list(struct copse_store *store, const char *prefix, struct copse_values *out);
/* All compares hold, then all changes, each of other keys, are made as one revision; else -EAGAIN and nothing is
 * changed. `revision`, if not null, receives the new revision. -ENOENT when a change names a lease that has expired,
 * -E2BIG above the limits, -ENOSPC, -EROFS, -EIO when the store cannot write, -EBUSY when others held it for too long;
 * -ETIMEDOUT when the store went away meanwhile: it may or may not have been made, the next reading tells. Putting a
 * key again replaces its lease; deleting one that does not exist changes nothing. */
int copse_store_commit(struct copse_store *store, const struct copse_compare *compares, size_t compare_count,
                       const struct copse_change *changes, size_t change_count, uint64_t *revision,
                       struct copse_error *error);

/* A lease lives for `ttl_ms` (or up to a second longer) after its last renewal; then its keys are deleted: by the
 * store, or by whoever looks first. */
int copse_store_lease(struct copse_store *store, uint64_t now_ms, uint64_t ttl_ms, uint64_t *lease,
                      struct copse_error *error);
/* -ENOENT when it has expired already. */
int copse_store_renew(struct copse_store *store, uint64_t lease, uint64_t now_ms);
/* Ends it now; its keys are deleted as one revision. */
int copse_store_revoke(struct copse_store *store, uint64_t lease);

/* From now on copse_store_poll calls `callback` for every change under `prefix` after revision `after`, each once and
 * in order, also for changes made through this handle. Callbacks may use the store but not poll it. A watch that asks
 * for a revision already compacted gets -ESTALE: list again. Watches live as long as the handle. */
int copse_store_watch(struct copse_store *store, const char *prefix, uint64_t after, copse_watch_callback *callback,
                      void *context);
/* Delivers what changed since the last call: what others did may take a moment to arrive, but nothing this handle has
 * written, read or been refused for is missing. Expires leases, looks for a store that went away. Returns the number of
 * changes or a negative errno. A watch that fell behind COPSE_STORE_HISTORY is called with a null key and goes on from
 * now. */
int copse_store_poll(struct copse_store *store, uint64_t now_ms);

void copse_value_free(struct copse_value *value);
void copse_values_free(struct copse_values *values);

#endif
