/* SPDX-License-Identifier: Apache-2.0 */
/* The shared memory of the counters: a memfd of fixed size that only this process can write. */
#ifndef COPSE_COUNTERS_H
#define COPSE_COUNTERS_H

#include "table/model.h"

/* Creates, lays out and maps it. Returns 0 or a negative errno. */
int copse_counters_init(struct copse_table *table);
void copse_counters_free(struct copse_table *table);

#endif
