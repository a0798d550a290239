/* SPDX-License-Identifier: Apache-2.0 */
#include "table/addresses.h"
#include "table/counters.h"
#include "table/retire.h"

#include <errno.h>
#include <rte_rcu_qsbr.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#define LINKS_MAX (1U << 16)
#define OBJECTS_MAX (1U << 22)
#define WORKERS_MAX 64
#define FAN_OUT_MAX (1U << 14) /* copies may share a payload, whose references are counted in 16 bits */
#define CATCH_UP_SECONDS 3600

/* Zeroed memory for arrays that workers walk; large pages where the kernel has them. Null when short. */
static void *
allocate(size_t elements, size_t bytes) {
  void *memory = mmap(NULL, elements * bytes + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  if (memory == MAP_FAILED)
    return NULL;
  madvise(memory, elements * bytes + 1, MADV_HUGEPAGE);
  return memory;
}

static void
release(void *memory, size_t elements, size_t bytes) {
  if (memory != NULL)
    munmap(memory, elements * bytes + 1);
}

/* Inside the table an absent family is one without a port. */
static void
normalise(struct copse_endpoint *local) {
  static const uint8_t unset[sizeof(local->address)];

  if (memcmp(local->address, unset, sizeof(unset)) == 0)
    local->port = 0;
}

static bool
valid_config(const struct copse_table_config *config) {
  const struct copse_api_limits *limits = &config->limits;

  return limits->labels <= COPSE_LABEL_SLOTS && limits->trees <= OBJECTS_MAX && limits->members <= OBJECTS_MAX &&
         limits->links <= LINKS_MAX && limits->fan_out <= FAN_OUT_MAX && limits->workers >= 1 &&
         limits->workers <= WORKERS_MAX && config->tsc_hz >= 1000000 && config->tsc_hz <= 10000000000ULL &&
         (config->local4.port != 0 || config->local6.port != 0);
}

static int
allocate_view(struct copse_table *table) {
  const struct copse_api_limits *limits = &table->config.limits;
  const uint32_t destinations = limits->links + limits->members;
  struct copse_forwarding *view = &table->view;

  view->entries = allocate(limits->labels, sizeof(*view->entries));
  view->trees = allocate(limits->trees, sizeof(*view->trees));
  view->destinations = allocate(destinations, sizeof(*view->destinations));
  view->replays = allocate(limits->members, sizeof(*view->replays));
  table->destination_buffers = allocate(2UL * destinations, sizeof(*table->destination_buffers));
  const size_t rcu = rte_rcu_qsbr_get_memsize(limits->workers);
  if (posix_memalign((void **)&view->rcu, RTE_CACHE_LINE_SIZE, rcu) != 0)
    view->rcu = NULL;
  if (view->entries == NULL || view->trees == NULL || view->destinations == NULL || view->replays == NULL ||
      table->destination_buffers == NULL || view->rcu == NULL)
    return -ENOMEM;
  rte_rcu_qsbr_init(view->rcu, limits->workers);
  view->limits = *limits;
  view->tsc_hz = table->config.tsc_hz;
  view->local4 = table->config.local4;
  view->local6 = table->config.local6;
  view->shared = limits->workers > 1;
  randombytes_buf(view->cookie_secret, sizeof(view->cookie_secret));
  return 0;
}

static int
allocate_model(struct copse_table *table) {
  const struct copse_api_limits *limits = &table->config.limits;

  table->counts[COPSE_LINK] = limits->links;
  table->counts[COPSE_MEMBER] = limits->members;
  table->counts[COPSE_TREE] = limits->trees;
  table->counts[COPSE_TARGET] = limits->links;
  for (int i = 0; i < COPSE_OBJECTS; i++) {
    table->records[i] = calloc(table->counts[i] + 1UL, sizeof(struct copse_record *));
    table->touched[i] = calloc(table->counts[i] + 1UL, sizeof(*table->touched[i]));
    table->users[i] = calloc(table->counts[i] + 1UL, sizeof(*table->users[i]));
    if (table->records[i] == NULL || table->touched[i] == NULL || table->users[i] == NULL)
      return -ENOMEM;
  }
  table->label_used = calloc(limits->labels + 1UL, sizeof(*table->label_used));
  table->hop_seen = calloc(limits->links + limits->members + 1UL, sizeof(*table->hop_seen));
  if (table->label_used == NULL || table->hop_seen == NULL ||
      copse_map_init(&table->ids[COPSE_MEMBER], limits->members) < 0 ||
      copse_map_init(&table->ids[COPSE_TREE], limits->trees) < 0 ||
      copse_map_init(&table->ids[COPSE_TARGET], limits->links) < 0)
    return -ENOMEM;
  return copse_addresses_init(table);
}

struct copse_table *
copse_table_create(const struct copse_table_config *given) {
  struct copse_table_config config = *given;
  struct copse_table *table;
  struct timespec now;
  int status;

  normalise(&config.local4);
  normalise(&config.local6);
  if (!valid_config(&config) || sodium_init() < 0) {
    errno = EINVAL;
    return NULL;
  }
  if ((table = calloc(1, sizeof(*table))) == NULL)
    return NULL;
  table->config = config;
  table->shm_fd = -1;
  table->retired_last = &table->retired_first;
  table->sequence_floor = config.sequence_base;
  if (table->sequence_floor == 0) {
    clock_gettime(CLOCK_REALTIME, &now);
    table->sequence_floor = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
  }
  if ((status = allocate_view(table)) < 0 || (status = allocate_model(table)) < 0 ||
      (status = copse_counters_init(table)) < 0) {
    copse_table_destroy(table);
    errno = -status;
    return NULL;
  }
  return table;
}

static void
free_records(struct copse_table *table) {
  for (int object = 0; object < COPSE_OBJECTS; object++) {
    for (uint32_t i = 0; table->records[object] != NULL && i < table->counts[object]; i++)
      copse_record_free(table, object, table->records[object][i]);
    free(table->records[object]);
    free(table->touched[object]);
    free(table->users[object]);
    copse_map_free(&table->ids[object]);
  }
}

void
copse_table_destroy(struct copse_table *table) {
  const struct copse_api_limits *limits = &table->config.limits;
  const uint32_t destinations = limits->links + limits->members;
  struct copse_forwarding *view = &table->view;

  free_records(table);
  for (uint32_t i = 0; view->trees != NULL && i < limits->trees; i++)
    free(view->trees[i].fan_out);
  copse_reclaim(table, true);
  copse_addresses_free(table);
  copse_counters_free(table);
  free(table->label_used);
  free(table->hop_seen);
  free(table->journal);
  release(view->entries, limits->labels, sizeof(*view->entries));
  release(view->trees, limits->trees, sizeof(*view->trees));
  release(view->destinations, destinations, sizeof(*view->destinations));
  release(view->replays, limits->members, sizeof(*view->replays));
  release(table->destination_buffers, 2UL * destinations, sizeof(*table->destination_buffers));
  sodium_memzero(view->cookie_secret, sizeof(view->cookie_secret));
  free(view->rcu);
  free(table);
}

const struct copse_forwarding *
copse_table_forwarding(const struct copse_table *table) {
  return &table->view;
}

void
copse_table_maintain(struct copse_table *table, uint64_t now) {
  const struct copse_api_limits *limits = &table->config.limits;

  copse_reclaim(table, false);
  if (table->caught_up != 0 && now - table->caught_up < CATCH_UP_SECONDS * table->config.tsc_hz)
    return;
  for (uint32_t i = 0; i < limits->trees; i++) {
    copse_bucket_catch_up(&table->view.trees[i].meter.committed, now);
    copse_bucket_catch_up(&table->view.trees[i].meter.peak, now);
  }
  for (uint32_t i = 0; i < limits->links + limits->members; i++)
    copse_bucket_catch_up(&table->view.destinations[i].bucket, now);
  table->caught_up = now;
}
