/* SPDX-License-Identifier: Apache-2.0 */
#include "table/map.h"

#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdlib.h>

static uint32_t
home(const struct copse_map *map, struct copse_map_key key) {
  uint64_t hash = (key.word[0] ^ map->seed) * 0x9e3779b97f4a7c15ULL;

  hash = (hash ^ hash >> 32 ^ key.word[1]) * 0x9e3779b97f4a7c15ULL;
  return (uint32_t)(hash >> 32) & map->mask;
}

static bool
same(struct copse_map_key a, struct copse_map_key b) {
  return a.word[0] == b.word[0] && a.word[1] == b.word[1];
}

static struct copse_map_slot *
find(const struct copse_map *map, struct copse_map_key key) {
  for (uint32_t i = home(map, key);; i = (i + 1) & map->mask)
    if (map->slots[i].value == COPSE_MAP_NONE || same(map->slots[i].key, key))
      return &map->slots[i];
}

int
copse_map_init(struct copse_map *map, uint32_t capacity) {
  uint32_t size = 4;

  while (size < 2 * (uint64_t)capacity)
    size *= 2;
  map->slots = malloc(size * sizeof(*map->slots));
  if (map->slots == NULL)
    return -ENOMEM;
  map->mask = size - 1;
  randombytes_buf(&map->seed, sizeof(map->seed));
  for (uint32_t i = 0; i < size; i++)
    map->slots[i].value = COPSE_MAP_NONE;
  return 0;
}

void
copse_map_free(struct copse_map *map) {
  free(map->slots);
  map->slots = NULL;
}

uint32_t
copse_map_find(const struct copse_map *map, struct copse_map_key key) {
  return find(map, key)->value;
}

void
copse_map_put(struct copse_map *map, struct copse_map_key key, uint32_t value) {
  *find(map, key) = (struct copse_map_slot){key, value};
}

void
copse_map_remove(struct copse_map *map, struct copse_map_key key) {
  uint32_t hole = (uint32_t)(find(map, key) - map->slots);

  /* What follows moves back unless that would put it before its home. */
  for (uint32_t i = (hole + 1) & map->mask; map->slots[i].value != COPSE_MAP_NONE; i = (i + 1) & map->mask) {
    const uint32_t distance = (i - home(map, map->slots[i].key)) & map->mask;
    if (distance >= ((i - hole) & map->mask)) {
      map->slots[hole] = map->slots[i];
      hole = i;
    }
  }
  map->slots[hole].value = COPSE_MAP_NONE;
}
