/* SPDX-License-Identifier: Apache-2.0 */
/* The addresses copies are sent to, each once, with its adjacency and the destinations that use it. */
#ifndef COPSE_ADDRESSES_H
#define COPSE_ADDRESSES_H

#include "table/model.h"

/* Allocates for twice as many addresses as destinations: as staged and as published. Returns 0 or -ENOMEM. */
int copse_addresses_init(struct copse_table *table);
void copse_addresses_free(struct copse_table *table);

/* An address as a key of maps. */
struct copse_map_key copse_address_key(const uint8_t address[16]);

/* Index of an address, held until it is released; a new one is unresolved. */
uint32_t copse_address_hold(struct copse_table *table, const uint8_t address[16]);
void copse_address_release(struct copse_table *table, uint32_t index);
/* Index of an address that is held, or COPSE_MAP_NONE. */
uint32_t copse_address_find(const struct copse_table *table, const uint8_t address[16]);

/* Makes a destination use an address, and no longer. */
void copse_address_use(struct copse_table *table, uint32_t destination, const uint8_t address[16]);
void copse_address_unuse(struct copse_table *table, uint32_t destination);

#endif
