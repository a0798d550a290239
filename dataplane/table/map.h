/* SPDX-License-Identifier: Apache-2.0 */
/* A hash map of fixed room from 16-byte keys to 32-bit values: linear probing, deletion by shifting back. */
#ifndef COPSE_MAP_H
#define COPSE_MAP_H

#include <stdint.h>

#define COPSE_MAP_NONE UINT32_MAX

struct copse_map_key {
  uint64_t word[2];
};

struct copse_map_slot {
  struct copse_map_key key;
  uint32_t value; /* COPSE_MAP_NONE: empty */
};

struct copse_map {
  struct copse_map_slot *slots;
  uint32_t mask;
  uint64_t seed;
};

/* Room for `capacity` keys. Returns 0 or -ENOMEM. */
int copse_map_init(struct copse_map *map, uint32_t capacity);
void copse_map_free(struct copse_map *map);
/* The value of a key, or COPSE_MAP_NONE. */
uint32_t copse_map_find(const struct copse_map *map, struct copse_map_key key);
/* Adds a key that is not there, within the capacity. */
void copse_map_put(struct copse_map *map, struct copse_map_key key, uint32_t value);
/* Removes a key that is there. */
void copse_map_remove(struct copse_map *map, struct copse_map_key key);

#endif
