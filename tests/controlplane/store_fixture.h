/* SPDX-License-Identifier: Apache-2.0 */
/* Stores to test, and what tests of stores do again and again. */
#ifndef STORE_FIXTURE_H
#define STORE_FIXTURE_H

#include "etcd_server.h"
#include "store/store.h"

struct backend {
  const char *name;
  /* One more handle on the store of this test; the first call of a test makes the store. */
  struct copse_store *(*open)(void);
  /* Lets time pass and returns what it is then: real time where leases are counted by somebody else's clock. */
  uint64_t (*pass)(uint64_t ms);
  uint64_t lease_ms; /* a lease as short as can be told from none */
};

extern const struct backend backends[2]; /* sqlite, etcd */

extern char fixture_folder[];            /* of the SQLite store */
extern struct etcd_cluster fixture_etcd; /* one server */
void fixture_stop(void);

int put(struct copse_store *store, const char *key, const char *value, uint64_t lease);
int delete (struct copse_store *store, const char *key);
/* The key has the value; null: it does not exist. */
void expect(struct copse_store *store, const char *key, const char *value);
uint64_t revision_of(struct copse_store *store, const char *key);

/* What a watch saw: "key=value " with '-' for a deleted value, "?" where changes were missed. */
struct seen {
  char text[4096];
  uint64_t last;
  bool disordered;
  size_t count; /* changes */
  size_t missed;
};

void see(void *context, const char *key, const char *value, uint64_t revision);
/* Polls until so many changes have been seen and nothing more comes, at most 5 s. */
void see_all(struct copse_store *store, struct seen *seen, size_t count);

/* The clock by which etcd counts leases, ms. */
uint64_t etcd_now(void);
/* Polls until it is as wanted, at most 15 s; how long it took. */
uint64_t poll_until(struct copse_store *store, bool away);
/* Commits until one is made. */
void put_at_last(struct copse_store *store, const char *key, const char *value);

#endif
