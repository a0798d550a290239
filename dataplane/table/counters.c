/* SPDX-License-Identifier: Apache-2.0 */
#include "table/counters.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096UL

/* Appends `copies` arrays, each on pages of its own, so that workers share no line. */
static void
place(uint64_t *end, uint64_t *offset, uint64_t *stride, uint64_t element, uint64_t elements, uint64_t copies) {
  *offset = *end;
  *stride = (element * elements + PAGE - 1) & ~(PAGE - 1);
  *end += *stride * copies;
}

static void
lay_out(struct copse_shm *shm, const struct copse_api_limits *limits) {
  uint64_t end = (sizeof(*shm) + PAGE - 1) & ~(PAGE - 1), unused;

  place(&end, &shm->worker_offset, &shm->worker_stride, sizeof(struct copse_worker_counters), 1, limits->workers);
  place(&end, &shm->tree_offset, &shm->tree_stride, sizeof(struct copse_tree_counters), limits->trees, limits->workers);
  place(&end, &shm->link_offset, &shm->link_stride, sizeof(struct copse_link_counters), limits->links, limits->workers);
  place(&end, &shm->member_offset, &shm->member_stride, sizeof(struct copse_member_counters), limits->members,
        limits->workers);
  place(&end, &shm->tree_state_offset, &unused, sizeof(struct copse_tree_state), limits->trees, 1);
  place(&end, &shm->member_state_offset, &unused, sizeof(struct copse_member_state), limits->members, 1);
  place(&end, &shm->target_state_offset, &unused, sizeof(struct copse_target_state), limits->links, 1);
  place(&end, &shm->stamp_offset, &unused, sizeof(struct copse_stamp_counters), 1, 1);
  shm->bytes = end;
}

int
copse_counters_init(struct copse_table *table) {
  struct copse_shm layout = {.magic = COPSE_SHM_MAGIC, .tsc_hz = table->config.tsc_hz, .limits = table->config.limits};
  const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;
  void *map;

  lay_out(&layout, &layout.limits);
  while (layout.instance == 0)
    randombytes_buf(&layout.instance, sizeof(layout.instance));
  table->shm_fd = memfd_create("copse-counters", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (table->shm_fd < 0 || ftruncate(table->shm_fd, (off_t)layout.bytes) < 0)
    return -errno;
  map = mmap(NULL, layout.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, table->shm_fd, 0);
  if (map == MAP_FAILED)
    return -errno;
  table->view.shm = map;
  table->shm_bytes = layout.bytes;
  /* Our mapping stays writable, no other can be made. */
  if (fcntl(table->shm_fd, F_ADD_SEALS, seals) < 0)
    return -errno;
  *table->view.shm = layout;
  table->view.tree_states = copse_shm_at(map, layout.tree_state_offset);
  table->view.member_states = copse_shm_at(map, layout.member_state_offset);
  return 0;
}

void
copse_counters_free(struct copse_table *table) {
  if (table->view.shm != NULL)
    munmap(table->view.shm, table->shm_bytes);
  if (table->shm_fd >= 0)
    close(table->shm_fd);
}

int
copse_table_shm_fd(const struct copse_table *table) {
  char path[32];
  int fd;

  snprintf(path, sizeof(path), "/proc/self/fd/%d", table->shm_fd);
  fd = open(path, O_RDONLY | O_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

struct copse_shm *
copse_table_shm(const struct copse_table *table) {
  return table->view.shm;
}
