/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers with units, as people read and write them. */
#ifndef COPSE_UNITS_H
#define COPSE_UNITS_H

#include <stdbool.h>
#include <stdint.h>

#define UNITS_BYTES 24 /* room for any of them */

/* 19400000 is "19.4 Mb/s", 0 is "0". Three digits. */
char *rate_text(uint64_t bps, char out[UNITS_BYTES]);
/* 50000000 is "50.0 MB". */
char *bytes_text(uint64_t bytes, char out[UNITS_BYTES]);
/* 1234567 is "1,234,567". */
char *count_text(uint64_t count, char out[UNITS_BYTES + 8]);
/* "50M", "200k", "1.5e9": bit/s or bytes, at most 2^53 - 1, whole. */
bool amount_parse(const char *text, uint64_t *out);

#endif
