/* SPDX-License-Identifier: Apache-2.0 */
#include "device.h"

#include <errno.h>
#include <linux/vhost_types.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <rte_common.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEGMENTS_MAX 64
#define SETTLE_US 100000 /* nothing has changed for so long */

/* Rings are served in the simplest form there is, the same for every peer: what is not here is offloads, events and
 * the packed layout. */
#define FEATURES                                                                                                       \
  (1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_NET_F_MRG_RXBUF | 1ULL << VIRTIO_RING_F_INDIRECT_DESC |                 \
   1ULL << VIRTIO_F_ANY_LAYOUT | 1ULL << VHOST_USER_F_PROTOCOL_FEATURES | 1ULL << VIRTIO_NET_F_STATUS)
#ifndef VHOST_USER_F_PROTOCOL_FEATURES
#define VHOST_USER_F_PROTOCOL_FEATURES 30
#endif

/* The library's callbacks carry no context. `epoch` counts changes: what was mapped in another epoch is not valid. */
static int current = -1;
static unsigned epoch, mapped;

static int
on_new(int vid) {
  __atomic_store_n(&current, vid, __ATOMIC_RELEASE);
  __atomic_add_fetch(&epoch, 1, __ATOMIC_ACQ_REL);
  return 0;
}

static void
on_gone(int vid) {
  (void)vid;
  __atomic_add_fetch(&epoch, 1, __ATOMIC_ACQ_REL);
  __atomic_store_n(&current, -1, __ATOMIC_RELEASE);
  usleep(1000); /* who serves the rings looks once a burst */
}

static const struct rte_vhost_device_ops operations = {.new_device = on_new, .destroy_device = on_gone};

int
gen_device_open(struct gen_device *device, const char *path, uint32_t pairs, bool client, struct copse_error *error) {
  const uint64_t features = FEATURES | (pairs > 1 ? 1ULL << VIRTIO_NET_F_MQ : 0);

  *device = (struct gen_device){.path = path, .vid = -1, .pairs = pairs};
  if (!client)
    unlink(path);
  if (rte_vhost_driver_register(path, client ? RTE_VHOST_USER_CLIENT : 0) != 0)
    return copse_fail(error, -EIO, "cannot register the vhost socket %s", path);
  if (rte_vhost_driver_set_features(path, features) != 0 ||
      rte_vhost_driver_callback_register(path, &operations) != 0 || rte_vhost_driver_start(path) != 0) {
    rte_vhost_driver_unregister(path);
    return copse_fail(error, -EIO, "cannot serve the vhost socket %s", path);
  }
  return 0;
}

static int
map_ring(struct gen_device *device, uint16_t index, struct gen_ring *ring) {
  struct rte_vhost_vring vring;

  if (rte_vhost_get_vhost_vring(device->vid, index, &vring) != 0 || vring.desc == NULL || vring.size == 0)
    return -EIO;
  *ring = (struct gen_ring){
    .desc = vring.desc, .avail = vring.avail, .used = vring.used, .size = vring.size, .next = vring.used->idx};
  ring->used->flags = VRING_USED_F_NO_NOTIFY;
  return 0;
}

static int
map_device(struct gen_device *device) {
  free(device->memory);
  device->memory = NULL;
  if (rte_vhost_get_mem_table(device->vid, &device->memory) != 0)
    return -EIO;
  for (uint16_t i = 0; i < (uint16_t)device->pairs; i++)
    if (map_ring(device, 2 * i, &device->pair[i].receive) != 0 ||
        map_ring(device, 2 * i + 1, &device->pair[i].transmit) != 0 || gen_ring_waiting(&device->pair[i].receive) == 0)
      return -EAGAIN;
  return 0;
}

/* What waits was meant for the one who served this device before. */
static void
discard(struct gen_ring *transmit) {
  while (gen_ring_waiting(transmit) > 0)
    gen_ring_return(transmit, 0);
  gen_ring_publish(transmit);
}

/* A device that says it is ready may still share memory, which moves its rings; it is ready when it offers buffers. */
int
gen_device_wait(struct gen_device *device, unsigned seconds, struct copse_error *error) {
  for (unsigned tries = 0; tries < seconds * (1000000 / SETTLE_US); tries++) {
    mapped = __atomic_load_n(&epoch, __ATOMIC_ACQUIRE);
    usleep(SETTLE_US);
    device->vid = __atomic_load_n(&current, __ATOMIC_ACQUIRE);
    if (gen_device_alive(device) && map_device(device) == 0) {
      for (uint32_t i = 0; i < device->pairs; i++)
        discard(&device->pair[i].transmit);
      return 0;
    }
  }
  return copse_fail(error, -ETIMEDOUT, "nobody started a device at %s within %u s", device->path, seconds);
}

bool
gen_device_alive(const struct gen_device *device) {
  return device->vid >= 0 && __atomic_load_n(&epoch, __ATOMIC_ACQUIRE) == mapped;
}

void
gen_device_close(struct gen_device *device) {
  rte_vhost_driver_unregister(device->path);
  free(device->memory);
  device->memory = NULL;
  device->vid = -1;
}

void *
gen_device_buffer(const struct gen_device *device, const struct gen_ring *ring, uint32_t bytes) {
  const struct vring_desc *desc = &ring->desc[ring->avail->ring[ring->next & (ring->size - 1)] & (ring->size - 1)];
  struct virtio_net_hdr_mrg_rxbuf *header = gen_device_at(device, desc->addr, desc->len);

  if (unlikely(header == NULL || desc->len < GEN_VIRTIO_HEADER + bytes))
    return NULL;
  *header = (struct virtio_net_hdr_mrg_rxbuf){.num_buffers = 1};
  return (uint8_t *)header + GEN_VIRTIO_HEADER;
}

/* Of one descriptor, less what of the virtio header is still to be skipped. */
static bool
append(const struct gen_device *device, const struct vring_desc *desc, uint32_t *skip, uint8_t *out, uint32_t *bytes) {
  const uint8_t *at = gen_device_at(device, desc->addr, desc->len);
  const uint32_t skipped = RTE_MIN(*skip, desc->len), here = desc->len - skipped;

  if (at == NULL || *bytes + here > GEN_FRAME_MAX)
    return false;
  memcpy(out + *bytes, at + skipped, here);
  *skip -= skipped;
  *bytes += here;
  return true;
}

uint32_t
gen_device_gather(const struct gen_device *device, const struct gen_ring *ring, uint32_t enough,
                  uint8_t out[GEN_FRAME_MAX]) {
  const struct vring_desc *table = ring->desc;
  uint32_t index = ring->avail->ring[ring->next & (ring->size - 1)], entries = ring->size;
  uint32_t skip = GEN_VIRTIO_HEADER, bytes = 0;

  if (index < entries && table[index].flags & VRING_DESC_F_INDIRECT) {
    entries = table[index].len / sizeof(*table);
    table = gen_device_at(device, table[index].addr, table[index].len);
    index = 0;
  }
  for (unsigned segments = 0; table != NULL && index < entries && segments < SEGMENTS_MAX; segments++) {
    const struct vring_desc *desc = &table[index];
    if (!append(device, desc, &skip, out, &bytes))
      return 0;
    if (!(desc->flags & VRING_DESC_F_NEXT) || bytes >= enough)
      return bytes;
    index = desc->next;
  }
  return 0;
}
