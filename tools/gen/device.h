/* SPDX-License-Identifier: Apache-2.0 */
/* The other end of a virtio-user device, on librte_vhost: the library negotiates, the rings are served here, directly,
 * so that a descriptor can be given back without its data being touched. */
#ifndef GEN_DEVICE_H
#define GEN_DEVICE_H

#include <copse/error.h>
#include <linux/virtio_ring.h>
#include <rte_vhost.h>
#include <stdbool.h>

#define GEN_VIRTIO_HEADER 12 /* bytes in front of every frame: virtio_net_hdr_mrg_rxbuf */
#define GEN_FRAME_MAX 2048
#define GEN_PAIRS_MAX 8

struct gen_ring {
  struct vring_desc *desc;
  struct vring_avail *avail;
  struct vring_used *used;
  uint16_t size; /* a power of two */
  uint16_t next; /* position in both rings: descriptors are given back in order */
};

struct gen_pair {
  struct gen_ring receive;  /* of the device under test: frames to it */
  struct gen_ring transmit; /* of the device under test: frames from it */
};

struct gen_device {
  const char *path;
  int vid;
  struct rte_vhost_memory *memory;
  uint32_t pairs; /* of queues */
  struct gen_pair pair[GEN_PAIRS_MAX];
};

/* Listens at `path` for a device with so many pairs of queues; one can be connected at a time. As a client, connects to
 * a device that listens there itself, as soon as it does. */
int gen_device_open(struct gen_device *device, const char *path, uint32_t pairs, bool client,
                    struct copse_error *error);

/* Waits until the other end has started its device, then maps its rings and discards what it has sent. -ETIMEDOUT. */
int gen_device_wait(struct gen_device *device, unsigned seconds, struct copse_error *error);

/* False once the other end is gone or has changed its memory: no ring may be touched any more. */
bool gen_device_alive(const struct gen_device *device);

void gen_device_close(struct gen_device *device);

/* Entries the other end has made available. */
static inline uint16_t
gen_ring_waiting(const struct gen_ring *ring) {
  return (uint16_t)(__atomic_load_n(&ring->avail->idx, __ATOMIC_ACQUIRE) - ring->next);
}

/* Gives the next entry back, `bytes` written; seen by the other end after gen_ring_publish. */
static inline void
gen_ring_return(struct gen_ring *ring, uint32_t bytes) {
  const uint16_t at = ring->next++ & (ring->size - 1);

  ring->used->ring[at] = (struct vring_used_elem){.id = ring->avail->ring[at], .len = bytes};
}

static inline void
gen_ring_publish(struct gen_ring *ring) {
  __atomic_store_n(&ring->used->idx, ring->next, __ATOMIC_RELEASE);
}

static inline void *
gen_device_at(const struct gen_device *device, uint64_t address, uint64_t bytes) {
  for (uint32_t i = 0; i < device->memory->nregions; i++) {
    const struct rte_vhost_mem_region *region = &device->memory->regions[i];
    if (address >= region->guest_phys_addr && address + bytes <= region->guest_phys_addr + region->size)
      /* NOLINTNEXTLINE(performance-no-int-to-ptr): the library says addresses as numbers */
      return (void *)(uintptr_t)(address - region->guest_phys_addr + region->host_user_addr);
  }
  return NULL;
}

/* Where the next frame to the device under test goes, at least `bytes`; null when its buffer is smaller. Its virtio
 * header is written. There must be an entry waiting. */
void *gen_device_buffer(const struct gen_device *device, const struct gen_ring *receive, uint32_t bytes);

/* Copies the next frame from the device under test, all its segments, without the virtio header; of a longer frame, the
 * segments that make up `enough` bytes, at most GEN_FRAME_MAX. Returns what was copied, or 0 if its descriptors make no
 * sense. There must be an entry waiting. */
uint32_t gen_device_gather(const struct gen_device *device, const struct gen_ring *transmit, uint32_t enough,
                           uint8_t out[GEN_FRAME_MAX]);

#endif
