/* SPDX-License-Identifier: Apache-2.0 */
/* Reed-Solomon over GF(2^8) with a Cauchy matrix, all of whose square parts can be inverted (ISA-L). */
#include "parity.h"
#include <isa-l/erasure_code.h>

#define ROWS (COPSE_SYMBOLS_PER_BLOCK + PARITY_MAX)
#define COLUMNS COPSE_SYMBOLS_PER_BLOCK
#define TABLE_BYTES 32 /* of ISA-L, for a coefficient */

static uint8_t *
at(uint8_t *buffer, uint32_t symbol) {
  return buffer + (size_t)symbol * COPSE_SYMBOL_BYTES;
}

/* How the symbol in a place is made of the block's symbols. */
static void
coefficients(uint32_t place, uint32_t symbols, uint8_t *row) {
  for (uint32_t j = 0; j < symbols; j++)
    row[j] = place < COLUMNS ? place == j : gf_inv((uint8_t)(place ^ j));
}

/* Makes `count` outputs of `symbols` inputs. */
static void
combine(uint32_t symbols, uint32_t count, uint8_t *matrix, uint8_t **inputs, uint8_t **outputs) {
  uint8_t tables[TABLE_BYTES * ROWS * COLUMNS];

  ec_init_tables((int)symbols, (int)count, matrix, tables);
  ec_encode_data(COPSE_SYMBOL_BYTES, (int)symbols, (int)count, tables, inputs, outputs);
}

void
parity_make(uint8_t *buffer, uint32_t symbols, uint32_t count) {
  uint8_t matrix[PARITY_MAX * COLUMNS], *inputs[COLUMNS], *outputs[PARITY_MAX];

  for (uint32_t j = 0; j < symbols; j++)
    inputs[j] = at(buffer, j);
  for (uint32_t r = 0; r < count; r++) {
    coefficients(COLUMNS + r, symbols, matrix + (size_t)r * symbols);
    outputs[r] = at(buffer, COLUMNS + r);
  }
  combine(symbols, count, matrix, inputs, outputs);
}

void
parity_recover(uint8_t *buffer, uint32_t symbols, uint32_t present) {
  uint8_t matrix[COLUMNS * COLUMNS], inverse[COLUMNS * COLUMNS], *inputs[COLUMNS], *outputs[COLUMNS];
  uint32_t used = 0, missing = 0;

  for (uint32_t place = 0; place < ROWS && used < symbols; place++)
    if (present >> place & 1) {
      coefficients(place, symbols, matrix + (size_t)used * symbols);
      inputs[used++] = at(buffer, place);
    }
  if (used < symbols || gf_invert_matrix(matrix, inverse, (int)symbols) != 0)
    return;
  for (uint32_t j = 0; j < symbols; j++)
    if (!(present >> j & 1)) {
      memcpy(matrix + (size_t)missing * symbols, inverse + (size_t)j * symbols, symbols);
      outputs[missing++] = at(buffer, j);
    }
  combine(symbols, missing, matrix, inputs, outputs);
}
