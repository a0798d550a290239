/* SPDX-License-Identifier: Apache-2.0 */
#include "counters.h"
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct copse_counters {
  const struct copse_shm *shm;
  size_t bytes;
  struct copse_shm layout; /* checked copy: what lies in the mapping cannot lead us out of it later */
};

/* `count` elements at an offset, once per worker. */
static bool
array_fits(const struct copse_shm *layout, uint64_t offset, uint64_t stride, uint64_t element, uint64_t count,
           uint64_t workers) {
  uint64_t end;

  if (offset % 8 != 0 || stride % 8 != 0 || workers == 0 || element * count > layout->bytes)
    return false;
  if (workers > 1 && (stride < element * count || stride > layout->bytes))
    return false;
  end = (workers - 1) * stride + element * count;
  return offset <= layout->bytes && end <= layout->bytes - offset;
}

static bool
layout_fits(const struct copse_shm *s) {
  const struct copse_api_limits *limits = &s->limits;

  if (limits->workers > 4096)
    return false;
  return array_fits(s, s->worker_offset, s->worker_stride, sizeof(struct copse_worker_counters), 1, limits->workers) &&
         array_fits(s, s->tree_offset, s->tree_stride, sizeof(struct copse_tree_counters), limits->trees,
                    limits->workers) &&
         array_fits(s, s->link_offset, s->link_stride, sizeof(struct copse_link_counters), limits->links,
                    limits->workers) &&
         array_fits(s, s->member_offset, s->member_stride, sizeof(struct copse_member_counters), limits->members,
                    limits->workers) &&
         array_fits(s, s->tree_state_offset, 0, sizeof(struct copse_tree_state), limits->trees, 1) &&
         array_fits(s, s->member_state_offset, 0, sizeof(struct copse_member_state), limits->members, 1) &&
         array_fits(s, s->target_state_offset, 0, sizeof(struct copse_target_state), limits->links, 1) &&
         array_fits(s, s->stamp_offset, 0, sizeof(struct copse_stamp_counters), 1, 1);
}

int
copse_counters_map(int fd, uint64_t bytes, struct copse_counters **out, struct copse_error *error) {
  struct copse_counters *counters = calloc(1, sizeof(*counters));
  struct stat status;
  void *shm = MAP_FAILED;

  if (counters != NULL && bytes >= sizeof(*counters->shm) && fstat(fd, &status) == 0 &&
      (uint64_t)status.st_size >= bytes)
    shm = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
  close(fd);
  if (shm == MAP_FAILED) {
    free(counters);
    return copse_fail(error, -EPROTO, "the dataplane's counters cannot be mapped");
  }
  counters->shm = shm;
  counters->bytes = bytes;
  memcpy(&counters->layout, shm, sizeof(counters->layout));
  if (counters->layout.magic != COPSE_SHM_MAGIC || counters->layout.bytes > bytes || !layout_fits(&counters->layout)) {
    copse_counters_unmap(counters);
    return copse_fail(error, -EPROTO, "the dataplane's counters have another layout");
  }
  *out = counters;
  return 0;
}

void
copse_counters_unmap(struct copse_counters *counters) {
  if (counters == NULL)
    return;
  munmap((void *)counters->shm, counters->bytes);
  free(counters);
}

const struct copse_api_limits *
copse_counters_limits(const struct copse_counters *counters) {
  return &counters->layout.limits;
}

uint64_t
copse_counters_tsc_hz(const struct copse_counters *counters) {
  return counters->layout.tsc_hz;
}

/* Adds `bytes` of counters at an offset to `out`. */
static void
add(const struct copse_counters *counters, uint64_t offset, void *out, size_t bytes) {
  const uint64_t *from = (const void *)((const uint8_t *)counters->shm + offset);
  uint64_t *sum = out;

  for (size_t i = 0; i < bytes / sizeof(*sum); i++)
    sum[i] += __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

/* Sums element `index` of an array over the workers; zeros when it has fewer elements. */
static void
sum(const struct copse_counters *counters, uint64_t offset, uint64_t stride, uint32_t limit, uint32_t index, void *out,
    size_t bytes) {
  memset(out, 0, bytes);
  for (uint32_t worker = 0; worker < counters->layout.limits.workers && index < limit; worker++)
    add(counters, offset + worker * stride + index * bytes, out, bytes);
}

void
copse_counters_workers(const struct copse_counters *counters, struct copse_worker_counters *out) {
  uint64_t lowest = UINT64_MAX;

  sum(counters, counters->layout.worker_offset, counters->layout.worker_stride, 1, 0, out, sizeof(*out));
  for (uint32_t worker = 0; worker < counters->layout.limits.workers; worker++) {
    struct copse_worker_counters one;

    copse_counters_worker(counters, worker, &one);
    if (one.applied_generation < lowest)
      lowest = one.applied_generation;
  }
  out->applied_generation = lowest;
}

void
copse_counters_worker(const struct copse_counters *counters, uint32_t worker, struct copse_worker_counters *out) {
  memset(out, 0, sizeof(*out));
  if (worker < counters->layout.limits.workers)
    add(counters, counters->layout.worker_offset + worker * counters->layout.worker_stride, out, sizeof(*out));
}

void
copse_counters_tree(const struct copse_counters *counters, uint32_t slot, struct copse_tree_counters *out) {
  sum(counters, counters->layout.tree_offset, counters->layout.tree_stride, counters->layout.limits.trees, slot, out,
      sizeof(*out));
}

void
copse_counters_link(const struct copse_counters *counters, uint32_t slot, struct copse_link_counters *out) {
  sum(counters, counters->layout.link_offset, counters->layout.link_stride, counters->layout.limits.links, slot, out,
      sizeof(*out));
}

void
copse_counters_member(const struct copse_counters *counters, uint32_t slot, struct copse_member_counters *out) {
  sum(counters, counters->layout.member_offset, counters->layout.member_stride, counters->layout.limits.members, slot,
      out, sizeof(*out));
}

void
copse_counters_tree_state(const struct copse_counters *counters, uint32_t slot, struct copse_tree_state *out) {
  memset(out, 0, sizeof(*out));
  if (slot < counters->layout.limits.trees)
    add(counters, counters->layout.tree_state_offset + slot * sizeof(*out), out, sizeof(*out));
}

void
copse_counters_member_state(const struct copse_counters *counters, uint32_t slot, struct copse_member_state *out) {
  memset(out, 0, sizeof(*out));
  if (slot < counters->layout.limits.members)
    add(counters, counters->layout.member_state_offset + slot * sizeof(*out), out, sizeof(*out));
}

void
copse_counters_target(const struct copse_counters *counters, uint32_t slot, struct copse_target_state *out) {
  memset(out, 0, sizeof(*out));
  if (slot < counters->layout.limits.links)
    add(counters, counters->layout.target_state_offset + slot * sizeof(*out), out, sizeof(*out));
}

void
copse_counters_stamp(const struct copse_counters *counters, struct copse_stamp_counters *out) {
  memset(out, 0, sizeof(*out));
  add(counters, counters->layout.stamp_offset, out, sizeof(*out));
}
