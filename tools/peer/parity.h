/* SPDX-License-Identifier: Apache-2.0 */
/* Parity symbols of a block (docs/protocol.md): as many symbols as the block has, whichever they are, give the block.
 * Symbol s of a block is at s * COPSE_SYMBOL_BYTES of a buffer of PARITY_BUFFER_BYTES, zeros behind a short one; parity
 * symbol r is in the place of symbol COPSE_SYMBOLS_PER_BLOCK + r. */
#ifndef PEER_PARITY_H
#define PEER_PARITY_H

#include <copse/wire.h>
#include <stddef.h>
#include <stdint.h>

#define PARITY_MAX 8
#define PARITY_BUFFER_BYTES ((COPSE_SYMBOLS_PER_BLOCK + PARITY_MAX) * (size_t)COPSE_SYMBOL_BYTES)

/* Fills in the first `count` (1 to PARITY_MAX) parity symbols of a block of so many symbols, all of which are there. */
void parity_make(uint8_t *buffer, uint32_t symbols, uint32_t count);
/* Fills in the symbols that are missing. `present`: bit s, symbol s is there; at least `symbols` bits are set, parity
 * symbols included. */
void parity_recover(uint8_t *buffer, uint32_t symbols, uint32_t present);

#endif
