/* SPDX-License-Identifier: Apache-2.0 */
#include "table/addresses.h"

#include <errno.h>
#include <stdlib.h>

struct copse_map_key
copse_address_key(const uint8_t address[16]) {
  struct copse_map_key key;

  memcpy(&key, address, sizeof(key));
  return key;
}

int
copse_addresses_init(struct copse_table *table) {
  const uint32_t destinations = table->config.limits.links + table->config.limits.members;
  const uint32_t room = 2 * destinations + 1;

  table->addresses = calloc(room, sizeof(*table->addresses));
  table->address_users = malloc((destinations + 1ULL) * sizeof(*table->address_users));
  if (table->addresses == NULL || table->address_users == NULL || copse_map_init(&table->address_index, room) < 0)
    return -ENOMEM;
  for (uint32_t i = 0; i < room; i++)
    table->addresses[i].first = i + 1 < room ? i + 1 : COPSE_MAP_NONE;
  for (uint32_t i = 0; i < destinations; i++)
    table->address_users[i].address = COPSE_MAP_NONE;
  return 0;
}

void
copse_addresses_free(struct copse_table *table) {
  free(table->addresses);
  free(table->address_users);
  copse_map_free(&table->address_index);
}

uint32_t
copse_address_find(const struct copse_table *table, const uint8_t address[16]) {
  return copse_map_find(&table->address_index, copse_address_key(address));
}

uint32_t
copse_address_hold(struct copse_table *table, const uint8_t address[16]) {
  uint32_t index = copse_address_find(table, address);

  if (index == COPSE_MAP_NONE) {
    index = table->address_free;
    struct copse_address *fresh = &table->addresses[index];
    table->address_free = fresh->first;
    *fresh = (struct copse_address){.first = COPSE_MAP_NONE};
    memcpy(fresh->address, address, sizeof(fresh->address));
    copse_map_put(&table->address_index, copse_address_key(address), index);
    table->address_generation++;
  }
  table->addresses[index].references++;
  return index;
}

void
copse_address_release(struct copse_table *table, uint32_t index) {
  struct copse_address *address = &table->addresses[index];

  if (--address->references > 0)
    return;
  copse_map_remove(&table->address_index, copse_address_key(address->address));
  address->first = table->address_free;
  table->address_free = index;
  table->address_generation++;
}

void
copse_address_use(struct copse_table *table, uint32_t destination, const uint8_t bytes[16]) {
  struct copse_user *user = &table->address_users[destination];

  user->address = copse_address_hold(table, bytes);
  struct copse_address *address = &table->addresses[user->address];
  user->previous = COPSE_MAP_NONE;
  user->next = address->first;
  if (user->next != COPSE_MAP_NONE)
    table->address_users[user->next].previous = destination;
  address->first = destination;
}

void
copse_address_unuse(struct copse_table *table, uint32_t destination) {
  struct copse_user *user = &table->address_users[destination];
  const uint32_t index = user->address;

  if (user->next != COPSE_MAP_NONE)
    table->address_users[user->next].previous = user->previous;
  if (user->previous != COPSE_MAP_NONE)
    table->address_users[user->previous].next = user->next;
  else
    table->addresses[index].first = user->next;
  user->address = COPSE_MAP_NONE;
  copse_address_release(table, index);
}

uint64_t
copse_table_address_generation(const struct copse_table *table) {
  return table->address_generation;
}

void
copse_table_each_address(const struct copse_table *table, void (*visit)(void *context, const uint8_t address[16]),
                         void *context) {
  const uint32_t room = 2 * (table->config.limits.links + table->config.limits.members) + 1;

  for (uint32_t i = 0; i < room; i++)
    if (table->addresses[i].references > 0)
      visit(context, table->addresses[i].address);
}
